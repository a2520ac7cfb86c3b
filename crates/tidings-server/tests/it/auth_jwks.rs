//! Key sets from a URL: every algorithm, rotation, and servers that fail.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tidings_server::auth::{
    AuthConfig, AuthConfigError, AuthError, Authenticator, Identity, KeySource, Role,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::auth_keys::openssl;
use crate::auth_support::{SECRET, assemble, bearer, now, signed};

/// An issuer with one Ed25519 key.
struct Issuer {
    kid: &'static str,
    pair: Ed25519KeyPair,
}

impl Issuer {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x})
    }

    fn token(&self) -> String {
        self.sign(&format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.kid))
    }

    fn sign(&self, header: &str) -> String {
        assemble(header, r#"{"mercure":{"subscribe":["*"]}}"#, |message| {
            self.pair.sign(message).as_ref().to_vec()
        })
    }
}

/// What the server of key sets answers.
#[derive(Clone)]
enum Answer {
    Document(Vec<u8>),
    Status(u16),
    Redirect(String),
    /// Never.
    Nothing,
}

fn set(keys: &[Value]) -> Answer {
    Answer::Document(json!({"keys": keys}).to_string().into_bytes())
}

/// A server of key sets on a free port.
struct Server {
    url: String,
    answer: Arc<Mutex<Answer>>,
    /// Requests so far.
    requests: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys?secret=1", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer));
        let (sender, requests) = watch::channel(0);
        let current = answer.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n")
                    && socket.read_buf(&mut request).await.unwrap() > 0
                {}
                let answer = current.lock().clone();
                sender.send_modify(|count| *count += 1);
                let (status, location, body) = match answer {
                    Answer::Document(body) => (200, String::new(), body),
                    Answer::Status(status) => (status, String::new(), Vec::new()),
                    Answer::Redirect(url) => (302, format!("location: {url}\r\n"), Vec::new()),
                    Answer::Nothing => std::future::pending().await,
                };
                let head = format!(
                    "HTTP/1.1 {status} x\r\n{location}content-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                socket.write_all(head.as_bytes()).await.unwrap();
                // A client may have enough before the end.
                drop(socket.write_all(&body).await);
            }
        });
        Self { url, answer, requests, task }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock() = answer;
    }

    fn count(&self) -> usize {
        *self.requests.borrow()
    }

    async fn hub(&self) -> Authenticator {
        Authenticator::new(with_url(&self.url)).await.unwrap()
    }
}

fn with_url(url: &str) -> AuthConfig {
    AuthConfig { subscriber: Some(KeySource::jwks_url(url)), ..AuthConfig::default() }
}

async fn verify(hub: &Authenticator, token: &str) -> Result<Identity, AuthError> {
    hub.authenticate(Role::Subscriber, &bearer(token), now()).await
}

/// A key set in a file that is gone with the value.
struct File {
    path: std::path::PathBuf,
}

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidings-{}-{name}.json", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self { path }
    }

    fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

#[tokio::test]
async fn tokens_of_every_public_key_algorithm_are_verified() {
    let cases = openssl().cases;
    let keys: Vec<_> = cases.iter().filter_map(|case| case.jwk.clone()).collect();
    assert_eq!(keys.len(), 10);
    let file = File::new("every", &json!({"keys": keys}).to_string());
    let hub = Authenticator::new(with_url(&file.url())).await.unwrap();
    for case in cases.iter().filter(|case| case.jwk.is_some()) {
        let result = verify(&hub, &case.token).await;
        assert!(result.is_ok(), "{}: {result:?}", case.alg);
    }
}

#[tokio::test]
async fn the_algorithm_has_to_be_one_of_the_named_key() {
    let cases = openssl().cases;
    let server =
        Server::start(set(&cases.iter().filter_map(|case| case.jwk.clone()).collect::<Vec<_>>()))
            .await;
    let hub = server.hub().await;
    let payload = r#"{"mercure":{"subscribe":["*"]}}"#;
    for (kid, alg) in [
        ("ES256", "ES384"),
        ("ES256", "HS256"),
        ("RS256", "none"),
        ("RS256", "HS256"),
        ("EdDSA", "ES256"),
        ("PS256", "RS256"),
    ] {
        let token = signed(&format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), payload);
        let error = verify(&hub, &token).await.unwrap_err();
        assert_eq!(error, AuthError::WrongAlgorithm, "{alg} with {kid}");
    }
    assert_eq!(server.count(), 1, "no fetch helps there");
}

