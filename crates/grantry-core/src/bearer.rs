//! Finding the one bearer token of a request
//! ([RFC 6750 section 2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).

use crate::form::{Form, FormError, Known};
use crate::{HttpRequest, SecretString};

/// The longest token taken out of a request, in bytes: the usual limit of a whole header section.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

const KNOWN: Known = Known { once: &["access_token"], many: &[] };

/// The places where a token may stand: the `Authorization` field, and others that are allowed.
///
/// ```
/// use grantry_core::HttpRequest;
/// use grantry_core::bearer::{BearerError, Places};
///
/// let request = HttpRequest::form("/userinfo", "access_token=abc");
/// assert_eq!(Places::new().find(&request).unwrap_err(), BearerError::NoCredentials);
/// assert!(Places::new().allow_form_body().find(&request)?.matches("abc"));
/// # Ok::<(), BearerError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Places {
    form_body: Place,
    query: Place,
}

/// Whether a place is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Ignored,
    Allowed,
}

impl Places {
    /// Takes a token from the `Authorization` field alone
    /// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    pub const fn new() -> Self {
        Self { form_body: Place::Ignored, query: Place::Ignored }
    }

    /// Also takes a token from the parameter `access_token` of a form in the body of a POST, PUT or
    /// PATCH ([RFC 6750 section 2.2](https://www.rfc-editor.org/rfc/rfc6750#section-2.2)).
    pub const fn allow_form_body(mut self) -> Self {
        self.form_body = Place::Allowed;
        self
    }

    /// Also takes a token from the parameter `access_token` of the query, where logs, histories and
    /// `Referer` fields keep it
    /// ([RFC 6750 section 5.3](https://www.rfc-editor.org/rfc/rfc6750#section-5.3)).
    pub const fn danger_allow_query(mut self) -> Self {
        self.query = Place::Allowed;
        self
    }

    /// Returns the token, whose characters and length are checked and nothing else.
    ///
    /// # Errors
    ///
    /// [`BearerError`] when there is not exactly one token of the right grammar.
    pub fn find(self, request: &HttpRequest) -> Result<SecretString, BearerError> {
        self.lend(request, |token| SecretString::from(token))
    }

    /// Lends the token that [`Places::find`] returns to `read`: one of the `Authorization` field is not copied.
    ///
    /// # Errors
    ///
    /// As [`Places::find`].
    pub fn lend<R>(self, request: &HttpRequest, read: impl FnOnce(&str) -> R) -> Result<R, BearerError> {
        let in_authorization = in_authorization(request)?;
        let elsewhere = [self.in_form_body(request)?, self.in_query(request)?];
        let mut found =
            in_authorization.into_iter().chain(elsewhere.iter().flatten().map(SecretString::expose));
        let token = found.next().ok_or(BearerError::NoCredentials)?;
        if found.next().is_some() {
            return Err(BearerError::SeveralMethods);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(BearerError::TooLong);
        }
        if is_token68(token) { Ok(read(token)) } else { Err(BearerError::MalformedCredentials) }
    }

    // RFC 6750 section 2.2: a form, and a method whose body means something.
    fn in_form_body(self, request: &HttpRequest) -> Result<Option<SecretString>, BearerError> {
        if self.form_body == Place::Ignored || !matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
            return Ok(None);
        }
        match Form::from_request(request, &KNOWN) {
            Ok(form) => Ok(access_token(&form)),
            Err(FormError::ContentType) => Ok(None),
            Err(error) => Err(BearerError::Form(error)),
        }
    }

    // RFC 6750 section 2.3.
    fn in_query(self, request: &HttpRequest) -> Result<Option<SecretString>, BearerError> {
        if self.query == Place::Ignored {
            return Ok(None);
        }
        let form = Form::parse(request.query().as_bytes(), &KNOWN).map_err(BearerError::Form)?;
        Ok(access_token(&form))
    }
}

