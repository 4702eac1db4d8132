//! What all listings share: URL encoding, page sizes, owners, and plain sizes from stored lengths.
//!
//! A size comes from the stored length and the entity tag alone ([`crate::seal::geometry`]): no request per key, no
//! cache. Where no plaintext has such a length the object was never sealed, or is damaged: reads of it are refused, but
//! the listing shows it, with its stored length, so that an operator sees it and can remove it, and a warning is logged.

use std::fmt::Write as _;

use s3s::dto::{CommonPrefix, EncodingType, Owner};
use s3s::{S3Result, s3_error};

use crate::backend::ListedObject;
use crate::seal::geometry::{LengthError, PlainLen, SealedLen, multipart_plain, single_plain};
use crate::tenant::TenantId;

/// How one listing shows things.
pub(crate) struct View {
    tenant: TenantId,
    /// `url` or none
    encoding: Option<EncodingType>,
}

impl View {
    /// A view for a tenant, with the `encoding-type` that was asked for.
    pub(crate) fn new(tenant: &TenantId, encoding: Option<EncodingType>) -> S3Result<Self> {
        if encoding.as_ref().is_some_and(|encoding| encoding.as_str() != EncodingType::URL) {
            return Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"));
        }
        Ok(Self { tenant: tenant.clone(), encoding })
    }

    /// A key, prefix, delimiter or marker.
    pub(crate) fn text(&self, text: &str) -> String {
        if self.encoding.is_some() { url_encoded(text) } else { text.to_owned() }
    }

    /// As [`Self::text`], of one that nobody needs any more.
    pub(crate) fn text_of(&self, text: String) -> String {
        if self.encoding.is_some() { url_encoded(&text) } else { text }
    }

    /// The prefix in an answer of version 1, which S3 gives as it was asked for: clients decode it in version 2 alone.
    /// Encoded if XML could not carry it.
    pub(crate) fn first_version_prefix(&self, text: &str) -> String {
        let fits =
            |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        if text.chars().all(fits) { text.to_owned() } else { self.text(text) }
    }

    /// To be echoed.
    pub(crate) fn encoding_type(&self) -> Option<EncodingType> {
        self.encoding.clone()
    }

    /// Prefixes for XML.
    pub(crate) fn common_prefixes(&self, prefixes: &[String]) -> Vec<CommonPrefix> {
        prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.text(prefix)) }).collect()
    }

    /// Everything a tenant sees is its own.
    pub(crate) fn owner(&self) -> Owner {
        owner(&self.tenant)
    }
}

/// A tenant as the owner of what it has.
pub(crate) fn owner(tenant: &TenantId) -> Owner {
    Owner { id: Some(tenant.as_str().to_owned()), display_name: Some(tenant.as_str().to_owned()) }
}

/// How many entries a page has at most: as asked, 1,000 at most and by default.
pub(crate) fn page_max(asked: Option<i32>) -> S3Result<u32> {
    let asked = asked.map_or(Ok(PAGE_MAX), u32::try_from);
    asked
        .map(|asked| asked.min(PAGE_MAX))
        .map_err(|_| s3_error!(InvalidArgument, "Argument max-keys must be an integer between 0 and 2147483647"))
}

/// [`page_max`] to be echoed.
pub(crate) fn shown_max(max: u32) -> i32 {
    i32::try_from(max).unwrap_or(i32::MAX)
}

/// What a listing names where the backend names none.
pub(crate) fn storage_class(named: Option<String>) -> String {
    named.unwrap_or_else(|| "STANDARD".to_owned())
}

/// The sizes of one page, and which of its objects have none.
#[derive(Default)]
pub(crate) struct Sizes {
    unsealed: u32,
    first_unsealed: Option<String>,
}

