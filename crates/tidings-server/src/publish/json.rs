//! Updates as JSON: one object, or an array of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use tidings_hub::Update;

use super::draft::{DraftError, DraftLimits, RawDraft};
use crate::compact::compact;

/// How many updates one array may have: they are published together, and the hub does nothing else meanwhile. A bulk
/// body (`application/x-ndjson`) has no such limit.
pub(crate) const MAX_ARRAY_UPDATES: usize = 1_000;

/// How much of an unknown field's name an error repeats.
const MAX_SHOWN_NAME_CHARS: usize = 64;

/// What a JSON body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonUpdates {
    /// The body is an object.
    One(Update),
    /// The body is an array, which may be empty.
    Many(Vec<Update>),
}

/// Reads a JSON body: one update, or an array of at most [`MAX_ARRAY_UPDATES`].
///
/// An update is `{"topic": "a" | ["a", "b"], "data"?, "type"?, "id"?, "retry"?, "private"?}`. A
/// `data` that is a string counts as it is; any other value, `null` too, is kept as compact JSON,
/// its digits and its order unchanged. In the other fields `null` is as good as absent.
///
/// # Errors
/// The first [`DraftError`] in the body; one in an array is [`DraftError::InArray`].
pub(crate) fn parse_json(body: &[u8], limits: &DraftLimits) -> Result<JsonUpdates, DraftError> {
    let text = utf8(body)?;
    if text.trim_ascii_start().starts_with('[') {
        read(text, limits, |reading, json| json.deserialize_seq(Array(reading)))
            .map(JsonUpdates::Many)
    } else {
        read_update(text, limits).map(JsonUpdates::One)
    }
}

/// Reads one update, an object.
pub(super) fn parse_update(body: &[u8], limits: &DraftLimits) -> Result<Update, DraftError> {
    read_update(utf8(body)?, limits)
}

fn read_update(text: &str, limits: &DraftLimits) -> Result<Update, DraftError> {
    read(text, limits, |reading, json| reading.deserialize(json))
}

fn utf8(body: &[u8]) -> Result<&str, DraftError> {
    std::str::from_utf8(body).map_err(|_| DraftError::NotUtf8 { field: "body" })
}

type Json<'t> = serde_json::Deserializer<serde_json::de::StrRead<'t>>;

fn read<'t, T>(
    text: &'t str,
    limits: &DraftLimits,
    take: impl FnOnce(&mut Reading<'_>, &mut Json<'t>) -> serde_json::Result<T>,
) -> Result<T, DraftError> {
    let mut reading = Reading { limits, index: None, field: None, error: None };
    let mut json = Json::from_str(text);
    take(&mut reading, &mut json)
        .and_then(|taken| json.end().map(|()| taken))
        .map_err(|error| reading.explain(&error))
}

/// Where the reader is in the body, which serde's errors do not say.
#[derive(Debug)]
struct Reading<'l> {
    limits: &'l DraftLimits,
    /// The update of the array, while one is read.
    index: Option<usize>,
    /// The field of the update, while its value is read.
    field: Option<Field>,
    /// The error that ended the reading, if it was not serde's own.
    error: Option<DraftError>,
}

