//! Texts and bytes that claim to be envelopes, headers, ids, seeds: what parses prints as it was read, and nothing opens
//! but what was sealed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sealgate_fuzz::{
    binding, key,
    seal::{Envelope, KeyId, Kind, OpenError, PartHeader, Seed, StreamHeader, open_attributes, seal_attributes},
};

static GENUINE: LazyLock<Envelope> = LazyLock::new(|| Envelope::seal(Kind::Single, key(), &binding()).unwrap().0);

fuzz_target!(|data: &[u8]| {
    if let Ok(envelope) = Envelope::parse(data) {
        assert_eq!(envelope.as_bytes(), data);
        assert_eq!(Envelope::from_metadata(&envelope.to_metadata()).as_ref(), Ok(&envelope));
        assert!(envelope.open(key(), &binding()).is_err());
    }
    if let Ok(header) = StreamHeader::parse(data) {
        assert_eq!(
            (header.as_bytes().as_slice(), StreamHeader::from_metadata(&header.to_metadata())),
            (data, Ok(header))
        );
    }
    if let Ok(header) = PartHeader::parse(data) {
        assert_eq!(header.to_bytes(), data);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(envelope) = Envelope::from_metadata(text) {
            assert_eq!(envelope.to_metadata(), text);
        }
        if let Ok(header) = StreamHeader::from_metadata(text) {
            assert_eq!(header.to_metadata(), text);
        }
        if let Ok(id) = text.parse::<KeyId>() {
            assert_eq!(id.to_string(), text.to_lowercase());
        }
        if let Ok(seed) = Seed::from_base64(text) {
            assert_eq!(seed.to_base64().as_str(), text.trim_end());
        }
    }
    near_genuine(data);
});

/// The input as a mask over a genuine envelope, and its attributes.
fn near_genuine(mask: &[u8]) {
    let mut bytes = *GENUINE.as_bytes();
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    let opened = Envelope::parse(&bytes).and_then(|envelope| envelope.open(key(), &binding()));
    assert_eq!(opened.is_ok(), bytes == *GENUINE.as_bytes());
    if let Ok(secret) = opened {
        let metadata = seal_attributes(&secret, mask.get(..1_000).unwrap_or(mask)).unwrap();
        assert_eq!(open_attributes(&secret, &metadata[..metadata.len() - 1]).err().is_some(), true);
        assert_ne!(open_attributes(&secret, &metadata), Err(OpenError::Attributes));
    }
}
