//! Selectors, cursors and addresses that are odd or wrong.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::{ServerConfig, TrustedProxies};

use super::harness::{Case, Expected, Harness, case, form, get, refused};
use crate::support::{Seen, TestServer, open_config};

const MISSING: Expected = refused(400, "missing_topic", "name at least one topic");

fn wrong() -> Vec<Case> {
    let events = |query: &str| get(&format!("/events?{query}"), "");
    let browser = "Accept: text/event-stream\r\n";
    vec![
        case("no query", get("/events", ""), MISSING),
        case("an empty query", events(""), MISSING),
        case("no topic", events("topics=a&Topic=a&lastEventID=1"), MISSING),
        case("no topic, from a browser", get("/events?a=b", browser), MISSING),
        case("a query that is not UTF-8", events("%ff=%fe&%"), MISSING),
        case(
            "a selector of 4,097 bytes",
            events(&format!("topic={}", "a".repeat(4_097))),
            refused(400, "selector_too_long", "longer than 4096 bytes"),
        ),
        case(
            "1,001 selectors",
            events(&"topic=a&".repeat(1_001)),
            refused(400, "too_many_selectors", "more than 1000 topic selectors"),
        ),
        case(
            "65 templates",
            events(&(0..65).map(|n| format!("topic={{a{n}}}")).collect::<Vec<_>>().join("&")),
            refused(400, "too_many_templates", "at most 64 templates"),
        ),
    ]
}

/// Odd, but good: each opens a stream, and the hub goes on.
fn odd() -> Vec<Case> {
    let with = |lines: &str| get("/events?topic=a", lines);
    let selector = |text: &str| {
        let topic: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        get(&format!("/events?topic={topic}"), "")
    };
    let bytes = |value: &[u8]| [b"GET /events?topic=a HTTP/1.1\r\n", value, b"\r\n\r\n"].concat();
    let requests = [
        ("an empty selector", get("/events?topic=", "")),
        ("a selector that is not UTF-8", get("/events?topic=%ff%fe", "")),
        ("a selector with a bad escape", get("/events?topic=%zz%", "")),
        ("a selector with line ends and NUL", selector("a\r\n\0b")),
        ("a template of 1,000 expressions", selector(&"{a}{b}".repeat(500))),
        ("a template that never ends", selector(&"{".repeat(4_000))),
        ("a template in a template", selector("{{{{a}}}}{a{b}c}")),
        ("a template of 4 KiB", selector(&format!("{{{}}}", "a,".repeat(2_000)))),
        ("a template with a huge prefix", selector("{a:99999999999999999999}")),
        (
            "a template with every operator",
            selector("{+a*}{#b*}{.c*}{/d*}{;e*}{?f*}{&g*}{=h}{|i}{!j}"),
        ),
        ("a regular expression", selector("^(a+)+$|(.*)*")),
        ("a cursor of bytes", bytes(b"Last-Event-ID: \xff\xfe\x80")),
        ("a cursor of 8 KiB", with(&format!("Last-Event-ID: {}\r\n", "#".repeat(8_192)))),
        ("a cursor in the future", with("Last-Event-ID: #00000000-18446744073709551615\r\n")),
        ("a cursor beyond 64 bits", with("Last-Event-ID: #00000000-18446744073709551616\r\n")),
        ("a cursor below nought", with("Last-Event-ID: #00000000--1\r\n")),
        ("a cursor of a mark alone", with("Last-Event-ID: #\r\n")),
        ("a cursor with a multi-byte epoch", bytes("Last-Event-ID: #éééé-1".as_bytes())),
        (
            "a cursor with line ends",
            get("/events?topic=a&lastEventID=a%0D%0Adata:%20forged%0A%0A%00", ""),
        ),
        (
            "cursors under every name",
            get(
                "/events?topic=a&lastEventID=%ff&last_event_id=a&Last-Event-ID=b&lastEventId=c",
                "",
            ),
        ),
        ("two cursors", with("Last-Event-ID: a\r\nLast-Event-ID: b\r\n")),
    ];
    requests.into_iter().map(|(name, request)| case(name, request, Expected::Stream)).collect()
}

