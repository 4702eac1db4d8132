//! The one bijection between stored and shown entity tags, and conditions in both directions.
//!
//! A stored tag of 32 hex digits is shown as `<hex>-0`, one with a part count (`<hex>-N`) as itself. So no client ever
//! sees 32 bare hex digits, which many take for the MD5 of the plaintext.
//!
//! The tag of a part is the stored one, a dash, and the hash of the part's stream in 32 hex digits ([`PartTag`]): so its
//! client, who brings it back at Complete, says which attempt at the part it means, whatever the store says (F-31).

use s3s::dto::{ETag, ETagCondition};

use crate::backend::{ETagMatch, ReadConditions, StoredETag, WriteConditions};
use crate::seal::StreamHash;

const SINGLE_SUFFIX: &str = "-0";
const UNKNOWN: [u8; StreamHash::BYTES] = [0; StreamHash::BYTES];

/// The tag that a client sees.
pub(crate) fn shown(stored: &StoredETag) -> ETag {
    shown_of(stored.clone())
}

/// As [`shown`], of a tag that nobody needs any more.
pub(crate) fn shown_of(stored: StoredETag) -> ETag {
    let mut text = String::from(stored);
    if !text.contains('-') {
        text.push_str(SINGLE_SUFFIX);
    }
    ETag::Strong(text)
}

/// The stored tag that a client means; one that was never shown maps to one that was never stored.
pub(crate) fn stored(shown: &str) -> StoredETag {
    match shown.strip_suffix(SINGLE_SUFFIX) {
        Some(hex) if !hex.contains('-') => StoredETag::new(hex),
        _ if shown.contains('-') => StoredETag::new(shown),
        _ => StoredETag::new(format!("{shown}{SINGLE_SUFFIX}")),
    }
}

/// The tag of a part, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartTag {
    stored: StoredETag,
    /// none where the client was not told
    pub(crate) stream: Option<StreamHash>,
}

impl PartTag {
    /// The tag of a part that a client sees; zeros stand for a stream that is not known.
    pub(crate) fn shown(stored: &StoredETag, stream: Option<StreamHash>) -> ETag {
        let stream = stream.unwrap_or(StreamHash::from_bytes(UNKNOWN));
        ETag::Strong(format!("{}-{stream}", stored.as_str()))
    }

    /// What a client means; none for a tag that no part was ever shown with. Quotes around it are dropped, and its letters
    /// may be of either case: not every client gives back what it got.
    pub(crate) fn parse(shown: &str) -> Option<Self> {
        let shown = shown.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(shown);
        let (stored, stream) = shown.rsplit_once('-')?;
        let is_hash = stream.len() == 2 * StreamHash::BYTES && stream.bytes().all(|byte| byte.is_ascii_hexdigit());
        if stored.is_empty() || !is_hash {
            return None;
        }
        let stream = u128::from_str_radix(stream, 16).ok()?.to_be_bytes();
        let stream = (stream != UNKNOWN).then(|| StreamHash::from_bytes(stream));
        Some(Self { stored: StoredETag::new(stored), stream })
    }

    /// Whether a part that the store has under this tag is meant.
    pub(crate) fn names(&self, stored: &StoredETag) -> bool {
        self.stored.as_str().eq_ignore_ascii_case(stored.as_str())
    }
}

/// A condition in terms of stored tags.
pub(crate) fn matching(condition: &ETagCondition) -> ETagMatch {
    match condition {
        ETagCondition::Any => ETagMatch::Any,
        ETagCondition::ETag(tag) => ETagMatch::Is(stored(tag.value())),
    }
}

/// The conditions of a read, in terms of stored tags.
pub(crate) fn read_conditions(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    if_modified_since: Option<s3s::dto::Timestamp>,
    if_unmodified_since: Option<s3s::dto::Timestamp>,
) -> ReadConditions {
    let time = |stamp: s3s::dto::Timestamp| time::OffsetDateTime::from(stamp).into();
    ReadConditions {
        if_match: if_match.map(matching),
        if_none_match: if_none_match.map(matching),
        if_modified_since: if_modified_since.map(time),
        if_unmodified_since: if_unmodified_since.map(time),
    }
}

/// The conditions of a write, in terms of stored tags.
pub(crate) fn write_conditions(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> WriteConditions {
    WriteConditions { if_match: if_match.map(matching), if_none_match: if_none_match.map(matching) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_a_single_object_gets_a_suffix_and_comes_back() {
        let tag = StoredETag::new("0123456789abcdef0123456789abcdef");
        assert_eq!(shown(&tag).value(), "0123456789abcdef0123456789abcdef-0");
        assert_eq!(stored(shown(&tag).value()), tag);
    }

    #[test]
    fn a_tag_of_a_multipart_object_is_itself_both_ways() {
        let tag = StoredETag::new("0123456789abcdef0123456789abcdef-10");
        assert_eq!(shown(&tag).value(), tag.as_str());
        assert_eq!(stored(tag.as_str()), tag);
    }

    #[test]
    fn the_tag_of_a_part_tells_its_stream_and_comes_back() {
        let (stored, hash) = (StoredETag::new("0123456789abcdef0123456789abcdef"), StreamHash::from_bytes([0xa5; 16]));
        let shown = PartTag::shown(&stored, Some(hash));
        assert_eq!(shown.value(), format!("0123456789abcdef0123456789abcdef-{}", "a5".repeat(16)));
        for given in [shown.value().to_owned(), format!("\"{}\"", shown.value()), shown.value().to_uppercase()] {
            let tag = PartTag::parse(&given).unwrap();
            assert!(tag.names(&stored) && tag.stream == Some(hash), "{given}");
        }
        let other = PartTag::parse(shown.value()).unwrap();
        assert!(!other.names(&StoredETag::new("0123456789abcdef0123456789abcde0")));
    }

    #[test]
    fn zeros_say_nothing_of_a_parts_stream() {
        let stored = StoredETag::new("any-tag-of-a-store-7");
        let shown = PartTag::shown(&stored, None);
        assert!(shown.value().ends_with(&format!("-7-{}", "0".repeat(32))));
        let tag = PartTag::parse(shown.value()).unwrap();
        assert!(tag.names(&stored) && tag.stream.is_none());
    }

    #[test]
    fn a_tag_that_no_part_was_shown_with_is_none() {
        let hash = "a5".repeat(16);
        let other = ["", "-", "0", "-0", "x-0", &hash, &format!("-{hash}"), &format!("x-{}", &hash[1..])];
        for given in other.map(str::to_owned).into_iter().chain([
            format!("x-0{hash}"),
            format!("x-+{}", &hash[1..]),
            format!("x-{}g", &hash[1..]),
            format!("x{hash}"),
            format!("x-{hash} "),
            format!("x-{hash}\""),
        ]) {
            assert_eq!(PartTag::parse(&given), None, "{given}");
        }
    }

    #[test]
    fn a_tag_that_is_never_shown_matches_nothing_stored() {
        let tag = StoredETag::new("0123456789abcdef0123456789abcdef");
        assert_ne!(stored(tag.as_str()), tag);
    }
}
