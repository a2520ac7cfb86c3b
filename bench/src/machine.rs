//! The machine that the figures are from.

use std::fs;

use serde::{Deserialize, Serialize};

/// What one must know of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) server_cores: Vec<usize>,
    pub(crate) client_cores: Vec<usize>,
}

impl Machine {
    pub(crate) fn this(server_cores: &[usize], client_cores: &[usize]) -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut names = processors.lines().filter_map(|line| line.strip_prefix("model name"));
        let name = names.next().unwrap_or_default().trim_start_matches(['\t', ':', ' ']);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: if name.is_empty() { "unknown".to_owned() } else { name.to_owned() },
            cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: kernel.trim().to_owned(),
            server_cores: server_cores.to_vec(),
            client_cores: client_cores.to_vec(),
        }
    }
}
