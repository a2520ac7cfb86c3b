//! JSON that is no update.

use super::harness::{Case, Expected, Harness, case, logged, post, refused};

fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("application/json", body)
}

/// What is wrong, the body, and the refusal's status, reason and words.
const JSON: &[(&str, &[u8], u16, &str, &str)] = &[
    ("nothing", b"", 400, "bad_json", "line 1, column 0"),
    ("white space", b" \r\n\t ", 400, "bad_json", "not well-formed JSON"),
    ("a form", b"topic=a&data=b", 400, "bad_json", "line 1, column 2"),
    ("an object cut off", br#"{"topic":"a""#, 400, "bad_json", "line 1, column 12"),
    ("a string cut off", br#"{"topic":"a","data":"b"#, 400, "bad_json", "line 1, column 22"),
    ("an escape cut off", br#"{"topic":"a\u00"#, 400, "bad_json", "not well-formed JSON"),
    ("something after it", br#"{"topic":"a"} x"#, 400, "bad_json", "line 1, column 15"),
    ("two updates", b"{\"topic\":\"a\"}\n{\"topic\":\"b\"}", 400, "bad_json", "line 2, column 1"),
    ("a comma too many", br#"{"topic":"a",}"#, 400, "bad_json", "line 1, column 14"),
    ("single quotes", b"{'topic':'a'}", 400, "bad_json", "line 1, column 2"),
    ("a comment", b"/* */ {\"topic\":\"a\"}", 400, "bad_json", "line 1, column 1"),
    ("a byte order mark", b"\xef\xbb\xbf{\"topic\":\"a\"}", 400, "bad_json", "line 1, column 1"),
    ("a bare LF in a string", b"{\"topic\":\"a\nb\"}", 400, "bad_json", "line 2, column 0"),
    ("a bare NUL in a string", b"{\"topic\":\"a\0b\"}", 400, "bad_json", "line 1, column 12"),
    ("NaN", br#"{"topic":"a","data":NaN}"#, 400, "bad_json", "line 1, column 21"),
    (
        "a number with a leading nought",
        br#"{"topic":"a","data":01}"#,
        400,
        "bad_json",
        "line 1, column 22",
    ),
    ("bytes that are not UTF-8", b"{\"topic\":\"a\xff\"}", 400, "not_utf8", "`body` is not UTF-8"),
    ("UTF-16", b"\xff\xfe{\0\"\0t\0", 400, "not_utf8", "`body` is not UTF-8"),
    (
        "half a surrogate pair in data",
        br#"{"topic":"a","data":"\ud800"}"#,
        400,
        "not_utf8",
        "`data` is not UTF-8",
    ),
    (
        "the other half in data",
        br#"{"topic":"a","data":"\udc00"}"#,
        400,
        "not_utf8",
        "`data` is not UTF-8",
    ),
    (
        "half a surrogate pair in a topic",
        br#"{"topic":"\ud800"}"#,
        400,
        "bad_json",
        "line 1, column 17",
    ),
    (
        "half a surrogate pair in an id",
        br#"{"topic":"a","id":"\udfff"}"#,
        400,
        "bad_json",
        "line 1",
    ),
    ("a string", br#""topic""#, 400, "wrong_type", "`update` has to be a JSON object"),
    ("a number", b"7", 400, "wrong_type", "`update` has to be a JSON object"),
    ("null", b"null", 400, "wrong_type", "`update` has to be a JSON object"),
    (
        "a topic that is a number",
        br#"{"topic":1}"#,
        400,
        "wrong_type",
        "`topic` has to be a string or an array of strings",
    ),
    ("a topic that is an object", br#"{"topic":{"a":1}}"#, 400, "wrong_type", "`topic` has to be"),
    ("topics that are numbers", br#"{"topic":["a",1]}"#, 400, "wrong_type", "`topic` has to be"),
    ("topics in topics", br#"{"topic":[["a"]]}"#, 400, "wrong_type", "`topic` has to be"),
    (
        "an id that is a number",
        br#"{"topic":"a","id":7}"#,
        400,
        "wrong_type",
        "`id` has to be a string",
    ),
    (
        "a type that is an array",
        br#"{"topic":"a","type":["b"]}"#,
        400,
        "wrong_type",
        "`type` has to be a string",
    ),
    (
        "private that is a string",
        br#"{"topic":"a","private":"on"}"#,
        400,
        "wrong_type",
        "`private` has to be true or false",
    ),
    (
        "private that is 1",
        br#"{"topic":"a","private":1}"#,
        400,
        "wrong_type",
        "`private` has to be true or false",
    ),
    (
        "retry that is a string",
        br#"{"topic":"a","retry":"1"}"#,
        400,
        "bad_retry",
        "whole number of milliseconds",
    ),
    (
        "retry below nought",
        br#"{"topic":"a","retry":-1}"#,
        400,
        "bad_retry",
        "whole number of milliseconds",
    ),
    (
        "retry with a fraction",
        br#"{"topic":"a","retry":0.5}"#,
        400,
        "bad_retry",
        "whole number of milliseconds",
    ),
    (
        "retry of 2^64",
        br#"{"topic":"a","retry":18446744073709551616}"#,
        400,
        "bad_retry",
        "18446744073709551615",
    ),
    (
        "retry beyond a double",
        br#"{"topic":"a","retry":1e400}"#,
        400,
        "bad_retry",
        "whole number of milliseconds",
    ),
    ("no topic", b"{}", 400, "missing_topic", "missing `topic`"),
    ("no topics", br#"{"topic":[]}"#, 400, "missing_topic", "missing `topic`"),
    ("an empty topic", br#"{"topic":["a",""]}"#, 400, "empty_topic", "`topic` is empty"),
    (
        "a reserved topic",
        br#"{"topic":"/.well-known\/mercure"}"#,
        403,
        "reserved_topic",
        "the hub's own",
    ),
    ("a misspelt field", br#"{"tpoic":"a"}"#, 400, "unknown_field", "did you mean `topic`?"),
    (
        "a field in capitals",
        br#"{"topic":"a","Data":1}"#,
        400,
        "unknown_field",
        "did you mean `data`?",
    ),
    (
        "a field like no other",
        br#"{"topic":"a","colour":1}"#,
        400,
        "unknown_field",
        "an update has `topic`",
    ),
    (
        "a field twice",
        br#"{"topic":"a","data":1,"data":2}"#,
        400,
        "duplicate_field",
        "`data` is there twice",
    ),
    (
        "a field twice in disguise",
        br#"{"topic":"a","t\u006fpic":"b"}"#,
        400,
        "duplicate_field",
        "`topic` is there twice",
    ),
    (
        "an id with NUL",
        br#"{"topic":"a","id":"a\u0000b"}"#,
        400,
        "bad_id",
        "`id` has NUL, CR or LF",
    ),
    ("an id with CR", br#"{"topic":"a","id":"a\rb"}"#, 400, "bad_id", "`id` has NUL, CR or LF"),
    (
        "an id with LF",
        br#"{"topic":"a","id":"a\ndata: forged"}"#,
        400,
        "bad_id",
        "`id` has NUL, CR or LF",
    ),
    ("an id like the hub's", br##"{"topic":"a","id":"#a"}"##, 400, "bad_id", "`id` begins with #"),
    (
        "a type with LF",
        br#"{"topic":"a","type":"a\n\nb"}"#,
        400,
        "bad_type",
        "`type` has NUL, CR or LF",
    ),
    (
        "a type with CR",
        br#"{"topic":"a","type":"\r"}"#,
        400,
        "bad_type",
        "`type` has NUL, CR or LF",
    ),
    (
        "a type with NUL",
        br#"{"topic":"a","type":"\u0000"}"#,
        400,
        "bad_type",
        "`type` has NUL, CR or LF",
    ),
    ("an array cut off", br#"[{"topic":"a"}"#, 400, "bad_json", "not well-formed JSON"),
    ("an array of numbers", b"[7]", 400, "wrong_type", "update 0 of the array: `update` has to be"),
    (
        "a bad update among good ones",
        br#"[{"topic":"a"},{"topic":"b","retry":-1},{"topic":"c"}]"#,
        400,
        "bad_retry",
        "update 1 of the array",
    ),
    (
        "a reserved topic among good ones",
        br#"[{"topic":"a"},{"topic":"/.well-known/mercure"}]"#,
        403,
        "reserved_topic",
        "update 1 of the array",
    ),
    ("something after an array", br#"[{"topic":"a"}]]"#, 400, "bad_json", "line 1, column 16"),
];

/// What is large or deep, made where it is used.
fn large() -> Vec<Case> {
    let update = r#"{"topic":"a"}"#;
    let open = "[".repeat(100_000);
    let topics = |count: usize| format!(r#"{{"topic":[{}]}}"#, vec![r#""a""#; count].join(","));
    vec![
        case(
            "JSON: 100,000 brackets",
            json(&open),
            refused(400, "wrong_type", "update 0 of the array"),
        ),
        case(
            "JSON: 100,000 brackets for a topic",
            json(format!(r#"{{"topic":{open}"#)),
            refused(400, "wrong_type", "`topic` has to be"),
        ),
        case(
            "JSON: 100,000 brackets for data, not closed",
            json(format!(r#"{{"topic":"a","data":{open}"#)),
            refused(400, "bad_json", "column 100020"),
        ),
        case(
            "JSON: 100,000 objects for data, not closed",
            json(format!(r#"{{"topic":"a","data":{}"#, r#"{"a":"#.repeat(100_000))),
            refused(400, "bad_json", "not well-formed JSON"),
        ),
        case(
            "JSON: 100,000 brackets for a field that is unknown",
            json(format!(r#"{{"a":{open}"#)),
            refused(400, "unknown_field", "`a`"),
        ),
        case(
            "JSON: a field's name of 100,000 bytes",
            json(format!(r#"{{"{}":1}}"#, "x".repeat(100_000))),
            refused(400, "unknown_field", "xxxx`: an update has"),
        ),
        case(
            "JSON: 1,001 topics",
            json(topics(1_001)),
            refused(400, "too_many_topics", "more than 1000"),
        ),
        case(
            "JSON: 1,001 updates",
            json(format!("[{}]", vec![update; 1_001].join(","))),
            refused(400, "too_many_updates", "send application/x-ndjson"),
        ),
        case(
            "JSON: data over its limit",
            json(format!(r#"{{"topic":"a","data":"{}"}}"#, "a".repeat(1_048_577))),
            refused(413, "data_too_large", "of at most 1048576"),
        ),
        // Of one update in an array both the status and the reason are its own; the status was 400 for any of them.
        case(
            "JSON: data over its limit among good updates",
            json(format!(r#"[{update},{{"topic":"a","data":"{}"}}]"#, "a".repeat(1_048_577))),
            refused(413, "data_too_large", "update 1 of the array"),
        ),
        case(
            "JSON: a body over its limit",
            json(format!(r#"{{"topic":"a","data":"{}"}}"#, "a".repeat(16 * 1024 * 1024))),
            refused(413, "body_too_large", "larger than 16777216 bytes"),
        ),
    ]
}

/// Odd, but good.
fn good() -> Vec<Case> {
    let deep = format!(r#"{{"topic":"a","data":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!(r#"{{"topic":"a","data":1{}e999999999}}"#, "0".repeat(10_000));
    vec![
        case("100,000 brackets for data", json(deep), Expected::Logged),
        case("a number beyond a double for data", json(huge), Expected::Logged),
        case("line ends in a topic", json(r#"{"topic":"a\r\n\u0000"}"#), Expected::Logged),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let table = JSON.iter().map(|&(name, body, status, reason, words)| {
        case(format!("JSON: {name}"), json(body), refused(status, reason, words))
    });
    table.chain(large()).chain(good()).collect()
}

#[tokio::test]
async fn bad_json_gets_a_clear_error_and_publishes_nothing() {
    Harness::open().await.check_all(cases()).await;
}

#[tokio::test]
async fn a_field_s_name_cannot_forge_a_line_of_the_log() {
    let mut harness = Harness::open().await;
    drop(logged());
    let body = "{\"topic\":\"a\",\"\\n2026-01-01T00:00:00Z  INFO forged\\u001b[2J\":1}";
    let answer = harness.exchange(&json(body)).await.unwrap();
    assert_eq!(answer.json()["reason"], "unknown_field");
    let logged = logged();
    assert!(!logged.lines().any(|line| line.starts_with("2026-01-01T")), "{logged}");
    assert!(!logged.contains('\u{1b}'), "{logged}");
    harness.goes_on("a field's name with a line end").await;
}
