//! A real Redis or NATS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use tokio::task::block_in_place;

#[path = "../../../tidings-store/tests/engine/nats.rs"]
mod nats;
#[expect(dead_code, reason = "what only the tests of the log itself need")]
#[path = "../../../tidings-store/tests/engine/redis.rs"]
mod redis;

use self::nats::Nats;
pub(crate) use self::nats::TempDir;
pub(crate) use self::redis::Redis;

/// What several hubs share a log on. Its calls take a while, and let others run meanwhile.
pub(crate) enum Engine {
    Redis(Redis),
    Nats(Nats),
}

impl Engine {
    /// A Redis that has on its disk what it acknowledges.
    pub(crate) fn redis() -> Self {
        Self::Redis(block_in_place(Redis::new))
    }

    /// A NATS with JetStream.
    pub(crate) fn nats() -> Self {
        Self::Nats(block_in_place(Nats::new))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Redis(redis) => redis.url(),
            Self::Nats(nats) => nats.url(),
        }
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        block_in_place(|| match self {
            Self::Redis(redis) => redis.stop(),
            Self::Nats(nats) => nats.stop(),
        });
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        block_in_place(|| match self {
            Self::Redis(redis) => redis.kill(),
            Self::Nats(nats) => nats.kill(),
        });
    }

    /// Starts it again with what it has on its disk.
    pub(crate) fn start(&mut self) {
        block_in_place(|| match self {
            Self::Redis(redis) => redis.start(),
            Self::Nats(nats) => nats.start(),
        });
    }

    /// Stops it in its tracks: its connections stay, and nothing is answered.
    pub(crate) fn stall(&self) {
        match self {
            Self::Redis(redis) => redis.stall(),
            Self::Nats(nats) => nats.stall(),
        }
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        match self {
            Self::Redis(redis) => redis.go_on(),
            Self::Nats(nats) => nats.go_on(),
        }
    }

    /// Takes the log out of it, as somebody who works on the engine by hand might.
    pub(crate) fn lose_everything(&self) {
        block_in_place(|| match self {
            Self::Redis(redis) => assert_eq!(redis.say(&["FLUSHALL"]), "+OK\r\n"),
            Self::Nats(nats) => delete_stream(&nats.url()),
        });
    }
}

/// Asks JetStream to delete the stream of the log, in the words of its protocol.
fn delete_stream(url: &str) {
    let mut socket = TcpStream::connect(url.trim_start_matches("nats://")).unwrap();
    let request = "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n\
                   PUB $JS.API.STREAM.DELETE.tidings answer 0\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let lines = BufReader::new(socket).lines().map_while(Result::ok);
    let answer = lines.skip_while(|line| !line.starts_with("MSG answer ")).nth(1).unwrap();
    assert!(answer.contains("\"success\":true"), "{answer}");
}
