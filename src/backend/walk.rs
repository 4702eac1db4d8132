//! A whole list of objects, page by page, from a store that may never come to an end of it.
//!
//! A page is believed only as far as it goes on from the one before: every key starts with the prefix and is greater than
//! all keys before it, a token is not given twice, and after so many pages it is enough. Only names that the gateway made
//! itself are listed so; those of clients come in an order of the store's own here and there.

use super::{Backend, BackendError, BucketName, ListPage, ListRequest, ListStart, ListedObject, Result};

/// The objects under a prefix, in order of their keys.
pub struct Walk<'a> {
    backend: &'a dyn Backend,
    request: ListRequest,
    pages_left: u32,
    progress: Progress,
    is_over: bool,
}

impl<'a> Walk<'a> {
    /// From behind `after`, or from the first; of at most `pages_max` pages of [`PAGE_OBJECTS_MAX`].
    #[must_use]
    pub fn new(
        backend: &'a dyn Backend,
        bucket: &BucketName,
        prefix: impl Into<String>,
        after: Option<String>,
        pages_max: u32,
    ) -> Self {
        let progress = Progress { last_key: after.clone(), ..Progress::default() };
        let request = ListRequest {
            bucket: bucket.clone(),
            prefix: prefix.into(),
            delimiter: None,
            start: after.map_or(ListStart::Beginning, ListStart::AfterKey),
            max: PAGE_OBJECTS_MAX,
        };
        Self { backend, request, pages_left: pages_max, progress, is_over: false }
    }

    /// The next page; none behind the last.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] for a page that does not go on from the one before, and when there are too many.
    pub async fn next(&mut self) -> Result<Option<Vec<ListedObject>>> {
        if self.is_over {
            return Ok(None);
        }
        self.pages_left = self.pages_left.checked_sub(1).ok_or_else(|| refused(WalkError::Endless))?;
        let ListPage { objects, next_token, .. } = self.backend.list(self.request.clone()).await?;
        self.progress.page(&self.request.prefix, &objects, next_token.as_deref()).map_err(refused)?;
        match next_token {
            Some(token) => self.request.start = ListStart::Token(token),
            None => self.is_over = true,
        }
        Ok(Some(objects))
    }
}

/// How far the pages came.
#[derive(Default)]
struct Progress {
    last_key: Option<String>,
    last_token: Option<String>,
    /// pages without an object since the last that had one
    empty_pages: u32,
}

impl Progress {
    fn page(
        &mut self,
        prefix: &str,
        objects: &[ListedObject],
        next_token: Option<&str>,
    ) -> std::result::Result<(), WalkError> {
        for ListedObject { key, .. } in objects {
            if !key.starts_with(prefix) {
                return Err(WalkError::Outside);
            }
            if self.last_key.as_ref().is_some_and(|last| key <= last) {
                return Err(WalkError::Backwards);
            }
            self.last_key = Some(key.clone());
        }
        if next_token.is_some() && next_token == self.last_token.as_deref() {
            return Err(WalkError::Again);
        }
        self.last_token = next_token.map(str::to_owned);
        // a store may pass over what was deleted in pages of nothing
        self.empty_pages = if objects.is_empty() { self.empty_pages + 1 } else { 0 };
        if self.empty_pages > EMPTY_PAGES_MAX { Err(WalkError::Endless) } else { Ok(()) }
    }
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum WalkError {
    /// a key that was not asked for
    #[error("a list with a name that was not asked for")]
    Outside,
    /// a key that was there before, or should have been
    #[error("a list that does not go on from its last page")]
    Backwards,
    /// a token for the second time
    #[error("a list with the same token again")]
    Again,
    /// more than there can be
    #[error("a list without an end")]
    Endless,
}

fn refused(error: WalkError) -> BackendError {
    BackendError::Unavailable(error.into())
}

/// Objects in one page, the limit of S3.
pub const PAGE_OBJECTS_MAX: u32 = 1_000;
const EMPTY_PAGES_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::backend::StoredETag;

    fn objects(keys: &[&str]) -> Vec<ListedObject> {
        let object = |key: &&str| ListedObject {
            key: (*key).to_owned(),
            etag: StoredETag::new("e"),
            stored_bytes: 1,
            last_modified: SystemTime::UNIX_EPOCH,
            storage_class: None,
        };
        keys.iter().map(object).collect()
    }

    /// What becomes of pages, each with the token for the next.
    fn walked(pages: &[(&[&str], Option<&str>)]) -> std::result::Result<(), WalkError> {
        let mut progress = Progress { last_key: Some("a/1".to_owned()), ..Progress::default() };
        pages.iter().try_for_each(|(keys, token)| progress.page("a/", &objects(keys), *token))
    }

    #[test]
    fn pages_that_go_on_are_taken() {
        assert_eq!(walked(&[(&["a/2", "a/3"], Some("t")), (&[], Some("u")), (&["a/4"], None)]), Ok(()));
    }

    #[test]
    fn a_key_that_was_not_asked_for_is_refused() {
        assert_eq!(walked(&[(&["a/2", "b/3"], None)]), Err(WalkError::Outside));
    }

    #[test]
    fn a_key_that_does_not_lie_behind_the_last_is_refused() {
        for pages in [
            &[(&["a/1"][..], None)][..],
            &[(&["a/3", "a/2"], None)],
            &[(&["a/2", "a/2"], None)],
            &[(&["a/2"], Some("t")), (&["a/2"], None)],
        ] {
            assert_eq!(walked(pages), Err(WalkError::Backwards), "{pages:?}");
        }
    }

    #[test]
    fn a_token_that_comes_again_is_refused() {
        assert_eq!(walked(&[(&["a/2"], Some("t")), (&["a/3"], Some("t"))]), Err(WalkError::Again));
    }

    #[test]
    fn pages_of_nothing_come_to_an_end() {
        let tokens: Vec<String> = (0..=EMPTY_PAGES_MAX).map(|number| number.to_string()).collect();
        let pages: Vec<(&[&str], Option<&str>)> = tokens.iter().map(|token| (&[][..], Some(token.as_str()))).collect();
        assert_eq!(walked(&pages), Err(WalkError::Endless));
        assert_eq!(walked(&pages[1..]), Ok(()));
    }
}
