//! From measurements to tables: Markdown for the document, JSON for the chart and for the next run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Failure;
use super::load::GIB;

/// One contender under one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) connections: usize,
    pub(super) contender: String,
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// what the contender's own process used
    pub(super) cpu_seconds: f64,
    /// what the store behind it used; none if it is the store
    pub(super) store_cpu_seconds: Option<f64>,
    /// what the load itself used
    pub(super) load_cpu_seconds: f64,
    /// of the contender's own process
    pub(super) peak_bytes: u64,
}

/// What AES-256-CTR and HMAC-SHA-256 cost alone, and everything that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) primitives_cpu_seconds_per_gib: f64,
    pub(super) rows: Vec<Row>,
}

impl Results {
    /// What earlier runs left.
    pub(super) fn read(file: &Path) -> Self {
        fs::read_to_string(file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    pub(super) fn write(&self, file: &Path) -> Result<(), Failure> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)?)?)
    }

    /// Takes over new rows; a workload that was measured again loses its old ones, so that a table is of one run.
    pub(super) fn replace(&mut self, rows: Vec<Row>) {
        let mut rows = rows;
        let place = |rows: &[Row], name: &str| rows.iter().position(|row| row.workload == name);
        while let Some(name) = rows.first().map(|row| row.workload.clone()) {
            let (new, others) = rows.into_iter().partition::<Vec<_>, _>(|row| row.workload == name);
            rows = others;
            let at = place(&self.rows, &name).unwrap_or(self.rows.len());
            self.rows.retain(|row| row.workload != name);
            self.rows.splice(at..at, new);
        }
    }

    /// One table per workload.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for row in &self.rows {
            if row.workload != last {
                last = &row.workload;
                write!(text, "\n### {last}\n\n{HEAD}\n{}\n", "|---".repeat(12) + "|").unwrap();
            }
            let ratio = row.floor(&self.rows).map(|floor| row.per_second() / floor.per_second());
            let per_gib = |seconds: f64| match row.bytes as f64 / GIB as f64 {
                gib if gib > 0.03 => format!("{:.2}", seconds / gib),
                _ => "-".to_owned(),
            };
            let per_thousand = |seconds: f64| format!("{:.3}", seconds * 1e3 / row.requests as f64);
            writeln!(
                text,
                "| {} | {} | {:.0} | {:.1} | {:.2} | {:.2} | {} | {} | {} | {} | {:.0} | {} |",
                row.connections,
                row.contender,
                row.per_second(),
                row.bytes as f64 / 1e6 / row.seconds,
                row.p50_ms,
                row.p99_ms,
                per_gib(row.cpu_seconds),
                per_thousand(row.cpu_seconds),
                row.store_cpu_seconds.map_or("-".to_owned(), per_thousand),
                per_thousand(row.load_cpu_seconds),
                row.peak_bytes as f64 / 1_048_576.0,
                ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            )
            .unwrap();
        }
        text
    }
}

impl Row {
    fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The proxy before the same store as this contender.
    fn floor<'a>(&self, rows: &'a [Self]) -> Option<&'a Self> {
        let proxy = format!("proxy → {}", self.contender.split_once(" → ")?.1);
        let same = |row: &&Self| row.workload == self.workload && row.connections == self.connections;
        rows.iter().filter(same).find(|row| row.contender == proxy)
    }
}

/// Puts new tables between the marks of a document.
pub(super) fn publish(document: &Path, tables: &str) -> Result<(), Failure> {
    let text = fs::read_to_string(document)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the document has no place for tables")?;
    let (_, after) = rest.split_once(END).ok_or("the document's place for tables does not end")?;
    Ok(fs::write(document, format!("{before}{BEGIN}\n{tables}\n{END}{after}"))?)
}

const BEGIN: &str = "<!-- tables: written by the bench -->";
const END: &str = "<!-- end of tables -->";
const HEAD: &str = "| connections | contender | requests/s | MB/s | p50 ms | p99 ms | CPU s per GiB | \
                    CPU s per 1,000 requests | store's | load's | peak MiB | requests/s to proxy |";
