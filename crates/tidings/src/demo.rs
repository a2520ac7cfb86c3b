//! The demo's updates: this machine's load, measured.

use anyhow::Context as _;
use serde_json::{Value, json};
use sysinfo::{Networks, System};
use tokio::time::Instant;

/// The share of time the processors were busy.
pub(crate) const CPU_TOPIC: &str = "demo/cpu";
/// The memory in use.
pub(crate) const MEMORY_TOPIC: &str = "demo/memory";
/// The traffic of all network interfaces but loopback.
pub(crate) const NETWORK_TOPIC: &str = "demo/network";

/// Measures the machine it runs on.
#[derive(Debug)]
pub(crate) struct Demo {
    system: System,
    networks: Networks,
    /// When the last measurement was: rates are over the time since.
    measured_at: Instant,
}

impl Demo {
    /// Starts measuring.
    ///
    /// # Errors
    /// When this system's counters cannot be read.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut system = System::new().context("cannot measure this machine")?;
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list().context("cannot measure the network")?;
        Ok(Self { system, networks, measured_at: Instant::now() })
    }

    /// Each topic with its figures since the last call (for the first call: since [`Demo::new`]).
    ///
    /// Call it about once a second: processors need 200 ms between two measurements.
    pub(crate) fn sample(&mut self) -> Vec<(&'static str, Value)> {
        vec![
            (CPU_TOPIC, self.cpu()),
            (MEMORY_TOPIC, self.memory()),
            (NETWORK_TOPIC, self.network()),
        ]
    }

    /// Percent of all processors together and of each, 0 to 100 with one decimal.
    fn cpu(&mut self) -> Value {
        self.system.refresh_cpu_usage();
        let cores: Vec<_> = self.system.cpus().iter().map(|cpu| one_decimal(cpu.usage())).collect();
        json!({ "percent": one_decimal(self.system.global_cpu_usage()), "cores": cores })
    }

    fn memory(&mut self) -> Value {
        self.system.refresh_memory();
        json!({
            "used_bytes": self.system.used_memory(),
            "total_bytes": self.system.total_memory(),
        })
    }

    fn network(&mut self) -> Value {
        self.networks.refresh(true);
        let now = Instant::now();
        let elapsed_ms = now.duration_since(self.measured_at).as_millis().max(1);
        self.measured_at = now;
        let (mut received, mut sent) = (0_u64, 0_u64);
        for network in self.networks.values() {
            // The demo's own streams usually run over loopback: they would measure themselves.
            if !network.ip_networks().iter().any(|network| network.addr.is_loopback()) {
                received = received.saturating_add(network.received());
                sent = sent.saturating_add(network.transmitted());
            }
        }
        let per_second = |bytes: u64| u64::try_from(u128::from(bytes) * 1_000 / elapsed_ms);
        json!({
            "received_bytes_per_second": per_second(received).unwrap_or(u64::MAX),
            "sent_bytes_per_second": per_second(sent).unwrap_or(u64::MAX),
        })
    }
}

fn one_decimal(percent: f32) -> f64 {
    (f64::from(percent).clamp(0.0, 100.0) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's own figure, read without the library.
    fn total_memory_bytes() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }

    #[test]
    fn the_demo_shows_this_machines_real_load() {
        let mut demo = Demo::new().unwrap();
        let start = Instant::now();
        // Work, so that there is load to see: only real time makes it visible.
        while start.elapsed() < sysinfo::MINIMUM_CPU_UPDATE_INTERVAL * 2 {
            std::hint::spin_loop();
        }
        let samples = demo.sample();
        let topics: Vec<_> = samples.iter().map(|(topic, _)| *topic).collect();
        assert_eq!(topics, [CPU_TOPIC, MEMORY_TOPIC, NETWORK_TOPIC]);

        let (cpu, memory, network) = (&samples[0].1, &samples[1].1, &samples[2].1);
        let percent = cpu["percent"].as_f64().unwrap();
        assert!(percent > 0.0 && percent <= 100.0, "{cpu}");
        assert!(
            cpu["cores"].as_array().unwrap().iter().any(|core| core.as_f64().unwrap() > 10.0),
            "{cpu}"
        );

        let used = memory["used_bytes"].as_u64().unwrap();
        let total = memory["total_bytes"].as_u64().unwrap();
        assert!(used > 0 && used <= total, "{memory}");
        if let Some(expected) = total_memory_bytes() {
            assert_eq!(total, expected);
        }
        assert!(network["received_bytes_per_second"].is_u64(), "{network}");
        assert!(network["sent_bytes_per_second"].is_u64(), "{network}");
    }
}
