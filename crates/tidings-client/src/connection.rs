//! An open stream: its bytes as they come, in pieces of bounded size, and its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use reqwest::Response;
use tokio::task::coop;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::watchdog::Watchdog;

/// How many bytes are decoded at once. What is found in them is kept until it is asked for, and an event of a few bytes
/// takes a hundred: so this bounds that memory, whatever the size of the chunks that come.
const MAX_PIECE_BYTES: usize = 8 << 10;

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A stream that is open.
pub(crate) struct Connection {
    /// Where it comes from, as it may be shown.
    pub(crate) url: String,
    opened_at: Instant,
    body: Body,
    /// What has come and is not decoded yet.
    unread: Bytes,
    watchdog: Option<Watchdog>,
}

impl Connection {
    pub(crate) fn new(url: String, response: Response, idle_timeout: Option<Duration>) -> Self {
        Self {
            url,
            opened_at: Instant::now(),
            body: Box::pin(response.bytes_stream()),
            unread: Bytes::new(),
            watchdog: idle_timeout.map(Watchdog::new),
        }
    }

    /// For how long it has been open.
    pub(crate) fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// The next bytes, or why there are none. They are the next ones until they are [passed](Self::pass).
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Failure>> {
        // A stream of nothing but comments, say, must not keep its thread from everything else.
        let proceed = ready!(coop::poll_proceed(context));
        while self.unread.is_empty() {
            let Poll::Ready(chunk) = self.body.as_mut().poll_next(context) else {
                let Some(watchdog) = &mut self.watchdog else { return Poll::Pending };
                ready!(watchdog.poll_silence(context));
                return Poll::Ready(Err(Failure::Idle { time: watchdog.time() }));
            };
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.heard();
            }
            self.unread = match chunk {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => {
                    return Poll::Ready(Err(Failure::Broken(Box::new(error.without_url()))));
                }
                None => return Poll::Ready(Err(Failure::Ended)),
            };
        }
        proceed.made_progress();
        let length = self.unread.len().min(MAX_PIECE_BYTES);
        Poll::Ready(Ok(self.unread.slice(..length)))
    }

    /// Passes the first so many of the bytes that came, which are decoded now.
    pub(crate) fn pass(&mut self, decoded: usize) {
        self.unread.advance(decoded.min(self.unread.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Bytes that never run out and never have to be waited for.
    struct Endless;

    impl Stream for Endless {
        type Item = io::Result<Bytes>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 2 * MAX_PIECE_BYTES]))))
        }
    }

    fn endless() -> Connection {
        let body = reqwest::Body::wrap_stream(Endless);
        Connection::new(String::new(), http::Response::new(body).into(), None)
    }

    #[tokio::test]
    async fn bytes_without_end_keep_nobody_from_their_turn() {
        let mut connection = endless();
        let reading = tokio::spawn(async move {
            while let Ok(piece) =
                std::future::poll_fn(|context| connection.poll_piece(context)).await
            {
                connection.pass(piece.len());
            }
        });
        // Comes back only once the other task has let go.
        tokio::task::yield_now().await;
        assert!(!reading.is_finished());
        reading.abort();
    }

    #[tokio::test]
    async fn a_chunk_of_any_size_is_handed_on_in_pieces() {
        let mut connection = endless();
        for _ in 0..6 {
            let piece = std::future::poll_fn(|context| connection.poll_piece(context)).await;
            assert_eq!(piece.unwrap().len(), MAX_PIECE_BYTES);
            connection.pass(MAX_PIECE_BYTES);
        }
    }
}
