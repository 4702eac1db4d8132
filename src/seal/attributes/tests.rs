use super::*;

fn secret() -> ObjectSecret {
    ObjectSecret::new([7; 32])
}

#[test]
fn attributes_come_back_as_sealed() {
    for attributes in [&b""[..], b"{\"sha256\":\"x\"}", &vec![9; ATTRIBUTES_BYTES_MAX]] {
        let metadata = seal_attributes(&secret(), attributes).unwrap();
        assert_eq!(open_attributes(&secret(), &metadata).unwrap(), attributes);
    }
}

#[test]
fn attributes_over_the_limit_are_refused() {
    let long = vec![0; ATTRIBUTES_BYTES_MAX + 1];
    assert_eq!(seal_attributes(&secret(), &long), Err(SealError::AttributesTooLong { bytes: long.len() }));
}

#[test]
fn attributes_of_another_object_do_not_open() {
    let metadata = seal_attributes(&secret(), b"{}").unwrap();
    assert_eq!(open_attributes(&ObjectSecret::new([8; 32]), &metadata), Err(OpenError::Segment { index: 0 }));
}

#[test]
fn attributes_that_were_cut_do_not_open() {
    let metadata = seal_attributes(&secret(), b"{\"a\":1}").unwrap();
    for length in 0..metadata.len() {
        assert!(open_attributes(&secret(), &metadata[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn padded_attributes_are_not_canonical() {
    let metadata = seal_attributes(&secret(), b"").unwrap();
    assert_eq!(open_attributes(&secret(), &format!("{metadata}=")), Err(OpenError::Attributes));
}
