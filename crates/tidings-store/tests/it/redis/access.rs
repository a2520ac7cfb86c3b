//! Who we are, over what, and what an operator is told when that is not right.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tidings_hub::Log;
use tidings_store::redis::{ConnectError, RedisBus, RedisConfig, RedisLog};
use tokio::time::Instant;

use super::engine::Redis;
use super::failing::{insist, refusal};
use super::open;
use super::proxy::Proxy;
use crate::contract::ROOMY;
use crate::contract::given::{append, append_all, numbered, plain};

/// What an operator is told.
async fn error(config: RedisConfig) -> String {
    let patience = Duration::from_millis(300);
    let begun = Instant::now();
    let error = RedisLog::connect(RedisConfig { patience, ..config }).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let text = match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    assert!(!format!("{text} {error:?}").contains("secret"), "{text}");
    text
}

/// A user who may do no more than the log needs.
const USER: &str = "user hub on >secret ~{tidings}:* &{tidings}:* -@all +@scripting +@stream +@hash +@sortedset +@keyspace \
                    +@pubsub +@connection +info";

#[tokio::test]
async fn a_user_and_a_password_open_the_log() {
    let redis = Redis::with(&["appendonly yes", USER, "requirepass other"]);
    let address = redis.url().replace("redis://", "");
    let with = |credentials: &str| RedisConfig::new(format!("redis://{credentials}@{address}/0"));

    for wrong in ["hub:secret2", "nobody:secret", ":secret"] {
        let text = error(with(wrong)).await;
        assert!(text.contains("check the user and the password"), "{text}");
        assert!(text.contains(&address), "{text}");
    }
    let text = error(RedisConfig::new(redis.url())).await;
    assert!(text.contains("check the user and the password"), "{text}");

    let log: Arc<dyn Log> = Arc::new(RedisLog::connect(with("hub:secret")).await.unwrap());
    append_all(&log, numbered(3)).await;
    RedisBus::connect(with("hub:secret")).await.unwrap();
    assert!(!format!("{log:?}").contains("secret"));
    assert!(!format!("{:?}", with("hub:secret")).contains("secret"));
}

