//! A running target: started on its cores with a clean environment, and ended with all that it started.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    clock::{Deadline, pause},
    directory::Directory,
    engine::Engine,
    process::{Memory, Tree},
    sys,
    target::{Kind, Port, Store, Target},
};

/// For how long a server may take until it accepts connections.
const START: Duration = Duration::from_mins(1);
/// For how long it may take to end after it was asked to.
const END: Duration = Duration::from_secs(5);
/// How much longer a peer gets: some accept connections before they can answer.
const PEER_START: Duration = Duration::from_millis(300);
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How many lines of its log are told when it fails.
const LOG_LINES: usize = 20;

/// What a start needs to know beside the target.
#[derive(Clone, Debug)]
pub(crate) struct Launch<'a> {
    /// The cores the server runs on.
    pub(crate) cores: &'a [usize],
    /// The cores of what it relays: not its own.
    pub(crate) upstream_cores: &'a [usize],
    /// The hub's program.
    pub(crate) tidings: &'a Path,
    /// Whether it sends a keep-alive after one second of silence, where that can be set.
    pub(crate) keep_alive_each_second: bool,
    /// Where its log is, where that is on disk and outlives the server.
    pub(crate) data: Option<&'a Path>,
}

/// A server that runs. It is ended when this is dropped.
pub(crate) struct Server {
    child: Child,
    name: String,
    ports: [u16; 3],
    scratch: PathBuf,
    tree: Tree,
    /// What it relays.
    upstream: Option<Box<Self>>,
    /// What it keeps on disk.
    data: Option<Directory>,
}

impl Server {
    /// Starts a target and waits until it accepts connections.
    ///
    /// # Errors
    /// With the end of its log when it does not.
    pub(crate) fn start(target: &Target, launch: &Launch<'_>) -> Result<Self> {
        let mut ports = free_ports()?;
        let upstream = match target.kind {
            Kind::Relay => Some(Box::new(Self::upstream(launch)?)),
            _ => None,
        };
        if let (Some(upstream), [_, second, _]) = (&upstream, &mut ports) {
            *second = upstream.address(Port::First).port();
        }
        let mut command = command(target, launch, ports)?;
        command.env_clear();
        let mut data = None;
        if let Kind::Tidings { store: Store::Disk, .. } = target.kind {
            match launch.data {
                Some(path) => command.arg("--data").arg(path),
                None => command.arg("--data").arg(data.insert(Directory::new()?).path()),
            };
        }
        command.env("WORKERS", launch.cores.len().to_string());
        let mut server = Self::spawn(&target.name, command, ports, launch.cores)?;
        (server.upstream, server.data) = (upstream, data);
        server.wait_for(Port::First)?;
        if target.publish.port != Port::First {
            server.wait_for(target.publish.port)?;
        }
        if !target.is_floor() && !target.is_tidings() {
            pause(PEER_START);
        }
        server.tree.refresh();
        Ok(server)
    }

    /// Starts an engine that hubs share, with nothing in it, and waits until it accepts connections.
    ///
    /// # Errors
    /// With the end of its log when it does not.
    pub(crate) fn engine(engine: Engine, cores: &[usize]) -> Result<Self> {
        let ports = free_ports()?;
        let [port, ..] = ports;
        let data = Directory::new()?;
        let mut command = engine.command(port, data.path());
        command.env_clear();
        let mut server = Self::spawn(engine.name(), command, ports, cores)?;
        server.data = Some(data);
        server.wait_for(Port::First)?;
        Ok(server)
    }

