//! Finding the one bearer token of a request
//! ([RFC 6750 section 2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).

use grantry_core::form::{Form, FormError, Known};
use grantry_core::{HttpRequest, SecretString};
use grantry_jwt::{MAX_TOKEN_BYTES, VerifyError};

use crate::Reason;

const KNOWN: Known = Known { once: &["access_token"], many: &[] };

/// The places beside the `Authorization` field where a token may stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) form_body: Place,
    pub(crate) query: Place,
}

/// Whether a place is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Ignored,
    Allowed,
}

impl Places {
    /// Returns the token, whose characters and length are checked and nothing else.
    pub(crate) fn find(self, request: &HttpRequest) -> Result<SecretString, Reason> {
        let found = [in_authorization(request)?, self.in_form_body(request)?, self.in_query(request)?];
        let mut found = found.into_iter().flatten();
        let token = found.next().ok_or(Reason::NoCredentials)?;
        if found.next().is_some() {
            return Err(Reason::SeveralMethods);
        }
        if token.expose().len() > MAX_TOKEN_BYTES {
            return Err(Reason::Token(VerifyError::TooLong));
        }
        if is_token68(token.expose()) { Ok(token) } else { Err(Reason::MalformedCredentials) }
    }

    // RFC 6750 section 2.2: a form, and a method whose body means something.
    fn in_form_body(self, request: &HttpRequest) -> Result<Option<SecretString>, Reason> {
        if self.form_body == Place::Ignored || !matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
            return Ok(None);
        }
        match Form::from_request(request, &KNOWN) {
            Ok(form) => Ok(access_token(&form)),
            Err(FormError::ContentType) => Ok(None),
            Err(error) => Err(Reason::Form(error)),
        }
    }

    // RFC 6750 section 2.3.
    fn in_query(self, request: &HttpRequest) -> Result<Option<SecretString>, Reason> {
        if self.query == Place::Ignored {
            return Ok(None);
        }
        let form = Form::parse(request.query().as_bytes(), &KNOWN).map_err(Reason::Form)?;
        Ok(access_token(&form))
    }
}

// RFC 6750 section 2.1; another scheme is not a bearer token, and no error either.
fn in_authorization(request: &HttpRequest) -> Result<Option<SecretString>, Reason> {
    let mut fields = request.headers.all("Authorization");
    let Some(value) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Reason::SeveralAuthorizationFields);
    }
    let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
    // A tab is no border, but it shows what was meant: Bearer, without a token.
    if !scheme.split('\t').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer")) {
        return Ok(None);
    }
    if scheme.contains('\t') {
        return Err(Reason::MalformedCredentials);
    }
    Ok(Some(SecretString::from(credentials.trim_start_matches(' '))))
}

fn access_token(form: &Form) -> Option<SecretString> {
    form.get("access_token").map(SecretString::from)
}

// RFC 6750 section 2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(allowed)
}
