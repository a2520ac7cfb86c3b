//! Upstreams over HTTPS.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tidings_server::{RelayAccess, RelayConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::super::support::PATIENCE;
use super::upstream::{PATH, ask, relaying};

/// An upstream whose certificate is its own, and that certificate in PEM.
async fn start() -> (TcpListener, TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)), cert.pem())
}

fn relay(listener: &TcpListener, certificates: Option<String>) -> RelayConfig {
    let port = listener.local_addr().unwrap().port();
    RelayConfig {
        access: RelayAccess::Anyone,
        certificates: certificates.map(String::into_bytes),
        ..RelayConfig::new(format!("https://localhost:{port}{PATH}"))
    }
}

#[tokio::test]
async fn an_upstream_over_https_is_relayed_where_its_certificate_is_trusted() {
    let (listener, acceptor, pem) = start().await;
    let server = relaying(relay(&listener, Some(pem))).await;
    let client = ask(&server, PATH, "").await;
    let serve = async {
        let mut socket = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(socket.read_buf(&mut head).await.unwrap() > 0);
        }
        assert!(head.starts_with(b"GET /api/events HTTP/1.1\r\n"));
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: over TLS\n\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.flush().await.unwrap();
        socket
    };
    let _socket = tokio::time::timeout(PATIENCE, serve).await.unwrap();
    assert_eq!(client.stream().await.data(1).await, ["over TLS"]);
}

#[tokio::test]
async fn an_upstream_whose_certificate_nobody_vouches_for_is_not_relayed() {
    let (listener, acceptor, _) = start().await;
    let server = relaying(relay(&listener, None)).await;
    let mut client = server.connect().await;
    client.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
    let shaken = acceptor.accept(listener.accept().await.unwrap().0).await;
    assert!(shaken.is_err(), "the relay went on");
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["reason"]), (502, &"upstream_unreachable".into()));
}
