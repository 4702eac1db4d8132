//! Requests without a signature: objects of buckets that a tenant lists as public may be read, and nothing else is done.
//!
//! Reading is GET and HEAD of the current version. Lists, other versions and headers of the answer need a signature,
//! as they do in S3 where a policy allows `s3:GetObject` alone.

use s3s::access::S3AccessContext;
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use crate::keys::access::AccessKeys;
use crate::tenant::Principal;

/// The principal of an unsigned request.
pub(super) fn admitted(keys: &AccessKeys, context: &S3AccessContext<'_>) -> S3Result<Principal> {
    let refused = || s3_error!(AccessDenied, "Requests must be signed.");
    let S3Path::Object { bucket, .. } = context.s3_path() else { return Err(refused()) };
    let principal = keys.public_bucket(bucket).ok_or_else(refused)?;
    if !matches!(context.s3_op().name(), "GetObject" | "HeadObject") {
        return Err(refused());
    }
    let query = context.uri().query().unwrap_or_default();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if name.starts_with("response-") {
            return Err(s3_error!(
                InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests."
            ));
        }
        if name == "versionId" {
            return Err(refused());
        }
    }
    Ok(principal.clone())
}
