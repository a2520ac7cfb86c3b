//! The memory of this process, as Linux counts it. Elsewhere nothing is measured.

use std::fs;

/// The resident memory at one time, in bytes.
pub(crate) struct Memory(usize);

impl Memory {
    pub(crate) fn now() -> Self {
        Self(status("VmRSS:"))
    }

    /// How much more it has been at its peak since then, or since [`forget_peak`].
    pub(crate) fn growth(&self) -> usize {
        status("VmHWM:").saturating_sub(self.0)
    }
}

/// Begins a new measurement of the peak.
pub(crate) fn forget_peak() {
    // Where it cannot be reset, the peak is that of the process, and the bound only stricter.
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok());
    kib.map_or(0, |kib| kib * 1024)
}
