//! nginx and HAProxy with the sample configurations: only addresses and paths are others here.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// The host name in the samples.
pub(crate) const HOST: &str = "events.example.com";

/// How long a balancer may take to listen.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end.
const END: Duration = Duration::from_secs(5);
/// How often is looked whether it does.
const LOOK: Duration = Duration::from_millis(10);
/// How many ports are tried: somebody else may take one between its choice and its use.
const PORTS: usize = 20;

/// Which balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
}

/// Where a hub is, or would be.
#[derive(Clone, Copy)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A running balancer. It ends when this is dropped, with all its processes.
pub(crate) struct Balancer {
    process: Child,
    group: u32,
    pub(crate) address: SocketAddr,
    folder: PathBuf,
}

impl Backend {
    /// A place where no hub is.
    pub(crate) fn nowhere() -> Self {
        Self { address: free_address(), admin: free_address() }
    }
}

impl Balancer {
    /// Starts a balancer in front of two hubs, and waits until it listens.
    pub(crate) async fn start(kind: Kind, hubs: [Backend; 2]) -> Self {
        let folder = new_folder();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
        fs::write(folder.join("both.pem"), format!("{certificate}{key}")).unwrap();
        fs::write(folder.join("certificate.pem"), certificate).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        for _ in 0..PORTS {
            let address = free_address();
            let configuration = folder.join("configuration");
            fs::write(&configuration, configure(kind, &folder, address, hubs)).unwrap();
            let mut process = command(kind, &configuration, &folder).spawn().unwrap();
            let group = process.id().unwrap();
            if listens(&mut process, address).await {
                return Self { process, group, address, folder };
            }
        }
        let said = fs::read_to_string(folder.join("output")).unwrap();
        panic!("{kind:?} does not start:\n{said}");
    }

    /// Its certificate, as a file in PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // In order, so that nginx waits for its workers; then whatever is left of the group.
        let signal = |name, whom: String| {
            drop(process::Command::new("kill").args(["-s", name, "--", &whom]).output());
        };
        signal("TERM", self.group.to_string());
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && begun.elapsed() < END {
            std::thread::park_timeout(LOOK);
        }
        signal("KILL", format!("-{}", self.group));
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The sample with what belongs to this machine in it.
fn configure(kind: Kind, folder: &Path, address: SocketAddr, hubs: [Backend; 2]) -> String {
    let [one, two] = hubs;
    let (name, paths) = match kind {
        Kind::Nginx => (
            "nginx.conf",
            vec![
                ("/etc/ssl/events.example.com.pem", folder.join("certificate.pem")),
                ("/etc/ssl/events.example.com.key", folder.join("key.pem")),
                ("/run/nginx.pid", folder.join("pid")),
                ("/var/log/nginx/", folder.join("")),
            ],
        ),
        Kind::Haproxy => {
            ("haproxy.cfg", vec![("/etc/haproxy/events.example.com.pem", folder.join("both.pem"))])
        }
    };
    let mut addresses = vec![
        ("10.0.0.1:443", address),
        ("10.0.0.11:3000", one.address),
        ("10.0.0.12:3000", two.address),
    ];
    if kind == Kind::Haproxy {
        addresses.extend([("10.0.0.11:3001", one.admin), ("10.0.0.12:3001", two.admin)]);
    }
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/balancer").join(name);
    let mut text = fs::read_to_string(sample).unwrap();
    let paths = paths.iter().map(|(old, new)| (*old, new.display().to_string()));
    let addresses = addresses.iter().map(|(old, new)| (*old, new.to_string()));
    for (old, new) in paths.chain(addresses) {
        assert!(text.contains(old), "{name} does not say {old}");
        text = text.replace(old, &new);
    }
    text
}

/// What runs it in the foreground, in a process group of its own.
fn command(kind: Kind, configuration: &Path, folder: &Path) -> Command {
    let mut command = match kind {
        Kind::Nginx => {
            let mut command = Command::new(program("nginx"));
            command.args(["-e", "stderr", "-g", "daemon off;", "-c"]).arg(configuration);
            command
        }
        Kind::Haproxy => {
            let mut command = Command::new(program("haproxy"));
            command.args(["-db", "-f"]).arg(configuration);
            command
        }
    };
    let output = fs::File::create(folder.join("output")).unwrap();
    command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output);
    command.process_group(0).kill_on_drop(true);
    command
}

/// Waits until a balancer listens; false if it has ended instead.
async fn listens(process: &mut Child, address: SocketAddr) -> bool {
    let begun = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        assert!(begun.elapsed() < START, "nobody listens on {address}");
        sleep(LOOK).await;
    }
    false
}

/// Debian has servers in a folder that is not in everybody's path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("there is no {name}: `cargo xtask setup` installs it (Debian: {name})")
    })
}

/// An address at which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("tidings-balancer-{}-{number}", process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
