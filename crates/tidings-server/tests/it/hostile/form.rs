//! Forms that are no updates.

use super::harness::{Case, Expected, Harness, case, form, refused};

/// What is wrong, the body, and the refusal's status, reason and words.
const FORMS: &[(&str, &[u8], u16, &str, &str)] = &[
    ("no body", b"", 400, "missing_topic", "missing `topic`"),
    ("no topic", b"data=a", 400, "missing_topic", "missing `topic`"),
    ("JSON in a form", br#"{"topic":"a"}"#, 400, "missing_topic", "missing `topic`"),
    ("an empty topic", b"topic=&data=a", 400, "empty_topic", "`topic` is empty"),
    ("an empty second topic", b"topic=a&topic=", 400, "empty_topic", "`topic` is empty"),
    (
        "a reserved topic",
        b"topic=https://x/.well-known/mercure/y",
        403,
        "reserved_topic",
        "/.well-known/mercure",
    ),
    (
        "a reserved topic in disguise",
        b"topic=a&topic=%2F.well-known%2Fmercure",
        403,
        "reserved_topic",
        "the hub's own",
    ),
    ("% without digits", b"topic=a&data=%zz", 400, "bad_escape", "`data` has a %"),
    ("% at the end", b"topic=a&data=100%", 400, "bad_escape", "write %25"),
    ("% with one digit", b"topic=a%4&data=a", 400, "bad_escape", "`topic` has a %"),
    ("% in a name", b"topic=a&%=b", 400, "bad_escape", "`name` has a %"),
    ("bytes that are not UTF-8", b"topic=a&data=\xff\xfe", 400, "not_utf8", "`data` is not UTF-8"),
    ("escapes that are not UTF-8", b"topic=%ff", 400, "not_utf8", "`topic` is not UTF-8"),
    ("an overlong encoding", b"topic=a&id=%c0%af", 400, "not_utf8", "`id` is not UTF-8"),
    ("an encoded surrogate", b"topic=a&type=%ed%a0%80", 400, "not_utf8", "`type` is not UTF-8"),
    ("a name that is not UTF-8", b"topic=a&d\xe9=1", 400, "not_utf8", "`name` is not UTF-8"),
    ("UTF-16", b"t\0o\0p\0i\0c\0=\0a\0", 400, "missing_topic", "missing `topic`"),
    ("an id with NUL", b"topic=a&id=a%00b", 400, "bad_id", "`id` has NUL, CR or LF"),
    ("an id with CR", b"topic=a&id=a%0Db", 400, "bad_id", "`id` has NUL, CR or LF"),
    ("an id with LF", b"topic=a&id=a%0Adata: forged", 400, "bad_id", "`id` has NUL, CR or LF"),
    ("an id with a bare NUL", b"topic=a&id=a\0b", 400, "bad_id", "`id` has NUL, CR or LF"),
    ("an id like the hub's", b"topic=a&id=%23abcdefgh-1", 400, "bad_id", "`id` begins with #"),
    ("an id that asks for the log", b"topic=a&id=earliest", 400, "bad_id", "`id` is `earliest`"),
    ("a type with NUL", b"topic=a&type=%00", 400, "bad_type", "`type` has NUL, CR or LF"),
    ("a type with CR", b"topic=a&type=a%0D", 400, "bad_type", "`type` has NUL, CR or LF"),
    (
        "a type with LF",
        b"topic=a&type=a%0A%0Adata: forged",
        400,
        "bad_type",
        "`type` has NUL, CR or LF",
    ),
    (
        "a type with a bare CRLF",
        b"topic=a&type=a\r\nb",
        400,
        "bad_type",
        "`type` has NUL, CR or LF",
    ),
    // Subscribers took them for the hub's, and dropped what they had.
    (
        "a forged gap",
        b"topic=a&type=gap",
        400,
        "reserved_type",
        "`type` is `gap`, as only the hub's",
    ),
    ("a forged refusal", b"topic=a&type=refused", 400, "reserved_type", "`refused`"),
    ("a forged end of a token", b"topic=a&type=expired", 400, "reserved_type", "`expired`"),
    ("a forged drain", b"topic=a&type=drain", 400, "reserved_type", "`drain`"),
    ("retry below nought", b"topic=a&retry=-1", 400, "bad_retry", "whole number of milliseconds"),
    ("retry with a letter", b"topic=a&retry=1x", 400, "bad_retry", "whole number of milliseconds"),
    (
        "retry of 2^64",
        b"topic=a&retry=18446744073709551616",
        400,
        "bad_retry",
        "18446744073709551615",
    ),
    (
        "retry with a fraction",
        b"topic=a&retry=1.5",
        400,
        "bad_retry",
        "whole number of milliseconds",
    ),
    ("retry with a sign", b"topic=a&retry=%2B1", 400, "bad_retry", "whole number of milliseconds"),
    ("retry with LF", b"topic=a&retry=1%0A", 400, "bad_retry", "whole number of milliseconds"),
    ("retry with NUL", b"topic=a&retry=1%00", 400, "bad_retry", "whole number of milliseconds"),
    (
        "retry in other digits",
        "topic=a&retry=１".as_bytes(),
        400,
        "bad_retry",
        "whole number of milliseconds",
    ),
];

/// What is large, made where it is used.
fn large() -> Vec<Case> {
    let topics = |count: usize| vec!["topic=a"; count].join("&");
    let many = refused(400, "too_many_topics", "more than 1000 topics");
    vec![
        case("a form with 1,001 topics", form(topics(1_001)), many),
        case("a form with 10,000 topics", form(topics(10_000)), many),
        case(
            "a form with a topic of 4,097 bytes",
            form(format!("topic={}", "a".repeat(4_097))),
            refused(400, "topic_too_long", "longer than 4096 bytes"),
        ),
        case(
            "a form with an id of 1,025 bytes",
            form(format!("topic=a&id={}", "a".repeat(1_025))),
            refused(400, "bad_id", "longer than 1024 bytes"),
        ),
        case(
            "a form with data over its limit",
            form(format!("topic=a&data={}", "a".repeat(1_048_577))),
            refused(413, "data_too_large", "1048577 bytes of at most 1048576"),
        ),
        case(
            "a form with a body over its limit",
            form(format!("topic=a&data={}", "a".repeat(16 * 1024 * 1024))),
            refused(413, "body_too_large", "larger than 16777216 bytes"),
        ),
        case(
            "a form with 100,000 empty pairs",
            form("&".repeat(100_000)),
            refused(400, "missing_topic", ""),
        ),
        case("a form with only =", form("=".repeat(100_000)), refused(400, "missing_topic", "")),
    ]
}

/// Odd, but good.
fn good() -> Vec<Case> {
    vec![
        case(
            "a form with line ends and NUL in data",
            form("topic=a&data=a%00%0D%0Ab%0D%0A%0D%0Ac"),
            Expected::Logged,
        ),
        case(
            "a form with line ends and NUL in a topic",
            form("topic=a%00%0D%0A%0D%0Adata: b"),
            Expected::Logged,
        ),
        case("a form with an unknown field", form("topic=a&colour=%00"), Expected::Logged),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let table = FORMS.iter().map(|&(name, body, status, reason, words)| {
        case(format!("a form with {name}"), form(body), refused(status, reason, words))
    });
    table.chain(large()).chain(good()).collect()
}

#[tokio::test]
async fn a_bad_form_gets_a_clear_error_and_publishes_nothing() {
    Harness::open().await.check_all(cases()).await;
}
