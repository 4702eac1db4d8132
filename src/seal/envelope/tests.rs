use super::*;
use crate::seal::testing::{binding as name, tenant_key as key};

#[test]
fn what_is_sealed_opens_with_the_same_secret() {
    for kind in [Kind::Single, Kind::Multipart] {
        let (envelope, secret) = Envelope::seal(kind, &key(1), &name()).unwrap();
        assert_eq!((envelope.kind(), envelope.mode()), (kind, Mode::Derived));
        assert_eq!(envelope.open(&key(1), &name()).unwrap(), secret);
    }
}

#[test]
fn a_wrap_carries_secret_and_id_to_another_key_and_name() {
    let (old, secret) = Envelope::seal(Kind::Multipart, &key(1), &name()).unwrap();
    let elsewhere = Binding::new("tenant", "bucket 2", "key 2").unwrap();
    let new = Envelope::wrap(old.kind(), &key(2), &elsewhere, &secret, old.object_id()).unwrap();
    assert_eq!((new.kind(), new.mode(), new.object_id()), (Kind::Multipart, Mode::Wrapped, old.object_id()));
    assert_eq!(new.open(&key(2), &elsewhere).unwrap(), secret);
}

#[test]
fn two_envelopes_share_neither_secret_nor_ephemeral_key() {
    let (one, first) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let (two, second) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    assert_ne!(one.field::<32>(EPK), two.field::<32>(EPK), "F-4");
    assert_ne!(one.object_id(), two.object_id());
    assert!(first != second);
}

#[test]
fn another_key_is_told_apart_from_a_bad_tag() {
    let (envelope, _) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let expected = OpenError::WrongKey { envelope: key(1).key_id(), key: key(2).key_id() };
    assert_eq!(envelope.open(&key(2), &name()), Err(expected));
}

#[test]
fn every_part_of_the_name_is_bound() {
    let (envelope, _) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let names =
        [("tenant2", "bucket", "key"), ("tenant", "b", "key"), ("tenant", "bucket", "k"), ("tenantb", "ucket", "key")];
    for (tenant, bucket, key_name) in names {
        let other = Binding::new(tenant, bucket, key_name).unwrap();
        assert_eq!(envelope.open(&key(1), &other), Err(OpenError::EnvelopeTag), "F-3: {tenant}/{bucket}/{key_name}");
    }
}

#[test]
fn no_bit_of_an_envelope_can_change() {
    let (derived, secret) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let wrapped = Envelope::wrap(Kind::Single, &key(1), &name(), &secret, derived.object_id()).unwrap();
    for envelope in [derived, wrapped] {
        for bit in 0..Envelope::BYTES * 8 {
            let mut bytes = *envelope.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = Envelope::parse(&bytes).and_then(|envelope| envelope.open(&key(1), &name()));
            assert!(opened.is_err(), "bit {bit} of a {:?} envelope", envelope.mode());
        }
    }
}

#[test]
fn low_order_points_are_refused() {
    let (envelope, _) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let mut bytes = *envelope.as_bytes();
    for point in [[0; 32], std::array::from_fn(|i| u8::from(i == 0))] {
        bytes[EPK..WRAPPED].copy_from_slice(&point);
        assert_eq!(Envelope::parse(&bytes).unwrap().open(&key(1), &name()), Err(OpenError::LowOrderPoint));
    }
}

#[test]
fn the_metadata_value_has_171_characters_and_reads_back() {
    let (envelope, _) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let text = envelope.to_metadata();
    assert_eq!(text.len(), 171);
    assert_eq!(Envelope::from_metadata(&text).unwrap(), envelope);
}

#[test]
fn only_canonical_base64url_is_read() {
    let (envelope, _) = Envelope::seal(Kind::Single, &key(1), &name()).unwrap();
    let text = envelope.to_metadata();
    let (head, last) = text.split_at(170);
    let mut next = last.as_bytes()[0] + 1;
    while !next.is_ascii_alphanumeric() {
        next += 1;
    }
    for other in [
        format!("{text}="),
        format!(" {text}"),
        format!("{text}\n"),
        format!("{head}{}", char::from(next)),
        head.to_owned(),
    ] {
        assert!(matches!(Envelope::from_metadata(&other), Err(OpenError::Malformed(_))), "{other}");
    }
}

#[test]
fn names_longer_than_their_length_field_are_refused() {
    let long = "x".repeat(65_536);
    assert_eq!(Binding::new("t", "b", &long), Err(SealError::NameTooLong { field: "key" }));
    assert!(Binding::new("t", "b", &long[1..]).is_ok());
}
