//! How a resource server signs in at the introspection endpoint.

use grantry_core::{ClientId, HttpRequest, SecretString, basic_credentials, form};

/// Who asks at the introspection endpoint, and what shows it
/// ([RFC 7662 section 2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)).
#[derive(Clone, Debug)]
pub struct Credentials {
    client_id: ClientId,
    proof: Proof,
}

#[derive(Clone, Debug)]
enum Proof {
    Basic(SecretString),
    Post(SecretString),
    Bearer(SecretString),
}

impl Credentials {
    /// Sends a secret by HTTP Basic, which every server takes
    /// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    #[must_use]
    pub const fn client_secret_basic(client_id: ClientId, client_secret: SecretString) -> Self {
        Self { client_id, proof: Proof::Basic(client_secret) }
    }

    /// Sends a secret in the form, for a server that takes nothing better
    /// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    #[must_use]
    pub const fn client_secret_post(client_id: ClientId, client_secret: SecretString) -> Self {
        Self { client_id, proof: Proof::Post(client_secret) }
    }

    /// Sends an access token of the resource server's own, which the host renews: made anew, the
    /// [`Introspection`](crate::Introspection) has the new one. The identifier is not sent; signed answers name it.
    #[must_use]
    pub const fn bearer(client_id: ClientId, access_token: SecretString) -> Self {
        Self { client_id, proof: Proof::Bearer(access_token) }
    }

    pub(crate) const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Writes a POST request with the form and the credentials.
    pub(crate) fn request(&self, endpoint: &str, parameters: [(&str, &str); 2], accept: &str) -> HttpRequest {
        let id_and_secret = match &self.proof {
            Proof::Post(secret) => {
                Some([("client_id", self.client_id.as_str()), ("client_secret", secret.expose())])
            }
            Proof::Basic(_) | Proof::Bearer(_) => None,
        };
        let body = form::encode(parameters.into_iter().chain(id_and_secret.into_iter().flatten()));
        let request = HttpRequest::new("POST", endpoint)
            .with_header("Content-Type", "application/x-www-form-urlencoded")
            .with_header("Accept", accept)
            .with_body(body);
        match &self.proof {
            Proof::Basic(secret) => {
                request.with_header("Authorization", basic_credentials(&self.client_id, secret).expose())
            }
            Proof::Bearer(token) => {
                request.with_header("Authorization", alloc::format!("Bearer {}", token.expose()))
            }
            Proof::Post(_) => request,
        }
    }
}
