//! Passwords, tokens, files; TLS.

use std::fs;
use std::path::{Path, PathBuf};

use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa};
use serde_json::{Value, json};
use tidings_hub::Log;
use tidings_store::nats::{ConnectError, NatsConfig, NatsLog};

use super::engine::{Nats, TempDir};
use super::{append, config};
use crate::contract::given::plain;

/// Connects and appends something.
async fn works(config: NatsConfig) {
    let log = super::connect(config).await;
    append(&log, plain("t", "1")).await.unwrap();
    assert!(log.bounds().await.unwrap().next > 1);
}

/// Is refused, without a word about the secret.
async fn is_refused(config: NatsConfig) -> String {
    let error = NatsLog::connect(config).await.unwrap_err();
    assert!(!matches!(error, ConnectError::Away(_)), "{error:?}");
    let error = error.to_string();
    assert!(!error.contains("s3cret") && !error.contains("wrong"), "{error}");
    error
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_user_logs_in_by_address_or_file() {
    let nats = Nats::configured("", "authorization { user: alice, password: \"s3cret@\" }");
    let dir = TempDir::new("login");
    works(NatsConfig { url: nats.url().replace("//", "//alice:s3cret%40@"), ..config(&nats) })
        .await;
    works(NatsConfig {
        credentials_file: Some(file(&dir, "user", "alice:s3cret@\n")),
        ..config(&nats)
    })
    .await;
    let wrong = NatsConfig { url: nats.url().replace("//", "//alice:wrong@"), ..config(&nats) };
    assert!(is_refused(wrong).await.contains("the login is refused"));
    is_refused(config(&nats)).await;
    let wrong =
        NatsConfig { credentials_file: Some(file(&dir, "wrong", "alice:wrong")), ..config(&nats) };
    is_refused(wrong).await;
    let missing =
        NatsConfig { credentials_file: Some(dir.path().join("missing")), ..config(&nats) };
    assert!(is_refused(missing).await.contains("missing: "));
}

#[tokio::test]
async fn a_token_logs_in_by_address_or_file() {
    let nats = Nats::configured("", "authorization { token: s3cret }");
    let dir = TempDir::new("login");
    works(NatsConfig { url: nats.url().replace("//", "//s3cret@"), ..config(&nats) }).await;
    works(NatsConfig { credentials_file: Some(file(&dir, "token", "s3cret\n")), ..config(&nats) })
        .await;
    is_refused(NatsConfig {
        credentials_file: Some(file(&dir, "wrong", "wrong")),
        ..config(&nats)
    })
    .await;
    is_refused(NatsConfig { credentials_file: Some(file(&dir, "empty", "\n")), ..config(&nats) })
        .await;
}

#[tokio::test]
async fn a_seed_logs_in() {
    let user = KeyPair::new_user();
    let nats = Nats::configured(
        "",
        &format!("authorization {{ users: [{{ nkey: {} }}] }}", user.public_key()),
    );
    let dir = TempDir::new("login");
    works(NatsConfig {
        credentials_file: Some(file(&dir, "seed", &user.seed().unwrap())),
        ..config(&nats)
    })
    .await;
    let other = KeyPair::new_user().seed().unwrap();
    is_refused(NatsConfig { credentials_file: Some(file(&dir, "other", &other)), ..config(&nats) })
        .await;
}

/// A claim that its issuer signs.
fn jwt(issuer: &KeyPair, subject: &KeyPair, name: &str, nats: &Value) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(json!({ "typ": "JWT", "alg": "ed25519-nkey" }).to_string().as_bytes());
    let claims = json!({
        "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": name,
        "nats": nats,
    });
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let signature = encode(&issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn a_creds_file_logs_in() {
    let (operator, user) = (KeyPair::new_operator(), KeyPair::new_user());
    let (system, account) = (KeyPair::new_account(), KeyPair::new_account());
    let any = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let of = |account: &KeyPair, limits: &Value| {
        jwt(
            &operator,
            account,
            "account",
            &json!({ "type": "account", "version": 2, "limits": limits }),
        )
    };
    let of_operator =
        jwt(&operator, &operator, "operator", &json!({ "type": "operator", "version": 2 }));
    let user_limits =
        json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    let of_user = jwt(&account, &user, "user", &user_limits);
    let nats = Nats::configured(
        "",
        &format!(
            "operator: {of_operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload {{ {system}: {of_system}, {account}: {of_account} }}",
            system = system.public_key(),
            of_system = of(
                &system,
                &json!({ "subs": -1, "data": -1, "payload": -1, "conn": -1, "wildcards": true })
            ),
            account = account.public_key(),
            of_account = of(&account, &any),
        ),
    );
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    let dir = TempDir::new("login");
    works(NatsConfig { credentials_file: Some(file(&dir, "user.creds", &creds)), ..config(&nats) })
        .await;
    let broken = creds.replace(&of_user, "!");
    let error = is_refused(NatsConfig {
        credentials_file: Some(file(&dir, "broken.creds", &broken)),
        ..config(&nats)
    })
    .await;
    assert!(error.contains("no .creds file"), "{error}");
    is_refused(config(&nats)).await;
}

/// An authority of one's own, and a server's certificate from it.
fn certificates(dir: &Path) -> (PathBuf, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &authority).unwrap();
    let path = |name: &str, pem: String| {
        let path = dir.join(name);
        fs::write(&path, pem).unwrap();
        path
    };
    let ca = path("ca.pem", authority.pem());
    let cert = path("cert.pem", cert.pem());
    let key = path("key.pem", key.serialize_pem());
    (ca, format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", cert.display(), key.display()))
}

#[tokio::test]
async fn a_server_is_held_to_the_authority() {
    let dir = TempDir::new("tls");
    let (ca, tls) = certificates(dir.path());
    let nats = Nats::configured("", &tls);
    let url = nats.url().replace("nats://", "tls://");
    works(NatsConfig { url: url.clone(), ca_file: Some(ca.clone()), ..config(&nats) }).await;
    works(NatsConfig { ca_file: Some(ca), ..config(&nats) }).await;
    let elsewhere = TempDir::new("tls");
    let (other, _) = certificates(elsewhere.path());
    for ca_file in [Some(other), None] {
        let error = is_refused(NatsConfig { url: url.clone(), ca_file, ..config(&nats) }).await;
        assert!(error.contains("no TLS connection"), "{error}");
    }
    let missing = NatsConfig { url, ca_file: Some(dir.path().join("missing")), ..config(&nats) };
    assert!(is_refused(missing).await.contains("cannot read the certificates"));
    // What asks for TLS does not go on without.
    let plain = Nats::new();
    let url = plain.url().replace("nats://", "tls://");
    let wanting = NatsConfig { url, connect_within: std::time::Duration::ZERO, ..config(&plain) };
    assert!(NatsLog::connect(wanting).await.is_err());
}
