//! The dashboard: its files, and the figures that it shows.

mod asset;

use std::collections::BTreeMap;

use crate::body::Body;
use crate::server::Shared;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde::Serialize;

const STATS_PATH: &str = "/dashboard/stats";

/// The dashboard's answer at a path, if it has one.
pub(crate) fn answer(shared: &Shared, path: &str) -> Option<Response<Body>> {
    let (content_type, body) = if path == STATS_PATH {
        ("application/json", Body::from(stats(shared)))
    } else {
        let asset = asset::find(path)?;
        (asset.content_type, Body::from(asset.body))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // The page belongs to the binary: after an upgrade the old one must not come out of a cache.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The figures that the dashboard polls.
fn stats(shared: &Shared) -> Vec<u8> {
    #[derive(Serialize)]
    struct Log {
        updates: usize,
        bytes: usize,
        oldest: Option<String>,
        newest: Option<String>,
    }
    #[derive(Serialize)]
    struct Stats {
        uptime_seconds: u64,
        streams: i64,
        published_total: u64,
        delivered_total: u64,
        delivered_bytes_total: u64,
        refused_total: u64,
        gaps_total: u64,
        topics: usize,
        log: Log,
        closed: BTreeMap<&'static str, u64>,
    }
    let hub = shared.hub.stats();
    let edge = shared.metrics.snapshot();
    let stats = Stats {
        uptime_seconds: shared.started_at.elapsed().as_secs(),
        streams: edge.streams,
        published_total: hub.published,
        delivered_total: edge.delivered,
        delivered_bytes_total: edge.bytes,
        refused_total: edge.refused,
        gaps_total: hub.gaps,
        topics: hub.topics,
        log: Log {
            updates: hub.updates,
            bytes: hub.bytes,
            oldest: hub.oldest.map(|position| position.to_string()),
            newest: hub.newest.map(|position| position.to_string()),
        },
        closed: edge.closed.into_iter().collect(),
    };
    serde_json::to_vec(&stats).unwrap_or_default()
}
