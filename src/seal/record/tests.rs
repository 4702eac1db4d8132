//! The vectors of `testdata/records` were made by a reader in another language.

use serde_json::Value;

use super::*;
use crate::seal::cluster_key::TimedClusterKey;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn vectors() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/records/vectors.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn keys(vectors: &Value) -> ClusterKeys {
    let key: [u8; 32] = bytes(&vectors["cluster_key"]).try_into().unwrap();
    ClusterKeys::one(ClusterKey::from_bytes(Zeroizing::new(key)))
}

fn name(vector: &Value) -> RecordName {
    let kind = match vector["type"].as_str().unwrap() {
        "upload" => RecordKind::Upload,
        _ => RecordKind::Note,
    };
    let words: Vec<&str> = vector["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    RecordName::new(kind, vector["tenant"].as_str().unwrap(), &words)
}

fn one_key() -> ClusterKeys {
    ClusterKeys::one(ClusterKey::generate().unwrap())
}

fn upload(words: &[&str]) -> RecordName {
    RecordName::new(RecordKind::Upload, "tenant", words)
}

#[test]
fn the_records_of_another_writer_open() {
    let vectors = vectors();
    let keys = keys(&vectors);
    assert_eq!(keys.ids().next().unwrap().to_string(), vectors["cluster_key_id"].as_str().unwrap());
    for vector in vectors["opens"].as_array().unwrap() {
        let name = name(vector);
        assert_eq!(name.name, vector["name"].as_str().unwrap());
        let opened = keys.open_record(&name, &bytes(&vector["record"]), NOW).unwrap();
        assert_eq!(*opened, bytes(&vector["fields"]));
    }
}

#[test]
fn what_is_not_the_record_of_this_name_is_refused() {
    let vectors = vectors();
    let keys = keys(&vectors);
    for vector in vectors["refused"].as_array().unwrap() {
        let opened = keys.open_record(&name(vector), &bytes(&vector["record"]), NOW);
        assert!(opened.is_err(), "{}", vector["why"]);
    }
}

#[test]
fn every_upload_id_is_that_of_the_specification() {
    for vector in vectors()["upload_ids"].as_array().unwrap() {
        let made = record_upload_id(vector["store_id"].as_str().unwrap(), &bytes(&vector["record"])).unwrap();
        assert_eq!(made, vector["upload_id"].as_str().unwrap());
    }
}

#[test]
fn an_upload_id_belongs_to_one_record_of_one_upload() {
    let id = record_upload_id("store", b"record").unwrap();
    assert!(is_upload_id_of(&id, "store", b"record"));
    for (store_id, record) in [("stor", b"record"), ("store", b"Record"), ("store.", b"record")] {
        assert!(!is_upload_id_of(&id, store_id, record), "{store_id}");
    }
    for wrong in ["", "store", "store.", "store.x", &id[..id.len() - 1], &format!("{id}A"), &format!("a{id}")] {
        assert!(!is_upload_id_of(wrong, "store", b"record"), "{wrong}");
    }
}

#[test]
fn an_upload_id_is_split_at_its_last_dot() {
    let id = record_upload_id("a.b.c", b"record").unwrap();
    assert_eq!(store_upload_id(&id), Some("a.b.c"));
    assert_eq!(store_upload_id("a.b.x"), Some("a.b"));
    for whole in ["abc", "a.b", ".x", "", "a.0123456789012345678901", "a.01234567890123456789+A", "a."] {
        let is_split = whole == "a.0123456789012345678901";
        assert_eq!(store_upload_id(whole), is_split.then_some("a"), "{whole}");
    }
}

#[test]
fn a_record_opens_again_and_never_looks_the_same() {
    let (keys, name) = (one_key(), upload(&["a"]));
    let (one, two) =
        (keys.seal_record(&name, b"fields", NOW).unwrap(), keys.seal_record(&name, b"fields", NOW).unwrap());
    assert_ne!(one, two);
    assert_eq!(**keys.open_record(&name, &one, NOW).unwrap(), *b"fields");
    assert_eq!(record_key_id(&one), keys.ids().next());
}

#[test]
fn a_record_of_another_type_or_tenant_or_name_is_none() {
    let keys = one_key();
    let record = keys.seal_record(&upload(&["a", "b"]), b"fields", NOW).unwrap();
    let others = [
        RecordName::new(RecordKind::Note, "tenant", &["a", "b"]),
        RecordName::new(RecordKind::Upload, "tenan", &["a", "b"]),
        upload(&["a"]),
        upload(&["b", "a"]),
        upload(&["ab"]),
        upload(&["a", "b", ""]),
        upload(&["1:a,1:b,"]),
        upload(&["a,1:b"]),
    ];
    for other in others {
        assert_eq!(keys.open_record(&other, &record, NOW), Err(RecordError::NotAuthentic), "{other:?}");
    }
}

#[test]
fn a_record_opens_while_its_key_is_in_the_list_and_no_longer() {
    let (old, new) = (ClusterKey::generate().unwrap(), ClusterKey::generate().unwrap());
    let (old_text, new_text) = (old.to_base64(), new.to_base64());
    let again = |text: &str| ClusterKey::from_base64(text).unwrap();
    let record = ClusterKeys::one(old).seal_record(&upload(&["a"]), b"fields", NOW).unwrap();
    let both = ClusterKeys::new(vec![new.into(), again(&old_text).into()]).unwrap();
    assert!(both.open_record(&upload(&["a"]), &record, NOW).is_ok());
    let after = ClusterKeys::one(again(&new_text)).open_record(&upload(&["a"]), &record, NOW);
    assert!(matches!(after, Err(RecordError::UnknownKey { .. })), "{after:?}");
    let ended = TimedClusterKey { key: again(&old_text), seals_from: None, opens_until: Some(NOW) };
    let ended = ClusterKeys::new(vec![again(&new_text).into(), ended]).unwrap();
    assert!(ended.open_record(&upload(&["a"]), &record, NOW).is_err());
}

#[test]
fn without_a_key_that_seals_nothing_is_sealed() {
    let later = NOW + std::time::Duration::from_secs(1);
    let key = TimedClusterKey { key: ClusterKey::generate().unwrap(), seals_from: Some(later), opens_until: None };
    let keys = ClusterKeys::new(vec![key]).unwrap();
    assert_eq!(keys.seal_record(&upload(&[]), b"", NOW), Err(RecordError::NoSealingKey));
    assert!(keys.seal_record(&upload(&[]), b"", later).is_ok());
}

#[test]
fn fields_names_and_records_have_an_end() {
    let keys = one_key();
    for kind in [RecordKind::Upload, RecordKind::Note] {
        let name = RecordName::new(kind, "tenant", &["a"]);
        let record = keys.seal_record(&name, &vec![0; kind.fields_bytes_max()], NOW).unwrap();
        assert_eq!(record.len(), kind.record_bytes_max());
        assert!(keys.open_record(&name, &record, NOW).is_ok());
        let longer = keys.seal_record(&name, &vec![0; kind.fields_bytes_max() + 1], NOW);
        assert_eq!(longer, Err(RecordError::TooLong));
        assert_eq!(keys.open_record(&name, &[record, vec![0]].concat(), NOW), Err(RecordError::TooLong));
    }
    let long = "a".repeat(70_000);
    assert_eq!(keys.seal_record(&upload(&[&long]), b"", NOW), Err(RecordError::TooLong));
    assert!(record_upload_id(&long, b"record").is_none());
}

#[test]
fn a_note_fits_the_name_of_an_object() {
    let characters = RecordKind::Note.record_bytes_max() * 8_usize;
    assert_eq!(characters.div_ceil(6), 255);
}
