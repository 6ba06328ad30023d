//! How a registration is written down: JSON with the number of a form. Secrets are in it as digests only.

use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{ClientId, Scope, base64url, json};
use grantry_jwt::{Algorithm, JwkSet};
use serde::{Deserialize, Serialize};

use super::{Client, GrantType, IntrospectionRight, PushedRequests};
use crate::assertion_keys::AssertionKeys;
use crate::client_authentication::{ClientAuthentication, SecretDigest};
use crate::redirect_uri::{ApplicationType, RedirectUri};

/// The form that this release writes.
const FORM: u8 = 1;

impl Client {
    /// The longest registration that is read, in bytes of its JSON text: room for a key set and every URI that a
    /// person would register.
    pub const MAX_RECORD_BYTES: usize = 256 * 1024;

    /// Writes the registration as JSON, for a store that keeps it as text.
    ///
    /// # Errors
    ///
    /// [`ClientRecordError::SharedSecret`] for a client of `client_secret_jwt`, which has no digest to write.
    pub fn to_json(&self) -> Result<String, ClientRecordError> {
        let form = ClientForm::of(self)?;
        serde_json::to_string(&form).map_err(|_| ClientRecordError::Corrupt)
    }

    /// Reads a registration.
    ///
    /// # Errors
    ///
    /// [`ClientRecordError::Newer`] for a form that this release does not know,
    /// [`ClientRecordError::Corrupt`] for anything else that is not a registration.
    pub fn from_json(text: &str) -> Result<Self, ClientRecordError> {
        #[derive(Deserialize)]
        struct Numbered {
            form: u8,
        }
        let read = |_| ClientRecordError::Corrupt;
        let Numbered { form } =
            json::object_from_slice(text.as_bytes(), Self::MAX_RECORD_BYTES).map_err(read)?;
        if form > FORM {
            return Err(ClientRecordError::Newer(form));
        }
        let form: ClientForm =
            json::object_from_slice(text.as_bytes(), Self::MAX_RECORD_BYTES).map_err(read)?;
        form.read()
    }
}

/// Why a registration cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientRecordError {
    /// The text is damaged or was never a registration.
    #[error("the text is not a client's registration")]
    Corrupt,
    /// The registration has a form that a later release wrote.
    #[error("the registration has form {0}, which this release does not know")]
    Newer(u8),
    /// The registration holds a secret that no digest stands for.
    #[error("a registration for client_secret_jwt is not written down")]
    SharedSecret,
}

/// The members of a registration. A new one is named here before the crate compiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientForm {
    form: u8,
    id: ClientId,
    name: String,
    pub(crate) authentication: AuthenticationForm,
    native: bool,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    id_token_audiences: Vec<String>,
    claims: BTreeSet<String>,
    grant_types: Vec<String>,
    scope: Scope,
    default_scope: Scope,
    introspection: IntrospectionForm,
    access_token_lifetime: Option<u64>,
    refresh_token_lifetime: Option<u64>,
    pushed_requests_required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum AuthenticationForm {
    None,
    ClientSecretBasic(DigestForm),
    ClientSecretPost(DigestForm),
    PrivateKeyJwt { keys: String, algorithms: Vec<Algorithm> },
}

/// A digest as base64url text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DigestForm(#[serde(with = "digest")] pub(crate) SecretDigest);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IntrospectionForm {
    Own,
    AccessTokensFor(BTreeSet<String>),
    AccessTokens,
}

impl ClientForm {
    pub(crate) fn of(client: &Client) -> Result<Self, ClientRecordError> {
        let Client {
            id,
            name,
            authentication,
            application_type,
            redirect_uris,
            post_logout_redirect_uris,
            id_token_audiences,
            claims,
            grant_types,
            scope,
            default_scope,
            introspection,
            access_token_lifetime,
            refresh_token_lifetime,
            pushed_requests,
        } = client;
        let uris =
            |uris: &[RedirectUri]| uris.iter().map(|uri| String::from(uri.as_str())).collect::<Vec<_>>();
        Ok(Self {
            form: FORM,
            id: id.clone(),
            name: name.clone(),
            authentication: AuthenticationForm::of(authentication)?,
            native: *application_type == ApplicationType::Native,
            redirect_uris: uris(redirect_uris),
            post_logout_redirect_uris: uris(post_logout_redirect_uris),
            id_token_audiences: id_token_audiences.clone(),
            claims: claims.clone(),
            grant_types: grant_types.iter().map(|grant_type| grant_type.as_str().into()).collect(),
            scope: scope.clone(),
            default_scope: default_scope.clone(),
            introspection: match introspection {
                IntrospectionRight::Own => IntrospectionForm::Own,
                IntrospectionRight::AccessTokensFor(resources) => {
                    IntrospectionForm::AccessTokensFor(resources.clone())
                }
                IntrospectionRight::AccessTokens => IntrospectionForm::AccessTokens,
            },
            access_token_lifetime: access_token_lifetime.map(|lifetime| lifetime.as_secs()),
            refresh_token_lifetime: refresh_token_lifetime.map(|lifetime| lifetime.as_secs()),
            pushed_requests_required: *pushed_requests == PushedRequests::Required,
        })
    }

