use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_second_start_reads_what_the_first_one_made() {
    let dir = folder();
    let data = dir.path().join("deep/data");
    let first = first_start(&data).unwrap();
    let second = first_start(&data).unwrap();
    assert!(first.is_new && !second.is_new);
    assert_eq!(first.seed.expose(), second.seed.expose());
    assert_eq!(first.access_key_id, second.access_key_id);
    assert_eq!(first.secret_access_key, second.secret_access_key);
}

#[test]
fn two_folders_get_different_keys_of_the_usual_shape() {
    let (a, b) = (folder(), folder());
    let (a, b) = (first_start(a.path()).unwrap(), first_start(b.path()).unwrap());
    assert_ne!(a.seed.expose(), b.seed.expose());
    assert_ne!(a.access_key_id, b.access_key_id);
    assert_ne!(a.secret_access_key, b.secret_access_key);
    assert_eq!((a.access_key_id.len(), a.secret_access_key.expose().len()), (20, 40));
}

#[test]
fn only_the_owner_can_reach_the_file_and_nothing_lies_beside_it() {
    let dir = folder();
    let made = first_start(dir.path()).unwrap();
    assert_eq!(fs::metadata(&made.file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let dir = folder();
    let made = first_start(dir.path()).unwrap();
    fs::set_permissions(&made.file, fs::Permissions::from_mode(0o640)).unwrap();
    let error = first_start(dir.path()).unwrap_err();
    assert!(matches!(error, FirstStartError::TooOpen { mode: 0o640, .. }), "{error:?}");
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    for damage in ["", "{", "{}", r#"{"key_seed":"AAAA","access_key_id":"a","secret_access_key":"b"}"#, "\u{0}"] {
        let dir = folder();
        let made = first_start(dir.path()).unwrap();
        fs::write(&made.file, damage).unwrap();
        let error = first_start(dir.path()).unwrap_err();
        assert!(matches!(error, FirstStartError::Damaged { .. }), "{damage:?}: {error:?}");
        assert_eq!(fs::read_to_string(&made.file).unwrap(), damage);
    }
}

#[test]
fn bytes_that_are_no_text_are_damage() {
    let dir = folder();
    let made = first_start(dir.path()).unwrap();
    fs::write(&made.file, [0xff, 0xfe]).unwrap();
    assert!(matches!(first_start(dir.path()).unwrap_err(), FirstStartError::Damaged { .. }));
}

#[test]
fn what_is_generated_is_not_seen_in_debug_output() {
    let dir = folder();
    let made = first_start(dir.path()).unwrap();
    let text = format!("{made:?}");
    assert!(!text.contains(made.secret_access_key.expose()));
    assert!(!text.contains(made.seed.to_base64().as_str()));
}
