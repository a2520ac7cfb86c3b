//! Where a request comes from: the other end of its connection.

use std::net::{IpAddr, SocketAddr};

use crate::connection::Fate;

/// Where a request comes from.
///
/// A host program that mounts the hub puts one into the extensions of each request, where it knows the address
/// ([`HubService`](crate::HubService) shows how). [`Peer::default`] is one of which nothing is known.
///
/// ```
/// use std::net::{IpAddr, SocketAddr};
/// use tidings_server::Peer;
///
/// let connected: SocketAddr = "192.0.2.1:50000".parse()?;
/// assert_eq!(Peer::from(connected).address, Some(IpAddr::from([192, 0, 2, 1])));
/// assert_eq!(Peer::default().address, None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The address at the other end of the connection; what trusted proxies say in the request's headers goes before it.
    /// Where it is not known, those headers are not believed, and the limit per address does not apply.
    pub address: Option<IpAddr>,
    /// What becomes of the connection: a stream that ends with it reports the reason found here.
    pub(crate) fate: Fate,
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self { address: Some(address), fate: Fate::default() }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}