#[tokio::test]
async fn keys_that_are_not_for_verifying_are_left_out() {
    let issuer = Issuer::new("a");
    let with = |member: &str, value: Value| {
        let mut jwk = issuer.jwk();
        jwk[member] = value;
        jwk
    };
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    for key in [
        json!({"kty": "oct", "kid": "a", "k": secret, "alg": "HS256"}),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("ES256")),
        with("crv", json!("X25519")),
        with("x", json!("AAAA")),
        with("x", json!(1)),
        with("kty", json!("unknown")),
        json!("not a key"),
    ] {
        let server = Server::start(set(std::slice::from_ref(&key))).await;
        let hub = server.hub().await;
        for token in [issuer.token(), signed(r#"{"alg":"HS256","kid":"a"}"#, "{}")] {
            assert_eq!(verify(&hub, &token).await.unwrap_err(), AuthError::UnknownKey, "{key}");
        }
    }
    for key in [
        with("use", json!("sig")),
        with("key_ops", json!(["verify"])),
        with("alg", json!("EdDSA")),
        with("x5c", json!(["ignored"])),
    ] {
        // A damaged key does not spoil the others.
        let server = Server::start(set(&[json!(null), json!({"kty": 1}), key.clone()])).await;
        assert!(verify(&server.hub().await, &issuer.token()).await.is_ok(), "{key}");
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_gets_the_only_key_of_its_algorithm() {
    let (a, b) = (Issuer::new("a"), Issuer::new("b"));
    let anonymous = r#"{"alg":"EdDSA"}"#;
    let server = Server::start(set(&[a.jwk()])).await;
    let hub = server.hub().await;
    assert!(verify(&hub, &a.sign(anonymous)).await.is_ok());
    let error = verify(&hub, &b.sign(anonymous)).await.unwrap_err();
    assert_eq!(error, AuthError::BadSignature);

    let server = Server::start(set(&[a.jwk(), b.jwk()])).await;
    let error = verify(&server.hub().await, &a.sign(anonymous)).await.unwrap_err();
    assert_eq!(error, AuthError::UnknownKey);
}

#[tokio::test]
async fn a_token_cannot_bring_its_own_key_to_a_key_set() {
    let (a, own) = (Issuer::new("a"), Issuer::new("a"));
    let server = Server::start(set(&[a.jwk()])).await;
    let header = json!({"alg": "EdDSA", "kid": "a", "jwk": own.jwk(), "jku": server.url});
    let error = verify(&server.hub().await, &own.sign(&header.to_string())).await.unwrap_err();
    assert_eq!(error, AuthError::BadSignature);
}

#[tokio::test]
async fn a_key_that_the_issuer_has_just_added_is_fetched() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let server = Server::start(set(&[old.jwk()])).await;
    let hub = server.hub().await;
    assert!(verify(&hub, &old.token()).await.is_ok());
    assert_eq!(server.count(), 1);

    server.answers(set(&[old.jwk(), new.jwk()]));
    assert!(verify(&hub, &new.token()).await.is_ok());
    assert!(verify(&hub, &old.token()).await.is_ok());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn unknown_keys_cause_few_fetches() {
    let server = Server::start(set(&[Issuer::new("a").jwk()])).await;
    let hub = server.hub().await;
    for kid in ["b", "c", "d"] {
        let error = verify(&hub, &Issuer::new(kid).token()).await.unwrap_err();
        assert_eq!(error, AuthError::UnknownKey);
    }
    assert_eq!(server.count(), 2, "one at start, one for the first unknown key");
}

#[tokio::test]
async fn requests_at_the_same_time_share_a_fetch() {
    let new = Issuer::new("new");
    let server = Server::start(set(&[])).await;
    let hub = Arc::new(server.hub().await);
    server.answers(set(&[new.jwk()]));
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let (hub, token) = (hub.clone(), new.token());
        requests.spawn(async move { verify(&hub, &token).await.is_ok() });
    }
    assert_eq!(requests.join_all().await, [true; 20]);
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_key_that_the_issuer_withdrew_is_forgotten() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let mut server = Server::start(set(&[old.jwk()])).await;
    let source = KeySource::JwksUrl { url: server.url.clone(), refresh: Duration::from_millis(5) };
    let config = AuthConfig { subscriber: Some(source), ..AuthConfig::default() };
    let hub = Authenticator::new(config).await.unwrap();
    assert!(verify(&hub, &old.token()).await.is_ok());

    server.answers(set(&[new.jwk()]));
    // When the second request from here arrives, the answer to the first is in use.
    let seen = server.count();
    server.requests.wait_for(|count| *count >= seen + 2).await.unwrap();
    assert_eq!(verify(&hub, &old.token()).await.unwrap_err(), AuthError::UnknownKey);
    assert!(verify(&hub, &new.token()).await.is_ok());
}

#[tokio::test]
async fn the_last_good_set_is_kept_when_a_fetch_fails() {
    let (known, unknown) = (Issuer::new("known"), Issuer::new("unknown"));
    for failure in [
        Answer::Status(500),
        Answer::Status(404),
        Answer::Document(b"not json".to_vec()),
        Answer::Document(b"{}".to_vec()),
        set(&[unknown.jwk(), json!(" ".repeat(300 * 1024))]),
        Answer::Redirect("ftp://x.example/".to_owned()),
    ] {
        let server = Server::start(set(&[known.jwk()])).await;
        let hub = server.hub().await;
        server.answers(failure);
        let error = verify(&hub, &unknown.token()).await.unwrap_err();
        assert_eq!(error, AuthError::UnknownKey);
        assert!(verify(&hub, &known.token()).await.is_ok());
        assert_eq!(server.count(), 2);
    }
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let issuer = Issuer::new("a");
    let last = Server::start(set(&[issuer.jwk()])).await;
    let first = Server::start(Answer::Redirect(last.url.clone())).await;
    assert!(verify(&first.hub().await, &issuer.token()).await.is_ok());

    first.answers(Answer::Redirect(first.url.clone()));
    let hub = first.hub().await;
    assert!(first.count() <= 5);
    let error = verify(&hub, &issuer.token()).await.unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable);
}

