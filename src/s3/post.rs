//! `PostObject`: an upload by an HTML form. The framework has checked the policy and its signature; the rest is a PUT.

use s3s::dto::{PostObjectInput, PostObjectOutput, PutObjectInput};
use s3s::stream::ByteStream as _;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::put;

pub(crate) async fn post_object(
    gateway: &Gateway,
    request: S3Request<PostObjectInput>,
) -> S3Result<S3Response<PostObjectOutput>> {
    request.input.success_action_redirect.as_deref().map_or(Ok(()), is_web_page)?;
    let response = put::put_object(gateway, request.map_input(as_put)).await?;
    Ok(S3Response::new(PostObjectOutput {
        e_tag: response.output.e_tag,
        version_id: response.output.version_id,
        ..PostObjectOutput::default()
    }))
}

/// The framework sends the browser wherever the form says. Script and data in place of an address are never meant.
fn is_web_page(url: &str) -> S3Result<()> {
    let has_scheme = |scheme: &str| url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if url.is_empty() || ["http://", "https://"].into_iter().any(has_scheme) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "success_action_redirect must begin with 'http://' or 'https://'."))
}

/// The same upload as a PUT: every field that a form may set and a PUT has.
fn as_put(form: PostObjectInput) -> PutObjectInput {
    // The framework gives no length where it is zero.
    let bytes = form.body.as_ref().and_then(|body| body.remaining_length().exact());
    let content_length = form.content_length.or_else(|| bytes.and_then(|bytes| i64::try_from(bytes).ok()));
    let mut put = PutObjectInput {
        bucket: form.bucket,
        key: form.key,
        body: form.body,
        content_length,
        ..PutObjectInput::default()
    };
    macro_rules! same {
        ($($field:ident)*) => { $(put.$field = form.$field;)* };
    }
    same!(
        acl cache_control content_disposition content_encoding content_language content_md5 content_type
        expires metadata storage_class tagging website_redirect_location
        server_side_encryption ssekms_key_id sse_customer_algorithm sse_customer_key sse_customer_key_md5
        object_lock_mode object_lock_legal_hold_status object_lock_retain_until_date
        checksum_algorithm checksum_crc32 checksum_crc32c checksum_crc64nvme checksum_md5 checksum_sha1 checksum_sha256
        checksum_sha512 checksum_xxhash64 checksum_xxhash3 checksum_xxhash128
        expected_bucket_owner if_match if_none_match write_offset_bytes
    );
    put
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_to_a_web_page_and_nowhere_else() {
        for url in ["", "http://example.com/a?b", "https://example.com", "HTTPS://example.com/\u{e9}"] {
            assert!(is_web_page(url).is_ok(), "{url}");
        }
        let others =
            ["javascript:alert(1)", "JavaScript:alert(1)", " javascript:x", "data:text/html,x", "http:", "/done", "é"];
        for url in others {
            let error = is_web_page(url).unwrap_err();
            assert_eq!(error.code().as_str(), "InvalidArgument", "{url}");
        }
    }
}