#[tokio::test]
async fn what_is_no_redis_is_told_from_one_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It talks first, as many servers do.
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            drop(socket.write_all(b"220 good morning\r\n"));
            drop(socket.read_to_end(&mut Vec::new()));
        }
    });
    let text = error(RedisConfig::new(format!("redis://{address}"))).await;
    assert!(text.contains(&address.to_string()) && text.contains("is the port right"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_know_hello_is_said_to_be_too_old() {
    let redis = Redis::with(&["rename-command HELLO \"\""]);
    let url = redis.url().replace("//", "//hub:secret@");
    let text = error(RedisConfig::new(url)).await;
    assert!(text.contains("unknown command") && text.contains("use Redis 7"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_in_a_file_can_be_changed() {
    let mut redis = Redis::with(&["appendonly yes", "requirepass secret1"]);
    let file = redis.dir().join("credentials");
    let config =
        RedisConfig { credentials_file: Some(file.clone()), ..RedisConfig::new(redis.url()) };
    let text = error(config.clone()).await;
    assert!(text.contains("credentials cannot be read: No such file"), "{text}");
    fs::write(&file, "\n").unwrap();
    assert!(error(config.clone()).await.contains("no password in its first line"));
    fs::write(&file, "secret1\n").unwrap();
    let log: Arc<dyn Log> = Arc::new(RedisLog::connect(config).await.unwrap());
    append_all(&log, numbered(1)).await;
    redis.kill();
    redis.configure("requirepass secret1", "requirepass secret2");
    fs::write(&file, "default:secret2\n").unwrap();
    redis.start();
    assert_eq!(insist(&log, "with the new one").await, 2);
}

#[tokio::test]
async fn tls_is_checked_by_the_authority_in_the_file() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = [
        ("cert.pem", cert.pem()),
        ("key.pem", signing_key.serialize_pem()),
        ("other.pem", other.cert.pem()),
        ("empty.pem", "nothing".to_owned()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let settings = [
        "appendonly yes",
        "tls-port PORT2",
        "tls-cert-file DIR/cert.pem",
        "tls-key-file DIR/key.pem",
        "tls-ca-cert-file DIR/cert.pem",
        "tls-auth-clients no",
    ];
    let redis = Redis::with_files(&settings, &files);
    let url = format!("rediss://localhost:{}", redis.port2());
    let with = |file: &str| RedisConfig {
        ca_file: Some(redis.dir().join(file)),
        ..RedisConfig::new(url.as_str())
    };

    let log: Arc<dyn Log> = Arc::new(RedisLog::connect(with("cert.pem")).await.unwrap());
    append_all(&log, numbered(300)).await;
    assert_eq!(log.bounds().await.unwrap().next, 301);
    for wrong in ["other.pem", "empty.pem"] {
        let text = error(with(wrong)).await;
        assert!(text.contains("certificate"), "{text}");
    }
    let text = error(RedisConfig::new(url.as_str())).await;
    assert!(text.contains("certificate"), "{text}");
    let text = error(RedisConfig { url: redis.url(), ..with("cert.pem") }).await;
    assert!(text.contains("use rediss://"), "{text}");
    let text = error(RedisConfig::new(format!("{url}/#insecure"))).await;
    assert!(text.contains("#insecure"), "{text}");
}

#[tokio::test]
async fn what_is_not_right_in_the_configuration_is_said() {
    for url in [
        "",
        "http://host",
        "redis://user:secret@host:port",
        "redis://:secret@/x",
        "redis://:secret@host/x",
        "unix:///x",
    ] {
        let text = error(RedisConfig::new(url)).await;
        assert!(text.starts_with("the URL of the Redis server is not right"), "{url}: {text}");
    }
    for name in ["", "a b", "{x}", &"x".repeat(101)] {
        let config = RedisConfig { name: name.into(), ..RedisConfig::new("redis://localhost") };
        assert!(error(config).await.contains("name on the Redis server must be"), "{name:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_at_first_is_waited_for() {
    let mut redis = Redis::new();
    redis.kill();
    let text = error(RedisConfig::new(redis.url())).await;
    assert!(text.contains("nothing listens there"), "{text}");
    let connecting = tokio::spawn(RedisLog::connect(RedisConfig::new(redis.url())));
    redis.start();
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn keys_of_another_program_and_of_a_later_version_are_left_alone() {
    let redis = Redis::new();
    let keys = ["log", "meta", "keys", "ids", "index"].map(|part| format!("{{tidings}}:{part}"));
    for has_begun in [false, true] {
        for key in &keys[if has_begun { 2 } else { 0 }..] {
            redis.say(&["SET", key, "a text"]);
            let text = error(RedisConfig::new(redis.url())).await;
            assert!(text.contains(key.as_str()) && text.contains("choose another name"), "{text}");
            assert_eq!(redis.say(&["GETDEL", key]), "$6\r\na text\r\n", "it is left alone");
        }
        drop(open(&redis, ROOMY).await);
    }
    redis.say(&["HSET", "{tidings}:meta", "format", "2"]);
    let connected = RedisLog::connect(RedisConfig::new(redis.url())).await;
    assert!(
        matches!(&connected, Err(ConnectError::Server(why)) if why.to_string().contains("newer Tidings"))
    );
    redis.say(&["HSET", "{tidings}:meta", "format", "1", "generation", "9007199254740992"]);
    let text = error(RedisConfig::new(redis.url())).await;
    assert!(text.contains("makes no sense"), "{text}");
    // Another log on the same server.
    let config = RedisConfig { name: "other".into(), ..RedisConfig::new(redis.url()) };
    let other: Arc<dyn Log> = Arc::new(RedisLog::connect(config).await.unwrap());
    append_all(&other, numbered(2)).await;
}

/// A server that is started again gives the numbers of its connections anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_others_live_when_the_log_comes_back_to_a_server_that_was_started_again() {
    let mut redis = Redis::new();
    // Numbers that are still to come when the server has started again.
    for _ in 0..50 {
        redis.say(&["PING"]);
    }
    let proxy = Proxy::new(redis.port()).await;
    let log: Arc<dyn Log> =
        Arc::new(RedisLog::connect(RedisConfig::new(proxy.url())).await.unwrap());
    append_all(&log, numbered(1)).await;
    let clients = redis.say(&["CLIENT", "LIST"]);
    let newest = clients.rsplit_once("\nid=").map_or(clients.as_str(), |(_, newest)| newest);
    let newest: u64 = newest.split(' ').next().unwrap().parse().unwrap();
    // Nothing listens at port 1.
    proxy.lead_to(1);
    redis.kill();
    redis.start();
    let ping = |stream: &mut TcpStream, answer: &mut [u8]| {
        stream.write_all(b"CLIENT ID\r\n").and_then(|()| stream.read(answer))
    };
    let mut others = Vec::new();
    let mut number = 0;
    while number <= newest {
        let mut other = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
        let mut answer = [0; 20];
        let count = ping(&mut other, &mut answer).unwrap();
        number = std::str::from_utf8(&answer[1..count]).unwrap().trim().parse().unwrap();
        others.push(other);
    }
    proxy.lead_to(redis.port());
    assert_eq!(insist(&log, "after").await, 2);
    for mut other in others {
        assert!(ping(&mut other, &mut [0; 20]).unwrap() > 0, "it lives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_no_longer_has_the_log_is_said_to_be_one_and_asked_again() {
    let redis = Redis::with(&["appendonly yes", "cluster-enabled yes", "cluster-port PORT2"]);
    let text = error(RedisConfig::new(redis.url())).await;
    assert!(text.contains("the primary that has the log"), "{text}");
    let slots = ["0", "16383"];
    redis.say(&[&["CLUSTER", "ADDSLOTSRANGE"], &slots[..]].concat());
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    append_all(&log, numbered(1)).await;
    redis.say(&[&["CLUSTER", "DELSLOTSRANGE"], &slots[..]].concat());
    let why = refusal(&append(&log, plain("t", "refused")).await);
    assert!(why.contains("the primary that has the log"), "{why}");
    redis.say(&[&["CLUSTER", "ADDSLOTSRANGE"], &slots[..]].concat());
    insist(&log, "after").await;
}
