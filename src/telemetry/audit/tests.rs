use std::sync::mpsc;
use std::time::SystemTime;

use serde_json::Value;

use super::*;
use crate::telemetry::request::Facts;

/// A sink that writes only what it is let through.
struct Gate {
    /// told of every write that begins
    begun: mpsc::Sender<()>,
    open: Receiver<()>,
    written: mpsc::Sender<Vec<u8>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.send(()).ok();
        self.open.recv().ok();
        self.written.send(bytes.to_vec()).ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ended(id: &str) -> Ended {
    let facts = Facts::default();
    facts.set_operation("PutObject");
    facts.set_principal("AKIAEXAMPLE", "acme");
    facts.set_target("photos", "cat \"1\".jpg");
    Ended {
        id: id.to_owned(),
        began_at: SystemTime::UNIX_EPOCH,
        facts,
        peer: "192.0.2.1".into(),
        method: "PUT".into(),
        path: "/photos/cat".into(),
        user_agent: "aws-cli/2".into(),
        tls: Some("TLSv1.3"),
        status: 200,
        error_code: None,
        received_bytes: 5,
        sent_bytes: 0,
        first_byte_micros: 1_500,
        total_micros: 2_000,
        is_whole: true,
    }
}

fn settings(on_full: OnFull, queue_max: usize) -> Settings {
    Settings { sink: Sink::Stdout, on_full, queue_max }
}

#[test]
fn a_record_is_one_line_of_json_with_the_names_of_access_logs() {
    let line = record::line(&ended("ID1"));
    assert!(line.ends_with('\n') && line.lines().count() == 1);
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["request_time"], "1970-01-01T00:00:00Z");
    assert_eq!(record["operation"], "REST.PutObject");
    assert_eq!(record["key"], "cat \"1\".jpg");
    assert_eq!(record["requester"], "AKIAEXAMPLE");
    assert_eq!(record["sealgate"]["tenant"], "acme");
    assert_eq!(record["turn_around_time_ms"], 1);
    assert_eq!(record["error_code"], Value::Null);
}

#[test]
fn every_record_is_in_the_file_once_the_queue_is_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let settings = Settings { sink: Sink::File(path.clone()), on_full: OnFull::Block, queue_max: 2 };
    let metrics = Arc::new(Metrics::new("1"));
    let (audit, flushing) = Audit::start(&settings, &metrics).unwrap();
    (0..1_000).for_each(|number| audit.record(ended(&number.to_string())));
    drop(audit);
    flushing.wait();
    let text = std::fs::read_to_string(&path).unwrap();
    let ids: Vec<String> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].to_string()).collect();
    assert_eq!(ids, (0..1_000).map(|number| format!("\"{number}\"")).collect::<Vec<_>>());
    let text = metrics.text(&[]);
    assert!(text.contains("sealgate_audit_records_total{sink=\"file\"} 1000"), "{text}");
    assert!(text.contains("sealgate_audit_queue_length{sink=\"file\"} 0"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let (begun, begins) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let (written, lines) = mpsc::channel();
    let gate = Gate { begun, open: opened, written };
    let metrics = Arc::new(Metrics::new("1"));
    let (audit, flushing) = Audit::to("stdout", Box::new(gate), &settings(OnFull::Drop, 2), &metrics).unwrap();
    audit.record(ended("writing"));
    begins.recv().unwrap();
    for id in ["waits", "waits too", "lost", "lost too"] {
        audit.record(ended(id));
    }
    assert!(metrics.text(&[]).contains("sealgate_audit_dropped_total{sink=\"stdout\"} 2"));
    drop(open);
    drop(audit);
    flushing.wait();
    let text: String = lines.iter().map(|line| String::from_utf8(line).unwrap()).collect();
    assert!(text.contains("waits too") && !text.contains("lost"));
}

#[test]
fn a_sink_that_fails_is_counted() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let metrics = Arc::new(Metrics::new("1"));
    let (audit, flushing) = Audit::to("file", Box::new(Broken), &settings(OnFull::Drop, 2), &metrics).unwrap();
    audit.record(ended("1"));
    drop(audit);
    flushing.wait();
    assert!(metrics.text(&[]).contains("sealgate_audit_dropped_total{sink=\"file\"} 1"));
}
