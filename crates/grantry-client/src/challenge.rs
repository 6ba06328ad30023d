//! The error in the challenge of a resource
//! ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).

use alloc::{string::String, vec::Vec};

use grantry_core::HttpResponse;

use crate::Refusal;

/// The longest field read, in bytes: the `error` and its description fit, a download does not.
const MAX_BYTES: usize = 8 * 1024;

/// Finds the error of a `Bearer` challenge in a refused answer. It informs, and decides nothing: what breaks the
/// grammar is passed over.
pub(crate) fn bearer_refusal(response: &HttpResponse) -> Option<Refusal> {
    let is_refused = matches!(response.status, 400..=499);
    let mut fields = response.headers.all("WWW-Authenticate").filter(|field| field.len() <= MAX_BYTES);
    if is_refused { fields.find_map(refusal) } else { None }
}

fn refusal(field: &str) -> Option<Refusal> {
    let mut scheme = "";
    let (mut error, mut description) = (None, None);
    for element in elements(field) {
        let (left, value) = element.split_once('=').unwrap_or((element, ""));
        let left = left.trim();
        let (first, name) = left.split_once(' ').unwrap_or(("", left));
        // A scheme stands in front of the first of its parameters, or alone.
        if !first.is_empty() || !element.contains('=') {
            scheme = if first.is_empty() { name } else { first };
        }
        if !scheme.eq_ignore_ascii_case("Bearer") {
            continue;
        }
        match name.trim() {
            name if name.eq_ignore_ascii_case("error") => error = error.or_else(|| Some(unquoted(value))),
            name if name.eq_ignore_ascii_case("error_description") => description = Some(unquoted(value)),
            _ => {}
        }
    }
    let error = error.filter(|error| !error.is_empty())?;
    Some(Refusal::new(&error, description.as_deref()))
}

/// Splits at the commas that stand in no quotes.
fn elements(field: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    field.split(move |character| {
        let stands_for_itself = core::mem::take(&mut is_escaped);
        match character {
            _ if stands_for_itself => {}
            '"' => is_quoted = !is_quoted,
            '\\' => is_escaped = is_quoted,
            ',' => return !is_quoted,
            _ => {}
        }
        false
    })
}

// RFC 9110 section 5.6.4.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.into();
    };
    let mut text = Vec::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6750_3_the_error_of_the_bearer_challenge_is_found() {
        let read = |field: &str| {
            let refusal = refusal(field)?;
            Some((String::from(refusal.error()), refusal.description().map(String::from)))
        };
        let both = |error: &str, description: &str| Some((error.into(), Some(description.into())));
        let alone = |error: &str| Some((String::from(error), None));
        assert_eq!(
            read(r#"Bearer realm="example", error="invalid_token", error_description="The token expired""#),
            both("invalid_token", "The token expired")
        );
        assert_eq!(
            read(r#"Basic realm="s", Bearer error="invalid_token", scope="a b""#),
            alone("invalid_token")
        );
        assert_eq!(read("BEARER ERROR = invalid_token"), alone("invalid_token"));
        assert_eq!(
            read(r#"Bearer realm="a\"b\\, error=\"no\"", error="x", error_description="y, \"z\"""#),
            both("x", "y, \"z\"")
        );
        assert_eq!(read(r#"Bearer error="a", error="b""#), alone("a"));
        for none in
            ["", "Bearer", r#"Bearer realm="x""#, r#"DPoP error="x""#, "Bearer error=\"\"", "???", "=,=\""]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
