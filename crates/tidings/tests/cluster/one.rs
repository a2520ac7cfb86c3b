//! One hub behind a balancer, and one that goes down beside another.

use std::{net::Ipv4Addr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::{Instant, timeout},
};

use crate::{
    balancer::{Backend, Balancer, HOST, Kind},
    browser::{Browser, Came},
    hub::Hub,
    publisher::publish,
    turn::alone,
};

/// What a balancer that passes bytes on as they come takes for it.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long a balancer may take to see that a hub goes down, or a client.
const NOTICED: Duration = Duration::from_secs(5);
/// Streams opened one after the other: each hub's turn comes many times.
const STREAMS: usize = 12;

#[test]
fn nginx_passes_a_stream_on_as_it_comes() {
    alone(passes_a_stream_on_as_it_comes(Kind::Nginx));
}

#[test]
fn haproxy_passes_a_stream_on_as_it_comes() {
    alone(passes_a_stream_on_as_it_comes(Kind::Haproxy));
}

async fn passes_a_stream_on_as_it_comes(kind: Kind) {
    let (_hub, balancer) = one_hub(kind, &["stream.keep_alive=1s"]).await;
    let browser = Browser::new(&balancer, Ipv4Addr::LOCALHOST);
    let begun = Instant::now();
    let mut stream = browser.open("a").await;
    assert_eq!(stream.next().await, Came::Comment);
    assert!(begun.elapsed() < AT_ONCE, "the opening took {:?}", begun.elapsed());
    for number in 0..3 {
        let begun = Instant::now();
        publish(&browser, "a", &number.to_string()).await;
        assert_eq!(stream.event().await, ("message".to_owned(), number.to_string()));
        assert!(begun.elapsed() < AT_ONCE, "an event took {:?}", begun.elapsed());
    }
    // Silence, but for what the hub says to keep the stream alive.
    for _ in 0..3 {
        assert_eq!(stream.next().await, Came::Comment);
    }
    publish(&browser, "a", "after the silence").await;
    assert_eq!(stream.event().await.1, "after the silence");
}

#[test]
fn nginx_does_so_over_http_2() {
    alone(does_so_over_http_2(Kind::Nginx));
}

#[test]
fn haproxy_does_so_over_http_2() {
    alone(does_so_over_http_2(Kind::Haproxy));
}

async fn does_so_over_http_2(kind: Kind) {
    let (hub, balancer) = one_hub(kind, &[]).await;
    let browser = Browser::new(&balancer, Ipv4Addr::LOCALHOST);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--include", "--no-buffer", "--http2", "--cacert"]);
    curl.arg(balancer.certificate());
    let port = balancer.address.port();
    curl.args(["--noproxy", "*", "--resolve", &format!("{HOST}:{port}:127.0.0.1")]);
    curl.args(["--header", "Accept: text/event-stream", &format!("{}?topic=a", browser.url)]);
    let mut curl = curl.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let mut line = async || {
        let line = timeout(AT_ONCE, lines.next_line()).await.expect("it is held back");
        line.unwrap().expect("the stream has ended")
    };
    assert_eq!(line().await.trim(), "HTTP/2 200");
    while !line().await.starts_with("retry:") {}
    publish(&browser, "a", "hello").await;
    while line().await != "data: hello" {}
    // Who has left has left, long before the next keep-alive.
    assert_eq!(hub.metric("tidings_streams").await, 1);
    curl.kill().await.unwrap();
    hub.wait_for("tidings_streams", 0, NOTICED).await;
}

#[test]
fn nginx_tells_the_hub_the_clients_address() {
    alone(tells_the_hub_the_clients_address(Kind::Nginx));
}

#[test]
fn haproxy_tells_the_hub_the_clients_address() {
    alone(tells_the_hub_the_clients_address(Kind::Haproxy));
}

async fn tells_the_hub_the_clients_address(kind: Kind) {
    let settings = ["proxies.trusted=127.0.0.1", "limits.per_address=2"];
    let (_hub, balancer) = one_hub(kind, &settings).await;
    let many = Browser::new(&balancer, Ipv4Addr::new(127, 0, 0, 2));
    let other = Browser::new(&balancer, Ipv4Addr::new(127, 0, 0, 3));
    let _streams = [many.open("a").await, many.open("a").await];
    // What it writes about itself makes it nobody else.
    let another = ("X-Forwarded-For", "192.0.2.7");
    for headers in [&[][..], &[another], &[another, ("Forwarded", "for=192.0.2.7")]] {
        let mut refused = many.try_open("a", None, headers).await.unwrap();
        let (kind, data) = refused.event().await;
        assert_eq!(kind, "refused");
        assert!(data.contains("address_limit"), "{data}");
        assert_eq!(refused.next().await, Came::End);
    }
    assert!(other.open("a").await.is_open().await);
}

