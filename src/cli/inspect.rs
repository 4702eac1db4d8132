//! `sealgate inspect`: what a sealed object says of itself, without a key. Nothing of it is authenticated.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::seal::{Envelope, Kind, Mode, PartHeader, SealedLen, geometry};

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The envelope: value of the metadata `sealgate` [default: the copy at the start of a single object's body]
    #[arg(long, value_name = "TEXT")]
    envelope: Option<String>,
    /// The stored body
    #[arg(required_unless_present = "envelope")]
    file: Option<PathBuf>,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let given = self.envelope.as_deref().map(Envelope::from_metadata).transpose().context("envelope")?;
        let mut said = serde_json::Map::new();
        let mut body = None;
        if let Some(path) = &self.file {
            let mut file = File::open(path).with_context(|| path.display().to_string())?;
            let stored = SealedLen::new(file.metadata()?.len());
            let mut head = Vec::new();
            std::io::Read::by_ref(&mut file).take(Envelope::BYTES as u64).read_to_end(&mut head)?;
            body = Some((stored, head));
        }
        let leading = body.as_ref().and_then(|(_, head)| Envelope::parse(head).ok());
        if let Some(envelope) = given.as_ref().or(leading.as_ref()) {
            said.insert("envelope".into(), describe(envelope));
        }
        if let Some((stored, head)) = body {
            said.insert("stored_bytes".into(), json!(stored.bytes()));
            said.insert("body".into(), describe_body(stored, &head)?);
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string_pretty(&Value::Object(said))?)?;
        Ok(out.flush()?)
    }
}

fn describe(envelope: &Envelope) -> Value {
    json!({
        "kind": match envelope.kind() { Kind::Single => "single", Kind::Multipart => "multipart" },
        "mode": match envelope.mode() { Mode::Derived => "derived", Mode::Wrapped => "wrapped" },
        "key_id": envelope.key_id().to_string(),
        "object_id": envelope.object_id().to_string(),
    })
}

/// A single body begins with an envelope, a multipart one with a part header.
fn describe_body(stored: SealedLen, head: &[u8]) -> anyhow::Result<Value> {
    if Envelope::parse(head).is_ok() {
        let plain = geometry::single_plain(stored).context("the body was cut or grown")?;
        return Ok(json!({ "kind": "single", "plain_bytes": plain.bytes() }));
    }
    if let Some(Ok(first)) = head.get(..PartHeader::BYTES).map(PartHeader::parse) {
        return Ok(json!({
            "kind": "multipart",
            "first_part": { "number": first.number().number(), "plain_bytes": first.plain().bytes() },
        }));
    }
    bail!("this is no sealed body")
}
