//! An address that leads to one server and later to another, as a virtual address does in a failover.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
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
