//! The connections that a server has, as the system sees them.

use std::{fs, time::Duration};

use tokio::time::{Instant, sleep};

/// What the system calls a connection that is open on both sides.
const ESTABLISHED: &str = "01";

/// How often is looked: the system tells nobody when a connection opens.
const LOOK: Duration = Duration::from_millis(20);
/// How long it may take until as many are open as there should be.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many connections to this port are established.
pub(crate) fn established(port: u16) -> usize {
    // The Java runtime has IPv4 connections on IPv6 sockets.
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap());
    let connections = tables.iter().flat_map(|table| table.lines().skip(1));
    let to_port = connections.filter(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let (_, local) = columns[1].rsplit_once(':').unwrap();
        u16::from_str_radix(local, 16) == Ok(port) && columns[3] == ESTABLISHED
    });
    to_port.count()
}

/// Waits until exactly so many connections to this port are established.
pub(crate) async fn until_established(port: u16, wanted: usize) {
    let begun = Instant::now();
    while established(port) != wanted {
        let count = established(port);
        assert!(begun.elapsed() < PATIENCE, "{count} connections, not {wanted}");
        sleep(LOOK).await;
    }
}
