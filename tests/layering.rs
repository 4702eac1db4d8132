//! The order of the modules, and what a source file must look like: read off the sources themselves.
//!
//! - A module names only the modules that [`MAY_NAME`] gives it, in any form: `use crate::a::b`, `crate::{a, b}`,
//!   `super::super::a`. A module that is not in the table fails, so each new one is placed by decision.
//! - The sealed format does no IO: [`SEAL_NEVER_NAMES`].
//! - A file has at most [`LINES_MAX`] lines and begins with its documentation (`//!`).
//!
//! Tests (`tests.rs`, `tests/`, `mod tests` at the end of a file) may name anything: they wire together what the program wires in `app`. The second
//! half of this file proves each rule on made-up sources.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// Who may name whom, in the order in which a request flows down. `a::b` allows that item alone.
#[rustfmt::skip]
const MAY_NAME: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["outbound", "app", "coordinator", "telemetry", "config", "coordinator_api", "edge", "auth", "keys", "s3", "body", "tenant", "backend", "seal"]),
    ("app", &["admin", "telemetry", "config", "coordinator_api", "edge", "auth", "keys", "kmip", "s3", "body", "tenant", "backend", "seal"]),
    ("coordinator", &["config::GoDuration", "coordinator_api", "tenant", "seal::Seed"]),
    ("admin", &["edge", "telemetry"]),
    ("config", &["edge", "telemetry", "keys", "kmip", "s3", "tenant", "backend", "seal"]),
    ("edge", &["body", "telemetry"]),
    ("auth", &["body::budget", "keys::access", "tenant", "telemetry::request"]),
    ("s3", &["body", "telemetry::tally", "keys::Keys", "keys::cluster", "keys::ring", "tenant", "backend", "seal"]),
    ("body", &["telemetry::tally", "backend", "seal"]),
    // the snapshot file is sealed as objects are; keys have no other business with the format
    ("keys", &["outbound", "kmip", "coordinator_api", "tenant", "backend::BucketName", "seal::Seed", "seal::ClusterKey", "seal::ClusterKeys", "seal::TenantKey", "seal::KeyId", "seal::Binding", "seal::Envelope", "seal::Kind", "seal::SingleSealer", "seal::SingleOpener", "seal::PlainLen", "seal::SealedLen", "seal::SealError", "seal::OpenError"]),
    ("kmip", &["outbound", "seal::Seed", "seal::SeedError"]),
    ("coordinator_api", &["tenant"]),
    ("tenant", &["backend::BucketName"]),
    ("backend", &["outbound"]),
    ("telemetry", &["outbound"]),
    ("outbound", &[]),
    ("seal", &[]),
];
/// Crates that have no place in a module that does no IO.
const SEAL_NEVER_NAMES: &[&str] =
    &["async_trait", "futures", "http", "hyper", "s3s", "serde", "serde_json", "tokio", "tracing"];
const LINES_MAX: usize = 500;

#[test]
fn sources_name_only_what_lies_below_them() {
    assert_none(&complaints(&sources("src"), names_upwards));
}

#[test]
fn the_sealed_format_does_no_io() {
    assert_none(&complaints(&sources("src"), names_io));
}

#[test]
fn no_file_is_longer_than_a_page_of_500_lines() {
    assert_none(&complaints(&[sources("src"), sources("tests")].concat(), is_too_long));
}

#[test]
fn every_file_begins_with_its_documentation() {
    assert_none(&complaints(&sources("src"), has_no_doc));
}

/// A source file: its path below `src` or `tests`, and its text.
#[derive(Clone)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module path: `backend/local/files.rs` is `backend`, `local`, `files`; `lib.rs` is the root.
    fn module(&self) -> Vec<&str> {
        let path =
            self.path.strip_suffix(".rs").unwrap().strip_suffix("/mod").unwrap_or(&self.path[..self.path.len() - 3]);
        if path == "lib" { Vec::new() } else { path.split('/').collect() }
    }

    /// Its text up to the tests that stand in it.
    fn program(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.module().contains(&"tests")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {}", root.display());
    found
}

