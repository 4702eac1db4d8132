use super::*;

fn key(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

#[test]
fn a_secret_opens_in_its_place_alone() {
    let (keks, t1, t2) = (Keks::from_base64(&key(1), []).unwrap(), tenant("t1"), tenant("t2"));
    let sealed = keks.seal(Place::Seed(&t1, 1), b"secret").unwrap();
    assert_eq!(&**keks.open(Place::Seed(&t1, 1), &sealed).unwrap(), b"secret");
    let others = [Place::Seed(&t1, 2), Place::Seed(&t2, 1), Place::AccessKey(&t1, "1"), Place::Check];
    for other in others {
        assert_eq!(keks.open(other, &sealed), Err(KekError::Damaged), "{other:?}");
    }
}

#[test]
fn one_secret_sealed_twice_looks_different_and_hides_the_secret() {
    let (keks, t1) = (Keks::from_base64(&key(1), []).unwrap(), tenant("t1"));
    let [one, two] = [0, 1].map(|_| keks.seal(Place::Seed(&t1, 1), &[b'x'; 32]).unwrap());
    assert_ne!(one, two);
    assert!(!STANDARD.decode(one).unwrap().windows(4).any(|four| four == [b'x'; 4]));
}

#[test]
fn an_old_key_opens_and_the_new_one_seals() {
    let t1 = tenant("t1");
    let sealed = Keks::from_base64(&key(1), []).unwrap().seal(Place::Seed(&t1, 1), b"secret").unwrap();
    let rotated = Keks::from_base64(&key(2), [key(1).as_str()]).unwrap();
    assert_eq!(&**rotated.open(Place::Seed(&t1, 1), &sealed).unwrap(), b"secret");
    assert!(!rotated.is_current(&sealed));
    assert!(rotated.is_current(&rotated.seal(Place::Seed(&t1, 1), b"secret").unwrap()));
}

#[test]
fn a_key_that_was_not_given_is_named_by_its_id() {
    let t1 = tenant("t1");
    let sealed = Keks::from_base64(&key(1), []).unwrap().seal(Place::Seed(&t1, 1), b"secret").unwrap();
    let error = Keks::from_base64(&key(2), []).unwrap().open(Place::Seed(&t1, 1), &sealed).unwrap_err();
    assert!(matches!(error, KekError::Unknown { .. }));
    assert!(!error.to_string().contains(&key(1)));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (keks, t1) = (Keks::from_base64(&key(1), []).unwrap(), tenant("t1"));
    let sealed = STANDARD.decode(keks.seal(Place::Seed(&t1, 1), b"secret").unwrap()).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(keks.open(Place::Seed(&t1, 1), &STANDARD.encode(&changed)).is_err(), "byte {at}");
        assert!(keks.open(Place::Seed(&t1, 1), &STANDARD.encode(&sealed[..at])).is_err(), "cut at {at}");
    }
}

#[test]
fn a_key_of_another_length_is_refused() {
    for text in ["", "not base64!", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
        assert_eq!(Keks::from_base64(text, []).unwrap_err(), KekError::Key);
    }
}
