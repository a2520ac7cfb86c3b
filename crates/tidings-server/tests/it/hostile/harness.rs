//! One check for every bad request: what is answered, what is logged, and that the hub goes on.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;
use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context, Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

use crate::support::{Answer, EventStream, SECRET, TestServer, open_config, token};

/// A request and what must become of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// What is wrong with the request.
    pub(super) name: String,
    /// The bytes as they are sent.
    pub(super) request: Vec<u8>,
    pub(super) expected: Expected,
    /// What may be neither answered nor logged.
    pub(super) secrets: Vec<String>,
    /// The client then sends nothing more, and the answer comes when its time is over.
    pub(super) falls_silent: bool,
}

/// What must become of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// A problem document with this reason, and these words in its detail.
    Refused { status: u16, reason: &'static str, words: &'static str },
    /// A status alone: the bytes are not HTTP, and the parser itself answers.
    Bare(u16),
    /// The connection is closed without an answer.
    Closed,
    /// The update is good, however it looks, and is logged.
    Logged,
    /// The results of lines: `id` for one that is logged, else the reason.
    Lines(&'static [&'static str]),
    /// A stream opens.
    Stream,
}

pub(super) fn case(
    name: impl Into<String>,
    request: impl Into<Vec<u8>>,
    expected: Expected,
) -> Case {
    let (name, request) = (name.into(), request.into());
    Case { name, request, expected, secrets: Vec::new(), falls_silent: false }
}

pub(super) const fn refused(status: u16, reason: &'static str, words: &'static str) -> Expected {
    Expected::Refused { status, reason, words }
}

impl Case {
    /// Adds a token whose parts may be neither answered nor logged.
    pub(super) fn keeping(mut self, token: &str) -> Self {
        let parts = token.split('.').filter(|part| part.len() >= 16);
        self.secrets.extend(parts.map(str::to_owned));
        self
    }

    pub(super) fn then_silence(self) -> Self {
        Self { falls_silent: true, ..self }
    }
}

/// A publish request with a body of this type.
pub(super) fn post(content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with(&format!("Content-Type: {content_type}\r\n"), body)
}

/// A publish request; `headers` are whole lines, each with its CRLF.
pub(super) fn post_with(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = "POST /.well-known/mercure HTTP/1.1\r\nHost: hub\r\n";
    let head = format!("{head}{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(super) fn form(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("application/x-www-form-urlencoded", body)
}

/// A subscribe request, as a program sends it; `headers` are whole lines.
pub(super) fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n").into_bytes()
}

thread_local! {
    /// What was logged on this thread since it was last taken; `None` where nobody will take it.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to the log of the thread.
#[derive(Clone, Copy, Debug)]
struct ThreadLog;

impl Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.as_mut().map(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps everything that is logged on this thread from now on; of other libraries what they log for debugging, and not
/// each step. A test's runtime has but one thread. One
/// subscriber serves the whole process, because callsites remember who was interested in them, and whichever thread met
/// them first.
pub(crate) fn keep_log() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let kept = |line: &Metadata<'_>, _: &Context<'_, Registry>| {
            let is_told = line.target().starts_with("tidings") || *line.level() <= Level::DEBUG;
            is_told && LOGGED.with_borrow(Option::is_some)
        };
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| ThreadLog);
        let lines = lines.with_filter(dynamic_filter_fn(kept));
        tracing::subscriber::set_global_default(Registry::default().with(lines)).unwrap();
    });
    LOGGED.set(Some(Vec::new()));
}

/// Takes what was logged on this thread since the last time.
pub(crate) fn logged() -> String {
    let logged = LOGGED.with_borrow_mut(|logged| logged.as_mut().map(std::mem::take));
    String::from_utf8_lossy(&logged.unwrap_or_default()).into_owned()
}

/// A server, and a subscriber to everything that stays open all the while.
pub(super) struct Harness {
    pub(super) server: TestServer,
    pub(super) witness: EventStream,
    /// The headers of a good publish.
    publishing: String,
    /// How many updates there were so far.
    published: u64,
}

impl Harness {
    pub(super) async fn open() -> Self {
        Self::start(HubConfig::default(), open_config()).await
    }

    pub(super) async fn start(hub: HubConfig, config: ServerConfig) -> Self {
        let may_publish = config.auth.anonymous_publish;
        Self::with(TestServer::start(hub, config).await, may_publish).await
    }

    /// With a server where anonymous publishers may publish, or may not.
    pub(super) async fn with(server: TestServer, may_publish: bool) -> Self {
        keep_log();
        let reader = token(&[], &["*"]);
        let witness =
            server.subscribe("topic=*", &format!("Authorization: Bearer {reader}\r\n")).await;
        let published = server.server.hub().stats().published;
        let mut publishing = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
        if !may_publish {
            let publisher = token(&["*"], &[]);
            publishing = format!("{publishing}Authorization: Bearer {publisher}\r\n");
        }
        Self { server, witness, publishing, published }
    }

    pub(super) async fn check_all(&mut self, cases: impl IntoIterator<Item = Case>) {
        for case in cases {
            self.check(&case).await;
        }
    }

