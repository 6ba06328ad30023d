//! Where the browser comes back to
//! ([RFC 6749 section 3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2)).

use alloc::{format, string::String};

use url::Url;

use crate::{Client, ClientError};

/// Loopback addresses as they stand in a redirect URI. The name `localhost` is none of them: who answers for it
/// is for others to say ([RFC 8252 section 8.3](https://www.rfc-editor.org/rfc/rfc8252#section-8.3)).
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

pub(crate) fn check(text: &str) -> Result<(), ClientError> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > Client::MAX_REDIRECT_URI_BYTES || !visible || text.contains('#') {
        return Err(ClientError::RedirectUri);
    }
    Url::parse(text).map(drop).map_err(|_| ClientError::RedirectUri)
}

/// Puts the port of a listener into a redirect URI on loopback, of which a provider compares all but the port
/// ([RFC 8252 section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
pub(crate) fn with_loopback_port(registered: &str, port: u16) -> Option<String> {
    let (origin, rest) = without_port(registered).filter(|_| port != 0)?;
    Some(format!("{origin}:{port}{rest}"))
}

/// Tells whether a flow with this redirect URI is one of the client's.
pub(crate) fn is_registered(registered: &str, used: &str) -> bool {
    let without_port = |text| without_port(text);
    used == registered
        || without_port(registered).is_some_and(|registered| without_port(used) == Some(registered))
}

fn without_port(text: &str) -> Option<(&'static str, &str)> {
    let (origin, rest) = LOOPBACK.iter().find_map(|origin| Some((*origin, text.strip_prefix(origin)?)))?;
    let rest = match rest.strip_prefix(':') {
        Some(port) => port.trim_start_matches(|character: char| character.is_ascii_digit()),
        None => rest,
    };
    // What goes on is another host, or a user in front of one.
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((origin, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_2_redirect_uri_is_absolute_without_fragment() {
        for good in ["https://app.example/cb?x=1", "http://127.0.0.1/cb", "com.example.app:/cb"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in
            ["", "/cb", "https://app.example/cb#", " https://app.example/cb", "https://app.example/\u{e9}"]
        {
            assert_eq!(check(bad), Err(ClientError::RedirectUri), "{bad}");
        }
    }

    #[test]
    fn a_redirect_uri_is_bounded() {
        let of = |bytes: usize| format!("{:a<bytes$}", "https://app.example/");
        assert_eq!(check(&of(Client::MAX_REDIRECT_URI_BYTES)), Ok(()));
        assert_eq!(check(&of(Client::MAX_REDIRECT_URI_BYTES + 1)), Err(ClientError::RedirectUri));
    }

    #[test]
    fn rfc8252_7_3_the_port_of_a_loopback_redirect_uri_varies_and_nothing_else() {
        let at = |registered| with_loopback_port(registered, 51004);
        assert_eq!(at("http://127.0.0.1/cb").as_deref(), Some("http://127.0.0.1:51004/cb"));
        assert_eq!(at("http://127.0.0.1:8080/cb?x=1").as_deref(), Some("http://127.0.0.1:51004/cb?x=1"));
        assert_eq!(at("http://[::1]").as_deref(), Some("http://[::1]:51004"));
        for other in [
            "https://127.0.0.1/cb",
            "http://localhost/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.2/cb",
            "http://app.example/cb",
            "com.example.app:/cb",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
        assert_eq!(with_loopback_port("http://127.0.0.1/cb", 0), None);
        assert!(is_registered("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(!is_registered("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb2"));
        assert!(!is_registered("http://127.0.0.1/cb", "http://[::1]:51004/cb"));
        assert!(!is_registered("https://app.example/cb", "https://app.example:444/cb"));
    }
}
