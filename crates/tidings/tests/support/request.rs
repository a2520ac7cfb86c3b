//! HTTP/1.1 by hand: a response's head, its body in chunks, and one request with its answer.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// The head of a response.
pub(crate) struct Head {
    pub(crate) status: u16,
    text: String,
}

impl Head {
    /// Reads a head. What came after it stays in `rest`. None when the connection ends first.
    pub(crate) async fn read(socket: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Self> {
        let end = loop {
            if let Some(end) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if socket.read_buf(rest).await.unwrap_or_default() == 0 {
                return None;
            }
        };
        let text = String::from_utf8(rest.drain(..end).collect()).unwrap().to_ascii_lowercase();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Self { status, text })
    }

    /// A header's value, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Takes a body out of its chunks.
#[derive(Default)]
struct Chunks {
    /// Bytes of a chunk's size line that have come so far.
    size: Vec<u8>,
    /// What remains of the present chunk, the line end after it included.
    left: usize,
}

impl Chunks {
    /// Appends to `body` what a piece of the connection holds of it.
    fn take(&mut self, mut piece: &[u8], body: &mut Vec<u8>) {
        while let Some(&first) = piece.first() {
            if self.left > 0 {
                let (now, later) = piece.split_at(self.left.min(piece.len()));
                // The last two bytes are the line end.
                let data = now.len().min(self.left.saturating_sub(2));
                body.extend_from_slice(&now[..data]);
                self.left -= now.len();
                piece = later;
                continue;
            }
            self.size.push(first);
            piece = &piece[1..];
            if first == b'\n' {
                let line = std::mem::take(&mut self.size);
                let size = str::from_utf8(&line).unwrap().trim();
                let size = usize::from_str_radix(size, 16).unwrap();
                self.left = size + 2;
            }
        }
    }
}

/// Asks for a path on a connection of its own: the status and the body.
pub(crate) async fn read(address: SocketAddr, path: &str) -> (u16, String) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    let socket = TcpStream::connect(address).await.unwrap();
    exchange(socket, head.into_bytes()).await
}

/// Sends a whole request that says `Connection: close`, while it reads the answer.
pub(crate) async fn exchange(mut socket: TcpStream, request: Vec<u8>) -> (u16, String) {
    let (mut receive, mut send) = socket.split();
    let mut answer = Vec::with_capacity(READ_BYTES);
    let (sent, received) = tokio::join!(send.write_all(&request), receive.read_to_end(&mut answer));
    sent.unwrap();
    received.unwrap();
    let head = Head::read(&mut socket, &mut answer).await.unwrap();
    if head.header("transfer-encoding") == Some("chunked") {
        let mut body = Vec::new();
        Chunks::default().take(&answer, &mut body);
        answer = body;
    }
    (head.status, String::from_utf8(answer).unwrap())
}