impl Reading<'_> {
    /// Ends the reading with an error that serde cannot carry.
    fn fail<E: Error>(&mut self, error: DraftError) -> E {
        self.error = Some(error);
        E::custom("not an update")
    }

    fn explain(self, error: &serde_json::Error) -> DraftError {
        let found = self.error.unwrap_or_else(|| match error.classify() {
            Category::Data => DraftError::WrongType {
                field: self.field.map_or("update", Field::name),
                expected: self.field.map_or("a JSON object", Field::expected),
            },
            _ => DraftError::BadJson { line: error.line(), column: error.column() },
        });
        match self.index {
            Some(index) => DraftError::InArray { index, error: Box::new(found) },
            None => found,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Topic,
    Data,
    Type,
    Id,
    Retry,
    Private,
}

impl Field {
    const ALL: [Self; 6] =
        [Self::Topic, Self::Data, Self::Type, Self::Id, Self::Retry, Self::Private];

    fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Data => "data",
            Self::Type => "type",
            Self::Id => "id",
            Self::Retry => "retry",
            Self::Private => "private",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Topic => "a string or an array of strings",
            Self::Data => "any JSON value",
            Self::Type | Self::Id => "a string",
            Self::Retry => "a number",
            Self::Private => "true or false",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

struct Array<'r, 'l>(&'r mut Reading<'l>);

impl<'de> Visitor<'de> for Array<'_, '_> {
    type Value = Vec<Update>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of updates")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<Update>, A::Error> {
        let reading = self.0;
        let mut drafts = Vec::new();
        while drafts.len() < MAX_ARRAY_UPDATES {
            reading.index = Some(drafts.len());
            let Some(draft) = array.next_element_seed(&mut *reading)? else { break };
            drafts.push(draft);
        }
        reading.index = None;
        if drafts.len() == MAX_ARRAY_UPDATES && array.next_element::<IgnoredAny>()?.is_some() {
            return Err(reading.fail(DraftError::TooManyUpdates { limit: MAX_ARRAY_UPDATES }));
        }
        Ok(drafts)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reading<'_> {
    type Value = Update;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Update, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading<'_> {
    type Value = Update;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an update")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut update: A) -> Result<Update, A::Error> {
        let mut raw = RawDraft::default();
        let mut seen = 0;
        while let Some(field) = update.next_key_seed(Key(self))? {
            if seen & field.bit() != 0 {
                return Err(self.fail(DraftError::DuplicateField { field: field.name() }));
            }
            seen |= field.bit();
            self.field = Some(field);
            match field {
                Field::Topic => update.next_value_seed(Topics { raw: &mut raw, reading: self })?,
                Field::Data => {
                    let data = data_text(update.next_value()?);
                    raw.data = data.map_err(|error| self.fail(error))?;
                }
                Field::Type => raw.event_type = or_default(update.next_value()?),
                Field::Id => raw.id = or_default(update.next_value()?),
                Field::Retry => {
                    let retry = retry_ms(update.next_value()?);
                    raw.retry_ms = retry.map_err(|error| self.fail(error))?;
                }
                Field::Private => raw.private = or_default(update.next_value()?),
            }
            self.field = None;
        }
        raw.check(self.limits).map_err(|error| self.fail(error))
    }
}

fn or_default<T: Default>(value: Option<T>) -> T {
    value.unwrap_or_default()
}

struct Key<'r, 'l>(&'r mut Reading<'l>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of an update")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        let known = Field::ALL.into_iter().find(|field| field.name() == name);
        known.ok_or_else(|| self.0.fail(unknown_field(name)))
    }
}

fn unknown_field(name: &str) -> DraftError {
    let name: String = name.chars().take(MAX_SHOWN_NAME_CHARS).collect();
    let typed = name.to_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(known, &typed);
    let nearest = Field::ALL
        .map(Field::name)
        .into_iter()
        .min_by_key(distance)
        // One slip in every three letters; more would make it another word.
        .filter(|known| distance(known) * 3 <= typed.len());
    DraftError::UnknownField { name, nearest }
}

/// One topic or an array of them, straight into the draft.
struct Topics<'d, 'r, 'l> {
    raw: &'d mut RawDraft,
    reading: &'r mut Reading<'l>,
}

impl Topics<'_, '_, '_> {
    fn push<E: Error>(&mut self, topic: String) -> Result<(), E> {
        self.raw.push_topic(topic, self.reading.limits).map_err(|error| self.reading.fail(error))
    }
}

