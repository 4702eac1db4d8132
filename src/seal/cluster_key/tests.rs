use std::time::Duration;

use super::*;

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes(Zeroizing::new([byte; 32]))
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_key_is_exactly_32_bytes_of_base64() {
    let text = STANDARD.encode([7; 32]);
    assert!(ClusterKey::from_base64(&text).unwrap() == key(7));
    assert_eq!(*key(7).to_base64(), text);
    let (short, long) = (STANDARD.encode([7; 31]), STANDARD.encode([7; 33]));
    for wrong in ["", "?", &short, &long, text.trim_end_matches('='), &format!("{text}\n"), &format!(" {text}")] {
        assert!(ClusterKey::from_base64(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn a_fresh_key_is_another_each_time() {
    assert!(ClusterKey::generate().unwrap() != ClusterKey::generate().unwrap());
}

#[test]
fn a_list_has_every_key_once_and_at_least_one() {
    let list = |bytes: &[u8]| ClusterKeys::new(bytes.iter().map(|byte| key(*byte).into()).collect());
    assert!(list(&[1, 2, 3]).is_ok());
    assert_eq!(list(&[]).unwrap_err(), ClusterKeysError::None);
    assert_eq!(list(&[1, 2, 1]).unwrap_err(), ClusterKeysError::Twice { at: 2 });
    let many: Vec<u8> = (0..=16).collect();
    assert!(list(&many[..16]).is_ok());
    assert_eq!(list(&many).unwrap_err(), ClusterKeysError::TooMany);
}

#[test]
fn the_first_key_whose_time_has_come_seals() {
    let next = TimedClusterKey { key: key(2), seals_from: Some(at(100)), opens_until: None };
    let keys = ClusterKeys::new(vec![next, key(1).into()]).unwrap();
    assert!(keys.sealing(at(99)) == Some(&key(1)));
    assert!(keys.sealing(at(100)) == Some(&key(2)));
    // what another gateway's faster clock sealed opens
    assert!(keys.opens(key(2).id(), at(99)));
}

#[test]
fn a_key_that_has_run_out_neither_seals_nor_opens() {
    let old = TimedClusterKey { key: key(1), seals_from: None, opens_until: Some(at(100)) };
    let keys = ClusterKeys::new(vec![old]).unwrap();
    assert!(keys.opens(key(1).id(), at(99)) && keys.sealing(at(99)).is_some());
    assert!(!keys.opens(key(1).id(), at(100)) && keys.sealing(at(100)).is_none());
}

#[test]
fn a_digest_tells_other_keys_another_order_and_other_times() {
    let digest = |keys: Vec<TimedClusterKey>| ClusterKeys::new(keys).unwrap().digest();
    let one = digest(vec![key(1).into(), key(2).into()]);
    assert_eq!(one, digest(vec![key(1).into(), key(2).into()]));
    assert_eq!(one.len(), 16);
    let timed = TimedClusterKey { key: key(2), seals_from: Some(at(0)), opens_until: None };
    let until = TimedClusterKey { key: key(2), seals_from: None, opens_until: Some(at(0)) };
    let others = [
        vec![key(2).into(), key(1).into()],
        vec![key(1).into()],
        vec![key(1).into(), key(3).into()],
        vec![key(1).into(), timed],
        vec![key(1).into(), until],
    ];
    for other in others {
        assert_ne!(one, digest(other));
    }
}

#[test]
fn debug_output_shows_ids_alone() {
    let keys = ClusterKeys::one(key(7));
    let text = format!("{keys:?}");
    assert!(text.contains(&key(7).id().to_string()) && !text.contains("7, 7") && !text.contains("0707"), "{text}");
}
