//! What an operator finds in the hub's own log.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::engine::Redis;
use super::open;
use crate::contract::ROOMY;

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
