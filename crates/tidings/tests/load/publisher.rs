//! Publishers: one update after the other on one connection, and many in one request.

use std::{fmt::Write as _, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::request::{Head, exchange};

/// A publisher on a connection that is kept open.
pub(crate) struct Publisher {
    socket: TcpStream,
    /// The token's header line, or nothing.
    authorization: String,
}

impl Publisher {
    /// A publisher without a token.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, authorization: String::new() }
    }

    /// The same with a token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { authorization: format!("Authorization: Bearer {token}\r\n"), ..self }
    }

    /// Publishes an update that the hub must take, and answers its id.
    pub(crate) async fn publish(&mut self, topic: &str, data: &str) -> String {
        self.try_publish(topic, data).await.unwrap()
    }

    /// Publishes an update: its id, or none where the hub refused it or is gone.
    pub(crate) async fn try_publish(&mut self, topic: &str, data: &str) -> Option<String> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("topic", topic)
            .append_pair("data", data)
            .finish();
        let (authorization, length) = (&self.authorization, body.len());
        let request = format!(
            "POST /.well-known/mercure HTTP/1.1\r\nHost: hub\r\n{authorization}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.socket.write_all(request.as_bytes()).await.ok()?;
        let mut rest = Vec::new();
        let head = Head::read(&mut self.socket, &mut rest).await?;
        let length = head.header("content-length")?.parse().unwrap();
        while rest.len() < length {
            if self.socket.read_buf(&mut rest).await.ok()? == 0 {
                return None;
            }
        }
        (head.status == 200).then(|| String::from_utf8(rest).unwrap())
    }
}

/// Publishes updates to one topic in one NDJSON request, and checks that each was taken.
pub(crate) async fn publish_all(
    address: SocketAddr,
    topic: &str,
    data: impl IntoIterator<Item = String>,
) {
    let mut body = String::new();
    let mut count = 0;
    for data in data {
        let update = serde_json::json!({"topic": topic, "data": data});
        writeln!(body, "{update}").unwrap();
        count += 1;
    }
    let length = body.len();
    let request = format!(
        "POST /.well-known/mercure HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let socket = TcpStream::connect(address).await.unwrap();
    let (status, results) = exchange(socket, request.into_bytes()).await;
    assert_eq!(status, 200, "{results}");
    let taken = results.lines().filter(|line| line.starts_with("{\"id\":")).count();
    assert_eq!((taken, results.lines().count()), (count, count));
}
