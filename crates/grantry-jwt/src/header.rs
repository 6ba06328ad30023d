//! The JOSE header, as far as it is ever used.

use alloc::{borrow::ToOwned, string::String};

use grantry_core::json;
use serde::Deserialize;

use crate::jws::{MAX_TOKEN_BYTES, PORTABLE, Segments};
use crate::member::{Member, NotText};
use crate::{Algorithm, VerifyError, critical};

/// Reads the header of a token whose signature nobody has checked.
///
/// Anyone can write any header. Use it to choose where to look for keys or to describe a refused
/// token in a log, and for nothing else.
///
/// # Errors
///
/// [`VerifyError`] as [`verify_jws`](crate::verify_jws) gives it for the token's form and header.
pub fn peek_unverified(token: &str) -> Result<Header, VerifyError> {
    let segments = Segments::split(token, PORTABLE)?;
    segments.check_parts()?;
    segments.read_header(&[], |header| Ok(header.to_owned()))
}

/// The members of a JOSE header that have a meaning here
/// ([RFC 7515 section 4.1](https://www.rfc-editor.org/rfc/rfc7515#section-4.1)).
///
/// `jwk`, `jku`, `x5u` and `x5c` are not read at all: keys are configured, never brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    algorithm: Algorithm,
    typ: Option<String>,
    key_id: Option<String>,
}

impl Header {
    /// Returns the algorithm that the token names.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the media type of the whole token, `typ`, as it is written.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// Returns the `kid`: any text at all, a hint and never a path or a query.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(crate) fn from_json(text: &[u8]) -> Result<Self, VerifyError> {
        BorrowedHeader::lend(text, &[], |header| Ok(header.to_owned()))
    }
}

/// A header where it was decoded.
pub(crate) struct BorrowedHeader<'a> {
    algorithm: Algorithm,
    typ: Option<&'a str>,
    key_id: Option<&'a str>,
    extended: Option<&'a [u8]>,
}

impl BorrowedHeader<'_> {
    /// Reads a header whose extensions, if there are any, are all among those `understood`.
    pub(crate) fn lend<R>(
        text: &[u8],
        understood: &[String],
        read: impl FnOnce(&BorrowedHeader<'_>) -> Result<R, VerifyError>,
    ) -> Result<R, VerifyError> {
        if let Some(header) = BorrowedHeader::plain(text) {
            return read(&header?);
        }
        let members = json::object_from_slice::<Members<'_>>(text, MAX_TOKEN_BYTES)
            .map_err(|_| VerifyError::HeaderJson)?;
        if members.crit.is_present() {
            critical::check(&members.crit, text, understood)?;
        }
        if members.b64.is_present() {
            return Err(VerifyError::UnencodedPayload);
        }
        let (name, typ, key_id) = (members.alg.text()?, members.typ.text()?, members.kid.text()?);
        let header = BorrowedHeader::new(name, typ, key_id)?;
        read(&BorrowedHeader { extended: members.crit.is_present().then_some(text), ..header })
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) const fn typ(&self) -> Option<&str> {
        self.typ
    }

    pub(crate) const fn key_id(&self) -> Option<&str> {
        self.key_id
    }

    /// Compares `typ` with a media type, without regard to case and to a leading `application/`
    /// ([RFC 7515 section 4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
    pub(crate) fn has_typ(&self, expected: &str) -> bool {
        let is_expected = |typ| typ == expected || subtype(typ).eq_ignore_ascii_case(subtype(expected));
        self.typ.is_some_and(is_expected)
    }

    /// Returns the text when it has extensions, which are then all understood.
    pub(crate) const fn extended(&self) -> Option<&[u8]> {
        self.extended
    }

    pub(crate) fn to_owned(&self) -> Header {
        Header {
            algorithm: self.algorithm,
            typ: self.typ.map(ToOwned::to_owned),
            key_id: self.key_id.map(ToOwned::to_owned),
        }
    }
}

impl<'a> BorrowedHeader<'a> {
    fn new(
        algorithm: Option<&str>,
        typ: Option<&'a str>,
        key_id: Option<&'a str>,
    ) -> Result<Self, VerifyError> {
        let name = algorithm.ok_or(VerifyError::HeaderMember)?;
        let algorithm = Algorithm::parse(name).ok_or(VerifyError::UnknownAlgorithm)?;
        Ok(Self::without_extensions(algorithm, typ, key_id))
    }

