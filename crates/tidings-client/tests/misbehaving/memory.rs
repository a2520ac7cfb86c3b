//! The memory of this process, as Linux counts it. Elsewhere nothing is measured.

use std::fs;

/// The resident memory now, in bytes.
pub(crate) fn now() -> usize {
    status("VmRSS:")
}

/// The most resident memory since [`forget_peak`], in bytes.
pub(crate) fn peak() -> usize {
    status("VmHWM:")
}

/// Begins a new measurement of the peak.
pub(crate) fn forget_peak() {
    // Where it cannot be reset, the peak is that of the process, and the bound only stricter.
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .map_or(0, |kib: usize| kib * 1024)
}
