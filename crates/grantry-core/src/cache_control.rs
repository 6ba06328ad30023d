//! How long a response stays fresh, as its header fields say.

use core::time::Duration;

use crate::Headers;

impl Headers {
    /// Returns for how long a response is fresh from its arrival on, in whole seconds: `stated_nowhere`
    /// when it names no time, nothing at all when it forbids its use without a new request or contradicts
    /// itself ([RFC 9111 section 4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)).
    ///
    /// `s-maxage` is for shared caches and not read.
    #[must_use]
    pub fn fresh_for(&self, stated_nowhere: Duration) -> Duration {
        let mut stated = None;
        for field in self.all("Cache-Control") {
            let mut rest = Some(field);
            while let Some(list) = rest {
                let Some((directive, behind)) = split_first(list) else {
                    return Duration::ZERO;
                };
                rest = behind;
                match Directive::parse(directive) {
                    Directive::MaxAge(Some(age)) if stated.is_none() => stated = Some(age),
                    // RFC 9111 section 4.2.1: what is invalid or said twice counts as stale.
                    Directive::MaxAge(_) | Directive::Never => return Duration::ZERO,
                    Directive::Other => {}
                }
            }
        }
        stated.unwrap_or(stated_nowhere).saturating_sub(age(self))
    }
}

/// What a member of `Cache-Control` says about freshness.
enum Directive {
    /// `max-age`, `None` for an argument that is not in seconds.
    MaxAge(Option<Duration>),
    /// `no-store` or `no-cache`.
    Never,
    Other,
}

impl Directive {
    fn parse(text: &str) -> Self {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, argument),
            None => (text, ""),
        };
        let name = name.trim_matches(WHITE_SPACE);
        if name.eq_ignore_ascii_case("max-age") {
            return Self::MaxAge(delta_seconds(unquoted(argument.trim_matches(WHITE_SPACE))));
        }
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Self::Never;
        }
        Self::Other
    }
}

/// Returns how old the response was on arrival; an `Age` that is not in seconds is ignored
/// ([RFC 9111 section 5.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.1)).
fn age(headers: &Headers) -> Duration {
    let first = headers.all("Age").next().and_then(|field| field.split(',').next());
    first.and_then(|text| delta_seconds(text.trim_matches(WHITE_SPACE))).unwrap_or(Duration::ZERO)
}

const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// Reads one or more digits; a number beyond 64 bits counts as the greatest
/// ([RFC 9111 section 1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2)).
fn delta_seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// RFC 9111 section 5.2: a recipient takes an argument as a token and as a quoted string.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Splits a list at its first comma outside a quoted string
/// ([RFC 9110 section 5.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1)); `None` when a
/// quoted string has no end.
fn split_first(list: &str) -> Option<(&str, Option<&str>)> {
    let mut place = Place::Outside;
    for (at, character) in list.char_indices() {
        place = match (place, character) {
            (Place::Outside, ',') => {
                let (first, rest) = list.split_at_checked(at)?;
                return Some((first, rest.strip_prefix(',')));
            }
            (Place::Outside, '"') | (Place::Escaped, _) => Place::Quoted,
            (Place::Quoted, '"') | (Place::Outside, _) => Place::Outside,
            (Place::Quoted, '\\') => Place::Escaped,
            (Place::Quoted, _) => Place::Quoted,
        };
    }
    matches!(place, Place::Outside).then_some((list, None))
}

#[derive(Clone, Copy)]
enum Place {
    Outside,
    Quoted,
    Escaped,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(fields: &[(&str, &str)]) -> u64 {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(alloc::string::String::from(*name), *value);
        }
        headers.fresh_for(Duration::from_secs(7)).as_secs()
    }

    fn cache_control(value: &str) -> u64 {
        seconds(&[("Cache-Control", value)])
    }

    #[test]
    fn rfc9111_5_2_2_1_max_age_is_digits() {
        assert_eq!(seconds(&[]), 7);
        assert_eq!(cache_control("public"), 7);
        assert_eq!(cache_control("max-age=600"), 600);
        assert_eq!(cache_control("Public,\tMAX-AGE=600 , must-revalidate"), 600);
        assert_eq!(cache_control("max-age=\"600\""), 600);
        assert_eq!(cache_control("max-age=00600"), 600);
        assert_eq!(cache_control("x-max-age=600"), 7);
        assert_eq!(seconds(&[("cache-control", "public"), ("CACHE-CONTROL", "max-age=9")]), 9);
        let invalid =
            ["", "-1", "+1", "1.5", "1e3", "0x10", " 6 0", "\"6", "6\"", "'6'", "\u{0666}", "600s", "=6"];
        for argument in invalid {
            assert_eq!(cache_control(&alloc::format!("max-age={argument}")), 0, "{argument:?}");
        }
        assert_eq!(cache_control("max-age"), 0);
    }

    #[test]
    fn rfc9111_1_2_2_a_number_beyond_64_bits_is_the_greatest() {
        assert_eq!(cache_control("max-age=18446744073709551615"), u64::MAX);
        assert_eq!(cache_control("max-age=99999999999999999999999999"), u64::MAX);
    }

    #[test]
    fn rfc9111_4_2_1_max_age_said_twice_is_stale() {
        assert_eq!(cache_control("max-age=600, max-age=600"), 0);
        assert_eq!(seconds(&[("Cache-Control", "max-age=9"), ("Cache-Control", "max-age=10")]), 0);
    }

    #[test]
    fn rfc9111_5_2_2_no_store_and_no_cache_win_over_max_age() {
        for value in
            ["no-store", "max-age=600, No-Store", "no-cache, max-age=600", "no-cache=\"a\", max-age=6"]
        {
            assert_eq!(cache_control(value), 0, "{value}");
        }
    }

    #[test]
    fn rfc9111_5_2_2_10_s_maxage_is_for_shared_caches() {
        assert_eq!(cache_control("s-maxage=9, max-age=600"), 600);
        assert_eq!(cache_control("s-maxage=9"), 7);
    }

    #[test]
    fn rfc9110_5_6_4_a_comma_in_a_quoted_string_parts_nothing() {
        assert_eq!(cache_control(r#"x="a, max-age=9", max-age=600"#), 600);
        assert_eq!(cache_control(r#"x="a\", max-age=9", max-age=600"#), 600);
        assert_eq!(cache_control(r#"x="no end, max-age=600"#), 0);
        assert_eq!(cache_control(",, ,max-age=600,"), 600);
    }

    #[test]
    fn rfc9111_4_2_3_the_age_on_arrival_is_taken_off() {
        let aged = |age: &str| seconds(&[("Cache-Control", "max-age=600"), ("Age", age)]);
        assert_eq!(aged("100"), 500);
        assert_eq!(aged(" 100 , 3"), 500);
        assert_eq!(aged("9999999999999999999999"), 0);
        for invalid in ["-100", "x", "", "1.5"] {
            assert_eq!(aged(invalid), 600, "{invalid}");
        }
        assert_eq!(seconds(&[("Age", "5")]), 2);
    }
}
