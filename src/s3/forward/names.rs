//! Bucket names inside documents: the tenant's prefix is put before them and taken off.
//!
//! A name stands in an ARN (`arn:aws:s3:::name`) of a policy, a notification or a replication, or alone in one of a few
//! elements. Nothing else is touched, and nothing at all if the tenant has no prefix.

use bytes::Bytes;

use crate::tenant::BucketPrefix;

/// The names of one request.
pub(super) struct Names {
    prefix: String,
    bucket: String,
}

impl Names {
    /// For a tenant, and the bucket that the request is about.
    pub(super) fn new(prefix: &BucketPrefix, bucket: &str) -> Self {
        Self { prefix: prefix.as_str().to_owned(), bucket: bucket.to_owned() }
    }

    /// A document of the client, in the store's names.
    pub(super) fn to_backend(&self, document: &Bytes) -> Bytes {
        self.mapped(document, |mark| (mark.to_owned(), format!("{mark}{}", self.prefix)))
    }

    /// A document of the store, in the client's names.
    pub(super) fn to_client(&self, document: &Bytes) -> Bytes {
        let own = (format!("/{}{}", self.prefix, self.bucket), format!("/{}", self.bucket));
        let mapped = self.mapped(document, |mark| (format!("{mark}{}", self.prefix), mark.to_owned()));
        match std::str::from_utf8(&mapped) {
            Ok(text) if !self.prefix.is_empty() => text.replace(&own.0, &own.1).into(),
            Ok(_) | Err(_) => mapped,
        }
    }

    fn mapped(&self, document: &Bytes, change: impl Fn(&str) -> (String, String)) -> Bytes {
        let Ok(text) = std::str::from_utf8(document) else { return document.clone() };
        if self.prefix.is_empty() || text.is_empty() {
            return document.clone();
        }
        let changed = MARKS.iter().fold(text.to_owned(), |text, mark| {
            let (from, to) = change(mark);
            text.replace(&from, &to)
        });
        changed.into()
    }
}

/// What stands right before a bucket's name. `<Bucket>` holds an ARN where it is not a name of its own, so it is left out.
const MARKS: &[&str] = &["arn:aws:s3:::", "<TargetBucket>", "<BucketName>"];

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}"#;
    const LOGGING: &str = "<LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled>";

    #[test]
    fn names_in_documents_get_the_prefix_and_lose_it_again() {
        let names = Names::new(&BucketPrefix::new("acme-").unwrap(), "b");
        for document in [POLICY, LOGGING] {
            let there = names.to_backend(&Bytes::from(document));
            assert!(std::str::from_utf8(&there).unwrap().contains("acme-"), "{there:?}");
            assert_eq!(names.to_client(&there), document);
        }
        let error = "<Error><BucketName>acme-b</BucketName><Resource>/acme-b/key</Resource></Error>";
        let shown = names.to_client(&Bytes::from(error));
        assert_eq!(shown, "<Error><BucketName>b</BucketName><Resource>/b/key</Resource></Error>");
    }

    #[test]
    fn without_a_prefix_documents_stay_as_they_are() {
        let names = Names::new(&BucketPrefix::empty(), "b");
        let binary = Bytes::from_static(&[0xff, 0xfe]);
        assert_eq!((names.to_backend(&binary), names.to_client(&Bytes::from(POLICY))), (binary, Bytes::from(POLICY)));
    }
}
