//! What is not served, and headers that are wrong.

use super::harness::{Case, Expected, Harness, case, form, get, post, post_with, refused};
use crate::support::{TestServer, token};

/// What is wrong, the request line, and the refusal's status, reason and words.
const REQUESTS: &[(&str, &str, u16, &str, &str)] = &[
    (
        "a path that is not served",
        "GET /nothing HTTP/1.1",
        404,
        "not_found",
        "nothing is served at this path",
    ),
    (
        "a path with something after it",
        "GET /eventsx?topic=a HTTP/1.1",
        404,
        "not_found",
        "subscribe and publish at",
    ),
    (
        "a path with a slash after it",
        "GET /events/?topic=a HTTP/1.1",
        404,
        "not_found",
        "nothing is served",
    ),
    ("two slashes", "GET //events?topic=a HTTP/1.1", 404, "not_found", "nothing is served"),
    (
        "another host in two slashes",
        "GET //evil.example/events?topic=a HTTP/1.1",
        404,
        "not_found",
        "",
    ),
    ("a path in capitals", "GET /EVENTS?topic=a HTTP/1.1", 404, "not_found", "nothing is served"),
    (
        "a path that climbs",
        "GET /../../../../etc/passwd HTTP/1.1",
        404,
        "not_found",
        "nothing is served",
    ),
    (
        "a path that climbs in disguise",
        "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
        404,
        "not_found",
        "",
    ),
    (
        "a path that climbs with backslashes",
        "GET /..%5c..%5cetc%5cpasswd HTTP/1.1",
        404,
        "not_found",
        "",
    ),
    ("a served path that is climbed to", "GET /a/../events?topic=a HTTP/1.1", 404, "not_found", ""),
    ("a served path that is escaped", "GET /%65vents?topic=a HTTP/1.1", 404, "not_found", ""),
    ("a path with NUL", "GET /events%00?topic=a HTTP/1.1", 404, "not_found", "nothing is served"),
    ("a path that is not UTF-8", "GET /%ff%fe HTTP/1.1", 404, "not_found", "nothing is served"),
    (
        "the hub's path with something after it",
        "GET /.well-known/mercurex HTTP/1.1",
        404,
        "not_found",
        "",
    ),
    (
        "a list of subscriptions that is none",
        "GET /.well-known/mercure/subscriptionsx HTTP/1.1",
        404,
        "not_found",
        "",
    ),
    ("the star", "OPTIONS * HTTP/1.1", 404, "not_found", "nothing is served"),
    (
        "an absolute URI to nowhere",
        "GET http://hub/nothing HTTP/1.1",
        404,
        "not_found",
        "nothing is served",
    ),
    ("a tunnel", "CONNECT evil.example:443 HTTP/1.1", 404, "not_found", "nothing is served"),
    (
        "the metrics on the public listener",
        "GET /metrics HTTP/1.1",
        404,
        "not_found",
        "nothing is served",
    ),
    (
        "a method that changes",
        "PUT /events?topic=a HTTP/1.1",
        405,
        "method_not_allowed",
        "use GET, HEAD, POST",
    ),
    (
        "a method that removes",
        "DELETE /.well-known/mercure HTTP/1.1",
        405,
        "method_not_allowed",
        "use GET, HEAD, POST",
    ),
    (
        "a method that echoes",
        "TRACE /events HTTP/1.1",
        405,
        "method_not_allowed",
        "use GET, HEAD, POST",
    ),
    (
        "a method in small letters",
        "get /events?topic=a HTTP/1.1",
        405,
        "method_not_allowed",
        "use GET",
    ),
    (
        "a method that nobody knows",
        "BREW /events HTTP/1.1",
        405,
        "method_not_allowed",
        "use GET, HEAD, POST",
    ),
    ("a post to the page", "POST / HTTP/1.1", 405, "method_not_allowed", "use GET, HEAD"),
    (
        "a post to the subscriptions",
        "POST /.well-known/mercure/subscriptions HTTP/1.1",
        405,
        "method_not_allowed",
        "use GET, HEAD",
    ),
];

/// What is wrong, the content type's line, and what is refused.
const CONTENT_TYPES: &[(&str, &str)] = &[
    ("no content type", ""),
    ("an empty content type", "Content-Type:\r\n"),
    ("text", "Content-Type: text/plain\r\n"),
    ("a form of parts", "Content-Type: multipart/form-data; boundary=a\r\n"),
    ("JSON of another kind", "Content-Type: application/ld+json\r\n"),
    ("two types in one", "Content-Type: text/plain, application/json\r\n"),
    ("a type with more behind it", "Content-Type: application/jsonx\r\n"),
    ("a type of bytes", "Content-Type: \u{e9}\u{e8}\r\n"),
    ("a parameter alone", "Content-Type: ;charset=utf-8\r\n"),
];