    pub(crate) const fn without_extensions(
        algorithm: Algorithm,
        typ: Option<&'a str>,
        key_id: Option<&'a str>,
    ) -> Self {
        Self { algorithm, typ, key_id, extended: None }
    }

    /// Reads what nearly every token has, and leaves all else to the parser: some of three members, in no
    /// white space, with values that are written without escapes.
    fn plain(text: &'a [u8]) -> Option<Result<Self, VerifyError>> {
        let (mut algorithm, mut typ, mut key_id) = (None, None, None);
        let mut rest = text.strip_prefix(b"{")?;
        loop {
            let [b'"', a, b, c, b'"', b':', b'"', after @ ..] = rest else {
                return None;
            };
            let member = match [*a, *b, *c] {
                [b'a', b'l', b'g'] => &mut algorithm,
                [b't', b'y', b'p'] => &mut typ,
                [b'k', b'i', b'd'] => &mut key_id,
                _ => return None,
            };
            let end = after.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
            let (value, after) = after.split_at_checked(end)?;
            if member.replace(core::str::from_utf8(value).ok()?).is_some() {
                return None;
            }
            match after {
                [b'"', b'}'] => return Some(Self::new(algorithm, typ, key_id)),
                [b'"', b',', after @ ..] => rest = after,
                _ => return None,
            }
        }
    }
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    alg: Member<'a>,
    #[serde(borrow, default)]
    typ: Member<'a>,
    #[serde(borrow, default)]
    kid: Member<'a>,
    #[serde(borrow, default)]
    crit: Member<'a>,
    #[serde(borrow, default)]
    b64: Member<'a>,
}

impl From<NotText> for VerifyError {
    fn from(_: NotText) -> Self {
        Self::HeaderMember
    }
}

fn subtype(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.split_at_checked(PREFIX.len()) {
        // A further slash means that the prefix is not the implied one.
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => media_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, VerifyError> {
        Header::from_json(text.as_bytes())
    }

    fn has_typ(header: &str, expected: &str) -> bool {
        BorrowedHeader::lend(header.as_bytes(), &[], |header| Ok(header.has_typ(expected))).unwrap()
    }

    #[test]
    fn rfc7515_4_1_9_typ_ignores_case_and_the_application_prefix() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            let text = alloc::format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
            assert!(has_typ(&text, "at+jwt"), "{typ}");
            assert!(has_typ(&text, "application/at+jwt"), "{typ}");
        }
        for typ in ["jwt", "", "at+jwt ", "application/", "application/application/at+jwt", "text/at+jwt"] {
            let text = alloc::format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
            assert!(!has_typ(&text, "at+jwt"), "{typ}");
        }
        // The prefix is implied only where no other slash stands.
        assert!(!has_typ(r#"{"alg":"HS256","typ":"application/a/b"}"#, "a/b"));
        assert!(!has_typ(r#"{"alg":"HS256"}"#, "at+jwt"));
    }

    #[test]
    fn each_fault_of_a_header_has_its_error() {
        for (text, error) in [
            (r#"["HS256"]"#, VerifyError::HeaderJson),
            (r#"{"alg":"HS256","alg":"HS256"}"#, VerifyError::HeaderJson),
            (r"{}", VerifyError::HeaderMember),
            (r#"{"alg":null}"#, VerifyError::HeaderMember),
            (r#"{"alg":"HS256","kid":1}"#, VerifyError::HeaderMember),
            (r#"{"alg":"HS256","typ":{}}"#, VerifyError::HeaderMember),
            (r#"{"alg":"HS256","kid":null}"#, VerifyError::HeaderMember),
            (r#"{"alg":"HS256","crit":null}"#, VerifyError::Critical),
            (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, VerifyError::Critical),
            (r#"{"alg":"HS256","b64":false}"#, VerifyError::UnencodedPayload),
            (r#"{"alg":"none"}"#, VerifyError::UnknownAlgorithm),
        ] {
            assert_eq!(header(text), Err(error), "{text}");
        }
    }
}
