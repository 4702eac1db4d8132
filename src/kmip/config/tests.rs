use super::*;
use crate::kmip::testing;

fn addresses(text: &str) -> Result<Vec<(String, u16)>, AddressError> {
    Ok(text.parse::<Addresses>()?.iter().map(|address| (address.host.clone(), address.port)).collect())
}

#[test]
fn addresses_are_one_or_several_with_commas() {
    let (a, b) = (("a.example".to_owned(), 1), ("b-2.example".to_owned(), 65535));
    assert_eq!(addresses("a.example:1").unwrap(), std::slice::from_ref(&a));
    assert_eq!(addresses("a.example:1, b-2.example:65535").unwrap(), [a, b]);
    assert_eq!(addresses("127.0.0.1:7").unwrap(), [("127.0.0.1".to_owned(), 7)]);
    assert_eq!(addresses("[::1]:7").unwrap(), [("::1".to_owned(), 7)]);
}

#[test]
fn what_is_no_address_is_refused_and_named() {
    for text in ["", "a", ":1", "a:0", "a:65536", "a:b", "a:", "::1:5", "[::1]", "[::1]5", "[a/b]:1", "https://a:1"] {
        let expected = AddressError::NotHostAndPort(text.to_owned());
        assert_eq!(addresses(text), Err(expected), "{text}");
    }
    assert_eq!(addresses("a:1,,b:1"), Err(AddressError::NotHostAndPort(String::new())));
}

#[test]
fn addresses_have_a_limit() {
    assert_eq!(addresses(&["a:1"; 16].join(",")).unwrap().len(), 16);
    assert_eq!(addresses(&["a:1"; 17].join(",")), Err(AddressError::TooMany));
}

#[test]
fn debug_does_not_show_the_private_key() {
    let config = testing::config("kms.example.com:5696");
    let secret = config.tls.key.expose().lines().nth(1).unwrap().to_owned();
    let shown = format!("{config:?}");
    assert!(shown.contains("key: [secret]") && !shown.contains(&secret), "{shown}");
}

#[test]
fn configurations_are_equal_only_if_their_private_keys_are() {
    let config = || testing::config("kms.example.com:5696");
    let mut other = config();
    other.tls.key = PrivateKeyPem::new("another".to_owned());
    assert_eq!(config(), config());
    assert_ne!(config(), other);
}