#[test]
fn nginx_asks_the_other_hub_where_one_is_down() {
    alone(asks_the_other_hub_where_one_is_down(Kind::Nginx));
}

#[test]
fn haproxy_asks_the_other_hub_where_one_is_down() {
    alone(asks_the_other_hub_where_one_is_down(Kind::Haproxy));
}

async fn asks_the_other_hub_where_one_is_down(kind: Kind) {
    let (mut hub, balancer) = one_hub(kind, &["drain.time=0s"]).await;
    let browser = Browser::new(&balancer, Ipv4Addr::LOCALHOST);
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let mut stream = browser.open("a").await;
        assert!(stream.is_open().await, "stream {number} is refused");
        streams.push(stream);
        let request = browser.client.post(&browser.url).body(format!("topic=b&data={number}"));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(request.send().await.unwrap().status(), 200, "update {number}");
    }
    // Where none is left a browser is told to come back, and a program is told what is wrong.
    hub.signal("KILL").await;
    hub.exit().await;
    let begun = Instant::now();
    loop {
        let request = browser.client.get(format!("{}?topic=a", browser.url));
        let answer = request.header("Accept", "text/event-stream").send().await;
        // HAProxy needs a second to know; until then it has nothing but a 503 for anybody.
        if answer.is_ok_and(|answer| answer.status() == 200) {
            break;
        }
        assert_eq!(kind, Kind::Haproxy);
        assert!(begun.elapsed() < NOTICED, "a browser is given nothing to come back for");
    }
    let mut refused = browser.open("a").await;
    let (kind, data) = refused.event().await;
    assert_eq!(kind, "refused");
    assert!(data.contains("no_hub"), "{data}");
    assert_eq!(refused.next().await, Came::End);
    let answer = browser.client.get(format!("{}?topic=a", browser.url)).send().await.unwrap();
    assert!(matches!(answer.status().as_u16(), 502 | 503), "{}", answer.status());
}

#[test]
fn nginx_gives_a_hub_that_drains_no_new_streams() {
    alone(gives_a_hub_that_drains_no_new_streams(Kind::Nginx));
}

#[test]
fn haproxy_gives_a_hub_that_drains_no_new_streams() {
    alone(gives_a_hub_that_drains_no_new_streams(Kind::Haproxy));
}

async fn gives_a_hub_that_drains_no_new_streams(kind: Kind) {
    let leaving = Hub::dev(&["drain.time=10s"]).await;
    let staying = Hub::dev(&[]).await;
    let balancer = Balancer::start(kind, [backend(&leaving), backend(&staying)]).await;
    let browser = Browser::new(&balancer, Ipv4Addr::LOCALHOST);
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(browser.open("a").await);
    }
    let before = staying.metric("tidings_streams").await;
    assert_eq!(before, STREAMS / 2, "each hub has its share");
    leaving.signal("TERM").await;
    let begun = Instant::now();
    while crate::request::read(leaving.admin, "/health/ready").await.0 == 200 {
        tokio::task::yield_now().await;
    }
    // nginx hands each newcomer on. HAProxy looks once a second; who comes before is told to come back.
    while !browser.open("a").await.is_open().await {
        assert_eq!(kind, Kind::Haproxy);
        assert!(begun.elapsed() < NOTICED, "it is still asked");
    }
    for number in 0..STREAMS {
        let mut stream = browser.open("a").await;
        assert!(stream.is_open().await, "stream {number} is refused");
        streams.push(stream);
    }
    assert!(leaving.metric("tidings_streams").await > 0, "the drain was over before the streams");
    assert!(staying.metric("tidings_streams").await >= before + STREAMS);
}

/// A hub behind a balancer that knows a second one, which is not there.
async fn one_hub(kind: Kind, settings: &[&str]) -> (Hub, Balancer) {
    let hub = Hub::dev(settings).await;
    let balancer = Balancer::start(kind, [Backend::nowhere(), backend(&hub)]).await;
    (hub, balancer)
}

/// Where a hub is.
pub(crate) fn backend(hub: &Hub) -> Backend {
    Backend { address: hub.address, admin: hub.admin }
}
