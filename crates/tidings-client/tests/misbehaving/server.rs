//! A server that takes the steps of a case on each connection, and counts the connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::case::{Case, Plain, Step};

/// What a step without end sends at most.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What goes into the socket at once, where much is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// The longest head of a request that is read.
const MAX_HEAD_BYTES: usize = 32 * 1024 * 1024;

/// A server that listens until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(case: &Case) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let steps: Arc<[Step]> = case.does.clone().into();
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            // Their end is that of the server.
            let mut playing = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let steps = Arc::clone(&steps);
                playing.spawn(async move {
                    // The client may go away at any time.
                    drop(play(socket, &steps, address.port()).await);
                });
                while playing.try_join_next().is_some() {}
            }
        });
        Self { address, connections, task }
    }

    /// The URL that the client asks for.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/?token=s3cret", self.address)
    }

    /// How many connections there have been, those of redirects among them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(mut socket: TcpStream, steps: &[Step], port: u16) -> io::Result<()> {
    socket.set_nodelay(true)?;
    read_head(&mut socket).await?;
    for step in steps {
        match step {
            Step::Send { .. } | Step::SendBase64 { .. } => {
                socket.write_all(&step.bytes(port)).await?;
            }
            Step::Repeat { times, .. } => repeat(&mut socket, &step.bytes(port), *times).await?,
            Step::Pause { pause_ms } => {
                tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
            }
            Step::Plain(Plain::Stall(_)) => while socket.read(&mut [0; 1024]).await? > 0 {},
            Step::Plain(Plain::Close(_)) => return socket.shutdown().await,
            Step::Plain(Plain::Reset(_)) => {
                socket.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads up to the blank line, and keeps no more than its beginning may need.
async fn read_head(socket: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut tail: Vec<u8> = Vec::new();
    let mut seen = 0;
    while seen < MAX_HEAD_BYTES {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        seen += count;
        tail.extend_from_slice(&buffer[..count]);
        if tail.windows(4).any(|window| window == b"\r\n\r\n") {
            return Ok(());
        }
        tail.drain(..tail.len().saturating_sub(3));
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Sends these bytes again and again, many at once.
async fn repeat(socket: &mut TcpStream, bytes: &[u8], times: Option<usize>) -> io::Result<()> {
    let mut left = times.unwrap_or(MOST_BYTES / bytes.len());
    let piece_times = (PIECE_BYTES / bytes.len()).max(1);
    let piece = bytes.repeat(piece_times.min(left));
    while left > 0 {
        let now = left.min(piece_times);
        socket.write_all(&piece[..now * bytes.len()]).await?;
        left -= now;
    }
    Ok(())
}
