//! HTTP/2 with prior knowledge: a real client with many streams on one connection, and bytes that are not HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings_hub::{HubConfig, Update};
use tidings_server::{ServerConfig, StreamConfig};
use tidings_wire::{Chunk, Decoder, Item};
use tokio::time::Instant;

use super::harness::{Case, Expected, Harness, case};
use crate::support::{Now, TestServer, in_seconds, open_config, sign};

/// Streams on one connection: fewer than it may have.
const STREAMS: usize = 100;

/// Presence is off: a stream that opens and closes would announce itself to the witness.
fn config() -> ServerConfig {
    let stream = StreamConfig {
        keep_alive: Duration::from_secs(3),
        peer_timeout: Duration::from_secs(5),
        ..StreamConfig::default()
    };
    ServerConfig { subscriptions: false, stream, ..open_config() }
}

/// Opens a connection. It ends with its last request.
async fn connect(server: &TestServer) -> SendRequest<Full<Bytes>> {
    let socket = server.connect().await.socket;
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

fn subscribe(topic: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://hub/events?topic={topic}");
    Request::get(uri).header("Accept", "text/event-stream").body(Full::default()).unwrap()
}

fn publish(form: &str) -> Request<Full<Bytes>> {
    Request::post("http://hub/.well-known/mercure")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(Full::from(form.to_owned()))
        .unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The data of the next event of a stream; `None` at its end.
async fn next_data(stream: &mut Response<Incoming>, decoder: &mut Decoder) -> Option<String> {
    loop {
        let frame = stream.body_mut().frame().await?.unwrap();
        let data = frame.into_data().unwrap();
        let mut chunk = Chunk::new(&data);
        while let Some(item) = decoder.decode(&mut chunk).unwrap() {
            if let Item::Event(event) = item {
                return Some(event.data.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_streams_and_the_reset_of_one_harms_no_other() {
    let mut harness = Harness::start(HubConfig::default(), config()).await;
    let mut sender = connect(&harness.server).await;
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let response = sender.send_request(subscribe(&format!("t{number}"))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        streams.push((number, response, Decoder::new()));
    }
    harness.subscribers(STREAMS + 1).await;
    // To drop a stream is to reset it.
    streams.retain(|(number, ..)| number % 2 == 0);
    harness.subscribers(STREAMS / 2 + 1).await;
    for (number, stream, decoder) in &mut streams {
        let data = format!("for {number}");
        let answer =
            sender.send_request(publish(&format!("topic=t{number}&data={data}"))).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(text(answer).await.starts_with('#'));
        assert_eq!(next_data(stream, decoder).await, Some(data.clone()));
        harness.was_published(&data).await;
    }
    harness.goes_on("many streams on one connection").await;
    drop((streams, sender));
    harness.subscribers(1).await;
}

#[tokio::test]
async fn a_bad_request_among_others_on_a_connection_is_refused_alone() {
    let mut harness = Harness::start(HubConfig::default(), config()).await;
    let mut sender = connect(&harness.server).await;
    let mut stream = sender.send_request(subscribe("*")).await.unwrap();
    let mut decoder = Decoder::new();
    let long = Request::get("http://hub/events?topic=a").header("A", "a".repeat(20_000));
    let requests = [
        (publish("data=no topic"), 400),
        (publish("topic=a&id=%00"), 400),
        (Request::put("http://hub/events").body(Full::default()).unwrap(), 405),
        (Request::get("http://hub/nothing").body(Full::default()).unwrap(), 404),
        (
            Request::get("http://hub/events")
                .header("Authorization", "Bearer a")
                .body(Full::default())
                .unwrap(),
            401,
        ),
        (long.body(Full::default()).unwrap(), 431),
    ];
    for (number, (request, status)) in requests.into_iter().enumerate() {
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let good = sender.send_request(publish(&format!("topic=a&data={number}"))).await.unwrap();
        assert_eq!(good.status(), StatusCode::OK);
        assert_eq!(next_data(&mut stream, &mut decoder).await, Some(number.to_string()));
        harness.was_published(&number.to_string()).await;
    }
    harness.goes_on("bad requests on one connection").await;
}

/// A client that came while the hub went down was not told so, and kept the connection until it was cut.
#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_while_the_hub_goes_down_is_answered_and_closed() {
    const DRAIN: Duration = Duration::from_secs(10);
    let config = ServerConfig { drain: DRAIN, ..config() };
    let mut server = TestServer::start(HubConfig::default(), config).await;
    // A body without an end holds the end up.
    let mut unfinished = server.connect().await;
    let head = "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n";
    unfinished.send(format!("{head}Content-Length: 99\r\n\r\n").as_bytes()).await;
    assert_eq!(unfinished.head().await.unwrap().status, 200);
    let begun = Instant::now();
    server.shut_down();
    let socket = server.connect().await.socket;
    let (mut sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(publish("topic=a")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(answer);
    connection.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    drop((sender, unfinished));
    (&mut server.done).await.unwrap();
}

/// A client that gives a stream no window while it keeps the connection alive had its stream for as long as it liked,
/// token or not: nobody asked the stream for more bytes.
#[tokio::test(start_paused = true)]
async fn a_stream_without_a_window_ends_with_its_token() {
    const LIFETIME: Duration = Duration::from_mins(1);
    let server = TestServer::start(HubConfig::default(), config()).await;
    let mut sender = connect(&server).await;
    let claims = serde_json::json!({ "exp": in_seconds(LIFETIME.as_secs()), "mercure": {} });
    let mut request = subscribe("a");
    let bearer = format!("Bearer {}", sign(&claims)).parse().unwrap();
    request.headers_mut().insert("Authorization", bearer);
    let stream = sender.send_request(request).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let hub = server.server.hub();
    let data = "x".repeat(100_000);
    // More than the client's window.
    hub.publish_all((0..100).map(|_| Update::new("a", data.as_str()))).now();
    tokio::time::sleep(LIFETIME / 2).await;
    assert_eq!(hub.stats().subscribers, 1, "an answer to pings keeps it open");
    tokio::time::sleep(LIFETIME / 2 + Duration::from_secs(2)).await;
    assert_eq!(hub.stats().subscribers, 0);
    drop((stream, sender));
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty frame of the kind that each side begins with.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// `GET / HTTP/2` of a host, compressed by the static table alone.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x03, b'h', b'u', b'b'];

/// The kinds of frames (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Requests that are taken back at once, each with a stream of its own.
fn rapid_resets(count: u32) -> Vec<u8> {
    let reset = |number: u32| {
        let stream = 2 * number + 1;
        [frame(HEADERS, END_HEADERS, stream, GET), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])]
            .concat()
    };
    (0..count).flat_map(reset).collect()
}

/// What comes after a good beginning. Each connection ends, if only for its silence.
fn cases() -> Vec<Case> {
    let continuations: Vec<u8> = (0..10_000)
        .flat_map(|_| frame(CONTINUATION, 0, 1, &[0x00, 0x01, b'a', 0x01, b'b']))
        .collect();
    let frames = [
        ("noise", vec![0xff; 64]),
        ("text", b"GET /events?topic=a HTTP/1.1\r\n\r\n".to_vec()),
        ("a frame longer than allowed", frame(DATA, 0, 1, &vec![0; 100_000])),
        ("data on no stream", frame(DATA, 0, 0, b"topic=a")),
        ("data on a stream that is not open", frame(DATA, 0, 1, b"topic=a")),
        ("headers that cannot be unpacked", frame(HEADERS, END_HEADERS, 1, &[0xff; 16])),
        ("headers of an index that is none", frame(HEADERS, END_HEADERS, 1, &[0xbf])),
        ("headers on an even stream", frame(HEADERS, END_HEADERS, 2, GET)),
        ("headers without a method", frame(HEADERS, END_HEADERS, 1, &[0x86, 0x84])),
        ("headers that never end", [frame(HEADERS, 0, 1, GET), continuations].concat()),
        ("a window beyond its bound", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("a window of nought", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("10,000 requests taken back", rapid_resets(10_000)),
        ("half a frame", vec![0, 0, 9, 4]),
        ("a request that is never answered", frame(HEADERS, END_HEADERS, 1, GET)),
    ];
    let begun = |(name, bytes): (&str, Vec<u8>)| {
        let request = [PREFACE, SETTINGS, &bytes].concat();
        case(format!("HTTP/2: {name}"), request, Expected::Closed).then_silence()
    };
    frames.map(begun).to_vec()
}

#[tokio::test]
async fn bytes_that_are_not_http2_end_their_connection_only() {
    Harness::start(HubConfig::default(), config()).await.check_all(cases()).await;
}