impl<'de> DeserializeSeed<'de> for Topics<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Topics<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a topic or an array of topics")
    }

    fn visit_str<E: Error>(mut self, topic: &str) -> Result<(), E> {
        self.push(topic.to_owned())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut topics: A) -> Result<(), A::Error> {
        while let Some(topic) = topics.next_element()? {
            self.push(topic)?;
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Read from the text, because serde calls a number beyond its types malformed JSON, which it is not.
fn retry_ms(value: Option<&RawValue>) -> Result<u64, DraftError> {
    value.map_or(Ok(0), |json| json.get().parse().map_err(|_| DraftError::BadRetry))
}

fn data_text(value: &RawValue) -> Result<String, DraftError> {
    let json = value.get();
    if json.starts_with('"') {
        // Half of a surrogate pair is the only thing that JSON lets stand in a string and Rust
        // does not.
        serde_json::from_str(json).map_err(|_| DraftError::NotUtf8 { field: "data" })
    } else {
        Ok(compact(json))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tidings_wire::{EventId, EventType};

    use super::*;

    fn one(body: &str) -> Update {
        match parse_json(body.as_bytes(), &DraftLimits::default()).unwrap() {
            JsonUpdates::One(draft) => draft,
            JsonUpdates::Many(drafts) => panic!("{body} is read as an array: {drafts:?}"),
        }
    }

    fn many(body: &str) -> Vec<Update> {
        match parse_json(body.as_bytes(), &DraftLimits::default()).unwrap() {
            JsonUpdates::Many(drafts) => drafts,
            JsonUpdates::One(draft) => panic!("{body} is read as one update: {draft:?}"),
        }
    }

    fn error(body: impl AsRef<[u8]>) -> DraftError {
        parse_json(body.as_ref(), &DraftLimits::default()).unwrap_err()
    }

    #[track_caller]
    fn check_data(data: &str, expected: &str) {
        assert_eq!(one(&format!(r#"{{"topic":"a","data":{data}}}"#)).data, expected);
    }

    #[test]
    fn every_field_is_read() {
        let draft = one(
            r#" {"topic":["a","b\u00e9"],"data":"x\ny","type":"t","id":"i","retry":1500,"private":true} "#,
        );
        let expected = Update {
            id_scope: tidings_hub::IdScope::Hub,
            topics: vec!["a".into(), "b\u{e9}".into()],
            data: "x\ny".into(),
            id: Some(EventId::new("i").unwrap()),
            event_type: Some(EventType::new("t").unwrap()),
            retry: Some(Duration::from_millis(1500)),
            private: true,
            idempotency_key: None,
        };
        assert_eq!(draft, expected);
    }

    #[test]
    fn only_a_topic_is_needed_and_null_is_absent() {
        let least = one(r#"{"topic":"a"}"#);
        let nulls = r#"{"top\u0069c":"a","type":null,"id":null,"retry":null,"private":null}"#;
        assert_eq!(one(nulls), least);
        assert_eq!(one(r#"{"topic":"a","data":"","type":"","id":"","retry":0}"#), least);
        assert_eq!(error("{}"), DraftError::MissingTopic);
        assert_eq!(error(r#"{"topic":null}"#), DraftError::MissingTopic);
        assert_eq!(error(r#"{"topic":[]}"#), DraftError::MissingTopic);
        assert_eq!(error(r#"{"topic":["a",""]}"#), DraftError::EmptyTopic);
    }

    #[test]
    fn data_that_is_not_a_string_is_kept_as_compact_json() {
        check_data("null", "null");
        check_data("true", "true");
        check_data("1.10", "1.10");
        check_data("123456789012345678901234567890", "123456789012345678901234567890");
        check_data(
            "{ \"b\" : [ 1 ,\r\n\t2 ], \"a b\" : \" \\\" : \\\\\" , \"b\":1 }",
            "{\"b\":[1,2],\"a b\":\" \\\" : \\\\\",\"b\":1}",
        );
    }

    #[test]
    fn deep_data_takes_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check_data(&deep, &deep);
        assert_eq!(error("[".repeat(100_000)).reason(), "wrong_type");
        assert_eq!(error(format!(r#"{{"topic":{}"#, "[".repeat(100_000))).reason(), "wrong_type");
    }

    #[test]
    fn an_array_is_many_updates() {
        assert_eq!(many(" [] "), []);
        let topics: Vec<_> = many(r#"[{"topic":"a"}, {"topic":"b"}]"#)
            .into_iter()
            .flat_map(|draft| draft.topics)
            .collect();
        assert_eq!(topics, ["a", "b"]);
    }

    #[test]
    fn an_error_in_an_array_says_which_update_it_is_in() {
        let in_array = |index, error| DraftError::InArray { index, error: Box::new(error) };
        assert_eq!(error(r#"[{"topic":"a"},{}]"#), in_array(1, DraftError::MissingTopic));
        let wrong = DraftError::WrongType { field: "update", expected: "a JSON object" };
        assert_eq!(error("[7]"), in_array(0, wrong.clone()));
        assert_eq!(error(r#"[{"topic":"a"},7]"#), in_array(1, wrong));
        let bad = DraftError::BadJson { line: 2, column: 3 };
        assert_eq!(error("[{\"topic\":\"a\"},\n  x]"), in_array(1, bad));
    }

    #[test]
    fn an_array_has_a_bounded_number_of_updates() {
        let array = |updates: usize| format!("[{}]", vec![r#"{"topic":"a"}"#; updates].join(","));
        assert_eq!(many(&array(MAX_ARRAY_UPDATES)).len(), MAX_ARRAY_UPDATES);
        let expected = DraftError::TooManyUpdates { limit: MAX_ARRAY_UPDATES };
        assert_eq!(error(array(MAX_ARRAY_UPDATES + 1)), expected);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_by_its_field() {
        for (body, text) in [
            (r#"{"topic":1}"#, "`topic` has to be a string or an array of strings"),
            (r#"{"topic":["a",1]}"#, "`topic` has to be a string or an array of strings"),
            (r#"{"topic":{}}"#, "`topic` has to be a string or an array of strings"),
            (r#"{"topic":"a","id":7}"#, "`id` has to be a string"),
            (r#"{"topic":"a","type":[]}"#, "`type` has to be a string"),
            (r#"{"topic":"a","private":"on"}"#, "`private` has to be true or false"),
            ("7", "`update` has to be a JSON object"),
            ("\"a\"", "`update` has to be a JSON object"),
        ] {
            assert_eq!(error(body).to_string(), text, "{body}");
        }
        for retry in ["-1", "1.5", "\"1\"", "18446744073709551616", "1e400", "true"] {
            let body = format!(r#"{{"topic":"a","retry":{retry}}}"#);
            assert_eq!(error(&body), DraftError::BadRetry, "{body}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_known_one() {
        let unknown = |name: &str, nearest| {
            let expected = DraftError::UnknownField { name: name.to_owned(), nearest };
            assert_eq!(error(format!(r#"{{"topic":"a","{name}":1}}"#)), expected);
        };
        unknown("topics", Some("topic"));
        unknown("Data", Some("data"));
        unknown("rety", Some("retry"));
        unknown("pirvate", Some("private"));
        unknown("colour", None);
        unknown("", None);
        let long = error(format!(r#"{{"{}":1}}"#, "x".repeat(100_000)));
        let name = "x".repeat(MAX_SHOWN_NAME_CHARS);
        assert_eq!(long, DraftError::UnknownField { name, nearest: None });
    }

    #[test]
    fn a_repeated_field_is_refused() {
        let expected = DraftError::DuplicateField { field: "data" };
        assert_eq!(error(r#"{"data":1,"topic":"a","d\u0061ta":null}"#), expected);
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_stops_being_json() {
        let bad = |line, column| DraftError::BadJson { line, column };
        assert_eq!(error(""), bad(1, 0));
        assert_eq!(error("topic=a"), bad(1, 2));
        assert_eq!(error("{\"topic\":\"a\"\n \"data\":1}"), bad(2, 2));
        assert_eq!(error(r#"{"topic":"a"} {"topic":"b"}"#), bad(1, 15));
        assert_eq!(error(r#"{"topic":"a""#), bad(1, 12));
        assert_eq!(error("{\"topic\":\"a\",\"data\":\"\n\"}").reason(), "bad_json");
        assert_eq!(error(b"{\"topic\":\"\xff\"}"), DraftError::NotUtf8 { field: "body" });
        let half_a_pair = r#"{"topic":"a","data":"\ud800"}"#;
        assert_eq!(error(half_a_pair), DraftError::NotUtf8 { field: "data" });
    }

    proptest! {
        #[test]
        fn any_text_arrives_as_it_was_sent(topic in ".{1,20}", data: String) {
            let body = serde_json::json!({"topic": topic, "data": data}).to_string();
            let draft = one(&body);
            prop_assert_eq!(draft.topics, [topic]);
            prop_assert_eq!(draft.data, data);
        }

        #[test]
        fn compact_json_means_the_same(keys: Vec<String>, text: String, number: f64) {
            let value = serde_json::json!({"keys": keys, "text": [text, number, null, {}]});
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compact(&pretty), value.to_string());
        }

        #[test]
        fn no_body_panics(body in "[\\[\\]{}\",:a1 ]{0,40}") {
            if let Ok(JsonUpdates::One(draft)) =
                parse_json(body.as_bytes(), &DraftLimits::default())
            {
                prop_assert!(!draft.topics.is_empty());
            }
        }
    }
}
