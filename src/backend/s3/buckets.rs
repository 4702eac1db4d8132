//! Buckets, their versioning and their tags.

use std::time::UNIX_EPOCH;

use http::Method;

use super::answer::{About, AnswerError, broken, unavailable};
use super::call::Call;
use super::features::NO_LOCK;
use super::outgoing::Outgoing;
use super::tags::{tag_set, tagging};
use super::xml::Writer;
use super::{S3Store, with_md5, xml_body};
use crate::backend::{BackendError, BucketInfo, BucketName, NewBucket, Result, Tags, Versioning};

impl S3Store {
    /// Asks first: some stores answer that all is well when the bucket is there and one's own.
    pub(super) async fn bucket_created(&self, bucket: &BucketName, wanted: &NewBucket) -> Result<()> {
        let NewBucket { object_lock } = wanted;
        if *object_lock && !self.features.features().object_lock {
            return Err(NO_LOCK);
        }
        match self.bucket_head(bucket).await {
            Ok(_) => return Err(BackendError::BucketAlreadyExists),
            Err(BackendError::NoSuchBucket) => {}
            Err(error) => return Err(error),
        }
        let region = self.client.region();
        let body = if region == "us-east-1" {
            Outgoing::empty()
        } else {
            xml_body(Writer::document("CreateBucketConfiguration", |writer| writer.text("LocationConstraint", region)))
        };
        let mut call = Call::bucket(Method::PUT, bucket);
        if *object_lock {
            call = call.header("x-amz-bucket-object-lock-enabled", "true")?;
        }
        self.ok(&call, &body, About::default()).await.map(drop)
    }

    pub(super) async fn bucket_deleted(&self, bucket: &BucketName) -> Result<()> {
        self.ok(&Call::bucket(Method::DELETE, bucket), &Outgoing::empty(), About::default()).await.map(drop)
    }

    /// A HEAD does not tell when the bucket was made: the time is that of the epoch.
    pub(super) async fn bucket_head(&self, bucket: &BucketName) -> Result<BucketInfo> {
        self.ok(&Call::bucket(Method::HEAD, bucket), &Outgoing::empty(), About::default()).await?;
        Ok(BucketInfo { name: bucket.clone(), created: UNIX_EPOCH })
    }

    pub(super) async fn buckets_listed(&self, prefix: &str) -> Result<Vec<BucketInfo>> {
        let mut buckets = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            // The prefix also picks the credentials, as a bucket's name would.
            let mut call = Call::service(Method::GET).maybe_query("continuation-token", token.as_deref());
            call.signer_for = Some(prefix.to_owned());
            let document = self.xml(&call, &Outgoing::empty(), About::default()).await?;
            let root = document.root();
            for entry in root.child("Buckets").into_iter().flat_map(|list| list.all("Bucket")) {
                let name = entry.required("Name").map_err(broken)?;
                if name.starts_with(prefix) {
                    let created = entry.time("CreationDate").unwrap_or(UNIX_EPOCH);
                    buckets.push(BucketInfo { name: BucketName::new(name), created });
                }
            }
            if buckets.len() > BUCKETS_MAX {
                return Err(unavailable(AnswerError::TooMany));
            }
            let next = root.filled("ContinuationToken").map(str::to_owned);
            if next.is_none() || next == token {
                buckets.sort_by(|one, other| one.name.cmp(&other.name));
                return Ok(buckets);
            }
            token = next;
        }
        Err(unavailable(AnswerError::Again))
    }

    pub(super) async fn bucket_versioning(&self, bucket: &BucketName) -> Result<Versioning> {
        if !self.features.features().settings {
            return Ok(Versioning::Unversioned);
        }
        let call = Call::bucket(Method::GET, bucket).flag("versioning");
        let document = self.xml(&call, &Outgoing::empty(), About::default()).await?;
        let root = document.root();
        match root.filled("Status") {
            Some("Enabled") => Ok(Versioning::Enabled),
            Some("Suspended") => Ok(Versioning::Suspended),
            _ => Ok(Versioning::Unversioned),
        }
    }

    pub(super) async fn bucket_versioning_set(&self, bucket: &BucketName, state: Versioning) -> Result<()> {
        let status = match state {
            Versioning::Enabled => "Enabled",
            Versioning::Suspended => "Suspended",
            Versioning::Unversioned => {
                return Err(BackendError::InvalidArgument("versioning cannot be undone".to_owned()));
            }
        };
        self.require_settings()?;
        let document = Writer::document("VersioningConfiguration", |writer| writer.text("Status", status));
        let call = Call::bucket(Method::PUT, bucket).flag("versioning");
        self.ok(&call, &xml_body(document), About::default()).await.map(drop)
    }

    pub(super) async fn bucket_tag_set(&self, bucket: &BucketName) -> Result<Tags> {
        self.require_settings()?;
        let call = Call::bucket(Method::GET, bucket).flag("tagging");
        let document = self.xml(&call, &Outgoing::empty(), About::default()).await?;
        let root = document.root();
        let tags = tag_set(root)?;
        if tags.is_empty() { Err(BackendError::NoSuchTagSet) } else { Ok(tags) }
    }

    pub(super) async fn bucket_tag_set_replaced(&self, bucket: &BucketName, tags: Option<Tags>) -> Result<()> {
        self.require_settings()?;
        let (method, body) = match &tags {
            Some(tags) => (Method::PUT, xml_body(tagging(tags))),
            None => (Method::DELETE, Outgoing::empty()),
        };
        let call = with_md5(Call::bucket(method, bucket).flag("tagging"), &body)?;
        self.ok(&call, &body, About::default()).await.map(drop)
    }
}

/// Of one tenant's, several times of what S3 lets an account have unless it asks.
const BUCKETS_MAX: usize = 100_000;
/// A page has up to 10,000 buckets, and the account may have those of other tenants too.
const PAGES_MAX: u32 = 1_000;
