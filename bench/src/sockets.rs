//! What the kernel holds for the connections of a server.

use std::{fs, net::SocketAddr};

use anyhow::{Context as _, Result};

/// The bytes that connections of this local port have still to send or to see acknowledged.
///
/// # Errors
/// When the kernel's list cannot be read.
pub(crate) fn bytes_to_send(local: SocketAddr) -> Result<u64> {
    let list = fs::read_to_string("/proc/net/tcp").context("cannot read the list of sockets")?;
    Ok(sum(&list, local.port()))
}

fn sum(list: &str, port: u16) -> u64 {
    let port = format!(":{port:04X}");
    let lines = list.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let queues = fields.nth(2)?;
        let (to_send, _) = queues.split_once(':')?;
        local.ends_with(&port).then_some(to_send)
    });
    lines.filter_map(|to_send| u64::from_str_radix(to_send, 16).ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_of_one_port_are_added_up() {
        let list = "sl local rem st tx:rx\n\
            0: 0100007F:0FA0 0100007F:8000 01 00000010:00000000 00:0\n\
            1: 0100007F:8000 0100007F:0FA0 01 000000F0:00000000 00:0\n\
            2: 0100007F:0FA0 0200007F:8001 01 00000001:00000000 00:0\n";
        assert_eq!(sum(list, 4_000), 17);
    }
}
