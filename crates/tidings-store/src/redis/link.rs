//! The connection that reads go over: shared by all who read, made again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_hub::Unavailable;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::engine::Engine;
use super::fault::Fault;
use super::node::Node;
use super::session::Session;

/// For how long a failed try to connect answers for all, so that many who read do not all try.
const FAILURE_HOLDS: Duration = Duration::from_millis(200);

/// A connection to read on.
#[derive(Debug)]
pub(super) struct Link {
    engine: Arc<Engine>,
    node: Arc<Node>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// With what is closed when the connection ends.
    session: Option<(Session, mpsc::Receiver<Vec<u8>>)>,
    failed: Option<(Instant, Unavailable)>,
}

impl Link {
    pub(super) fn new(engine: Arc<Engine>, node: Arc<Node>) -> Self {
        Self { engine, node, state: Mutex::default() }
    }

    /// The connection.
    pub(super) async fn session(&self) -> Result<Session, Unavailable> {
        {
            let state = self.state.lock();
            if let Some((session, end)) = &state.session
                && !end.is_closed()
            {
                return Ok(session.clone());
            }
            if let Some((when, why)) = &state.failed
                && when.elapsed() < FAILURE_HOLDS
            {
                return Err(why.clone());
            }
        }
        // Two who find none at the same moment both connect, and the later connection stays.
        let opened = self.open().await;
        let mut state = self.state.lock();
        match opened {
            Ok(opened) => {
                let session = opened.0.clone();
                state.session = Some(opened);
                state.failed = None;
                Ok(session)
            }
            Err(fault) => {
                state.failed = Some((Instant::now(), fault.why.clone()));
                Err(fault.why)
            }
        }
    }

    async fn open(&self) -> Result<(Session, mpsc::Receiver<Vec<u8>>), Fault> {
        let (pushed, end) = mpsc::channel(1);
        let session = Session::open(&self.engine, &self.node.keys, Duration::ZERO, pushed).await;
        let session = session.map_err(|error| error.into_fault(self.engine.place()))?;
        self.node.settle(&session).await?;
        Ok((session, end))
    }

    /// Something failed on the connection.
    pub(super) fn failed(&self, fault: Fault) -> Unavailable {
        if fault.ends_connection {
            self.state.lock().session = None;
        }
        fault.why
    }
}
