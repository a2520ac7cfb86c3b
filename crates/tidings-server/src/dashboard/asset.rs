//! The page's files, embedded, and the paths they are served at. Nothing is built, nothing is fetched from elsewhere.

/// One embedded file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Asset {
    /// Where it is served.
    pub(crate) path: &'static str,
    /// Its `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Its text.
    pub(crate) body: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Every file of the page. The scripts are modules that import one another by these paths.
pub(crate) const ASSETS: &[Asset] = &[
    asset("/", HTML, include_str!("page.html")),
    asset("/dashboard.css", CSS, include_str!("page.css")),
    asset("/dashboard.js", SCRIPT, include_str!("page.js")),
    asset("/dashboard.svg", SVG, include_str!("icon.svg")),
    asset("/dashboard/chart.js", SCRIPT, include_str!("chart.js")),
    asset("/dashboard/chips.js", SCRIPT, include_str!("chips.js")),
    asset("/dashboard/clipboard.js", SCRIPT, include_str!("clipboard.js")),
    asset("/dashboard/element.js", SCRIPT, include_str!("element.js")),
    asset("/dashboard/event-list.js", SCRIPT, include_str!("event-list.js")),
    asset("/dashboard/format.js", SCRIPT, include_str!("format.js")),
    asset("/dashboard/json.js", SCRIPT, include_str!("json.js")),
    asset("/dashboard/machine.js", SCRIPT, include_str!("machine.js")),
    asset("/dashboard/notice.js", SCRIPT, include_str!("notice.js")),
    asset("/dashboard/problem.js", SCRIPT, include_str!("problem.js")),
    asset("/dashboard/publish.js", SCRIPT, include_str!("publish.js")),
    asset("/dashboard/stats.js", SCRIPT, include_str!("stats.js")),
    asset("/dashboard/stream.js", SCRIPT, include_str!("stream.js")),
];

/// The file at this request path, if there is one.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

const fn asset(path: &'static str, content_type: &'static str, body: &'static str) -> Asset {
    Asset { path, content_type, body }
}
