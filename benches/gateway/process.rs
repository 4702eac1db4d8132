//! The contenders as processes of this machine: started on free ports, watched through `/proc`, ended by pid.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Failure;

/// A running process; ends when this is dropped.
pub(super) struct Process {
    child: Child,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// user and system time of all threads, seconds
    pub(super) cpu_seconds: f64,
    /// the most resident memory since [`Process::forget_peak`], bytes
    pub(super) peak_bytes: u64,
    /// resident memory now, bytes
    pub(super) resident_bytes: u64,
}

impl Process {
    /// Starts it and waits until it listens. What it says goes to a file of its name in `folder`.
    pub(super) fn start(command: &mut Command, name: &str, folder: &Path, port: u16) -> Result<Self, Failure> {
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let mut process = Self { child: child.map_err(|error| format!("{command:?}: {error}"))? };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = process.child.try_wait()? {
                let log = fs::read_to_string(folder.join(format!("{name}.log")))?;
                return Err(format!("{name} ended with {status}:\n{log}").into());
            }
            if started.elapsed() > Duration::from_mins(1) {
                return Err(format!("{name} does not listen on {port}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    pub(super) fn usage(&self) -> Result<Usage, Failure> {
        usage(&self.child.id().to_string())
    }

    /// Begins to look for the peak of memory anew.
    pub(super) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Of a process by its number, or `self`.
pub(super) fn usage(process: &str) -> Result<Usage, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
        found.unwrap_or(0_u64) << 10
    };
    Ok(Usage {
        cpu_seconds: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
        peak_bytes: bytes("VmHWM:"),
        resident_bytes: bytes("VmRSS:"),
    })
}

/// A port that nobody listens on, nor on the one 10,000 above it, which SeaweedFS takes too.
pub(super) fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let wanted = if port > 50_000 { port - 30_000 } else { port };
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if wanted < 50_000 && (wanted == port || is_free(wanted)) && is_free(wanted + 10_000) {
            return wanted;
        }
    }
}

/// `sysconf(_SC_CLK_TCK)` of every Linux that there is.
const TICKS_PER_SECOND: f64 = 100.0;
