//! What the admin listener tells: probes and metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::support::PATIENCE;

/// Asks the admin listener. It has a thread of its own, so this may block, and a paused clock stands still meanwhile.
pub(crate) fn ask(admin: SocketAddr, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(admin).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// One figure of the metrics, named as in their text, labels and all.
pub(crate) fn metric(admin: SocketAddr, name: &str) -> u64 {
    let (status, text) = ask(admin, "/metrics");
    assert_eq!(status, 200);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// Waits for a figure to reach a value. Not for a paused clock, which it would never let go on.
pub(crate) async fn metric_becomes(admin: SocketAddr, name: &str, value: u64) {
    let reached = async {
        while metric(admin, name) != value {
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "{name} is {}, not {value}", metric(admin, name));
}
