//! What a resource server says of itself
//! ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)).

use alloc::{string::String, vec::Vec};

use grantry_core::{HttpResponse, Issuer, Scope, well_known_url};
use serde::Serialize;

use crate::Guard;

/// The metadata of a protected resource, a document that the host serves at [`ResourceMetadata::well_known_url`]
/// ([RFC 9728 section 2](https://www.rfc-editor.org/rfc/rfc9728#section-2)).
///
/// It says of issuers and of ways to send a token what the guard does.
///
/// ```
/// # use grantry_core::{Issuer, Scope};
/// # use grantry_jwt::JwkSet;
/// use grantry_resource::{Guard, ResourceMetadata};
///
/// # let guard = Guard::new(Issuer::parse("https://as.example")?, "https://api.example/v1", JwkSet::default());
/// let metadata = ResourceMetadata::new("https://api.example/v1", &guard)?
///     .with_scope(Scope::parse("photos.read photos.write")?)
///     .with_name("Photos");
/// assert_eq!(metadata.well_known_path(), "/.well-known/oauth-protected-resource/v1");
/// // Its challenges name the URL of the document.
/// let guard = guard.with_metadata(&metadata);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceMetadata {
    resource: String,
    authorization_servers: Vec<Issuer>,
    bearer_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes_supported: Option<Scopes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_tos_uri: Option<String>,
}

impl ResourceMetadata {
    /// Describes the resource of an `https` URL, as a guard protects it. A client compares the URL byte for byte with
    /// the one that it asked for ([RFC 9728 section 3.3](https://www.rfc-editor.org/rfc/rfc9728#section-3.3)).
    ///
    /// # Errors
    ///
    /// [`ResourceError`] when the URL is not one of `https`, or has a fragment or a user
    /// ([RFC 9728 section 1.2](https://www.rfc-editor.org/rfc/rfc9728#section-1.2)).
    pub fn new(resource: impl Into<String>, guard: &Guard) -> Result<Self, ResourceError> {
        Self::describe(resource.into(), guard, |url| Issuer::parse(url).is_ok())
    }

    /// Describes a resource that may also be `http` on this machine's loopback interface, for development and tests.
    ///
    /// # Errors
    ///
    /// As [`ResourceMetadata::new`].
    pub fn danger_loopback_http(resource: impl Into<String>, guard: &Guard) -> Result<Self, ResourceError> {
        Self::describe(resource.into(), guard, |url| Issuer::danger_loopback_http(url).is_ok())
    }

    fn describe(resource: String, guard: &Guard, is_url: fn(&str) -> bool) -> Result<Self, ResourceError> {
        // The rules for the URL of an issuer are the rules wanted here, but for the query.
        let (url, query) = resource.split_once('?').unwrap_or((&resource, ""));
        let is_query = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !is_url(url) || !is_query || resource.len() > Issuer::MAX_BYTES {
            return Err(ResourceError);
        }
        Ok(Self {
            resource,
            authorization_servers: guard.issuers().cloned().collect(),
            bearer_methods_supported: guard.bearer_methods().to_vec(),
            scopes_supported: None,
            resource_name: None,
            resource_documentation: None,
            resource_policy_uri: None,
            resource_tos_uri: None,
        })
    }

    /// Lists the scopes that requests to the resource use.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scopes_supported = Some(Scopes(scope));
        self
    }

    /// Names the resource for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// Sets the URL of a page for developers.
    #[must_use]
    pub fn with_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
        self
    }

    /// Sets the URL of a page about how a client may use the data.
    #[must_use]
    pub fn with_policy_uri(mut self, url: impl Into<String>) -> Self {
        self.resource_policy_uri = Some(url.into());
        self
    }

    /// Sets the URL of the terms of service.
    #[must_use]
    pub fn with_tos_uri(mut self, url: impl Into<String>) -> Self {
        self.resource_tos_uri = Some(url.into());
        self
    }

    /// Returns where the document stands
    /// ([RFC 9728 section 3.1](https://www.rfc-editor.org/rfc/rfc9728#section-3.1)).
    #[must_use]
    pub fn well_known_url(&self) -> String {
        well_known_url(&self.resource, "oauth-protected-resource")
    }

    /// Returns where the document stands on its host: the path, and the query when the resource has one.
    #[must_use]
    pub fn well_known_path(&self) -> String {
        let url = self.well_known_url();
        let path = url.find("/.well-known/").and_then(|start| url.get(start..));
        path.unwrap_or_default().into()
    }

    /// Writes the document.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and lists of strings under fixed names always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Writes the answer to a GET request for the document
    /// ([RFC 9728 section 3.2](https://www.rfc-editor.org/rfc/rfc9728#section-3.2)). The host decides how long caches
    /// keep it, and whether pages of other origins read it.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(self.to_json())
    }
}

/// The resource is not a URL that metadata can describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("the resource is not an https URL without fragment and user (RFC 9728 section 1.2)")]
#[non_exhaustive]
pub struct ResourceError;

/// A scope as a list of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scopes(Scope);

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_seq(self.0.iter())
    }
}