    /// Sends a request and checks everything that must be true then.
    pub(super) async fn check(&mut self, case: &Case) {
        for _ in 0..self.answers(case).await {
            self.witness.event().await;
            self.published += 1;
        }
        self.goes_on(&case.name).await;
    }

    /// Sends a request, checks the answer and the log, and gives how many updates it publishes.
    pub(super) async fn answers(&mut self, case: &Case) -> usize {
        let name = &case.name;
        drop(logged());
        if case.falls_silent {
            tokio::time::pause();
        }
        let answer = self.exchange(&case.request).await;
        if case.falls_silent {
            tokio::time::resume();
        }
        let logged = logged();
        let shown = answer.as_ref().map(show).unwrap_or_default();
        for secret in case.secrets.iter().map(String::as_str).chain([SECRET]) {
            assert!(!shown.contains(secret), "{name}: a secret is answered:\n{shown}");
            assert!(!logged.contains(secret), "{name}: a secret is logged:\n{logged}");
        }
        let Some(answer) = answer else {
            let expected = case.expected;
            assert!(matches!(expected, Expected::Closed), "{name}: not answered\n{logged}");
            return 0;
        };
        check_answer(name, &answer, case.expected, &logged)
    }

    /// The witness sees an update with this data next.
    pub(super) async fn was_published(&mut self, data: &str) {
        assert_eq!(self.witness.event().await.1, data);
        self.published += 1;
    }

    /// A good update reaches the witness next, so that nothing else was logged before it.
    pub(super) async fn goes_on(&mut self, name: &str) {
        let data = format!("after {name}");
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("topic", "good")
            .append_pair("data", &data)
            .finish();
        let answer = self.exchange(&post_with(&self.publishing, body)).await.expect("answered");
        assert_eq!(answer.status, 200, "after {name}: {}", answer.text());
        let event = self.witness.event().await;
        assert_eq!(event, ("message".to_owned(), data, answer.text()), "after {name}");
        self.published += 1;
        assert_eq!(self.server.server.hub().stats().published, self.published, "after {name}");
    }

    /// Waits until so many subscribers are left, the witness among them.
    pub(super) async fn subscribers(&self, count: usize) {
        let left = async {
            while self.server.server.hub().stats().subscribers != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), left).await.expect("they stay");
    }

    /// Sends bytes on a connection of their own and reads the answer; a stream's head only.
    pub(super) async fn exchange(&self, request: &[u8]) -> Option<Answer> {
        let mut client = self.server.connect().await;
        // What the hub does not want to read it need not take.
        drop(client.socket.write_all(request).await);
        let head = client.head().await?;
        let is_stream = head.header("content-type") == Some("text/event-stream");
        Some(if is_stream { head } else { client.body(head).await })
    }
}

/// Everything that the client was sent.
fn show(answer: &Answer) -> String {
    format!("{:?}\n{}", answer.headers, answer.text())
}

/// Checks an answer and gives how many updates are logged by it.
fn check_answer(name: &str, answer: &Answer, expected: Expected, logged: &str) -> usize {
    let shown = show(answer);
    match expected {
        Expected::Refused { status, reason, words } => {
            assert_eq!(answer.status, status, "{name}: {shown}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
            let problem = answer.json();
            assert_eq!(problem["status"], status, "{name}");
            assert_eq!(problem["reason"], reason, "{name}: {shown}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(words), "{name}: {words:?} is not in {detail:?}");
            let is_transient = matches!(status, 429 | 503);
            assert_eq!(answer.header("retry-after").is_some(), is_transient, "{name}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{name}");
            let told = format!("status={status} reason=\"{reason}\"");
            assert!(logged.contains(&told), "{name}: no line with {told}:\n{logged}");
            if matches!(status, 401 | 403 | 429) {
                let line = logged.lines().find(|line| line.contains(&told)).unwrap();
                assert!(line.contains(" INFO "), "{name}: {line}");
            }
            0
        }
        Expected::Bare(status) => {
            assert_eq!((answer.status, answer.text().as_str()), (status, ""), "{name}: {shown}");
            0
        }
        Expected::Closed => panic!("{name}: answered with {} {shown}", answer.status),
        Expected::Logged => {
            assert_eq!(answer.status, 200, "{name}: {shown}");
            1
        }
        Expected::Lines(results) => {
            assert_eq!(answer.status, 200, "{name}: {shown}");
            check_lines(name, &answer.text(), results)
        }
        Expected::Stream => {
            let content_type = answer.header("content-type");
            assert_eq!((answer.status, content_type), (200, Some("text/event-stream")), "{name}");
            0
        }
    }
}

/// Checks the results of lines and gives how many are good.
fn check_lines(name: &str, text: &str, expected: &[&str]) -> usize {
    let results: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reason = |result: &serde_json::Value| match result["id"].as_str() {
        Some(_) => "id".to_owned(),
        None => result["error"].as_str().unwrap().to_owned(),
    };
    let found: Vec<String> = results.iter().map(reason).collect();
    assert_eq!(found, expected, "{name}: {text}");
    expected.iter().filter(|result| **result == "id").count()
}
