//! A provider from its own words
//! ([RFC 8414 section 3.2](https://www.rfc-editor.org/rfc/rfc8414#section-3.2)).

use alloc::string::String;

use grantry_core::json::{self, JsonError};
use grantry_core::{HttpResponse, Issuer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::endpoint::endpoint;
use crate::supported::Supported;
use crate::{Discovery, Provider, ProviderError, Tolerance, response};

/// Looks at the outside of an answer, and returns the document in it.
pub(crate) fn body(response: &HttpResponse) -> Result<&[u8], DocumentError> {
    match response.status {
        200 => {}
        status @ 300..=399 => return Err(DocumentError::Redirect(status)),
        status => return Err(DocumentError::Status(status)),
    }
    if !response::has_media_type(response, "application/json") {
        return Err(DocumentError::ContentType);
    }
    Ok(&response.body)
}

/// Reads the document of an issuer. Members that no client of this crate uses are ignored, the aliases for
/// mutual TLS among them; `null` is as good as absent.
pub(crate) fn read(
    document: &[u8],
    issuer: &Issuer,
    tolerance: &Tolerance,
) -> Result<Provider, DocumentError> {
    let names: Names = object(document)?;
    // RFC 8414 section 3.3: nothing of a document with another issuer is used.
    if names.issuer != issuer.as_str() && !is_template(&names.issuer, issuer, tolerance) {
        return Err(DocumentError::IssuerDiffers);
    }
    let supported: Supported = object(document)?;
    let optional = |name: &'static str, url: Option<String>| -> Result<Option<Url>, ProviderError> {
        url.map(|url| endpoint(issuer, name, &url)).transpose()
    };
    let token_endpoint = optional("token_endpoint", names.token_endpoint)?;
    Ok(Provider {
        issuer: issuer.clone(),
        authorization_endpoint: optional("authorization_endpoint", names.authorization_endpoint)?,
        token_endpoint: token_endpoint.ok_or(DocumentError::NoTokenEndpoint)?,
        revocation_endpoint: optional("revocation_endpoint", names.revocation_endpoint)?,
        introspection_endpoint: optional("introspection_endpoint", names.introspection_endpoint)?,
        pushed_authorization_request_endpoint: optional(
            "pushed_authorization_request_endpoint",
            names.pushed_authorization_request_endpoint,
        )?,
        device_authorization_endpoint: optional(
            "device_authorization_endpoint",
            names.device_authorization_endpoint,
        )?,
        userinfo_endpoint: optional("userinfo_endpoint", names.userinfo_endpoint)?,
        end_session_endpoint: optional("end_session_endpoint", names.end_session_endpoint)?,
        jwks_uri: optional("jwks_uri", names.jwks_uri)?,
        supported,
        tolerance: tolerance.clone(),
    })
}

fn object<T: DeserializeOwned>(document: &[u8]) -> Result<T, JsonError> {
    json::object_from_slice(document, Discovery::MAX_DOCUMENT_BYTES)
}

fn is_template(text: &str, issuer: &Issuer, tolerance: &Tolerance) -> bool {
    tolerance.issuer_template().is_some_and(|template| template.as_str() == text && template.covers(issuer))
}

#[derive(Deserialize)]
struct Names {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    jwks_uri: Option<String>,
}

/// Why an answer is not the metadata of the issuer. Nothing of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The status is one of a redirect, which is not followed: the place is part of the issuer's name.
    #[error("the metadata redirects with status {0} (RFC 8414 section 3.2)")]
    Redirect(u16),
    /// The status is not 200.
    #[error("the status of the metadata is {0} (RFC 8414 section 3.2)")]
    Status(u16),
    /// The content type is not `application/json`.
    #[error("the metadata is not application/json (RFC 8414 section 3.2)")]
    ContentType,
    /// Not a strict JSON object, longer than [`Discovery::MAX_DOCUMENT_BYTES`], without `issuer`, or a member
    /// has another type.
    #[error("the metadata is malformed (RFC 8414 section 3.2): {0}")]
    Json(#[from] JsonError),
    /// The document is that of another issuer.
    #[error("the metadata has another issuer (RFC 8414 section 3.3)")]
    IssuerDiffers,
    /// The document has no token endpoint, without which a provider is of no use to a client.
    #[error("the metadata has no token endpoint (RFC 8414 section 2)")]
    NoTokenEndpoint,
    /// An endpoint breaks a rule.
    #[error(transparent)]
    Endpoint(#[from] ProviderError),
}