fn complaints(sources: &[Source], rule: fn(&Source) -> Vec<String>) -> Vec<String> {
    sources.iter().flat_map(|source| rule(source).into_iter().map(|what| format!("{}: {what}", source.path))).collect()
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

// The rules.

fn names_upwards(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(&own) = module.first() else { return Vec::new() };
    if source.is_test() {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == own) else {
        return vec![format!("the module {own} has no place in MAY_NAME")];
    };
    let is_allowed = |named: &String| {
        let mut places = allowed.iter().chain([&own]);
        places.any(|place| named == place || named.starts_with(&format!("{place}::")))
    };
    let named = named_modules(&tokens(source.program()), &module);
    named.into_iter().filter(|named| !is_allowed(named)).map(|named| format!("may not name {named}")).collect()
}

fn names_io(source: &Source) -> Vec<String> {
    if source.module().first() != Some(&"seal") || source.is_test() {
        return Vec::new();
    }
    let tokens = tokens(source.program());
    let named = tokens.windows(2).filter(|pair| pair[1] == "::" && SEAL_NEVER_NAMES.contains(&pair[0].as_str()));
    named.map(|pair| format!("may not name {}", pair[0])).collect()
}

fn is_too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines > LINES_MAX { vec![format!("{lines} lines; {LINES_MAX} are the end")] } else { Vec::new() }
}

fn has_no_doc(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") || source.is_test() {
        Vec::new()
    } else {
        vec!["no //! on its first line".to_owned()]
    }
}

// Reading Rust, as far as the rules need it.

/// Words and marks, without comments and text; `::` is one mark.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            end_of_text(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            4.min(rest.len())
        } else if word > 0 {
            tokens.push(rest[..word].to_owned());
            word
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            tokens.push(first.to_string());
            first.len_utf8()
        };
        rest = &rest[rest.ceil_char_boundary(length)..];
    }
    tokens.retain(|token| !token.trim().is_empty());
    tokens
}

/// How long the text in quotes is that starts here. (Raw text with quotes inside comes out as words; no rule minds.)
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The modules of this crate that a file names: `keys::ring` for `use crate::keys::ring::KeyRing`, two levels deep.
fn named_modules(tokens: &[String], module: &[&str]) -> Vec<String> {
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts_a_path = at == 0 || tokens[at - 1] != "::";
        let (mut level, mut next) = match tokens[at].as_str() {
            "crate" | "sealgate" if starts_a_path => (0, at + 1),
            "super" if starts_a_path => (module.len().saturating_sub(1), at + 1),
            _ => (usize::MAX, at + 1),
        };
        while level != usize::MAX
            && tokens.get(next).is_some_and(|t| t == "::")
            && tokens.get(next + 1).is_some_and(|t| t == "super")
        {
            level = level.saturating_sub(1);
            next += 2;
        }
        if level == 0 && tokens.get(next).is_some_and(|token| token == "::") {
            let mut rest = &tokens[next + 1..];
            paths(&mut rest, &mut Vec::new(), &mut named);
        }
        at += 1;
    }
    named.sort();
    named.dedup();
    named
}

/// Collects the paths of a use tree: `a::{b, c::d}` gives `a::b` and `a::c`.
fn paths(rest: &mut &[String], prefix: &mut Vec<String>, named: &mut Vec<String>) {
    let Some((first, after)) = rest.split_first() else { return };
    *rest = after;
    if first == "{" {
        while rest.first().is_some_and(|token| token != "}") {
            paths(rest, prefix, named);
            while rest.first().is_some_and(|token| token != "," && token != "}" && token != "{") {
                *rest = &rest[1..];
            }
            if rest.first().is_some_and(|token| token == ",") {
                *rest = &rest[1..];
            }
        }
        *rest = rest.split_first().map_or(&[], |(_, after)| after);
        return;
    }
    prefix.push(first.clone());
    if rest.first().is_some_and(|token| token == "::") && rest.get(1).is_some_and(|token| token != "<") {
        *rest = &rest[1..];
        paths(rest, prefix, named);
    } else {
        named.push(prefix[..prefix.len().min(2)].join("::"));
    }
    prefix.pop();
}

