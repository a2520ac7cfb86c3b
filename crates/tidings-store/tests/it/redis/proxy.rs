//! An address that leads to one server and later to another, as a virtual address does in a failover, or over
//! a slow line.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The address.
pub(super) struct Proxy {
    address: SocketAddr,
    target: watch::Sender<u16>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Leads to a port.
    pub(super) async fn new(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (target, leads_to) = watch::channel(port);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, leads_to.clone()));
            }
        });
        Self { address, target, task }
    }

    /// Leads to a port over a line that carries so many bytes a second of what the server answers.
    pub(super) async fn slow(port: u16, bytes_per_second: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_slowly(stream, port, bytes_per_second));
            }
        });
        Self { address, target: watch::Sender::new(port), task }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Leads to another port from now on. Connections to the one before end.
    pub(super) fn lead_to(&self, port: u16) {
        self.target.send_replace(port);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut stream: TcpStream, mut leads_to: watch::Receiver<u16>) {
    let port = *leads_to.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut server) => {}
        _ = leads_to.changed() => {}
    }
}

async fn pass_slowly(mut stream: TcpStream, port: u16, bytes_per_second: u32) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_client, mut to_client) = stream.split();
    let (mut from_server, mut to_server) = server.split();
    let answers = async {
        let mut buffer = [0; 4096];
        loop {
            let Ok(count @ 1..) = from_server.read(&mut buffer).await else { return };
            let Ok(()) = to_client.write_all(&buffer[..count]).await else { return };
            let bytes = u32::try_from(count).unwrap();
            // That is what the line takes.
            tokio::time::sleep(Duration::from_secs(1) * bytes / bytes_per_second).await;
        }
    };
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = answers => {}
    }
}
