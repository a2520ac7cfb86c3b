//! What an operator finds in the hub's own log.

use std::io;
use std::sync::{Arc, Mutex};

use tidings_hub::Log;
use tracing_subscriber::fmt::MakeWriter;

use super::engine::Redis;
use super::heard::Heard;
use super::open;
use crate::contract::ROOMY;
use crate::contract::given::{append_all, plain};

/// The log, as text.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    /// What is said on this thread until the guard is dropped.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(self.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Told {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_server_that_may_drop_the_log_is_warned_of() {
    let redis = Redis::with(&["appendonly yes", "maxmemory-policy allkeys-lru"]);
    let told = Told::default();
    let _guard = told.listen();
    drop(open(&redis, ROOMY).await);
    let text = told.text();
    assert!(text.contains("set its maxmemory-policy to noeviction"), "{text}");
    assert!(text.contains("allkeys-lru") && text.contains(&redis.url()), "{text}");

    let redis = Redis::new();
    let told = Told::default();
    let _guard = told.listen();
    drop(open(&redis, ROOMY).await);
    assert_eq!(told.text(), "");
}

#[tokio::test]
async fn another_program_that_writes_into_the_log_does_not_flood_the_hubs_own() {
    let redis = Redis::new();
    let told = Told::default();
    let _guard = told.listen();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    for _ in 0..100 {
        redis.say(&["XADD", "{tidings}:log", "0-*", "r", "not a record"]);
    }
    append_all(&log, vec![plain("t", "after")]).await;
    let mut heard = Heard::new(&log, 1);
    heard.until_data("after").await;
    let text = told.text();
    assert_eq!(text.matches("cannot be read").count(), 7, "1, 2, 4 to 64: {text}");
    assert!(text.contains("so_far=64"), "{text}");
}
