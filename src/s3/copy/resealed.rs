//! The copy to a customer's key, from one, or from one to another: the body is under another secret then, so the plaintext
//! passes through the gateway, opened, authenticated and sealed again segment by segment. The copy is a single object.

use s3s::S3Result;
use s3s::dto::Checksum;

use super::{Copy, copied, tags_of};
use crate::backend::{Copied, ObjectInfo, VersionId};
use crate::s3::checksum::{Kept, Verifier};
use crate::s3::pin::Pin;
use crate::s3::put::{Upload, store};
use crate::s3::read::{Reading, Wanted, as_source, read};
use crate::s3::scope::{Name, Scope};

/// Copies an object to `target`; `kept` is the checksum of its whole plaintext, if there is one, and must be the copy's.
pub(crate) async fn copy(
    scope: &Scope<'_>,
    (source, info): (&Name, &ObjectInfo),
    target: &Name,
    copy: Copy,
    kept: Option<&Kept>,
) -> S3Result<Copied> {
    let Copy { metadata, tags, conditions } = copy;
    let tags = tags_of(scope, source, info, tags).await?;
    let declared = kept.map_or_else(Checksum::default, Kept::shown);
    let verifier = Verifier::new(&declared, None, None, &http::HeaderMap::default(), None)?;
    let pin = Pin::of(source, info);
    let version_id = pin.object.version_id.as_ref().map(VersionId::as_str);
    let Reading { body, plain, info: found, .. } =
        read(scope, source, version_id, pin.conditions(), Wanted::All).await?;
    pin.holds(&found)?;
    let body = as_source(body);
    let upload = Upload { name: target.clone(), metadata, tags, conditions, verifier, plain_bytes: plain.bytes() };
    let stored = store(scope, upload, body).await?;
    Ok(copied(scope, target, stored.written).await)
}
