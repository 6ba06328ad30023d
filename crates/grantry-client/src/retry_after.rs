//! How long a provider asks to be left alone.

use core::time::Duration;

use grantry_core::HttpResponse;

/// The most that a `Retry-After` counts for: a provider that names a year has made a mistake.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

// RFC 9110 section 10.2.3: delay-seconds; a date counts as unknown.
pub(crate) fn retry_after(response: &HttpResponse) -> Duration {
    let value = response.headers.only("Retry-After").unwrap_or_default();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if is_number { value.parse().unwrap_or(u64::MAX) } else { 0 };
    Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_10_2_3_seconds_count_up_to_an_hour_and_dates_do_not() {
        let cases = [
            ("120", 120),
            ("3601", 3600),
            ("99999999999999999999999", 3600),
            ("", 0),
            ("-1", 0),
            ("+1", 0),
            ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ];
        for (text, seconds) in cases {
            let response = HttpResponse::new(429).with_header("Retry-After", text);
            assert_eq!(retry_after(&response), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(retry_after(&HttpResponse::new(429)), Duration::ZERO);
    }
}
