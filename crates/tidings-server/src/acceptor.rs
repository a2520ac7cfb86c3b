//! The public listener: its socket options, and the connections that come in.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;

use crate::server::Server;
use crate::sockets::Listener;

/// How many connections may wait to be accepted: enough for a reconnect storm, where the kernel allows it.
const BACKLOG: i32 = 4_096;

/// Binds a public listener, with a backlog fit for a reconnect storm.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Server {
    /// Sets on a host program's listener what the connections that it accepts inherit: that no event waits for the
    /// acknowledgement of the one before, and that the system closes a connection whose client acknowledges or takes
    /// nothing for [`StreamConfig::peer_timeout`](crate::StreamConfig::peer_timeout). Without it, clients that vanished or
    /// are stuck hold their streams open for as long as the host lets them. [`serve`](Self::serve) does it by itself.
    ///
    /// ```
    /// use tidings_hub::HubConfig;
    /// use tidings_server::{Server, ServerConfig, bind};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new(HubConfig::default(), ServerConfig::default()).await?;
    /// // For axum and hyper; actix-web takes the standard library's listener.
    /// let listener = bind("127.0.0.1:0".parse()?)?;
    /// server.prepare(&listener)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the system refuses an option: it is no TCP listener.
    pub fn prepare(&self, listener: &impl AsFd) -> io::Result<()> {
        prepare(&SockRef::from(listener), self.0.config.stream.peer_timeout)
    }
}

fn prepare(listener: &SockRef<'_>, peer_timeout: Duration) -> io::Result<()> {
    // An event is one small write that must not wait for an acknowledgement of the one before.
    listener.set_tcp_nodelay(true)?;
    listener.set_tcp_user_timeout(Some(peer_timeout))
}

/// Accepts connections.
///
/// The runtime's own listener would enter each socket into the runtime's epoll instance. One whose first request is a
/// stream for the direct lane leaves again at once, and has never needed that.
#[derive(Debug)]
pub(crate) struct Acceptor(Listener);

impl Acceptor {
    /// Takes over a listener, and sets the options that its connections inherit from it.
    ///
    /// # Errors
    /// When the system refuses an option, or the runtime the listener.
    pub(crate) fn new(listener: TcpListener, peer_timeout: Duration) -> io::Result<Self> {
        prepare(&SockRef::from(&listener), peer_timeout)?;
        Ok(Self(Listener::new(listener.into_std()?)?))
    }

    /// Waits for a connection. Cancel safe.
    ///
    /// # Errors
    /// When one could not be accepted. Others can be, later.
    pub(crate) async fn accept(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        // However many come, those that came get their turn.
        tokio::task::consume_budget().await;
        self.0.accept().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_inherit_the_listeners_options() {
        const TIMEOUT: Duration = Duration::from_secs(7);
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::new(listener, TIMEOUT).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (socket, _) = acceptor.accept().await.unwrap();
        let options = SockRef::from(&socket);
        assert!(options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(TIMEOUT));
    }
}