/// What a client behind a trusted proxy may write about itself.
const FORWARDED: &[(&str, &str)] = &[
    ("nothing forwarded", "Forwarded:\r\n"),
    ("a quote that never ends", "Forwarded: for=\"[::1\r\n"),
    ("an escape at the end", "Forwarded: for=\"\\\r\n"),
    ("a bracket that never ends", "Forwarded: for=\"[::\"\r\n"),
    ("no address", "Forwarded: for=;by=;for=\r\n"),
    ("separators alone", "Forwarded: ,;,;,;=,=;\r\n"),
    ("two clients in one", "Forwarded: for=1.2.3.4;for=5.6.7.8\r\n"),
    ("an address beyond its range", "Forwarded: for=999.999.999.999:99999999\r\n"),
    ("an unknown client", "Forwarded: for=unknown, for=_hidden:_port\r\n"),
    ("bytes", "Forwarded: for=\u{e9}\r\nX-Forwarded-For: \u{e9}\r\n"),
    ("two headers that differ", "Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n"),
    ("a port that is a word", "X-Forwarded-For: 1.2.3.4:http\r\n"),
    ("an address with a zone", "X-Forwarded-For: fe80::1%eth0\r\n"),
];

fn forwarded() -> Vec<Case> {
    let stream =
        |name: &str, lines: &str| case(name, get("/events?topic=a", lines), Expected::Stream);
    let commas = format!("X-Forwarded-For: {}\r\n", ",".repeat(8_000));
    let hops = format!("X-Forwarded-For: {}1.2.3.4\r\n", "127.0.0.1,".repeat(1_000));
    let quotes = format!("Forwarded: {}\r\n", "for=\"127.0.0.1\",".repeat(700));
    let table = FORWARDED.iter().map(|&(name, lines)| stream(name, lines));
    table
        .chain([
            stream("8,000 commas", &commas),
            stream("1,000 hops", &hops),
            stream("700 quoted hops", &quotes),
        ])
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    [wrong(), odd(), forwarded()].concat()
}

/// Presence is off: a stream that opens and closes would announce itself to the witness.
fn config() -> ServerConfig {
    ServerConfig {
        subscriptions: false,
        trusted_proxies: TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]),
        ..open_config()
    }
}

#[tokio::test]
async fn a_bad_subscription_gets_a_clear_error_and_an_odd_one_harms_nobody() {
    Harness::start(HubConfig::default(), config()).await.check_all(cases()).await;
}

/// A cursor comes back in the data of the gap that it leads to, as JSON on one line.
#[tokio::test]
async fn a_cursor_cannot_forge_events() {
    let server = TestServer::open().await;
    let query =
        "topic=a&lastEventID=%0D%0Adata:%20forged%0D%0Aid:%20forged%0A%0Aevent:%20forged%00%ff";
    let mut stream = server.subscribe(query, "").await;
    let (event_type, data, id) = stream.event().await;
    assert_eq!(event_type, "gap");
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    let cursor = "\r\ndata: forged\r\nid: forged\n\nevent: forged\0\u{fffd}";
    assert_eq!(data["last_event_id"], cursor);
    assert!(id.starts_with('#'), "{id}");
    assert_eq!(stream.head.header("last-event-id"), Some("earliest"));
    let published = server.publish("topic=a&data=next").await;
    assert_eq!(stream.event().await, ("message".into(), "next".into(), published));
}

/// Topics and data go through as they are, except that the format has no carriage return of its own.
#[tokio::test]
async fn an_update_cannot_forge_events() {
    let server = TestServer::open().await;
    let mut stream = server.subscribe("topic=*", "").await;
    let data = "a%0D%0Aid: forged%0A%0Adata: forged%0D%0Devent: forged%00";
    let topic = "b%0D%0A%0D%0Adata: forged";
    let id = server.publish(&format!("topic={topic}&data={data}&type=t")).await;
    let told = "a\nid: forged\n\ndata: forged\n\nevent: forged\0";
    assert_eq!(stream.event().await, ("t".into(), told.into(), id));
    server.publish("topic=c&data=next").await;
    assert_eq!(stream.data(1).await, ["next"]);
}

/// Templates are matched in time that their length and the topic's bound, and never by trying ways over and over: as
/// regular expressions these would take longer than anyone waits.
#[tokio::test]
async fn templates_that_match_in_many_ways_delay_nobody() {
    let mut harness = Harness::start(HubConfig::default(), config()).await;
    let bomb = "{+a*}{+b*}{+c*}{+d*}{+e*}{+f*}{+g*}{+h*}x";
    let mut query = form_urlencoded::Serializer::new(String::new());
    for number in 0..20 {
        query.append_pair("topic", &format!("{bomb}{number}"));
    }
    let topics = query.finish();
    let mut stream = harness.server.subscribe(&topics, "").await;
    let opening = stream.next().await;
    assert_eq!(opening, Some(Seen::Comment(String::new())));
    let request = form(format!("topic={}&data=long", "a,".repeat(2_048)));
    let publish = harness.exchange(&request);
    let answer = tokio::time::timeout(Duration::from_secs(10), publish).await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    harness.was_published("long").await;
    harness.goes_on("a topic of 4 KiB against many templates").await;
}