    /// Starts a command with a clean environment.
    fn spawn(name: &str, mut command: Command, ports: [u16; 3], cores: &[usize]) -> Result<Self> {
        let scratch = std::env::temp_dir().join(format!(
            "tidings-bench-{}-{:08x}",
            std::process::id(),
            fastrand::u32(..)
        ));
        fs::create_dir_all(&scratch)?;
        let log = File::create(scratch.join("bench-server.log"))?;
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &scratch).env("SCRATCH", &scratch);
        for (variable, port) in ["PORT", "PORT2", "PORT3"].iter().zip(ports) {
            command.env(variable, port.to_string());
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        sys::confine(&mut command, cores);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let tree = Tree::of(i32::try_from(child.id())?);
        let name = name.to_owned();
        Ok(Self { child, name, ports, scratch, tree, upstream: None, data: None })
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop).context("cannot wait for the end of a server")
    }

    /// The floor, for a relay.
    fn upstream(launch: &Launch<'_>) -> Result<Self> {
        let cores = launch.upstream_cores;
        Self::start(&Target::built_in("floor")?, &Launch { cores, ..launch.clone() })
    }

    fn wait_for(&mut self, port: Port) -> Result<()> {
        let deadline = Deadline::after(START);
        let address = self.address(port);
        while TcpStream::connect(address).is_err() {
            self.check()?;
            if deadline.has_passed() {
                let log = self.log();
                bail!("{} does not accept connections after {START:?}; its log: {log}", self.name);
            }
            pause(LOOK);
        }
        Ok(())
    }

    /// Where one of its ports is.
    pub(crate) fn address(&self, port: Port) -> SocketAddr {
        let [first, second, third] = self.ports;
        let port = match port {
            Port::First => first,
            Port::Second => second,
            Port::Third => third,
        };
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// # Errors
    /// When it has ended, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}; its log: {}", self.name, self.log());
        }
        Ok(())
    }

    /// The last lines that it wrote.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.scratch.join("bench-server.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
        if last.is_empty() { "(empty)".to_owned() } else { format!("\n  {}", last.join("\n  ")) }
    }

    /// Looks again which processes belong to it: some start others when the work comes.
    pub(crate) fn refresh(&mut self) {
        self.tree.refresh();
    }

    /// The CPU time it has used, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        self.tree.cpu_nanos()
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        self.tree.memory()
    }

    pub(crate) fn forget_peak(&self) -> Result<()> {
        self.tree.forget_peak()
    }

    fn end(&mut self) {
        self.tree.refresh();
        let root = self.tree.root();
        let mut ended = matches!(self.child.try_wait(), Ok(Some(_)));
        if !ended {
            sys::signal(root, libc::SIGTERM);
        }
        let deadline = Deadline::after(END);
        while !ended && !deadline.has_passed() {
            pause(LOOK);
            ended = matches!(self.child.try_wait(), Ok(Some(_)));
        }
        // Those whose parent ended before them are no longer in the tree.
        let known = self.tree.clone();
        self.tree.refresh();
        let members = known.members().iter().chain(self.tree.members());
        for pid in members.filter(|pid| !ended || **pid != root) {
            sys::signal(*pid, libc::SIGKILL);
        }
        if !ended && let Err(error) = self.child.wait() {
            debug_assert!(false, "a child can be waited for: {error}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        // What is left in the system's folder for temporary files does no harm.
        fs::remove_dir_all(&self.scratch).ok();
    }
}

fn command(target: &Target, launch: &Launch<'_>, ports: [u16; 3]) -> Result<Command> {
    let [port, second, _] = ports;
    match &target.kind {
        Kind::Floor => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["serve-floor", &port.to_string()]);
            if launch.keep_alive_each_second {
                command.arg("--keep-alive");
            }
            Ok(command)
        }
        Kind::Tidings { store, settings } => {
            let mut command = Command::new(launch.tidings);
            command.args(["serve", "--dev", "--listen", &format!("127.0.0.1:{port}")]);
            command.args(["--admin-listen", &format!("127.0.0.1:{second}")]);
            command.args(["--set", "telemetry.log=warn"]);
            match store {
                // So it is with `--dev`.
                Store::Memory => {}
                Store::Disk => drop(command.args(["--store", "disk"])),
                Store::Shared(url) => drop(command.args(["--store", url])),
            }
            // A hub in use would drain; the bench wants it to be gone.
            command.args(["--set", "drain.time=0s"]);
            if launch.keep_alive_each_second {
                command.args(["--set", "stream.keep_alive=1s"]);
            }
            command.args(settings.iter().flat_map(|setting| ["--set", setting]));
            Ok(command)
        }
        Kind::Relay => {
            let mut command = Command::new(launch.tidings);
            let url = format!("http://127.0.0.1:{second}/events");
            command.args(["relay", &url, "--listen", &format!("127.0.0.1:{port}")]);
            command.args(["--admin-listen", "127.0.0.1:0", "--set", "telemetry.log=warn"]);
            command.args(["--set", "drain.time=0s", "--set", "limits.per_address=0"]);
            Ok(command)
        }
        Kind::Peer(peer) => {
            let (program, arguments) =
                peer.start.split_first().context("no command starts the peer")?;
            let mut command = Command::new(in_folder(&peer.folder, program));
            command.args(arguments).current_dir(&peer.folder);
            Ok(command)
        }
    }
}

/// A program of a peer: with a `/` in its name it lies in the peer's folder.
pub(crate) fn in_folder(folder: &Path, program: &str) -> PathBuf {
    if program.contains('/') { folder.join(program) } else { program.into() }
}

/// Three ports that nobody listens on now.
fn free_ports() -> Result<[u16; 3]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [listen()?, listen()?, listen()?];
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    let [first, second, third] = &listeners;
    Ok([port(first)?, port(second)?, port(third)?])
}
