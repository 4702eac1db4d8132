//! Kills a process that writes, many times, and looks at what it left.
//!
//! The writer is this very test program, started with [`writer`] alone. Each of its tasks has keys of its own, says
//! `begin` before a change and `done` after it was answered. After the kill each key must hold what was last done or
//! what was begun since, whole. This shows that no step is out of order; that a flush reaches the disk it cannot show,
//! for the operating system lives on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::audit::audit;
use super::{body, get, object, put_request};
use crate::backend::contract::pattern;
use crate::backend::local::LocalStore;
use crate::backend::{
    Backend, BackendError, BucketName, CompleteUpload, CreateUpload, Governance, Metadata, PartRef, UploadRef,
    WriteConditions,
};

const FOLDER: &str = "SEALGATE_TEST_CRASH_FOLDER";

/// What stands under a key: the content of this number, or nothing if 0.
type Content = u32;

fn bytes_of(content: Content) -> Vec<u8> {
    let length = [0, 300, 9_000, 70_000, 600_000][content as usize % 5];
    pattern(content.to_le_bytes()[0], length + content as usize % 100)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes until it is killed; the other test of this file starts it"]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Arc::new(LocalStore::open(Path::new(&folder)).unwrap());
    drop(store.create_bucket(&BucketName::new("b")).await);
    let first = std::process::id() % 10_000 * 1000;
    let tasks: Vec<_> = (0..8).map(|task| tokio::spawn(write(Arc::clone(&store), task, first))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Changes the keys of one task without end.
async fn write(store: Arc<LocalStore>, task: u32, first: u32) {
    for step in first.. {
        let key = format!("task{task}/{}", step % 5);
        let content = if step % 7 == 3 { 0 } else { step + 1 };
        println!("\nbegin {key} {content}");
        match step % 7 {
            3 => drop(store.delete(&object(&key), None, Governance::Holds).await.unwrap()),
            5 => upload(&store, &key, &bytes_of(content)).await,
            _ => drop(store.put(put_request(&key), body(bytes_of(content))).await.unwrap()),
        }
        println!("\ndone {key} {content}");
    }
}

/// Writes a body in two parts.
async fn upload(store: &LocalStore, key: &str, bytes: &[u8]) {
    let bucket = BucketName::new("b");
    let request =
        CreateUpload { bucket: bucket.clone(), key: key.to_owned(), metadata: Metadata::default(), tags: Vec::new() };
    let upload_id = store.create_upload(request).await.unwrap();
    let upload = UploadRef { bucket, key: key.to_owned(), upload_id };
    let mut parts = Vec::new();
    let (one, two) = bytes.split_at(bytes.len() / 3);
    for (number, bytes) in [(1, one), (2, two)] {
        let part = PartRef { upload: upload.clone(), number };
        parts.push((number, store.put_part(&part, body(bytes.to_vec())).await.unwrap()));
    }
    store.complete_upload(CompleteUpload { upload, parts, conditions: WriteConditions::default() }).await.unwrap();
}

/// What a key may hold.
#[derive(Default)]
struct Expected {
    done: Content,
    begun: Option<Content>,
}

fn start_writer(root: &Path) -> Child {
    let name = format!("{}::writer", module_path!().split_once("::").unwrap().1);
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .env(FOLDER, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a writer answer so many changes, kills it, and notes all it said.
fn run_and_kill(root: &Path, answers: u32, expected: &mut BTreeMap<String, Expected>) {
    let mut writer = start_writer(root);
    let mut left = answers;
    for line in BufReader::new(writer.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8(line.unwrap()).unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let [what, key, content] = words[..] else { continue };
        let (Ok(content), true) = (content.parse(), matches!(what, "begin" | "done")) else { continue };
        let entry = expected.entry(key.to_owned()).or_default();
        if what == "begin" {
            entry.begun = Some(content);
            continue;
        }
        *entry = Expected { done: content, begun: None };
        left = left.saturating_sub(1);
        if left == 0 {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert_eq!(left, 0, "the writer ended by itself");
}

async fn check(root: &Path, expected: &mut BTreeMap<String, Expected>) {
    let mut store = LocalStore::open(root).unwrap();
    for (key, expected) in expected {
        let held = match get(&store, key, None).await {
            Ok(bytes) => Some(bytes),
            Err(BackendError::NoSuchKey { .. }) => None,
            Err(error) => panic!("{key}: {error:?}"),
        };
        let is = |content: Content| held == (content > 0).then(|| bytes_of(content));
        let begun = expected.begun.take().filter(|begun| is(*begun));
        assert!(begun.is_some() || is(expected.done), "{key} holds neither {} nor what was begun", expected.done);
        expected.done = begun.unwrap_or(expected.done);
    }
    store.threads.pop().unwrap().join().unwrap();
    audit(&store, root);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_writer_loses_nothing_answered_and_leaves_nothing_torn() {
    let root = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    for _ in 0..12 {
        run_and_kill(root.path(), 1 + getrandom::u32().unwrap() % 150, &mut expected);
        check(root.path(), &mut expected).await;
    }
    assert!(expected.len() > 30);
}
