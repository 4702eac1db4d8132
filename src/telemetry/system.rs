//! What the process uses of the machine, or of the part of it that its container may use. Read when metrics are asked
//! for; what the system does not tell is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sysinfo::{Disks, Networks, ProcessesToUpdate, System};

use super::Metrics;
use super::metrics::{Counted, Labels, label};
use super::table;

/// Reads the system, remembering CPU time from one reading to the next.
#[derive(Debug)]
pub struct Host {
    data: Option<PathBuf>,
    last: Mutex<Option<(Instant, u64)>>,
}

impl Host {
    /// `data` is the folder of the local store, if there is one.
    #[must_use]
    pub fn new(data: Option<PathBuf>) -> Self {
        Self { data, last: Mutex::new(None) }
    }

    /// Tells the metrics; gives the counters that the system keeps.
    pub fn tell(&self, metrics: &Metrics) -> Vec<Counted> {
        if let Ok(mut system) = System::new() {
            system.refresh_memory();
            self.tell_process(metrics, &mut system);
        }
        if let Ok(load) = System::load_average() {
            let values = [("1m", load.one), ("5m", load.five), ("15m", load.fifteen)];
            metrics.tell(&table::LOAD, values.map(|(over, value)| (label("over", over), value)));
        }
        self.tell_disk(metrics);
        network()
    }

    fn tell_process(&self, metrics: &Metrics, system: &mut System) {
        let Ok(pid) = sysinfo::get_current_pid() else { return };
        system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
        let Some(process) = system.process(pid) else { return };
        let whole = system.total_memory();
        // without a limit the container's figures are those of the whole machine
        let container = system.cgroup_limits().filter(|limits| limits.total_memory < whole);
        let used = container.as_ref().map_or(process.memory(), |limits| limits.rss);
        let limit = container.as_ref().map_or(whole, |limits| limits.total_memory);
        let cores = cpu_limit();
        one(metrics, &table::MEMORY_USED, as_float(used));
        one(metrics, &table::MEMORY_LIMIT, as_float(limit));
        one(metrics, &table::CPU_LIMIT, cores);
        let (now, cpu_millis) = (Instant::now(), process.accumulated_cpu_time());
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace((now, cpu_millis));
        if let Some((then, before)) = last {
            let wall = now.duration_since(then).as_secs_f64().max(0.001);
            let cpu = as_float(cpu_millis.saturating_sub(before)) / 1_000.0;
            one(metrics, &table::CPU_USED, cpu / wall / cores);
        }
    }

    fn tell_disk(&self, metrics: &Metrics) {
        let Some(data) = self.data.as_deref().and_then(|data| fs::canonicalize(data).ok()) else { return };
        let Ok(disks) = Disks::new_with_refreshed_list() else { return };
        let holds = |mount: &Path| data.starts_with(mount);
        let nearest = disks.iter().filter(|disk| holds(disk.mount_point()));
        if let Some(disk) = nearest.max_by_key(|disk| disk.mount_point().as_os_str().len()) {
            one(metrics, &table::DISK_FREE, as_float(disk.available_space()));
            one(metrics, &table::DISK_SIZE, as_float(disk.total_space()));
        }
    }
}

fn one(metrics: &Metrics, metric: &table::Described, value: f64) {
    metrics.tell(metric, [(Labels::new(), value)]);
}

fn network() -> Vec<Counted> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let (mut received, mut sent) = (0_u64, 0_u64);
    for (_, data) in networks.iter().filter(|(name, _)| *name != "lo") {
        received = received.saturating_add(data.total_received());
        sent = sent.saturating_add(data.total_transmitted());
    }
    [("received", received), ("sent", sent)]
        .map(|(way, bytes)| (&table::NETWORK, label("direction", way), bytes))
        .into()
}

/// The CPUs that the container may use, or else those that the process may run on.
fn cpu_limit() -> f64 {
    let quota = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().and_then(|text| parse_quota(&text));
    quota.unwrap_or_else(|| std::thread::available_parallelism().map_or(1.0, |count| as_float(count.get() as u64)))
}

/// `cpu.max` of cgroup v2: quota and period in microseconds, or `max`.
fn parse_quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[allow(clippy::cast_precision_loss, reason = "a metric of 2^53 and more may be off by one")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_number_of_cpus() {
        assert_eq!(parse_quota("150000 100000\n"), Some(1.5));
        assert_eq!(parse_quota("max 100000\n"), None);
        assert_eq!(parse_quota(""), None);
    }

    #[test]
    fn a_reading_tells_memory_and_cpu() {
        let metrics = Metrics::new("1");
        let host = Host::new(Some(std::env::temp_dir()));
        host.tell(&metrics);
        let counted = host.tell(&metrics);
        let text = metrics.text(&counted);
        for name in ["memory_used_bytes", "memory_limit_bytes", "cpu_used_ratio", "cpu_limit_cores", "load"] {
            assert!(text.lines().any(|line| line.starts_with(&format!("sealgate_system_{name}"))), "{name}\n{text}");
        }
    }
}
