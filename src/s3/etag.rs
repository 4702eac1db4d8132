//! The one bijection between stored and shown entity tags, and conditions in both directions.
//!
//! A stored tag of 32 hex digits is shown as `<hex>-0`, one with a part count (`<hex>-N`) as itself. So no client ever
//! sees 32 bare hex digits, which many take for the MD5 of the plaintext.

use s3s::dto::{ETag, ETagCondition};

use crate::backend::{ETagMatch, ReadConditions, StoredETag, WriteConditions};

const SINGLE_SUFFIX: &str = "-0";

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
    fn a_tag_that_is_never_shown_matches_nothing_stored() {
        let tag = StoredETag::new("0123456789abcdef0123456789abcdef");
        assert_ne!(stored(tag.as_str()), tag);
    }
}
