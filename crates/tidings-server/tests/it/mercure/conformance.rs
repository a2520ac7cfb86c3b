//! The cases of the protocol's published test suite for 0.x, spoken as raw HTTP.

use serde_json::json;

use super::requests::{HUB, anonymous_config, bearer, get, open, post, start};
use crate::support::sign;

/// One case: an update's topics, a subscriber's selectors, and whether they find each other.
struct Case {
    name: &'static str,
    topics: &'static [&'static str],
    selectors: &'static [&'static str],
    private: bool,
    received: bool,
    /// A topic that the selectors cover: what is published to it after the update shows that nothing else came.
    covered: &'static str,
}

const CASES: [Case; 11] = [
    received("raw string", &["r0"], &["r0"]),
    received("several topics", &["other", "r1"], &["r1"]),
    received("several selectors", &["r2"], &["foo", "r2"]),
    received("URI", &["https://example.net/foo/r3"], &["https://example.net/foo/r3"]),
    received(
        "URI template",
        &["https://example.net/foo/r4"],
        &["https://example.net/foo/{random}"],
    ),
    not_received("another raw string", &["will-not-match"], &["r5"], "r5"),
    not_received(
        "another URI",
        &["https://example.net/foo/other"],
        &["https://example.net/foo/r6"],
        "https://example.net/foo/r6",
    ),
    not_received(
        "another URI template",
        &["https://example.net/foo/will-not-match"],
        &["https://example.net/bar/{random}"],
        "https://example.net/bar/r7",
    ),
    private("private raw string", &["r8"], &["r8"]),
    private("private URI", &["https://example.net/foo/r9"], &["https://example.net/foo/r9"]),
    private(
        "private URI template",
        &["https://example.net/foo/r10"],
        &["https://example.net/foo/{random}"],
    ),
];

const fn received(
    name: &'static str,
    topics: &'static [&'static str],
    selectors: &'static [&'static str],
) -> Case {
    Case { name, topics, selectors, private: false, received: true, covered: topics[0] }
}

const fn not_received(
    name: &'static str,
    topics: &'static [&'static str],
    selectors: &'static [&'static str],
    covered: &'static str,
) -> Case {
    Case { name, topics, selectors, private: false, received: false, covered }
}

/// What the subscriber, who is anonymous, would match but may not read.
const fn private(
    name: &'static str,
    topics: &'static [&'static str],
    selectors: &'static [&'static str],
) -> Case {
    Case { name, topics, selectors, private: true, received: false, covered: topics[0] }
}

#[tokio::test]
async fn the_published_cases_pass() {
    let server = start(anonymous_config()).await;
    // The suite's own token never expires.
    let grants = json!({ "publish": ["*"], "subscribe": ["*"] });
    let token = bearer(&sign(&json!({ "mercure": grants })));
    assert_eq!(get(&server, "/", &[]).await.status, 200, "the suite opens a page here first");
    for case in &CASES {
        let name = case.name;
        let query: Vec<_> = case.selectors.iter().map(|selector| ("topic", *selector)).collect();
        let mut stream = open(&server, &query, &[]).await;
        let id = format!("id-[{:?}]", case.topics);
        let data = format!("data of {name}\n\n  after a blank line, and a blank one follows\n\n");
        let mut fields: Vec<_> = case.topics.iter().map(|topic| ("topic", *topic)).collect();
        fields.extend([("id", id.as_str()), ("data", &data)]);
        if case.private {
            fields.push(("private", "on"));
        }
        let answer = post(&server, &[&token], &fields).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let content_type = answer.header("content-type").unwrap();
        assert!(content_type == "text/plain" || content_type.starts_with("text/plain;"), "{name}");
        assert_eq!(answer.text(), id, "{name}");
        if case.received {
            assert_eq!(stream.event().await, ("message".into(), data, id), "{name}");
        } else {
            post(&server, &[&token], &[("topic", case.covered), ("data", "the end")]).await;
            assert_eq!(stream.data(1).await, ["the end"], "{name} at {HUB}");
        }
    }
}
