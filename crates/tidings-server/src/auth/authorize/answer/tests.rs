//! What an answer says is read in full, or the answer is refused.

use http::header::HeaderName;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    lines
        .iter()
        .filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value).ok()?))
        })
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

fn as_json() -> HeaderMap {
    headers(&[("content-type", b"application/json")])
}

/// Answers with what headers can say, too: no commas, no space at the ends, seconds that are one number in both.
fn answers() -> impl Strategy<Value = Answer> {
    let name = || prop::option::of("[!-~]([ -~é]{0,20}[!-~])?");
    let selector = "[!-+./-z|~]{1,12}";
    let list = || prop::option::of(prop::collection::vec(selector, 0..5));
    let seconds = prop::option::of(1_u64..1_000_000_000);
    (name(), name(), list(), list(), list(), seconds).prop_map(
        |(user, session, topics, subscribe, publish, seconds)| Answer {
            user: user.map(Arc::from),
            session: session.map(Arc::from),
            topics,
            subscribe,
            publish,
            expires_in: seconds.map(Duration::from_secs),
            payload: None,
        },
    )
}

fn members(answer: &Answer) -> Map<String, Value> {
    let all = json!({
        "user": answer.user.as_deref(),
        "session": answer.session.as_deref(),
        "topics": answer.topics,
        "subscribe": answer.subscribe,
        "publish": answer.publish,
        "expires_in": answer.expires_in.map(|left| left.as_secs()),
    });
    all.as_object().unwrap().clone()
}

