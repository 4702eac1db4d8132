//! What a call is called in the S3 API: for metrics and log lines.

use http::Method;

use super::call::Call;

/// The operation of a call; `Other` for what is passed on without a name of its own here.
pub(super) fn operation(call: &Call) -> &'static str {
    let of = |name: &str| call.query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let is_plain = call.query.is_empty() || call.query.starts_with("versionId=");
    let is_copy = call.headers.contains_key("x-amz-copy-source");
    let method = &call.method;
    let is = |wanted: &Method| method == wanted;
    let (get, put, delete) = (is(&Method::GET), is(&Method::PUT), is(&Method::DELETE));
    if call.bucket.is_none() {
        return "ListBuckets";
    }
    if call.key.is_none() {
        return match () {
            () if get && of("list-type") => "ListObjectsV2",
            () if get && of("versions") => "ListObjectVersions",
            () if get && of("uploads") => "ListMultipartUploads",
            () if get && of("versioning") => "GetBucketVersioning",
            () if put && of("versioning") => "PutBucketVersioning",
            () if is(&Method::POST) && of("delete") => "DeleteObjects",
            () if is(&Method::HEAD) => "HeadBucket",
            () if put && is_plain => "CreateBucket",
            () if delete && is_plain => "DeleteBucket",
            () => "Other",
        };
    }
    match () {
        () if put && of("partNumber") && is_copy => "UploadPartCopy",
        () if put && of("partNumber") => "UploadPart",
        () if is(&Method::POST) && of("uploads") => "CreateMultipartUpload",
        () if is(&Method::POST) && of("uploadId") => "CompleteMultipartUpload",
        () if delete && of("uploadId") => "AbortMultipartUpload",
        () if get && of("uploadId") => "ListParts",
        () if get && of("tagging") => "GetObjectTagging",
        () if put && of("tagging") => "PutObjectTagging",
        () if delete && of("tagging") => "DeleteObjectTagging",
        () if is(&Method::HEAD) => "HeadObject",
        () if get && is_plain => "GetObject",
        () if put && is_plain && is_copy => "CopyObject",
        () if put && is_plain => "PutObject",
        () if delete && is_plain => "DeleteObject",
        () => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BucketName;

    #[test]
    fn calls_have_the_names_of_the_s3_api() {
        let bucket = BucketName::new("b");
        let on_bucket = |method| Call::bucket(method, &bucket);
        let on_object = |method| Call::object(method, &bucket, "k");
        let copy = |call: Call| call.header("x-amz-copy-source", "b/k").unwrap();
        for (call, name) in [
            (Call::service(Method::GET), "ListBuckets"),
            (on_bucket(Method::GET).query("list-type", "2"), "ListObjectsV2"),
            (on_bucket(Method::PUT), "CreateBucket"),
            (on_bucket(Method::GET).flag("cors"), "Other"),
            (on_bucket(Method::POST).flag("delete"), "DeleteObjects"),
            (on_object(Method::GET).query("versionId", "1"), "GetObject"),
            (on_object(Method::PUT), "PutObject"),
            (copy(on_object(Method::PUT)), "CopyObject"),
            (on_object(Method::PUT).query("partNumber", "1").query("uploadId", "u"), "UploadPart"),
            (copy(on_object(Method::PUT).query("partNumber", "1")), "UploadPartCopy"),
            (on_object(Method::POST).query("uploadId", "u"), "CompleteMultipartUpload"),
            (on_object(Method::DELETE).query("uploadId", "u"), "AbortMultipartUpload"),
            (on_object(Method::GET).flag("retention"), "Other"),
        ] {
            assert_eq!(operation(&call), name);
        }
    }
}