// Each rule on made-up sources.

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn naming_a_module_above_is_found_in_every_form() {
    let forms = [
        "use crate::s3::Gateway;",
        "use crate::{seal, s3::etag};",
        "fn f() { crate::s3::run::<u8>() }",
        "use super::super::s3;",
        "pub(in crate::s3) fn f() {}",
        "use crate::\n    s3;",
        "use crate::{body::{open, seal}, s3};",
    ];
    for form in forms {
        assert_eq!(
            names_upwards(&source("backend/local.rs", form)).iter().filter(|c| c.contains("s3")).count(),
            1,
            "{form}"
        );
    }
}

#[test]
fn naming_oneself_and_what_lies_below_is_allowed() {
    let text =
        "use super::conditions; use crate::body::open; use crate::{seal::Seed, backend::*}; pub(crate) struct S;";
    assert_none(&names_upwards(&source("s3/get.rs", text)));
}

#[test]
fn of_a_module_that_is_allowed_in_part_the_rest_is_refused() {
    assert_none(&names_upwards(&source("s3/get.rs", "use crate::keys::ring::{KeyRing, TenantKeys};")));
    assert_eq!(names_upwards(&source("s3/get.rs", "use crate::keys::access;")), ["may not name keys::access"]);
    assert_eq!(names_upwards(&source("s3/get.rs", "use crate::keys::{access, ring};")), ["may not name keys::access"]);
    assert_eq!(names_upwards(&source("s3/get.rs", "use crate::keys;")), ["may not name keys"]);
}

#[test]
fn comments_and_text_name_nothing() {
    let text = "//! [`crate::s3`]\n/* crate::s3 */ const A: &str = \"crate::s3 \\\" crate::s3\"; const B: char = '\"'; // crate::s3";
    assert_none(&names_upwards(&source("seal.rs", text)));
}

#[test]
fn what_follows_a_quoted_quote_is_still_read() {
    let text = "const B: char = '\"'; const C: char = '\\''; use crate::s3;";
    assert_eq!(names_upwards(&source("seal.rs", text)), ["may not name s3"]);
}

#[test]
fn a_module_without_a_place_is_found() {
    assert_eq!(names_upwards(&source("helpers.rs", "")), ["the module helpers has no place in MAY_NAME"]);
}

#[test]
fn test_files_may_name_anything() {
    assert_none(&names_upwards(&source("backend/local/tests.rs", "use crate::s3;")));
    assert_eq!(names_upwards(&source("backend/local.rs", "use crate::s3;")), ["may not name s3"]);
    let inline = "use super::body;\n#[cfg(test)]\nmod tests {\n    use super::super::s3;\n}";
    assert_eq!(names_upwards(&source("backend.rs", inline)), ["may not name body"]);
}

#[test]
fn io_in_the_sealed_format_is_found() {
    assert_eq!(names_io(&source("seal/stream.rs", "use tokio::io;")), ["may not name tokio"]);
    assert_eq!(names_io(&source("seal.rs", "#[derive(serde::Serialize)] struct S;")), ["may not name serde"]);
    assert_none(&names_io(&source("seal.rs", "// tokio::io\nuse std::fmt;")));
    assert_none(&names_io(&source("body.rs", "use tokio::io;")));
}

#[test]
fn a_long_file_is_found() {
    assert_none(&is_too_long(&source("a.rs", &"line\n".repeat(500))));
    assert_eq!(is_too_long(&source("a.rs", &"line\n".repeat(501))), ["501 lines; 500 are the end"]);
}

#[test]
fn a_file_without_documentation_is_found() {
    assert_none(&has_no_doc(&source("a.rs", "//! What it is.\nuse b;")));
    assert_eq!(has_no_doc(&source("a.rs", "// What it is.\nuse b;")), ["no //! on its first line"]);
    assert_eq!(has_no_doc(&source("a.rs", "use b;\n//! What it is.")), ["no //! on its first line"]);
}

#[test]
fn every_module_of_the_table_names_modules_further_down_only() {
    for (place, (name, allowed)) in MAY_NAME.iter().enumerate() {
        for target in *allowed {
            let target = target.split("::").next().unwrap();
            let found = MAY_NAME.iter().position(|(name, _)| *name == target).expect("a module of the table");
            assert!(found > place, "{name} may name {target}, which stands above it");
        }
    }
}
