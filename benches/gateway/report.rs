//! From measurements to tables: Markdown for the document, JSON for the chart.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::load::{GIB, Outcome};
use super::process::Usage;

/// One contender under one load.
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) connections: usize,
    pub(super) contender: &'static str,
    pub(super) is_store: bool,
    pub(super) outcome: Outcome,
    /// what the contender's process used for it
    pub(super) usage: Usage,
}

impl Row {
    fn per_second(&self) -> f64 {
        self.outcome.requests as f64 / self.outcome.seconds
    }

    fn megabytes_per_second(&self) -> f64 {
        self.outcome.bytes as f64 / 1e6 / self.outcome.seconds
    }

    fn cpu_per_gib(&self) -> f64 {
        self.usage.cpu_seconds / (self.outcome.bytes as f64 / GIB as f64)
    }

    fn cpu_per_thousand(&self) -> f64 {
        self.usage.cpu_seconds * 1e3 / self.outcome.requests as f64
    }

    /// The proxy before the same store as this contender.
    fn floor<'a>(&self, rows: &'a [Self]) -> Option<&'a Self> {
        let store = self.contender.split_once(" → ")?.1;
        let same = |row: &&Self| row.workload == self.workload && row.connections == self.connections;
        rows.iter().filter(same).find(|row| row.contender == format!("proxy → {store}"))
    }
}

/// One table per workload.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut last = "";
    for row in rows {
        if row.workload != last {
            last = &row.workload;
            write!(
                text,
                "\n### {last}\n\n| connections | contender | requests/s | MB/s | p50 ms | p99 ms | CPU s per GiB | \
                 CPU s per 1,000 requests | peak MiB | requests/s to proxy |\n|---|---|---|---|---|---|---|---|---|---|\n"
            )
            .unwrap();
        }
        let ratio = row.floor(rows).map(|floor| row.per_second() / floor.per_second());
        let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let per_gib = if row.outcome.bytes < GIB / 64 { "-".to_owned() } else { format!("{:.2}", row.cpu_per_gib()) };
        writeln!(
            text,
            "| {} | {} | {:.0} | {:.1} | {:.2} | {:.2} | {per_gib} | {:.3} | {:.0} | {ratio} |",
            row.connections,
            row.contender,
            row.per_second(),
            row.megabytes_per_second(),
            row.outcome.p50_ms,
            row.outcome.p99_ms,
            row.cpu_per_thousand(),
            row.usage.peak_bytes as f64 / 1_048_576.0,
        )
        .unwrap();
    }
    text
}

/// Everything that was measured.
pub(super) fn json(rows: &[Row], primitives_cpu_per_gib: f64) -> Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "workload": row.workload, "connections": row.connections, "contender": row.contender,
                "is_store": row.is_store, "requests_per_second": row.per_second(),
                "megabytes_per_second": row.megabytes_per_second(), "p50_ms": row.outcome.p50_ms,
                "p99_ms": row.outcome.p99_ms, "cpu_seconds": row.usage.cpu_seconds,
                "requests": row.outcome.requests, "bytes": row.outcome.bytes, "peak_bytes": row.usage.peak_bytes,
            })
        })
        .collect();
    json!({"primitives_cpu_seconds_per_gib": primitives_cpu_per_gib, "rows": rows})
}