#[tokio::test]
async fn keys_that_were_never_loaded_are_unavailable_until_they_are() {
    let issuer = Issuer::new("a");
    let server = Server::start(Answer::Status(503)).await;
    let hub = server.hub().await;
    server.answers(set(&[issuer.jwk()]));
    assert!(verify(&hub, &issuer.token()).await.is_ok());

    let server = Server::start(Answer::Status(503)).await;
    let hub = server.hub().await;
    for _ in 0..3 {
        let error = verify(&hub, &issuer.token()).await.unwrap_err();
        assert_eq!(error, AuthError::KeysUnavailable);
    }
    assert_eq!(server.count(), 2, "one at start, one for the first token");
    // What is not a token at all is refused as such.
    assert_eq!(verify(&hub, &"x".repeat(50)).await.unwrap_err(), AuthError::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_does_not_hold_up_the_start_for_ever() {
    let server = Server::start(Answer::Nothing).await;
    let start = Instant::now();
    let hub = server.hub().await;
    assert!(start.elapsed() <= Duration::from_secs(5));
    let error = verify(&hub, &Issuer::new("a").token()).await.unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable);
    assert!(start.elapsed() <= Duration::from_secs(10));
}

#[tokio::test]
async fn the_fetching_ends_with_the_authenticator() {
    let mut server = Server::start(set(&[])).await;
    let source = KeySource::JwksUrl { url: server.url.clone(), refresh: Duration::from_millis(1) };
    let config = AuthConfig { subscriber: Some(source), ..AuthConfig::default() };
    let hub = Authenticator::new(config).await.unwrap();
    server.requests.wait_for(|count| *count >= 2).await.unwrap();
    drop(hub);
    // The abort takes effect before anything else can be awaited; a request on its way may end.
    let seen = server.count();
    tokio::time::timeout(
        Duration::from_millis(50),
        server.requests.wait_for(|count| *count > seen + 1),
    )
    .await
    .unwrap_err();
}

#[tokio::test]
async fn both_roles_share_a_key_set_of_the_same_url() {
    let server = Server::start(set(&[])).await;
    let source = Some(KeySource::jwks_url(&server.url));
    let config =
        AuthConfig { publisher: source.clone(), subscriber: source, ..AuthConfig::default() };
    let _hub = Authenticator::new(config).await.unwrap();
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_key_set_that_cannot_be_used_is_refused_at_start() {
    let garbage = File::new("garbage", "not json");
    let large = File::new("large", &format!(r#"{{"keys":[]}}{}"#, " ".repeat(300 * 1024)));
    for url in [
        "",
        "keys.json",
        "ftp://x.example/",
        "file://keys.json",
        "file:///nowhere/keys.json",
        &garbage.url(),
        &large.url(),
    ] {
        let error = Authenticator::new(with_url(url)).await.unwrap_err();
        assert!(
            matches!(error, AuthConfigError::KeySet { role: Role::Subscriber, .. }),
            "{url}: {error}"
        );
    }
    let file = File::new("never", r#"{"keys":[]}"#);
    let source = KeySource::JwksUrl { url: file.url(), refresh: Duration::ZERO };
    let config = AuthConfig { subscriber: Some(source), ..AuthConfig::default() };
    let error = Authenticator::new(config).await.unwrap_err();
    assert!(matches!(error, AuthConfigError::KeySet { .. }), "{error}");
}
