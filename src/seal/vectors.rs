//! The vectors of `testdata/seal`: read, walked, and made. Their format is told in `testdata/seal/README.md`.
//!
//! Made anew with `cargo test --ignore-rust-version --lib seal::vectors::write -- --ignored`; the result depends on no
//! chance, so an unchanged format gives unchanged files.

mod bad;
mod bodies;
mod file;
mod read;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use self::{
    bodies::Files,
    file::VectorFile,
    read::{read, wanted},
};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/seal")
}

/// All vectors on disk by name.
fn vectors() -> BTreeMap<String, VectorFile> {
    let entries = fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, VectorFile::parse(&fs::read_to_string(path).unwrap()))
        })
        .collect()
}

/// Both bodies and vectors, as files by name.
fn made() -> Files {
    let mut files = bodies::make();
    for (name, vector) in bad::make(&files) {
        assert!(files.insert(format!("{name}.txt"), vector.to_text().into_bytes()).is_none(), "two vectors {name}");
    }
    files
}

#[test]
fn every_vector_has_its_outcome_and_gives_out_nothing_unauthenticated() {
    let vectors = vectors();
    assert!(vectors.len() > 90, "{} vectors", vectors.len());
    let mut wrong = Vec::new();
    for (name, vector) in vectors {
        let (body, wanted) = (vector.body(&dir()), wanted(&vector));
        for cuts in [&[usize::MAX][..], &[70_001, 1, 13]] {
            let (released, ended) = read(&vector, &body, cuts);
            let outcome = ended.map_or_else(|error| format!("refused: {error}"), |()| "opens".to_owned());
            let expected = (vector.field("outcome"), vector.number("released"));
            if (&*outcome, released.len()) != expected {
                wrong.push(format!("{name}: {outcome} after {} bytes, not {expected:?}", released.len()));
            }
            assert!(wanted.starts_with(&released), "{name}: only what was sealed comes out");
            assert!(outcome != "opens" || wanted == released, "{name}: all of it");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sealing_gives_the_vectors_byte_for_byte() {
    let made = made();
    for (name, bytes) in &made {
        assert!(fs::read(dir().join(name)).is_ok_and(|on_disk| on_disk == *bytes), "{name}");
    }
    let on_disk = fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strays: Vec<_> = on_disk
        .filter(|name| [".txt", ".bin"].iter().any(|end| name.ends_with(end)) && !made.contains_key(name))
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
#[ignore = "writes testdata/seal"]
fn write() {
    for entry in fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "txt" || extension == "bin") {
            fs::remove_file(entry).unwrap();
        }
    }
    for (name, bytes) in made() {
        fs::write(dir().join(name), bytes).unwrap();
    }
}
