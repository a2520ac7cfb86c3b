//! The generator against a server that follows a script: every fault must be found.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;

use super::{Burst, Load, Pace, Plan, watched::Watched};
use crate::target::{Kind, Peer, Target};

/// How long a test waits for something that does not come.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// What the server does with the updates it was given: for each subscriber, the frames it sends now.
type Script = fn(subscriber: usize, updates: &[String]) -> Vec<String>;

/// A server for so many subscribers and one publisher.
struct Scripted {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Watched for Scripted {
    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    fn log(&self) -> String {
        "what the server wrote".to_owned()
    }
}

impl Scripted {
    fn start(subscribers: usize, script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || serve(&listener, subscribers, script));
        Self { address, thread }
    }
}

fn serve(listener: &TcpListener, subscribers: usize, script: Script) {
    let mut streams = Vec::new();
    for _ in 0..subscribers {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(request(&mut stream).unwrap().starts_with("GET /events?topic=t0 HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        streams.push(stream);
    }
    let (mut publisher, _) = listener.accept().unwrap();
    let mut updates = Vec::new();
    while let Some(post) = request(&mut publisher) {
        let data = post.rsplit_once("data=").unwrap().1;
        updates.push(format!("data: {data}\n\n"));
        for (number, stream) in streams.iter_mut().enumerate() {
            for frame in script(number, &updates) {
                let chunk = format!("{:x}\r\n{frame}\r\n", frame.len());
                // The generator hangs up at the first fault.
                stream.write_all(chunk.as_bytes()).ok();
            }
        }
        publisher.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok();
    }
}

/// A request whose last byte is the end of its head, or of a marker; none when the client is gone.
fn request(socket: &mut TcpStream) -> Option<String> {
    let (mut text, mut buffer) = (String::new(), [0; 1_024]);
    while !(text.starts_with("GET") && text.ends_with("\r\n\r\n") || text.ends_with('z')) {
        let read = socket.read(&mut buffer).ok().filter(|read| *read > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    Some(text)
}

/// Publishes to two subscribers, then waits whether more comes.
fn run(script: Script, updates: u64, pace: Pace) -> Result<u64> {
    let mut server = Scripted::start(2, script);
    let target = Target::built_in("tidings").unwrap();
    let mut load = Load::to(&target, server.address, server.address).unwrap();
    let plan = Plan { selector: "t0".to_owned(), ..Plan::default() };
    let result = load.open(&mut server, [plan.clone(), plan], 2, LONG).and_then(|()| {
        let limit = SHORT;
        let topic = &mut |_| 0;
        let mut burst = Burst { topic, updates, at_most: LONG, pace, data_bytes: 128, limit };
        load.publish(&mut server, &mut burst)?;
        load.run_for(&mut server, SHORT / 3)?;
        Ok(load.tally.delivered)
    });
    drop(load);
    server.thread.join().unwrap();
    result
}

fn fault(script: Script) -> String {
    format!("{:#}", run(script, 4, Pace::Window(1)).unwrap_err())
}

fn newest(updates: &[String]) -> String {
    updates.last().unwrap().clone()
}

#[test]
fn what_an_honest_server_sends_is_counted() {
    let honest: Script = |_, updates| vec![newest(updates)];
    assert_eq!(run(honest, 4, Pace::Window(1)).unwrap(), 8);
    assert_eq!(run(honest, 20, Pace::Rate(2_000.0, 1)).unwrap(), 40);
}

#[test]
fn many_updates_in_one_piece_are_all_counted() {
    let lazy: Script = |_, updates| match updates.len() {
        3 => vec![updates.concat()],
        _ => Vec::new(),
    };
    assert_eq!(run(lazy, 3, Pace::Rate(2_000.0, 1)).unwrap(), 6);
}

#[test]
fn an_update_that_one_subscriber_does_not_get_is_missed() {
    let error = fault(|subscriber, updates| match (subscriber, updates.len()) {
        (1, 3) => Vec::new(),
        _ => vec![newest(updates)],
    });
    assert!(error.contains("1 deliveries of 1 updates, of 3, are missing"), "{error}");
    assert!(error.contains("what the server wrote"), "{error}");
}

#[test]
fn an_update_that_comes_twice_is_a_fault() {
    let error = fault(|subscriber, updates| vec![newest(updates); 1 + subscriber]);
    assert!(error.contains("update 0 came twice"), "{error}");
}

#[test]
fn an_update_that_comes_again_after_the_last_one_is_a_fault() {
    let error = fault(|_, updates| match updates.len() {
        4 => vec![newest(updates), updates[1].clone()],
        _ => vec![newest(updates)],
    });
    assert!(error.contains("update 1 came twice"), "{error}");
}

#[test]
fn updates_in_another_order_are_a_fault() {
    let swapped: Script = |subscriber, updates| match (subscriber, updates.len()) {
        (_, 1) => Vec::new(),
        (1, 2) => vec![updates[1].clone(), updates[0].clone()],
        (_, 2) => updates.to_vec(),
        _ => vec![newest(updates)],
    };
    let error = run(swapped, 4, Pace::Rate(2_000.0, 1)).unwrap_err();
    assert!(format!("{error:#}").contains("update 1 came where 0 was to come"), "{error:#}");
}

#[test]
fn damaged_data_is_a_fault() {
    let error = fault(|_, updates| vec![newest(updates).replace("xxz", "x")]);
    assert!(error.contains("damaged data"), "{error}");
}

#[test]
fn a_stream_that_the_server_ends_is_a_fault() {
    // A chunk of no length is the last one.
    let error = fault(|_, updates| vec![newest(updates), String::new()]);
    assert!(error.contains("the server ended the stream"), "{error}");
}

#[test]
fn only_a_peer_may_break_a_stream_before_it_is_open() {
    let folder = std::path::PathBuf::new();
    let commands = || vec!["true".to_owned()];
    let peer =
        Kind::Peer(Peer { folder, install: commands(), start: commands(), available: commands() });
    for (kind, again) in [(None, false), (Some(peer), true)] {
        let mut target = Target::built_in("tidings").unwrap();
        if let Some(kind) = kind {
            target.kind = kind;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            drop(listener.accept().unwrap());
            listener.set_nonblocking(!again).unwrap();
            let mut stream = listener.accept().ok()?.0;
            request(&mut stream)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok().map(|()| stream)
        });
        let mut server = Scripted { address, thread: thread::spawn(|| {}) };
        let mut load = Load::to(&target, address, address).unwrap();
        let plan = Plan { selector: "t0".to_owned(), ..Plan::default() };
        let opened = load.open(&mut server, [plan], 1, LONG);
        assert_eq!((opened.is_ok(), load.again), (again, usize::from(again)), "{opened:?}");
        assert_eq!(thread.join().unwrap().is_some(), again);
    }
}
