//! Audit records: one JSON object a request, through a bounded queue to one sink.
//!
//! The queue is emptied by a thread of its own, so that a slow disk stops no request until the queue is full. Then
//! [`OnFull`] decides: the record is dropped and counted, or the request's end waits. Field names are those of S3's
//! server access log in its JSON form; ours stand under `sealgate`. Paths come without queries, which can carry
//! signatures.

mod record;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::request::Ended;

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// one a line to standard output
    Stdout,
    /// one a line to the end of a file
    File(PathBuf),
}

/// What happens to a record when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// it is lost, and counted
    Drop,
    /// the request that it tells of ends only once there is room
    Block,
}

/// How records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// where they go
    pub sink: Sink,
    /// what happens when the queue is full
    pub on_full: OnFull,
    /// so many records wait
    pub queue_max: usize,
}

/// Takes records. Cloning shares the queue; the writer ends once all clones are gone.
#[derive(Clone, Debug)]
pub struct Audit {
    queue: SyncSender<Ended>,
    on_full: OnFull,
    handles: Handles,
}

/// The metrics of a sink.
#[derive(Clone, Debug)]
pub struct Handles {
    /// records written
    pub written: Counter,
    /// records lost
    pub dropped: Counter,
    /// records that wait
    pub waiting: Gauge,
}

/// Waits for the writer to have written everything.
#[derive(Debug)]
pub struct Flushing(JoinHandle<()>);

impl Flushing {
    /// Returns once every record is written; all [`Audit`]s must be gone.
    pub fn wait(self) {
        let _ended = self.0.join();
    }
}

impl Audit {
    /// Opens the sink and starts its writer.
    ///
    /// # Errors
    /// If the file cannot be opened or no thread be started.
    pub fn start(settings: &Settings, metrics: &Arc<Metrics>) -> io::Result<(Self, Flushing)> {
        let (name, out): (_, Box<dyn Write + Send>) = match &settings.sink {
            Sink::Stdout => ("stdout", Box::new(io::stdout())),
            Sink::File(path) => ("file", Box::new(appending(path)?)),
        };
        Self::to(name, out, settings, metrics)
    }

    fn to(
        name: &'static str,
        out: Box<dyn Write + Send>,
        settings: &Settings,
        metrics: &Arc<Metrics>,
    ) -> io::Result<(Self, Flushing)> {
        let (queue, records) = sync_channel(settings.queue_max);
        let handles = metrics.audit(name);
        let of_writer = handles.clone();
        let writer = std::thread::Builder::new().name("audit".into());
        let writer = writer.spawn(move || write(&records, out, &of_writer))?;
        Ok((Self { queue, on_full: settings.on_full, handles }, Flushing(writer)))
    }

    /// Takes a record.
    pub fn record(&self, ended: Ended) {
        self.handles.waiting.inc();
        let is_taken = match self.on_full {
            OnFull::Drop => self.queue.try_send(ended).is_ok(),
            // a worker of the runtime waits here, which is what was asked for
            OnFull::Block => self.queue.send(ended).is_ok(),
        };
        if !is_taken {
            self.handles.waiting.dec();
            self.handles.dropped.inc();
        }
    }
}

fn appending(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// Writes what comes until nobody can send any more; flushes whenever nothing waits.
fn write(records: &Receiver<Ended>, out: Box<dyn Write + Send>, handles: &Handles) {
    let mut out = io::BufWriter::new(out);
    while let Ok(first) = records.recv() {
        let mut next = Some(first);
        let (mut count, mut outcome) = (0, Ok(()));
        while let Some(record) = next {
            handles.waiting.dec();
            count += 1;
            outcome = outcome.and_then(|()| out.write_all(record::line(&record).as_bytes()));
            next = if count < BATCH_MAX { records.try_recv().ok() } else { None };
        }
        match outcome.and_then(|()| out.flush()) {
            Ok(()) => handles.written.inc_by(count),
            Err(error) => {
                tracing::error!(%error, count, "audit records cannot be written");
                handles.dropped.inc_by(count)
            }
        };
    }
}

/// So many records are written before the sink is flushed.
const BATCH_MAX: u64 = 256;

#[cfg(test)]
mod tests;
