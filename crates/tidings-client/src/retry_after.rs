//! `Retry-After`: a number of seconds, or a date (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// How long an answer asks to wait; `None` where it does not, or in no way that is understood.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is for ever.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // One that has passed asks for no wait.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// 6 Nov 1994, 08:49:37.
    const NOW: Duration = Duration::from_secs(784_111_777);

    fn read(text: &[u8]) -> Option<Duration> {
        let value = HeaderValue::from_bytes(text).ok()?;
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]), SystemTime::UNIX_EPOCH + NOW)
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        let cases: [(&str, Option<u64>); 15] = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("007", Some(7)),
            ("1000000000000000000000000000000", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 66 Nov 1994 08:50:37 GMT", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text.as_bytes()), expected.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), None);
    }

    proptest! {
        #[test]
        fn no_value_panics(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "[A-Z][a-z]{2,6},? [0-9]{1,3}[ -][A-Za-z]{3}[ -][0-9]{2,5} [0-9:]{5,10}( GMT)?".prop_map(String::into_bytes),
            ],
        ) {
            read(&text);
        }

        #[test]
        fn every_whole_number_of_seconds_is_read(seconds: u64) {
            prop_assert_eq!(read(seconds.to_string().as_bytes()), Some(Duration::from_secs(seconds)));
        }
    }
}