/// What is wrong, and the idempotency key's lines.
const KEYS: &[(&str, &str)] = &[
    ("an empty key", "Idempotency-Key:\r\n"),
    ("a key of spaces", "Idempotency-Key:    \r\n"),
    ("two keys", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"),
    ("one key twice", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n"),
    ("a key of bytes", "Idempotency-Key: \u{e9}\r\n"),
];

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// Odd, but good.
fn good() -> Vec<Case> {
    let longest = format!("{FORM}Idempotency-Key: {}\r\n", "k".repeat(255));
    let absolute =
        String::from_utf8(form("topic=a")).unwrap().replace("/.well", "http://evil.example/.well");
    vec![
        case("a key of 255 bytes", post_with(&longest, "topic=a"), Expected::Logged),
        case("an absolute URI", absolute, Expected::Logged),
        case(
            "a content type in capitals with a parameter",
            post("APPLICATION/JSON ; charset=\"utf-8\"", r#"{"topic":"a"}"#),
            Expected::Logged,
        ),
        case(
            "an expectation that nobody knows",
            post_with(&format!("{FORM}Expect: the-unexpected\r\n"), "topic=a"),
            Expected::Logged,
        ),
        case(
            "an upgrade",
            post_with(
                &format!("{FORM}Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"),
                "topic=a",
            ),
            Expected::Logged,
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let table = REQUESTS.iter().map(|&(name, line, status, reason, words)| {
        let request = format!("{line}\r\nHost: hub\r\nContent-Length: 0\r\n\r\n");
        case(name, request, refused(status, reason, words))
    });
    let method = format!("{} /events HTTP/1.1\r\nHost: hub\r\n\r\n", "X".repeat(1_000));
    let method = case(
        "a method of 1,000 letters",
        method,
        refused(405, "method_not_allowed", "use GET, HEAD, POST"),
    );
    let target = "/.well-known/mercure/subscriptions";
    let nobody = get(target, &format!("Authorization: Bearer {}\r\n", token(&["*"], &["a"])));
    let nobody = case(
        "subscriptions without a grant",
        nobody,
        refused(403, "forbidden", "see active subscriptions"),
    );
    let types = CONTENT_TYPES.iter().map(|&(name, line)| {
        let expected = refused(415, "unsupported_media_type", "say so in Content-Type");
        case(name, post_with(line, r#"{"topic":"a"}"#), expected)
    });
    let bad_key = refused(400, "bad_idempotency_key", "1 to 255 ASCII characters");
    let keys = KEYS.iter().map(move |&(name, lines)| {
        case(name, post_with(&format!("{FORM}{lines}"), "topic=a"), bad_key)
    });
    let long = format!("{FORM}Idempotency-Key: {}\r\n", "k".repeat(256));
    let long = case("a key of 256 bytes", post_with(&long, "topic=a"), bad_key);
    table.chain([method, nobody]).chain(types).chain(keys).chain([long]).chain(good()).collect()
}

#[tokio::test]
async fn what_is_not_served_gets_a_clear_error_and_publishes_nothing() {
    Harness::open().await.check_all(cases()).await;
}

#[tokio::test]
async fn a_list_of_subscriptions_is_not_had_by_odd_paths() {
    let server = TestServer::open().await;
    let token = token(&[], &["*"]);
    for (path, status, reason) in [
        ("/%ff", 404, "not_found"),
        ("/a/%ff", 404, "not_found"),
        ("/a/b/c", 404, "not_found"),
        ("/a/urn:uuid:none", 404, "not_found"),
        ("/..%2f..", 200, ""),
        ("/%00%0d%0a", 200, ""),
    ] {
        let target = format!("/.well-known/mercure/subscriptions{path}");
        let head = format!("GET {target} HTTP/1.1\r\nAuthorization: Bearer {token}");
        let answer = server.request(&head, b"").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status == 404 {
            assert_eq!(answer.json()["reason"], reason, "{path}");
        } else {
            assert_eq!(answer.json()["subscriptions"], serde_json::json!([]), "{path}");
        }
    }
}

fn keyed(data: &str) -> Vec<u8> {
    let headers = format!("{FORM}Idempotency-Key: k\r\n");
    post_with(&headers, format!("topic=a&data={data}"))
}

/// What is refused only after a first publish with the same key.
pub(super) fn reused() -> Case {
    let expected = refused(422, "idempotency_key_reused", "was used for another update");
    case("a key used again for another update", keyed("2"), expected)
}

#[tokio::test]
async fn a_key_that_was_used_for_another_update_publishes_nothing() {
    let mut harness = Harness::open().await;
    harness.check(&case("a first use of a key", keyed("1"), Expected::Logged)).await;
    harness.check(&reused()).await;

    // What came after it in the array was published, and its publisher told that nothing was.
    let array = |data: &[u8]| {
        let update = |data| format!(r#"{{"topic":"a","data":{data}}}"#);
        let updates: Vec<String> = data.iter().map(update).collect();
        let headers = "Content-Type: application/json\r\nIdempotency-Key: array\r\n";
        post_with(headers, format!("[{}]", updates.join(",")))
    };
    assert_eq!(harness.exchange(&array(&[1, 2])).await.unwrap().status, 200);
    harness.was_published("1").await;
    harness.was_published("2").await;
    let expected = refused(422, "idempotency_key_reused", "update 1 of the array: ");
    harness.check(&case("an array with one update changed", array(&[1, 3, 4]), expected)).await;
}
