use super::*;

fn prefix(text: &str) -> BucketPrefix {
    BucketPrefix::new(text).unwrap()
}

#[test]
fn a_tenant_id_keeps_its_spelling() {
    for text in ["67f1adf3-08e5-4eea-94e3-e611f263c87b", "default", "A.b_C-9", &"x".repeat(64)] {
        assert_eq!(TenantId::new(text).unwrap().as_str(), text);
    }
    assert_ne!(TenantId::new("ABC").unwrap(), TenantId::new("abc").unwrap());
}

#[test]
fn a_tenant_id_of_other_characters_is_refused() {
    assert_eq!(TenantId::new(""), Err(TenantIdError::Empty));
    assert_eq!(TenantId::new(&"x".repeat(65)), Err(TenantIdError::TooLong { bytes: 65 }));
    for text in ["a b", "../x", ".x", "-x", "_x", "a/b", "ä", "a\n", "a\0"] {
        assert_eq!(TenantId::new(text), Err(TenantIdError::Character), "{text:?}");
    }
}

#[test]
fn a_bucket_leads_to_the_backend_and_back() {
    let prefix = prefix("acme-");
    let backend = prefix.to_backend("photos").unwrap();
    assert_eq!(backend.as_str(), "acme-photos");
    assert_eq!(prefix.to_client(&backend), Some("photos"));
}

#[test]
fn a_bucket_of_another_tenant_is_not_shown() {
    assert_eq!(prefix("acme-").to_client(&BucketName::new("other-photos")), None);
    // what remains would be no bucket name, so no client can have made it
    assert_eq!(prefix("acme-").to_client(&BucketName::new("acme-")), None);
    assert_eq!(prefix("acme-").to_client(&BucketName::new("acme--x-")), None);
}

#[test]
fn names_that_s3_would_refuse_are_refused_before_they_are_mapped() {
    let long = "b".repeat(64);
    for name in ["", "ab", "Photos", "a_b", "a/b", "-ab", "ab-", "a..b", "192.168.0.1", "ä-b", long.as_str()] {
        assert_eq!(prefix("p").to_backend(name), Err(BucketNameError::Invalid), "{name:?}");
    }
}

#[test]
fn a_name_too_long_with_its_prefix_says_what_fits() {
    let prefix = prefix("acme-");
    assert!(prefix.to_backend(&"b".repeat(58)).is_ok());
    assert_eq!(prefix.to_backend(&"b".repeat(59)), Err(BucketNameError::TooLong { bytes_max: 58 }));
}

#[test]
fn a_prefix_that_no_bucket_can_start_with_is_refused() {
    let long = "p".repeat(49);
    for text in ["-a", ".a", "A", "a_b", "a/b", long.as_str()] {
        assert_eq!(BucketPrefix::new(text), Err(BucketPrefixError), "{text:?}");
    }
    assert_eq!(prefix("").as_str(), "");
}

#[test]
fn prefixes_overlap_when_one_begins_the_other() {
    assert!(prefix("a-").overlaps(&prefix("a-b-")));
    assert!(prefix("a-b-").overlaps(&prefix("a-")));
    assert!(prefix("").overlaps(&prefix("x-")));
    assert!(prefix("a-").overlaps(&prefix("a-")));
    assert!(!prefix("a-").overlaps(&prefix("b-")));
}

#[test]
fn an_address_range_holds_its_own_addresses_only() {
    let cases = [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.0/24", "::ffff:192.0.2.7", true),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "203.0.113.9", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
    ];
    for (range, address, inside) in cases {
        let range: Cidr = range.parse().unwrap();
        assert_eq!(range.contains(address.parse().unwrap()), inside, "{range:?} {address}");
    }
}

#[test]
fn a_range_with_bits_outside_of_its_mask_is_refused() {
    for text in ["192.0.2.1/24", "192.0.2.0/33", "::1/64", "::/129", "192.0.2.0/", "192.0.2.0/+8", "x", "", "1.2.3"] {
        assert_eq!(text.parse::<Cidr>(), Err(CidrError), "{text:?}");
    }
}