impl Sizes {
    /// The plain size of an object; its stored length if no plaintext has it.
    pub(crate) fn shown(&mut self, object: &ListedObject) -> i64 {
        let bytes = plain_len(object).map_or_else(
            |_| {
                self.unsealed += 1;
                self.first_unsealed.get_or_insert_with(|| object.key.clone());
                object.stored_bytes
            },
            PlainLen::bytes,
        );
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// One warning for the page if there is reason.
    pub(crate) fn report(self, bucket: &str) {
        if let Some(key) = self.first_unsealed {
            tracing::warn!(
                bucket,
                key,
                count = self.unsealed,
                "listed objects are unsealed or damaged; stored sizes shown"
            );
        }
    }
}

fn plain_len(object: &ListedObject) -> Result<PlainLen, LengthError> {
    let stored = SealedLen::new(object.stored_bytes);
    object.etag.stored_parts().map_or_else(|| single_plain(stored), |parts| multipart_plain(stored, parts))
}

/// RFC 3986 unreserved characters and `/` stay. A space is `%20`: S3 itself says `+`, which decoders that do not speak
/// of forms leave as it is, while all of them understand `%20`.
fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            // writing to a String cannot fail
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

const PAGE_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::backend::StoredETag;
    use crate::seal::geometry::{PART_OVERHEAD_BYTES, single_sealed};

    const HEX: &str = "0123456789abcdef0123456789abcdef";

    fn listed(etag: &str, stored_bytes: u64) -> ListedObject {
        ListedObject {
            key: "key".to_owned(),
            etag: StoredETag::new(etag),
            stored_bytes,
            last_modified: SystemTime::UNIX_EPOCH,
            storage_class: None,
        }
    }

    #[test]
    fn a_single_object_shows_the_size_it_was_sealed_from() {
        for plain in [0, 1, 65_480, 65_481, 1 << 30] {
            let sealed = single_sealed(PlainLen::new(plain)).unwrap().bytes();
            assert_eq!(Sizes::default().shown(&listed(HEX, sealed)), i64::try_from(plain).unwrap());
        }
    }

    #[test]
    fn a_multipart_object_shows_its_length_without_the_overhead_of_its_stored_parts() {
        let object = listed(&format!("{HEX}-3"), 12_345 + 3 * PART_OVERHEAD_BYTES);
        assert_eq!(Sizes::default().shown(&object), 12_345);
    }

    #[test]
    fn an_object_that_no_plaintext_seals_to_shows_its_stored_size_and_is_counted() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.shown(&listed(HEX, 5)), 5);
        assert_eq!(sizes.shown(&listed(&format!("{HEX}-2"), PART_OVERHEAD_BYTES)), 16_440);
        assert_eq!((sizes.unsealed, sizes.first_unsealed.as_deref()), (2, Some("key")));
    }

    #[test]
    fn url_encoding_keeps_slashes_and_encodes_what_xml_or_a_query_could_not_carry() {
        let view = View::new(&TenantId::default_tenant(), Some(EncodingType::from_static("url"))).unwrap();
        assert_eq!(view.text("a b+c/ä\u{1}%~-_.*"), "a%20b%2Bc/%C3%A4%01%25~-_.%2A");
        let plain = View::new(&TenantId::default_tenant(), None).unwrap();
        assert_eq!(plain.text("a b"), "a b");
    }

    #[test]
    fn version_1_gives_a_prefix_as_asked_for_unless_xml_could_not_carry_it() {
        let view = View::new(&TenantId::default_tenant(), Some(EncodingType::from_static("url"))).unwrap();
        assert_eq!(view.first_version_prefix("a b+c/ä\n"), "a b+c/ä\n");
        assert_eq!(view.first_version_prefix("a\u{1} b"), "a%01%20b");
    }

    #[test]
    fn an_unknown_encoding_is_refused() {
        let refused = View::new(&TenantId::default_tenant(), Some(EncodingType::from_static("base64"))).err().unwrap();
        assert_eq!(refused.code(), &s3s::S3ErrorCode::InvalidArgument);
    }

    #[test]
    fn a_page_has_a_thousand_entries_at_most_and_not_less_than_none() {
        assert_eq!(page_max(None).unwrap(), 1_000);
        assert_eq!(page_max(Some(0)).unwrap(), 0);
        assert_eq!(page_max(Some(7)).unwrap(), 7);
        assert_eq!(page_max(Some(1_001)).unwrap(), 1_000);
        assert_eq!(page_max(Some(-1)).unwrap_err().code(), &s3s::S3ErrorCode::InvalidArgument);
    }
}