/// The same members as headers.
fn header_lines(answer: &Answer) -> HeaderMap {
    let mut lines = HeaderMap::new();
    for (name, value) in members(answer) {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Array(texts) => {
                texts.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        let name = format!("x-tidings-{}", name.replace('_', "-"));
        let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
        lines.insert(name.parse::<HeaderName>().unwrap(), value);
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_and_headers_say_the_same(answer in answers()) {
        let body = Value::Object(members(&answer)).to_string();
        let from_json = Answer::read(&as_json(), body.as_bytes()).unwrap();
        prop_assert!(from_json == answer, "{:?} from {}", from_json, body);
        // The empty text of a header is no name, as in JSON.
        let lines = header_lines(&answer);
        let from_headers = Answer::read(&lines, b"").unwrap();
        prop_assert!(from_headers == answer, "{:?} from {:?}", from_headers, lines);
        let mut both = lines;
        both.extend(as_json());
        prop_assert!(Answer::read(&both, body.as_bytes()).unwrap() == answer);
    }

    /// Each member by itself: what JSON does not say is left to the headers.
    #[test]
    fn what_json_says_stands_before_what_headers_say(first in answers(), second in answers()) {
        let body = Value::Object(members(&first)).to_string();
        let mut lines = header_lines(&second);
        lines.extend(as_json());
        let expected = Answer {
            user: first.user.or(second.user),
            session: first.session.or(second.session),
            topics: first.topics.or(second.topics),
            subscribe: first.subscribe.or(second.subscribe),
            publish: first.publish.or(second.publish),
            expires_in: first.expires_in.or(second.expires_in),
            payload: None,
        };
        prop_assert!(Answer::read(&lines, body.as_bytes()).unwrap() == expected);
    }

    #[test]
    fn noise_is_refused_or_read_within_the_bounds(
        body in prop::collection::vec(any::<u8>(), 0..200),
        text in "\\PC{0,40}",
        lines in prop::collection::vec(
            ("x-tidings-(user|session|topics|subscribe|publish|expires-in|[a-z]{1,8})", prop::collection::vec(any::<u8>(), 0..40)),
            0..4,
        ),
    ) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let mut with_lines = headers(&lines);
        let bodies = [&body[..], text.as_bytes(), br#"{"user":"#];
        for body in bodies {
            drop(Answer::read(&with_lines, body).map_err(|error| error.to_string()));
        }
        with_lines.extend(as_json());
        for body in bodies {
            if let Ok(answer) = Answer::read(&with_lines, body) {
                for list in [answer.topics, answer.subscribe, answer.publish].into_iter().flatten() {
                    prop_assert!(list.iter().all(|selector| !selector.is_empty()));
                }
                prop_assert!(answer.expires_in.is_none_or(|left| !left.is_zero()));
            }
        }
    }

    /// Cut anywhere, changed anywhere: never what was not said.
    #[test]
    fn a_damaged_answer_is_refused_or_says_less(
        answer in answers(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = Value::Object(members(&answer)).to_string().into_bytes();
        let cut = at.index(body.len());
        if let Ok(read) = Answer::read(&as_json(), &body[..cut]) {
            prop_assert!(read == Answer::default(), "{:?}", read);
        }
        body[cut] = byte;
        drop(Answer::read(&as_json(), &body).map_err(|error| error.to_string()));
    }

    /// A name that answers do not have is never passed over, wherever it stands.
    #[test]
    fn an_unknown_name_is_always_refused(answer in answers(), name in "[a-zA-Z_]{1,12}", value in any::<bool>()) {
        prop_assume!(Member::ALL.into_iter().all(|member| member.name() != name));
        let mut members = members(&answer);
        members.insert(name.clone(), value.into());
        let body = Value::Object(members).to_string();
        let error = Answer::read(&as_json(), body.as_bytes()).unwrap_err();
        prop_assert!(matches!(&error, AnswerError::Unknown { name: told, .. } if *told == name), "{:?}", error);
    }
}

#[test]
fn bounds_are_exact() {
    let read = |body: Value| Answer::read(&as_json(), body.to_string().as_bytes());
    assert!(read(json!({"topics": vec!["a"; MAX_SELECTORS]})).is_ok());
    assert!(read(json!({"topics": vec!["a"; MAX_SELECTORS + 1]})).is_err());
    assert!(read(json!({"publish": ["a".repeat(MAX_SELECTOR_BYTES)]})).is_ok());
    assert!(read(json!({"publish": ["a".repeat(MAX_SELECTOR_BYTES + 1)]})).is_err());
    assert!(read(json!({"user": "a".repeat(MAX_NAME_BYTES)})).is_ok());
    assert!(read(json!({"session": "a".repeat(MAX_NAME_BYTES + 1)})).is_err());
    let seconds = |text: &str| {
        let body = format!("{{\"expires_in\":{text}}}");
        Answer::read(&as_json(), body.as_bytes()).map(|answer| answer.expires_in.unwrap())
    };
    assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    assert_eq!(seconds("1e3"), Ok(Duration::from_secs(1000)));
    for text in ["0", "-0", "0.0", "-1", "1e-30", "1e30", "\"1\"", "true", "[1]"] {
        assert!(seconds(text).is_err(), "{text}");
    }
}

#[test]
fn a_payload_keeps_its_digits_and_its_order() {
    let body = br#"{ "payload" : { "b" : 1.0, "a" : [ 12345678901234567890 ] } }"#;
    let answer = Answer::read(&as_json(), body).unwrap();
    assert_eq!(answer.payload.as_deref(), Some(r#"{"b":1.0,"a":[12345678901234567890]}"#));
}

#[test]
fn an_empty_name_is_none() {
    let answer = Answer::read(&as_json(), br#"{"user":"","session":""}"#).unwrap();
    assert!(answer == Answer::default());
    let lines = headers(&[("x-tidings-user", b" "), ("x-tidings-session", b"")]);
    assert!(Answer::read(&lines, b"").unwrap() == Answer::default());
}

#[test]
fn the_nearest_name_is_told() {
    let nearest = |name: &str| {
        let body = format!("{{\"{name}\":1}}");
        let Err(AnswerError::Unknown { nearest, .. }) = Answer::read(&as_json(), body.as_bytes())
        else {
            panic!("{name} is known")
        };
        nearest
    };
    assert_eq!(nearest("User").as_deref(), Some("user"));
    assert_eq!(nearest("expiresIn").as_deref(), Some("expires_in"));
    assert_eq!(nearest("publsih").as_deref(), Some("publish"));
    assert_eq!(nearest("roles"), None);
    assert_eq!(nearest(&"x".repeat(10_000)), None);
}
