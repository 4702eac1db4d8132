//! `PutObject`: one request, one sealed single object.
//!
//! The checksum to keep is sealed into the metadata. Over a store that takes metadata only before a long body, one that a
//! header declares goes with it and must turn out true; one that a trailer brings is kept [`in_parts`]; none that nobody
//! asked for is kept.

mod in_parts;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use s3s::dto::{PutObjectInput, PutObjectOutput, StreamingBlob};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::acl::object_acl_changes_nothing;
use super::attributes_record::Attributes;
use super::checksum::{Algorithm, Kept, Verifier, declared_checksums, show_checksums};
use super::customer_key::{self, customer_key, show_encryption};
use super::gateway::Gateway;
use super::lock::{self, lock_of};
use super::metadata::{self, metadata_of};
use super::scope::{Name, Scope};
use super::{errors, etag, versions};
use crate::backend::{Metadata, PutRequest, SealedBody, Tags, WriteConditions, Written};
use crate::body::budget::{self, Held, STREAM_BYTES};
use crate::body::seal::{Inspects, seal};
use crate::seal::{Envelope, Kind, ObjectSecret, PlainLen, SingleSealer, geometry};

pub(crate) async fn put_object(
    gateway: &Gateway,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let S3Request { input, headers, trailing_headers, .. } = request;
    metadata::encryption_is_sensible(input.server_side_encryption.as_ref(), input.ssekms_key_id.as_deref())?;
    let customer_key = customer_key!(input)?;
    customer_key::may_be_used(gateway, customer_key.as_ref(), input.server_side_encryption.as_ref())?;
    object_acl_changes_nothing!(input)?;
    lock::is_kept(scope.backend(), &lock_of!(input)?)?;
    if input.write_offset_bytes.is_some() {
        return Err(s3_error!(NotImplemented, "Appending to objects is not supported."));
    }
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let name = name.with_customer_key(customer_key);
    let upload = Upload {
        name: name.clone(),
        metadata: metadata_of!(input)?,
        tags: metadata::header_tags(input.tagging.as_deref())?,
        conditions: etag::write_conditions(input.if_match.as_ref(), input.if_none_match.as_ref()),
        verifier: Verifier::new(
            &declared_checksums!(input),
            input.content_md5.as_deref(),
            input.checksum_algorithm.as_ref(),
            &headers,
            trailing_headers,
        )?,
        plain_bytes: content_length(input.content_length)?,
    };
    let stored =
        store(&scope, upload, input.body.unwrap_or_else(|| StreamingBlob::from_bytes(bytes::Bytes::new()))).await?;
    let mut output = PutObjectOutput {
        e_tag: Some(etag::shown(&stored.written.etag)),
        version_id: versions::made(stored.written.version_id),
        ..PutObjectOutput::default()
    };
    show_encryption!(output, name, stored.key_id);
    if let Some(kept) = stored.kept {
        output.checksum_type = Some(kept.shown_type());
        show_checksums!(output, kept.shown());
    }
    Ok(S3Response::new(output))
}

/// A body must say how long it is before it starts: the length is sealed into every segment.
pub(crate) fn content_length(declared: Option<i64>) -> S3Result<u64> {
    declared.and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(|| s3_error!(MissingContentLength))
}

/// Everything about an upload but its body.
pub(crate) struct Upload {
    pub(crate) name: Name,
    pub(crate) metadata: Metadata,
    pub(crate) tags: Tags,
    pub(crate) conditions: WriteConditions,
    pub(crate) verifier: Verifier,
    pub(crate) plain_bytes: u64,
}

/// What became of it.
pub(crate) struct Stored {
    pub(crate) written: Written,
    /// hex
    pub(crate) key_id: String,
    pub(crate) kept: Option<Kept>,
}

