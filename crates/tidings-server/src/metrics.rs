//! What the hub counts, and its text for Prometheus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tidings_hub::{CloseReason, LoggedUpdate, Resume, Stats};
use tokio::time::Instant;

use crate::lag::{LagHistogram, Lags};

/// The server's counters, gauges and histograms.
pub(crate) struct Metrics {
    registry: Registry,
    connections: Gauge,
    streams: Gauge,
    accepted: Counter,
    refused: Family<ReasonLabel, Counter>,
    /// The sum of `refused`.
    refusals: Counter,
    closed: Family<ReasonLabel, Counter>,
    delivered: Counter,
    replayed: Counter,
    bytes: Counter,
    lag: LagHistogram,
    resumes: Family<OutcomeLabel, Counter>,
    upstreams: Gauge,
    upstream_failures: Family<ReasonLabel, Counter>,
    nodes: Gauge,
    messages_refused: Counter,
    hub: HubFigures,
}

/// What the hub knows itself, read when the metrics are asked for.
#[derive(Default)]
struct HubFigures {
    published: Counter,
    gaps: Counter,
    updates: Gauge,
    bytes: Gauge,
    topics: Gauge,
    log_is_up: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tidings"),
            connections: Gauge::default(),
            streams: Gauge::default(),
            accepted: Counter::default(),
            refused: Family::default(),
            refusals: Counter::default(),
            closed: Family::default(),
            delivered: Counter::default(),
            replayed: Counter::default(),
            bytes: Counter::default(),
            lag: LagHistogram::default(),
            resumes: Family::default(),
            upstreams: Gauge::default(),
            upstream_failures: Family::default(),
            nodes: Gauge::default(),
            messages_refused: Counter::default(),
            hub: HubFigures::default(),
        };
        metrics.register_streams();
        metrics.register_updates();
        metrics.register_relays();
        metrics.register_cluster();
        // A reason that has not occurred yet reads 0, so that a rate over it has a beginning.
        for reason in CloseReason::ALL {
            drop(metrics.closed.get_or_create(&ReasonLabel { reason: reason.as_str() }));
        }
        for outcome in [HIT, PARTIAL, GAP] {
            drop(metrics.resumes.get_or_create(&OutcomeLabel { outcome }));
        }
        metrics
    }

    fn register_streams(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Open client connections", self.connections.clone());
        registry.register("streams", "Open event streams", self.streams.clone());
        registry.register("streams_accepted", "Event streams opened", self.accepted.clone());
        registry.register("requests_refused", "Requests refused, by reason", self.refused.clone());
        registry.register("streams_closed", "Event streams ended, by reason", self.closed.clone());
        registry.register(
            "resumes",
            "Streams that asked for what came after an event, by outcome",
            self.resumes.clone(),
        );
    }

    fn register_updates(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "updates_published",
            "Updates put into the log",
            self.hub.published.clone(),
        );
        registry.register("updates_delivered", "Updates handed to streams", self.delivered.clone());
        registry.register(
            "updates_replayed",
            "Of the delivered updates, those logged before the stream was opened",
            self.replayed.clone(),
        );
        registry.register_with_unit(
            "sent",
            "Bytes handed to streams, keep-alives included",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register_with_unit("publish_to_write", "From an update's entry into the log to its being handed to a stream that was open by then", Unit::Seconds, self.lag.clone());
        registry.register("gaps", "Gaps told to subscribers", self.hub.gaps.clone());
        registry.register("log_updates", "Updates of the log in memory", self.hub.updates.clone());
        registry.register_with_unit(
            "log",
            "What the updates in memory weigh",
            Unit::Bytes,
            self.hub.bytes.clone(),
        );
        registry.register(
            "log_topics",
            "Topics that have an update in memory",
            self.hub.topics.clone(),
        );
        registry.register(
            "log_up",
            "1 where the log can be reached, 0 where it is away",
            self.hub.log_is_up.clone(),
        );
    }

    fn register_relays(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "relay_upstreams",
            "Open connections to the upstreams of relays",
            self.upstreams.clone(),
        );
        registry.register(
            "relay_failures",
            "Attempts to get an upstream's event stream that failed, by reason",
            self.upstream_failures.clone(),
        );
    }

    fn register_cluster(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "cluster_hubs",
            "Hubs that share the log and were heard of lately, this one among them",
            self.nodes.clone(),
        );
        registry.register(
            "cluster_messages_refused",
            "Messages of other hubs that were not understood, or asked for too much",
            self.messages_refused.clone(),
        );
    }

    /// The text for Prometheus (`OpenMetrics` 1.0), with what the hub holds.
    pub(crate) fn text(&self, stats: &Stats) -> Result<String, fmt::Error> {
        set(&self.hub.published, stats.published);
        set(&self.hub.gaps, stats.gaps);
        self.hub.updates.set(gauge(stats.updates));
        self.hub.bytes.set(gauge(stats.bytes));
        self.hub.topics.set(gauge(stats.topics));
        self.hub.log_is_up.set(i64::from(!stats.log_is_away));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn connection_opened(self: &Arc<Self>) -> ConnectionCount {
        self.connections.inc();
        ConnectionCount(Arc::clone(self))
    }

    pub(crate) fn upstream_opened(self: &Arc<Self>) -> UpstreamCount {
        self.upstreams.inc();
        UpstreamCount(Arc::clone(self))
    }

    pub(crate) fn upstream_failed(&self, reason: &'static str) {
        self.upstream_failures.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// So many hubs share the log, this one among them.
    pub(crate) fn nodes(&self, count: usize) {
        self.nodes.set(gauge(count));
    }

    pub(crate) fn message_refused(&self) {
        self.messages_refused.inc();
    }

    pub(crate) fn stream_opened(&self, resume: Resume) {
        self.streams.inc();
        self.accepted.inc();
        let outcome = match resume {
            Resume::Complete => HIT,
            Resume::Partial => PARTIAL,
            Resume::Unknown => GAP,
            Resume::Live | Resume::Earliest => return,
        };
        self.resumes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn stream_closed(&self, reason: CloseReason) {
        self.streams.dec();
        self.closed.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc();
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
        self.refusals.inc();
    }

    /// Counts updates handed to a stream that was opened at `opened_at`.
    pub(crate) fn delivered(
        &self,
        updates: &[Arc<LoggedUpdate>],
        opened_at: Instant,
        now: Instant,
    ) {
        let (mut replayed, mut lags) = (0, Lags::default());
        for update in updates {
            if update.logged_at < opened_at {
                replayed += 1;
            } else {
                lags.observe(now.duration_since(update.logged_at));
            }
        }
        self.delivered_many(updates.len() as u64, replayed, &lags);
    }

    /// Counts updates handed to streams: how many, how many of them had been logged before the stream was opened, and how
    /// long each of the others took.
    pub(crate) fn delivered_many(&self, delivered: u64, replayed: u64, lags: &Lags) {
        self.delivered.inc_by(delivered);
        self.replayed.inc_by(replayed);
        self.lag.add(lags);
    }

    pub(crate) fn bytes(&self, sent: u64) {
        self.bytes.inc_by(sent);
    }

    /// The counts that the dashboard shows.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            streams: self.streams.get(),
            delivered: self.delivered.get(),
            bytes: self.bytes.get(),
            refused: self.refusals.get(),
            closed: CloseReason::ALL.map(|reason| {
                let label = ReasonLabel { reason: reason.as_str() };
                (reason.as_str(), self.closed.get_or_create(&label).get())
            }),
        }
    }
}

/// Some counts at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) streams: i64,
    pub(crate) delivered: u64,
    pub(crate) bytes: u64,
    pub(crate) refused: u64,
    pub(crate) closed: [(&'static str, u64); CloseReason::ALL.len()],
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionCount(Arc<Metrics>);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Counts an upstream's connection as open until it is dropped.
#[derive(Debug)]
pub(crate) struct UpstreamCount(Arc<Metrics>);

impl Drop for UpstreamCount {
    fn drop(&mut self) {
        self.0.upstreams.dec();
    }
}

const HIT: &str = "hit";
const PARTIAL: &str = "partial";
const GAP: &str = "gap";

fn set(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

fn gauge(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
