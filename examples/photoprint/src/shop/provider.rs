//! What PhotoPrint says to the accounts site behind the browser's back.

use std::sync::{Arc, Mutex, PoisonError};

use grantry::client::{
    CallbackError, Client, ClientAuthentication, IdTokenError, Pending, Provider, RefreshError, RequestError,
    TokenError, Tokens,
};
use grantry::core::{
    ClientId, ErrorCode, HttpRequest, HttpResponse, Issuer, Moment, MomentError, SecretString, UnixTime,
};
use grantry::jwt::{JwkSet, VerifyError};
use serde::Deserialize;

use crate::StartError;
use crate::web::{BackChannel, Unreachable};

/// PhotoPrint's registration at the accounts site, and the way there.
pub(crate) struct Accounts {
    pub(crate) client: Client,
    back_channel: BackChannel,
    keys: Mutex<Arc<JwkSet>>,
}

/// The members of the metadata that PhotoPrint needs (RFC 8414 section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
    jwks_uri: String,
    code_challenge_methods_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
}

impl Accounts {
    /// Reads the issuer's metadata and keys.
    pub(crate) async fn discover(
        issuer: Issuer,
        client_id: ClientId,
        client_secret: SecretString,
        redirect_uri: String,
        back_channel: BackChannel,
    ) -> Result<Self, StartError> {
        let url = format!("{}/.well-known/oauth-authorization-server", issuer.as_str());
        let answer = back_channel.send(HttpRequest::new("GET", url)).await?;
        let provider = provider(issuer, &serde_json::from_slice(&answer.body)?)?;
        let authentication = ClientAuthentication::Basic(client_secret);
        let client = Client::new(provider, client_id, authentication, redirect_uri)?;
        let keys = Mutex::new(Arc::new(fetch_keys(&back_channel, &client).await?));
        Ok(Self { client, back_channel, keys })
    }

    /// Checks what the browser brought back and exchanges the code for tokens.
    pub(crate) async fn redeem(&self, pending: Pending, query: &str) -> Result<Tokens, Failure> {
        let exchange = self.client.callback(pending, query, Moment::now()?.time())?;
        let answer = self.back_channel.send(exchange.request(Moment::now()?)?).await?;
        self.read(|keys, now| exchange.response(&answer, keys, now)).await
    }

    /// Trades the tokens for new ones.
    pub(crate) async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, Failure> {
        let refresh = self.client.refresh(tokens)?;
        let answer = self.back_channel.send(refresh.request(Moment::now()?)?).await?;
        self.read(|keys, now| refresh.response(&answer, keys, now)).await
    }

    /// Gives the tokens back. Any token of a grant ends all of it.
    pub(crate) async fn revoke(&self, tokens: &Tokens) -> Result<(), Failure> {
        let revocation = self.client.revoke_grant(tokens).map_err(|_| Failure::NotRevoked)?;
        let answer: HttpResponse = self.back_channel.send(revocation.request(Moment::now()?)?).await?;
        revocation.response(&answer).map_err(|_| Failure::NotRevoked)
    }

    /// Reads an answer, with newer keys if it was signed by one that is not known yet.
    async fn read(
        &self,
        read: impl Fn(&JwkSet, UnixTime) -> Result<Tokens, TokenError>,
    ) -> Result<Tokens, Failure> {
        let now = Moment::now()?.time();
        let known = Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        match read(&known, now) {
            Err(TokenError::IdToken(IdTokenError::Token(VerifyError::UnknownKey))) => {}
            result => return Ok(result?),
        }
        let fetched = Arc::new(fetch_keys(&self.back_channel, &self.client).await?);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fetched);
        Ok(read(&fetched, now)?)
    }
}

fn provider(issuer: Issuer, metadata: &Metadata) -> Result<Provider, StartError> {
    // RFC 8414 section 3.3: metadata speaks for the issuer that was asked, and for no other.
    if metadata.issuer != issuer.as_str() {
        return Err(Failure::OtherIssuer.into());
    }
    let methods = metadata.code_challenge_methods_supported.iter().map(String::as_str);
    let provider = Provider::new(issuer, &metadata.authorization_endpoint, &metadata.token_endpoint)?
        .with_revocation_endpoint(&metadata.revocation_endpoint)?
        .with_jwks_uri(&metadata.jwks_uri)?
        .with_code_challenge_methods_supported(methods);
    Ok(match metadata.authorization_response_iss_parameter_supported {
        true => provider.with_authorization_response_iss_parameter_supported(),
        false => provider,
    })
}

async fn fetch_keys(back_channel: &BackChannel, client: &Client) -> Result<JwkSet, Failure> {
    let url = client.provider().jwks_uri().ok_or(Failure::NoKeys)?;
    let answer = back_channel.send(HttpRequest::new("GET", url)).await?;
    JwkSet::parse(&answer.body).map_err(|_| Failure::NoKeys)
}

/// Why PhotoPrint has no tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Callback(#[from] CallbackError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    Moment(#[from] MomentError),
    #[error("the task ended early")]
    Interrupted,
    #[error("nobody is connected")]
    NotConnected,
    #[error("the tokens could not be revoked")]
    NotRevoked,
    #[error("the metadata is of another issuer (RFC 8414 section 3.3)")]
    OtherIssuer,
    #[error("the accounts site has no keys")]
    NoKeys,
}

impl Failure {
    /// Tells whether the person said no.
    pub(crate) fn is_persons_no(&self) -> bool {
        matches!(self, Self::Callback(CallbackError::Refused(refusal))
            if refusal.code() == Some(ErrorCode::AccessDenied))
    }

    /// Tells whether the accounts site has ended the grant, in contrast to an accident on the way.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Token(TokenError::Refused { refusal, .. })
            if refusal.code() == Some(ErrorCode::InvalidGrant))
    }
}