/// Seals a body under a fresh envelope (F-4) and stores it, unless it fails what was declared of it.
pub(crate) async fn store(scope: &Scope<'_>, upload: Upload, plain: StreamingBlob) -> S3Result<Stored> {
    let plain_len = PlainLen::new(upload.plain_bytes);
    let sealed_len = geometry::single_sealed(plain_len).map_err(|_| s3_error!(EntityTooLarge))?;
    let is_late = sealed_len.bytes() <= scope.backend().late_metadata_bytes_max();
    let mut held = budget::held();
    let is_late = is_late && is_held(scope, sealed_len.bytes(), &mut held)?;
    if !is_late && upload.verifier.awaits_trailer() {
        return Box::pin(in_parts::store(scope, upload, plain)).await;
    }
    let Upload { name, mut metadata, tags, conditions, verifier, plain_bytes } = upload;
    let key = scope.sealing_key()?;
    let (envelope, secret) =
        Envelope::seal(Kind::Single, key, &scope.binding(&name)?).map_err(|error| errors::seal(&error))?;
    let joined = customer_key::new_body_secret(&name, &secret, &mut metadata);
    let sealer = SingleSealer::new(&envelope, joined.as_ref().unwrap_or(&secret), plain_len)
        .map_err(|error| errors::seal(&error))?;
    metadata.user.insert(metadata::ENVELOPE.to_owned(), envelope.to_metadata());
    metadata.user.insert(metadata::STREAM.to_owned(), sealer.stream_header().to_metadata());

    let verifier = if is_late { verifier.or_compute(Algorithm::Crc64Nvme) } else { verifier };
    if let Some(kept) = verifier.declared().filter(|_| !is_late) {
        let attributes = Attributes { checksum: Some(kept), ..Attributes::default() };
        metadata.user.insert(metadata::ATTRIBUTES.to_owned(), attributes.seal(&secret)?);
    }
    let late = Arc::new(OnceLock::new());
    let kept = Arc::new(OnceLock::new());
    let inspector = Inspector { verifier, secret, late: Arc::clone(&late), kept: Arc::clone(&kept) };
    let body = SealedBody {
        bytes: sealed_len.bytes(),
        stream: seal(plain, plain_bytes, sealer, inspector),
        late_metadata: is_late.then_some(late),
    };
    let request = PutRequest { bucket: name.stored, key: name.key, metadata, tags, conditions };
    let written = scope.backend().put(request, body).await.map_err(errors::backend)?;
    Ok(Stored { written, key_id: key.key_id().to_string(), kept: kept.get().cloned() })
}

/// Whether there is room for a body that the store takes behind its metadata, and that is held until these are known. One
/// that is not short can do without.
fn is_held(scope: &Scope<'_>, sealed_bytes: u64, held: &mut Held) -> S3Result<bool> {
    if scope.backend().late_metadata_bytes_max() == u64::MAX {
        // the store takes them in any order
        return Ok(true);
    }
    let more = sealed_bytes.saturating_sub(STREAM_BYTES / 2);
    if sealed_bytes <= SHORT_BYTES_MAX {
        return held.set_or_fail(more).map(|()| true);
    }
    Ok(held.set(more).is_ok())
}

/// A body that stores hold in any case.
pub(crate) const SHORT_BYTES_MAX: u64 = (1 << 20) + (32 << 10);

/// Settles the checksums once the body has passed, and seals the one to keep into the attributes.
struct Inspector {
    verifier: Verifier,
    secret: ObjectSecret,
    late: Arc<OnceLock<BTreeMap<String, String>>>,
    kept: Arc<OnceLock<Kept>>,
}

impl Inspects for Inspector {
    fn update(&mut self, plain: &[u8]) {
        self.verifier.update(plain);
    }

    fn settle(self) -> S3Result<()> {
        let Some(kept) = self.verifier.settle()? else { return Ok(()) };
        let attributes = Attributes { checksum: Some(kept.clone()), ..Attributes::default() };
        let sealed = attributes.seal(&self.secret)?;
        // Each lock is set here alone, and once.
        self.late.get_or_init(|| BTreeMap::from([(metadata::ATTRIBUTES.to_owned(), sealed)]));
        self.kept.get_or_init(|| kept);
        Ok(())
    }
}
