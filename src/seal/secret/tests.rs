use super::*;

/// A seed of 32 bytes 0..=31; expected values from an independent X25519 (Python `cryptography`).
fn seed() -> Seed {
    Seed::from_bytes(&std::array::from_fn::<u8, 32, _>(|i| u8::try_from(i).unwrap())).unwrap()
}

#[test]
fn a_seed_gives_the_key_pair_of_its_digest() {
    let key = TenantKey::from_seed(&seed());
    let public = key.public().map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(public, "a5b984e765b978e7151119a21c548350f5d0eb8a26d6b17c74b9d25498bc496b");
    assert_eq!(key.key_id().to_string(), "d208025294a49c74");
}

#[test]
fn a_fragment_changes_the_seed_as_specified() {
    let whole = seed().with_fragment(&[5; 32], "cf-1", "tenant-1");
    assert_eq!(whole.to_base64().as_str(), "fjf0oG6PUI8KpCYnVDn15xVCJkW8d8tIEwXm+fT5Zd8=");
}

#[test]
fn a_seed_is_trimmed_at_the_end_only() {
    let text = seed().to_base64();
    assert_eq!(Seed::from_base64(&format!("{}\n", *text)).unwrap().expose(), seed().expose());
    assert_eq!(Seed::from_base64(&format!(" {}", *text)).unwrap_err(), SeedError::NotBase64);
}

#[test]
fn a_short_seed_is_refused() {
    assert_eq!(Seed::from_bytes(&[0; 31]).unwrap_err(), SeedError::TooShort { bytes: 31 });
    assert_eq!(Seed::from_base64("AAAA").unwrap_err(), SeedError::TooShort { bytes: 3 });
}

#[test]
fn text_that_is_not_base64_is_refused() {
    for text in ["*", "AAA", "AAAA AAAA", "AAAA\nAAAA", "__--"] {
        assert_eq!(Seed::from_base64(text).unwrap_err(), SeedError::NotBase64, "{text:?}");
    }
}

#[test]
fn generated_seeds_differ() {
    assert_ne!(Seed::generate().unwrap().expose(), Seed::generate().unwrap().expose());
}

#[test]
fn secrets_do_not_show_in_debug() {
    assert_eq!(format!("{:?}", seed()), "[secret]");
    assert_eq!(format!("{:?}", ObjectSecret::new([7; 32])), "[secret]");
    assert_eq!(format!("{:?}", TenantKey::from_seed(&seed())), "TenantKey { id: d208025294a49c74, .. }");
}

#[test]
fn a_key_knows_its_own_seed_only() {
    let key = TenantKey::from_seed(&seed());
    assert!(key.is_from(&seed()));
    assert!(!key.is_from(&Seed::from_bytes(&[9; 48]).unwrap()));
}

#[test]
fn a_key_id_reads_what_it_prints() {
    let id = KeyId::new([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
    assert_eq!(id.to_string(), "00010203fcfdfeff");
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn a_key_id_is_sixteen_digits() {
    for text in ["", "00", "+0010203fcfdfeff", "00010203fcfdfefg", "00010203fcfdfeff0"] {
        assert_eq!(text.parse::<KeyId>(), Err(KeyIdError), "{text:?}");
    }
}
