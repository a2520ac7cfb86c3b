//! The program with a hub in it: started, killed, started again, published to.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use super::program::{Program, START};
use crate::support::{run, tidings};

/// A hub in a process of its own.
pub(crate) struct Hub {
    /// Where it listens, also after a restart.
    pub(crate) address: SocketAddr,
    arguments: Vec<String>,
    program: Program,
}

impl Hub {
    /// Starts the program on free ports.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (program, address) = launch(&arguments, "127.0.0.1:0");
        Self { address, arguments, program }
    }

    /// Starts a hub in development mode with these settings. Browsers come back fast.
    pub(crate) fn serve(settings: &[&str]) -> Self {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let fixed = ["serve", "--dev", "--set", "stream.retry=100ms"];
        Self::start(&fixed.into_iter().chain(settings).collect::<Vec<_>>())
    }

    /// Kills the hub: SIGKILL, so it has no time to say farewell.
    pub(crate) fn kill(self) -> Killed {
        let Self { address, arguments, program } = self;
        drop(program);
        Killed { address, arguments }
    }

    /// Publishes an update and gives its id.
    pub(crate) fn publish(&self, topic: &str, data: &str) -> String {
        let url = format!("http://{}", self.address);
        let published = run(&mut tidings(&["publish", topic, data, "--url", &url]));
        assert_eq!(published.code(), 0, "{}", published.err());
        published.out().trim_end().to_owned()
    }

    /// Takes a subscriber's place, as soon as there is one; it is free again when the socket is dropped.
    pub(crate) fn take_place(&self) -> TcpStream {
        loop {
            let mut socket = TcpStream::connect(self.address).unwrap();
            // Without `Accept: text/event-stream` a refusal is a status.
            write!(socket, "GET /events?topic=other HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)
                .unwrap();
            let mut status = String::new();
            BufReader::new(&socket).read_line(&mut status).unwrap();
            if status.starts_with("HTTP/1.1 200") {
                return socket;
            }
            assert!(status.starts_with("HTTP/1.1 429"), "{status}");
        }
    }
}

/// What a killed hub leaves.
pub(crate) struct Killed {
    address: SocketAddr,
    arguments: Vec<String>,
}

impl Killed {
    /// Starts it again at the same address.
    pub(crate) fn start(self) -> Hub {
        let Self { address, arguments } = self;
        let (program, address) = launch(&arguments, &address.to_string());
        Hub { address, arguments, program }
    }
}

fn launch(arguments: &[String], listen: &str) -> (Program, SocketAddr) {
    let mut command = tidings(&[]);
    command.args(arguments).args(["--listen", listen, "--admin-listen", "127.0.0.1:0"]);
    command.args(["--set", "telemetry.log_format=json"]);
    let program = Program::start(&mut command);
    let address = program.says(START, |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line.pointer("/fields/address")?.as_str()?.parse().ok()
    });
    (program, address)
}
