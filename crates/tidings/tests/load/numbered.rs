//! Updates that tell which they are and when they were sent.

use std::{sync::LazyLock, time::Duration};

use tokio::time::Instant;

use crate::stream::Event;

/// When this process first looked.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long this process has run, as its updates tell.
pub(crate) fn now() -> Duration {
    BEGINNING.elapsed()
}

/// The data of update `number`, sent now, padded to `bytes`.
pub(crate) fn data(number: usize, bytes: usize) -> String {
    let sent_micros = now().as_micros();
    format!("{:.<bytes$}", format!("{number} {sent_micros} "))
}

/// The number of an update and when it was sent.
pub(crate) fn parse(event: &Event) -> (usize, Duration) {
    assert_eq!(event.kind, "message", "{event:?}");
    let mut parts = event.data.split(' ');
    let number = parts.next().unwrap().parse().unwrap();
    let sent_micros = parts.next().unwrap().parse().unwrap();
    (number, Duration::from_micros(sent_micros))
}
