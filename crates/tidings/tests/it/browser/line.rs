//! The line between a browser and a hub: a TCP proxy that can be cut.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on, or cuts them. It ends with the test's runtime.
pub(crate) struct Line {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Line {
    /// A line to this address.
    pub(crate) async fn to(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, state) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(socket, hub, state.clone()));
            }
        });
        Self { address, whole }
    }

    /// Ends every connection, and each new one at once.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn pass_on(mut browser: TcpStream, hub: SocketAddr, mut whole: watch::Receiver<bool>) {
    if !*whole.borrow() {
        return;
    }
    let mut hub = TcpStream::connect(hub).await.unwrap();
    // Whichever comes first: dropping the sockets ends both connections.
    tokio::select! {
        _ = copy_bidirectional(&mut browser, &mut hub) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
