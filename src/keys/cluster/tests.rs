use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_second_start_reads_the_key_that_the_first_one_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");
    assert_eq!(kept(&data).unwrap(), kept(&data).unwrap());
    let file = data.join(FILE_NAME);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
}

#[test]
fn two_stores_have_two_keys() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_ne!(kept(one.path()).unwrap(), kept(other.path()).unwrap());
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path()).unwrap();
    fs::set_permissions(folder.path().join(FILE_NAME), fs::Permissions::from_mode(0o604)).unwrap();
    let error = kept(folder.path()).unwrap_err();
    assert!(matches!(error, KeptClusterKeyError::TooOpen { mode: 0o604, .. }), "{error:?}");
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    for damage in ["", "{", "{}", r#"{"key":"AAAA"}"#, r#"{"key":7}"#, "\u{0}", "\u{feff}"] {
        let folder = tempfile::tempdir().unwrap();
        kept(folder.path()).unwrap();
        let file = folder.path().join(FILE_NAME);
        fs::write(&file, damage).unwrap();
        let error = kept(folder.path()).unwrap_err();
        assert!(matches!(error, KeptClusterKeyError::Damaged { .. }), "{damage:?}: {error:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), damage);
    }
}

#[test]
fn keys_that_are_exchanged_count_at_once_for_all_who_hold_them() {
    let fresh = || Arc::new(ClusterKeys::one(ClusterKey::generate().unwrap()));
    let (first, second) = (fresh(), fresh());
    let live = LiveClusterKeys::new(Arc::clone(&first));
    let held = live.clone();
    assert_eq!(held.snapshot(), first);
    live.replace(Arc::clone(&second));
    assert_eq!(held.snapshot(), second);
}
