//! The three sites in one process, each behind a socket of its own.

use core::error::Error;
use core::fmt;
use std::sync::Arc;

use axum::Router;
use grantry::core::{ClientId, HttpRequest, Issuer, Moment, Scope, SecretBytes, SecretString};
use grantry::jwt::{Algorithm, JwkSet, SigningKey};
use grantry::resource::{Credentials, Guard, Introspection};
use grantry::server::{
    ApplicationType, Client, ClientAuthentication, HandleKey, IntrospectionRight, MemoryStore, Policy,
    RedirectUri, RefreshTokens, SecretDigest, Server, Subject,
};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};

use crate::accounts::Accounts;
use crate::accounts::passwords::{Passwords, Person};
use crate::narrator::{Narrator, Party};
use crate::photos_api::PhotosApi;
use crate::sessions::Sessions;
use crate::shop::{Shop, provider};
use crate::web::BackChannel;

/// The client identifiers of PhotoPrint and of the photos API at the accounts site.
const SHOP_ID: &str = "photoprint";
const API_ID: &str = "photos-api";

const USERNAME: &str = "ada";
const SCOPE: &str = "openid photos.read offline_access";

/// The accounts site, PhotoPrint and the photos API, open on free loopback ports until dropped.
pub struct Sites {
    pub(crate) accounts_url: String,
    pub(crate) shop_url: String,
    pub(crate) photos_url: String,
    pub(crate) password: SecretString,
    pub(crate) shop: Arc<Shop>,
    _serving: JoinSet<std::io::Result<()>>,
}

impl Sites {
    /// Opens the three sites. `shop_name` is the name that PhotoPrint is registered under, which
    /// people read on the consent page.
    ///
    /// # Errors
    ///
    /// [`StartError`] when a port, a key or the random source cannot be had.
    pub async fn open(narrator: Narrator, shop_name: &str) -> Result<Self, StartError> {
        let moment = Moment::now()?;
        let (accounts_door, accounts_url) = door().await?;
        let (shop_door, shop_url) = door().await?;
        let (photos_door, photos_url) = door().await?;
        let issuer = Issuer::danger_loopback_http(&accounts_url)?;
        let redirect_uri = format!("{shop_url}/callback");
        let secrets = Secrets::new(&moment);
        let mut serving = JoinSet::new();
        let mut open = |door: TcpListener, site: Router| {
            serving.spawn(async { axum::serve(door, site).await });
        };

        let accounts = Accounts {
            server: server(issuer.clone(), &photos_url, &moment).await?,
            store: MemoryStore::new(registrations(shop_name, &redirect_uri, &secrets)?),
            passwords: passwords(&secrets.user, &moment).await?,
            sessions: Sessions::new("accounts_session"),
            narrator: narrator.clone(),
        };
        open(accounts_door, Arc::new(accounts).router());

        let back_channel = BackChannel::of(Party::PhotosApi)?;
        let keys = back_channel.send(HttpRequest::new("GET", format!("{accounts_url}/jwks"))).await?;
        let api = PhotosApi {
            guard: Guard::new(issuer.clone(), photos_url.as_str(), JwkSet::parse(&keys.body)?),
            introspection: Introspection::danger_loopback_http(
                issuer.clone(),
                format!("{accounts_url}/introspect"),
                Credentials::client_secret_basic(ClientId::parse(API_ID)?, secrets.api),
            )?,
            required: Scope::parse("photos.read")?.into(),
            back_channel,
            narrator: narrator.clone(),
        };
        open(photos_door, Arc::new(api).router());

        let shop_id = ClientId::parse(SHOP_ID)?;
        let back_channel = BackChannel::of(Party::PhotoPrint)?;
        let shop = Arc::new(Shop {
            accounts: provider::Accounts::discover(
                issuer,
                shop_id,
                secrets.shop,
                redirect_uri,
                back_channel.clone(),
            )
            .await?,
            back_channel,
            photos_url: photos_url.clone(),
            scope: Scope::parse(SCOPE)?,
            sessions: Sessions::new("photoprint_session"),
            narrator,
        });
        open(shop_door, Arc::clone(&shop).router());
        Ok(Self { accounts_url, shop_url, photos_url, password: secrets.user, shop, _serving: serving })
    }

    /// Returns the address of PhotoPrint, where a person begins.
    #[must_use]
    pub fn shop_url(&self) -> &str {
        &self.shop_url
    }

    /// Returns the address of the accounts site, the issuer.
    #[must_use]
    pub fn accounts_url(&self) -> &str {
        &self.accounts_url
    }

    /// Returns the demonstration user's name.
    #[must_use]
    pub const fn username(&self) -> &'static str {
        USERNAME
    }

    /// Returns the demonstration user's password, made anew at every start.
    #[must_use]
    pub const fn password(&self) -> &SecretString {
        &self.password
    }
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sites").field("shop_url", &self.shop_url).finish_non_exhaustive()
    }
}

/// Why the sites could not be opened: a port, a key, a random source. There is nothing to handle but
/// the text.
#[derive(Debug)]
pub struct StartError(Box<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for StartError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What each party proves itself with, made anew at every start.
struct Secrets {
    user: SecretString,
    shop: SecretString,
    api: SecretString,
}

impl Secrets {
    fn new(moment: &Moment) -> Self {
        let secret = |label: &str| SecretString::from(moment.random_text(label));
        Self {
            user: typeable(&moment.random("password")),
            shop: secret("shop secret"),
            api: secret("API secret"),
        }
    }
}

/// A password of 75 bits that a person can type, without letters that look alike.
fn typeable(random: &[u8; 15]) -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map_or('a', char::from);
    let groups: Vec<String> = random.chunks(5).map(|group| group.iter().map(letter).collect()).collect();
    SecretString::from(groups.join("-"))
}

async fn door() -> Result<(TcpListener, String), StartError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

async fn server(issuer: Issuer, photos_url: &str, moment: &Moment) -> Result<Server, StartError> {
    let private_key = spawn_blocking(|| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048)).await??;
    let signing_key = SigningKey::from_der(Algorithm::Rs256, private_key.to_pkcs8_der()?.as_bytes())?;
    let handle_key = HandleKey::new(1, SecretBytes::from(moment.random::<32>("handle key").to_vec()))?;
    let policy = Policy::default()
        .with_resources([photos_url])
        .with_scopes(Scope::parse(SCOPE)?)
        .with_refresh_tokens(RefreshTokens::WithOfflineAccess);
    Ok(Server::new(issuer, signing_key.with_thumbprint_key_id(), handle_key)?.with_policy(policy))
}

fn registrations(shop_name: &str, redirect_uri: &str, secrets: &Secrets) -> Result<[Client; 2], StartError> {
    let basic = |secret: &SecretString| ClientAuthentication::SecretBasic(SecretDigest::of(secret.expose()));
    let shop = Client::new(ClientId::parse(SHOP_ID)?, basic(&secrets.shop))
        .with_name(shop_name)
        .with_redirect_uri(RedirectUri::register(redirect_uri, ApplicationType::Web)?)
        .with_scope(Scope::parse(SCOPE)?);
    let api = Client::new(ClientId::parse(API_ID)?, basic(&secrets.api))
        .with_grant_types([])
        .with_introspection(IntrospectionRight::AccessTokens);
    Ok([shop, api])
}

async fn passwords(password: &SecretString, moment: &Moment) -> Result<Passwords, StartError> {
    let person = Person { subject: Subject::parse("u-1815")?, name: "Ada Lovelace".into() };
    Ok(Passwords::new(USERNAME, password, person, moment).await?)
}
