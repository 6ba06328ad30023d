//! Where the metadata of a URL-named party stands.

use alloc::{format, string::String};

/// Returns the well-known URL of a party that an absolute URL names: `/.well-known/` and the suffix stand between
/// the host and the path or query of the name, and a slash that ends the name there is left out
/// ([RFC 8414 section 3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1),
/// [RFC 9728 section 3.1](https://www.rfc-editor.org/rfc/rfc9728#section-3.1)).
///
/// ```
/// let url = grantry_core::well_known_url("https://api.example/v1", "oauth-protected-resource");
/// assert_eq!(url, "https://api.example/.well-known/oauth-protected-resource/v1");
/// ```
#[must_use]
pub fn well_known_url(name: &str, suffix: &str) -> String {
    let host = name.find("://").map_or(0, |scheme| scheme.saturating_add("://".len()));
    let end = name.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
    let (origin, rest) =
        end.and_then(|end| name.split_at_checked(host.saturating_add(end))).unwrap_or((name, ""));
    let (path, query) = rest.find('?').and_then(|query| rest.split_at_checked(query)).unwrap_or((rest, ""));
    format!("{origin}/.well-known/{suffix}{}{query}", path.strip_suffix('/').unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9728_3_1_the_suffix_stands_between_host_and_path() {
        for (name, url) in [
            ("https://a.example", "https://a.example/.well-known/x"),
            ("https://a.example/", "https://a.example/.well-known/x"),
            ("https://a.example:8443/b/c", "https://a.example:8443/.well-known/x/b/c"),
            ("https://a.example/b/", "https://a.example/.well-known/x/b"),
            ("https://a.example/b?c=/d/", "https://a.example/.well-known/x/b?c=/d/"),
            ("https://a.example?c", "https://a.example/.well-known/x?c"),
            ("https://a.example/?c", "https://a.example/.well-known/x?c"),
        ] {
            assert_eq!(well_known_url(name, "x"), url, "{name}");
        }
    }
}