    pub(crate) fn read(&self) -> Result<Client, ClientRecordError> {
        if self.form != FORM {
            return Err(ClientRecordError::Corrupt);
        }
        let grant_type = |text: &String| GrantType::parse(text).ok_or(ClientRecordError::Corrupt);
        Ok(Client {
            id: self.id.clone(),
            name: self.name.clone(),
            authentication: self.authentication.read()?,
            application_type: if self.native { ApplicationType::Native } else { ApplicationType::Web },
            redirect_uris: uris(&self.redirect_uris)?,
            post_logout_redirect_uris: uris(&self.post_logout_redirect_uris)?,
            id_token_audiences: self.id_token_audiences.clone(),
            claims: self.claims.clone(),
            grant_types: self.grant_types.iter().map(grant_type).collect::<Result<_, _>>()?,
            scope: self.scope.clone(),
            default_scope: self.default_scope.clone(),
            introspection: match &self.introspection {
                IntrospectionForm::Own => IntrospectionRight::Own,
                IntrospectionForm::AccessTokensFor(resources) => {
                    IntrospectionRight::AccessTokensFor(resources.clone())
                }
                IntrospectionForm::AccessTokens => IntrospectionRight::AccessTokens,
            },
            access_token_lifetime: self.access_token_lifetime.map(Duration::from_secs),
            refresh_token_lifetime: self.refresh_token_lifetime.map(Duration::from_secs),
            pushed_requests: if self.pushed_requests_required {
                PushedRequests::Required
            } else {
                PushedRequests::Welcome
            },
        })
    }

    pub(crate) fn with_authentication(self, authentication: AuthenticationForm) -> Self {
        Self { authentication, ..self }
    }

    pub(crate) const fn id(&self) -> &ClientId {
        &self.id
    }

    /// Tells whether a URI stands in the registration, as it is.
    pub(crate) fn names_uri(&self, uri: &str) -> bool {
        self.redirect_uris.iter().chain(&self.post_logout_redirect_uris).any(|own| own == uri)
    }
}

/// It was registered once, by whichever type its client had: the type decides what matches, not what is read.
fn uris(texts: &[String]) -> Result<Vec<RedirectUri>, ClientRecordError> {
    let read = |text: &String| {
        RedirectUri::register(text.as_str(), ApplicationType::Native).map_err(|_| ClientRecordError::Corrupt)
    };
    texts.iter().map(read).collect()
}

impl AuthenticationForm {
    fn of(authentication: &ClientAuthentication) -> Result<Self, ClientRecordError> {
        Ok(match authentication {
            ClientAuthentication::None => Self::None,
            ClientAuthentication::SecretBasic(digest) => Self::ClientSecretBasic(DigestForm(digest.clone())),
            ClientAuthentication::SecretPost(digest) => Self::ClientSecretPost(DigestForm(digest.clone())),
            ClientAuthentication::SecretJwt(_) => return Err(ClientRecordError::SharedSecret),
            ClientAuthentication::PrivateKeyJwt(keys) => Self::PrivateKeyJwt {
                keys: JwkSet::from_keys(keys.keys().iter().cloned()).to_json(),
                algorithms: keys.algorithms().to_vec(),
            },
        })
    }

    fn read(&self) -> Result<ClientAuthentication, ClientRecordError> {
        Ok(match self {
            Self::None => ClientAuthentication::None,
            Self::ClientSecretBasic(DigestForm(digest)) => ClientAuthentication::SecretBasic(digest.clone()),
            Self::ClientSecretPost(DigestForm(digest)) => ClientAuthentication::SecretPost(digest.clone()),
            Self::PrivateKeyJwt { keys, algorithms } => {
                let keys = JwkSet::parse(keys.as_bytes()).map_err(|_| ClientRecordError::Corrupt)?;
                let keys = AssertionKeys::new(&keys).map_err(|_| ClientRecordError::Corrupt)?;
                ClientAuthentication::PrivateKeyJwt(keys.with_algorithms(algorithms))
            }
        })
    }
}

mod digest {
    use serde::{Deserializer, Serializer, de::Error};

    use super::{Deserialize, SecretDigest, Serialize, String, base64url};

    pub(super) fn serialize<S: Serializer>(digest: &SecretDigest, writer: S) -> Result<S::Ok, S::Error> {
        base64url::encode(digest.as_bytes()).serialize(writer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(reader: D) -> Result<SecretDigest, D::Error> {
        let text = String::deserialize(reader)?;
        let bytes = base64url::decode(text).map_err(D::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| D::Error::custom("not 32 bytes"))?;
        Ok(SecretDigest::from_bytes(bytes))
    }
}