/// Why a request has no token to look at. No variant holds a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "a role that answers for it has to answer for each")]
pub enum BearerError {
    /// There is no bearer token ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    #[error("the request has no bearer token (RFC 6750 section 3.1)")]
    NoCredentials,
    /// The field `Authorization` stands twice ([RFC 9110 section 5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)).
    #[error("the Authorization field stands twice (RFC 9110 section 5.3)")]
    SeveralAuthorizationFields,
    /// What stands in the place of a token is none ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    #[error("the bearer credentials are malformed (RFC 6750 section 2.1)")]
    MalformedCredentials,
    /// The token is longer than [`MAX_TOKEN_BYTES`].
    #[error("the bearer token is longer than 16384 bytes")]
    TooLong,
    /// Tokens came in several ways ([RFC 6750 section 2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
    #[error("the request uses several ways to carry a token (RFC 6750 section 2)")]
    SeveralMethods,
    /// The form or query that may hold a token cannot be read.
    #[error("the form or query that may hold a token cannot be read: {0}")]
    Form(FormError),
}

// RFC 6750 section 2.1; another scheme is not a bearer token, and no error either.
fn in_authorization(request: &HttpRequest) -> Result<Option<&str>, BearerError> {
    let mut fields = request.headers.all("Authorization");
    let Some(value) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(BearerError::SeveralAuthorizationFields);
    }
    let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
    // A tab is no border, but it shows what was meant: Bearer, without a token.
    if !scheme.split('\t').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer")) {
        return Ok(None);
    }
    if scheme.contains('\t') {
        return Err(BearerError::MalformedCredentials);
    }
    Ok(Some(credentials.trim_start_matches(' ')))
}

fn access_token(form: &Form<'_>) -> Option<SecretString> {
    form.get("access_token").map(SecretString::from)
}

// RFC 6750 section 2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_allowed = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    // Without an end in the middle of a chunk, a chunk is looked at in a few instructions.
    let are_allowed = |chunk: &[u8]| chunk.iter().fold(true, |all, byte| all & is_allowed(byte));
    !body.is_empty() && body.as_bytes().chunks(32).all(are_allowed)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn error(places: Places, request: &HttpRequest) -> Option<BearerError> {
        places.find(request).err()
    }

    fn with_field(value: &str) -> HttpRequest {
        HttpRequest::new("GET", "/").with_header("Authorization", value)
    }

    #[test]
    fn rfc6750_2_1_the_grammar_of_the_field_is_exact() {
        assert!(
            Places::new().find(&with_field("bEARER   a-._~+/9==")).is_ok_and(|t| t.matches("a-._~+/9=="))
        );
        for value in ["Bearer", "Bearer ", "Bearer\ta", "Bearer a b", "Bearer =", "Bearer a=b", "Bearer a,b"]
        {
            assert_eq!(error(Places::new(), &with_field(value)), Some(BearerError::MalformedCredentials));
        }
        for value in ["", "Basic YTpi", "Bearerx a", "DPoP a"] {
            assert_eq!(error(Places::new(), &with_field(value)), Some(BearerError::NoCredentials), "{value}");
        }
        let twice = with_field("Bearer a").with_header("authorization", "Bearer a");
        assert_eq!(error(Places::new(), &twice), Some(BearerError::SeveralAuthorizationFields));
    }

    #[test]
    fn rfc6750_2_a_place_counts_when_it_is_allowed_and_alone() {
        let form = HttpRequest::form("/", "access_token=a");
        let query = HttpRequest::new("GET", "/?access_token=a");
        for request in [&form, &query] {
            assert_eq!(error(Places::new(), request), Some(BearerError::NoCredentials));
        }
        let open = Places::new().allow_form_body().danger_allow_query();
        for request in [form, query] {
            assert!(open.find(&request).is_ok_and(|token| token.matches("a")));
            let twice = request.with_header("Authorization", "Bearer a");
            assert_eq!(error(open, &twice), Some(BearerError::SeveralMethods));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_an_absence() {
        let open = Places::new().allow_form_body();
        let twice = HttpRequest::form("/", "access_token=a&access_token=a");
        assert_eq!(error(open, &twice), Some(BearerError::Form(FormError::Repeated("access_token"))));
        let json = HttpRequest::new("POST", "/").with_body("access_token=a");
        assert_eq!(error(open, &json), Some(BearerError::NoCredentials));
    }

    #[test]
    fn the_length_of_a_token_is_limited() {
        let field = |length: usize| with_field(&format!("Bearer {:a<length$}", ""));
        assert!(Places::new().find(&field(MAX_TOKEN_BYTES)).is_ok());
        assert_eq!(error(Places::new(), &field(MAX_TOKEN_BYTES + 1)), Some(BearerError::TooLong));
    }
}
