//! A network namespace for the hub, with a link for its clients, which can be cut, and one for probes.
//!
//! With the link cut nothing passes, no FIN and no RST: to the hub its clients have vanished.

use std::{
    io,
    net::Ipv4Addr,
    process::{self, Output},
};

use tokio::process::Command;

/// A namespace of this process's own. It is removed when this is dropped.
pub(crate) struct Network {
    namespace: String,
    clients: Link,
    probes: Link,
}

/// A pair of virtual interfaces of one name: one here, one in the namespace.
struct Link {
    name: String,
    /// The subnet: its first address is here, its second one in the namespace.
    base: Ipv4Addr,
}

impl Network {
    /// Makes the namespace and its links.
    pub(crate) fn new() -> Self {
        let id = process::id();
        let subnet = u8::try_from(id % 254).unwrap() + 1;
        // Two subnets of four addresses each. What is made is removed from here on, whatever fails.
        let network = Self {
            namespace: format!("tidings-{id}"),
            clients: Link { name: format!("td{id}c"), base: [10, 213, subnet, 0].into() },
            probes: Link { name: format!("td{id}p"), base: [10, 213, subnet, 4].into() },
        };
        let namespace = &network.namespace;
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        network.clients.make(namespace);
        network.probes.make(namespace);
        network
    }

    /// A program to be run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// The hub's address for clients.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.clients.there()
    }

    /// The hub's address for probes.
    pub(crate) fn probe_address(&self) -> Ipv4Addr {
        self.probes.there()
    }

    /// Cuts the clients' link.
    pub(crate) fn cut(&self) {
        ip(&format!("link set {} down", self.clients.name));
    }

    /// Restores the clients' link.
    pub(crate) fn mend(&self) {
        ip(&format!("link set {} up", self.clients.name));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The links go now; the namespace itself may wait for its last process.
        for link in [&self.clients, &self.probes] {
            drop(try_ip(&format!("link delete {}", link.name)));
        }
        drop(try_ip(&format!("netns delete {}", self.namespace)));
    }
}

impl Link {
    fn here(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() + 1)
    }

    fn there(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() + 2)
    }

    fn make(&self, namespace: &str) {
        let (name, here, there) = (&self.name, self.here(), self.there());
        ip(&format!("link add {name} type veth peer name {name} netns {namespace}"));
        ip(&format!("address add {here}/30 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {namespace} address add {there}/30 dev {name}"));
        ip(&format!("-n {namespace} link set {name} up"));
    }
}

/// Runs `ip` with these arguments, which must succeed.
fn ip(arguments: &str) {
    let needs = "a network link that can be cut needs root, network namespaces and iproute2";
    match try_ip(arguments) {
        Err(error) => panic!("{needs}: {error}"),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("{needs}: `ip {arguments}` failed: {said}");
        }
        Ok(_) => {}
    }
}

fn try_ip(arguments: &str) -> io::Result<Output> {
    process::Command::new("ip").args(arguments.split(' ')).output()
}
