//! One thread writes the index: what is queued while a commit is flushed shares the next transaction and its flush.
//!
//! An operation checks, then changes; it answers only after the commit is durable. An operation that is refused has
//! changed nothing. One that fails half way (the index is damaged or cannot be read) ends the transaction, and the
//! others of its group run again without it.

use std::io;
use std::sync::Arc;

use redb::Database;
use tokio::sync::{mpsc, oneshot};

use super::files::{BlobFiles, Folder, NewFile};
use super::ids::IdSource;
use super::pins::Pins;
use super::tables::Tables;
use crate::backend::{BackendError, Result};

/// Takes operations on the index.
pub(super) struct Queue(mpsc::Sender<Box<dyn Operation>>);

impl Queue {
    /// Runs `change` in a write transaction and answers once that is durable. It may run more than once; its refusals
    /// come before its first change. `file` is kept if the change is made, and removed if it is refused.
    ///
    /// Dropping the future does not take the operation back.
    pub(super) async fn run<T, F>(&self, file: Option<NewFile>, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tables<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let pending = Pending { change, file, outcome: None, reply };
        self.0.send(Box::new(pending)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// Begins the thread. It ends when the queue is dropped and empty.
pub(super) fn start(writer: Writer) -> io::Result<(Queue, std::thread::JoinHandle<()>)> {
    let (queue, mut operations) = mpsc::channel::<Box<dyn Operation>>(QUEUE_MAX);
    let thread = std::thread::Builder::new().name("index-writer".to_owned()).spawn(move || {
        while let Some(first) = operations.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(next) = operations.try_recv()
            {
                group.push(next);
            }
            writer.write(group);
        }
    })?;
    Ok((Queue(queue), thread))
}

/// What the thread works with.
pub(super) struct Writer {
    pub(super) index: Arc<Database>,
    pub(super) files: Arc<BlobFiles>,
    pub(super) pins: Arc<Pins>,
    pub(super) ids: Arc<IdSource>,
}

impl Writer {
    fn write(&self, mut group: Vec<Box<dyn Operation>>) {
        while !group.is_empty() {
            match self.attempt(&mut group) {
                Attempt::Durable(retired) => {
                    for operation in group.drain(..) {
                        operation.settle(Settlement::Durable);
                    }
                    self.pins.retire(retired);
                }
                Attempt::Broken(at) => group.remove(at).settle(Settlement::Undone),
                Attempt::Unknown(error) => {
                    let cause = Arc::new(error);
                    tracing::error!(error = %cause, "a transaction of the index failed");
                    for operation in group.drain(..) {
                        operation.settle(Settlement::Unknown(Arc::clone(&cause)));
                    }
                }
            }
        }
    }

    fn attempt(&self, group: &mut [Box<dyn Operation>]) -> Attempt {
        match self.try_group(group) {
            Ok(attempt) => attempt,
            Err(error) => Attempt::Unknown(error),
        }
    }

    fn try_group(&self, group: &mut [Box<dyn Operation>]) -> Result<Attempt> {
        let txn = self.index.begin_write()?;
        let mut tables = Tables::open(&txn, &self.ids)?;
        let mut changes = false;
        for (at, operation) in group.iter_mut().enumerate() {
            match operation.run(&mut tables) {
                Ran::Changed => changes = true,
                Ran::Refused => {}
                Ran::Failed => return Ok(Attempt::Broken(at)),
            }
        }
        let retired = std::mem::take(&mut tables.retired);
        drop(tables);
        if changes {
            self.flush_folders(group).map_err(|e| BackendError::Unavailable(Box::new(e)))?;
            txn.commit()?;
        } else {
            txn.abort()?;
        }
        Ok(Attempt::Durable(retired))
    }

    /// Makes the names of the new files durable before the index speaks of them.
    fn flush_folders(&self, group: &[Box<dyn Operation>]) -> io::Result<()> {
        let mut folders: Vec<Folder> = group.iter().filter_map(|operation| operation.folder()).collect();
        folders.sort_unstable();
        folders.dedup();
        folders.into_iter().try_for_each(|folder| self.files.flush(folder))
    }
}

enum Attempt {
    Durable(Vec<super::ids::BlobId>),
    Broken(usize),
    Unknown(BackendError),
}

enum Ran {
    Changed,
    Refused,
    Failed,
}

enum Settlement {
    /// what the operation says has happened
    Durable,
    /// the operation failed and nothing of it happened
    Undone,
    /// the transaction failed; after a restart it may turn out to have happened
    Unknown(Arc<BackendError>),
}

trait Operation: Send {
    fn run(&mut self, tables: &mut Tables<'_>) -> Ran;
    fn folder(&self) -> Option<Folder>;
    fn settle(self: Box<Self>, settlement: Settlement);
}

struct Pending<T, F> {
    change: F,
    file: Option<NewFile>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: FnMut(&mut Tables<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tables: &mut Tables<'_>) -> Ran {
        let outcome = (self.change)(tables);
        let ran = match &outcome {
            Ok(_) => Ran::Changed,
            Err(BackendError::Damaged(_) | BackendError::Unavailable(_)) => Ran::Failed,
            Err(_) => Ran::Refused,
        };
        self.outcome = Some(outcome);
        ran
    }

    fn folder(&self) -> Option<Folder> {
        self.file.as_ref().map(|file| Folder::of(file.blob()))
    }

    fn settle(self: Box<Self>, settlement: Settlement) {
        let Self { file, outcome, reply, .. } = *self;
        let outcome = outcome.unwrap_or_else(|| Err(ended()));
        let (keep, outcome) = match settlement {
            Settlement::Durable => (outcome.is_ok(), outcome),
            Settlement::Undone => (false, outcome),
            // the next start removes the file if the index does not know it
            Settlement::Unknown(cause) => (true, Err(BackendError::Unavailable(Box::new(Shared(cause))))),
        };
        if let Some(file) = file
            && keep
        {
            file.keep();
        }
        // the caller may be gone; what it asked for is done all the same
        drop(reply.send(outcome));
    }
}

/// One error told to a whole group.
#[derive(Debug, thiserror::Error)]
#[error("the transaction failed")]
struct Shared(#[source] Arc<BackendError>);

fn ended() -> BackendError {
    BackendError::Unavailable("the thread that writes the index has ended".into())
}

const QUEUE_MAX: usize = 1024;
const GROUP_MAX: usize = 256;
