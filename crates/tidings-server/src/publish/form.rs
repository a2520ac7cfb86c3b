//! An update as a form: `application/x-www-form-urlencoded`, the body that Mercure publishers send.

use tidings_hub::Update;

use super::draft::{DraftError, DraftLimits, RawDraft};

/// Reads an update from a form's body (Mercure 0.x, "Publication").
///
/// `topic` may be repeated; of any other field the first counts. `private` counts by being there,
/// whatever its value. Empty fields are absent, unknown ones are ignored. Unlike a browser's
/// reading of a form, this one takes no ill-formed text: an update is never changed in silence.
///
/// # Errors
/// The first [`DraftError`] in the order of the fields.
pub(crate) fn parse_form(body: &[u8], limits: &DraftLimits) -> Result<Update, DraftError> {
    let mut raw = RawDraft::default();
    let [mut data, mut id, mut event_type, mut retry] = [const { None::<&[u8]> }; 4];
    for pair in body.split(|byte| *byte == b'&') {
        let (name, value) = split_pair(pair);
        match decode(name, "name")?.as_str() {
            "topic" => raw.push_topic(decode(value, "topic")?, limits)?,
            "private" => raw.private = true,
            "data" => _ = data.get_or_insert(value),
            "id" => _ = id.get_or_insert(value),
            "type" => _ = event_type.get_or_insert(value),
            "retry" => _ = retry.get_or_insert(value),
            _ => {}
        }
    }
    raw.data = decode(data.unwrap_or_default(), "data")?;
    raw.id = decode(id.unwrap_or_default(), "id")?;
    raw.event_type = decode(event_type.unwrap_or_default(), "type")?;
    raw.retry_ms = parse_retry(&decode(retry.unwrap_or_default(), "retry")?)?;
    raw.check(limits)
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// Decodes a name or a value: `+` is a space, `%` and two digits are a byte (WHATWG URL, 5.1).
fn decode(encoded: &[u8], field: &'static str) -> Result<String, DraftError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => escaped_byte(&mut bytes).ok_or(DraftError::BadEscape { field })?,
            literal => *literal,
        });
    }
    String::from_utf8(decoded).map_err(|_| DraftError::NotUtf8 { field })
}

fn escaped_byte<'a>(digits: &mut impl Iterator<Item = &'a u8>) -> Option<u8> {
    let mut digit = || char::from(*digits.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}

/// An unsigned decimal number, or nothing, which is zero.
fn parse_retry(text: &str) -> Result<u64, DraftError> {
    if text.is_empty() {
        return Ok(0);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DraftError::BadRetry);
    }
    text.parse().map_err(|_| DraftError::BadRetry)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<Update, DraftError> {
        parse_form(body.as_bytes(), &DraftLimits::default())
    }

    #[track_caller]
    fn check_error(body: &[u8], expected: &DraftError) {
        assert_eq!(&parse_form(body, &DraftLimits::default()).unwrap_err(), expected);
    }

    #[test]
    fn a_form_is_read_as_mercures_publishers_write_it() {
        let draft = parse(
            "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&topic=b&data=a+b%2Bc%0D%0A%C3%A9&private=on\
             &id=urn%3Auuid%3A1&type=book&retry=0150",
        )
        .unwrap();
        assert_eq!(draft.topics, ["https://example.com/books/1", "b"]);
        assert_eq!(draft.data, "a b+c\r\n\u{e9}");
        assert_eq!(draft.id.unwrap().as_str(), "urn:uuid:1");
        assert_eq!(draft.event_type.unwrap().as_str(), "book");
        assert_eq!(draft.retry, Some(Duration::from_millis(150)));
        assert!(draft.private);
    }

    #[test]
    fn only_a_topic_is_needed() {
        let draft = parse("topic=a").unwrap();
        assert_eq!((draft.data.as_str(), draft.private), ("", false));
        assert!(parse("top%69c=a").is_ok());
        check_error(b"", &DraftError::MissingTopic);
        check_error(b"data=a", &DraftError::MissingTopic);
        check_error(b"{\"topic\":\"a\"}", &DraftError::MissingTopic);
    }

    #[test]
    fn private_counts_by_being_there() {
        for body in ["topic=a&private", "topic=a&private=", "private=off&topic=a"] {
            assert!(parse(body).unwrap().private, "{body}");
        }
    }

    #[test]
    fn empty_fields_are_absent() {
        let draft = parse("&&topic=a&id=&type=&retry=&").unwrap();
        assert_eq!((draft.id, draft.event_type, draft.retry), (None, None, None));
        assert_eq!(parse("topic=a&retry=0").unwrap().retry, None);
    }

    #[test]
    fn the_first_of_a_repeated_field_counts_and_unknown_ones_are_ignored() {
        let draft = parse("topic=a&data=1&data=2&id=x&id=y&colour=%zz&=1").unwrap();
        assert_eq!(draft.data, "1");
        assert_eq!(draft.id.unwrap().as_str(), "x");
        assert_eq!(parse("topic=a&data=b=c;d").unwrap().data, "b=c;d");
    }

    #[test]
    fn retry_is_an_unsigned_decimal_number() {
        let largest = parse("topic=a&retry=18446744073709551615").unwrap();
        assert_eq!(largest.retry, Some(Duration::from_millis(u64::MAX)));
        for retry in ["-1", "%2B1", "1.5", "1e3", "1_0", "+1", "18446744073709551616", "soon"] {
            check_error(format!("topic=a&retry={retry}").as_bytes(), &DraftError::BadRetry);
        }
    }

    #[test]
    fn ill_formed_text_is_refused_by_its_field() {
        check_error(b"topic=a&data=%ff", &DraftError::NotUtf8 { field: "data" });
        check_error(b"topic=a\xff", &DraftError::NotUtf8 { field: "topic" });
        check_error(b"topic=a&\xff=1", &DraftError::NotUtf8 { field: "name" });
        check_error(b"topic=a&data=100%", &DraftError::BadEscape { field: "data" });
        check_error(b"topic=a&data=100%2", &DraftError::BadEscape { field: "data" });
        check_error(b"topic=a&data=100%+2", &DraftError::BadEscape { field: "data" });
        check_error(b"topic=a&data=%%3030", &DraftError::BadEscape { field: "data" });
        check_error(b"topic=a&%=1", &DraftError::BadEscape { field: "name" });
    }

    proptest! {
        #[test]
        fn what_a_publisher_encodes_is_what_it_meant(topic in ".{1,20}", data: String) {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("topic", &topic).append_pair("data", &data);
            let draft = parse(&form.finish()).unwrap();
            prop_assert_eq!(draft.topics, [topic]);
            prop_assert_eq!(draft.data, data);
        }

        #[test]
        fn no_body_panics(body: Vec<u8>) {
            let limits = DraftLimits::default();
            if let Ok(draft) = parse_form(&body, &limits) {
                prop_assert!(!draft.topics.is_empty());
            }
        }
    }
}
