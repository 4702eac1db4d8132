//! Keys that clients bring with their requests (SSE-C): read from a request, and held against the object.
//!
//! Bodies are sealed under the tenant's key and the client's together. What tells the right key lies in the metadata
//! [`CUSTOMER_KEY`]; everything that is neither a body nor a part opens without it.

use std::sync::Arc;

use s3s::dto::ServerSideEncryption;
use s3s::{S3Error, S3Result, s3_error};

use super::checksum::Algorithm;
use super::errors;
use super::gateway::Gateway;
use super::metadata::CUSTOMER_KEY;
use super::scope::Name;
use crate::backend::Metadata;
use crate::seal::{CustomerKey, CustomerKeyCheck, ObjectSecret};

/// A customer's key as a request gives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GivenKey {
    key: CustomerKey,
    /// base64
    md5: String,
}

impl GivenKey {
    /// From the three headers, of which none or all must be there.
    pub(crate) fn new(algorithm: Option<&str>, key: Option<&str>, md5: Option<&str>) -> S3Result<Option<Arc<Self>>> {
        if algorithm.is_none() && key.is_none() && md5.is_none() {
            return Ok(None);
        }
        let algorithm = algorithm.ok_or_else(|| incomplete("a valid encryption algorithm"))?;
        if algorithm != AES256 {
            return Err(invalid_algorithm());
        }
        let key = key.ok_or_else(|| incomplete("an appropriate secret key"))?;
        let key = CustomerKey::from_base64(key)
            .ok_or_else(|| s3_error!(InvalidArgument, "The secret key was invalid for the specified algorithm."))?;
        let md5 = md5.ok_or_else(|| incomplete("the client calculated MD5 of the secret key"))?;
        if Algorithm::Md5.digest(key.expose()) != md5 {
            return Err(s3_error!(
                InvalidArgument,
                "The calculated MD5 hash of the key did not match the hash that was provided."
            ));
        }
        Ok(Some(Arc::new(Self { key, md5: md5.to_owned() })))
    }

    /// As answers show it.
    pub(crate) fn md5(&self) -> String {
        self.md5.clone()
    }
}

/// The customer's key of any input that has S3's fields for one.
macro_rules! customer_key {
    ($input:expr) => {
        $crate::s3::customer_key::GivenKey::new(
            $input.sse_customer_algorithm.as_deref(),
            $input.sse_customer_key.as_deref(),
            $input.sse_customer_key_md5.as_deref(),
        )
    };
}
pub(crate) use customer_key;

/// The customer's key of the source of a copy.
macro_rules! source_customer_key {
    ($input:expr) => {
        $crate::s3::customer_key::GivenKey::new(
            $input.copy_source_sse_customer_algorithm.as_deref(),
            $input.copy_source_sse_customer_key.as_deref(),
            $input.copy_source_sse_customer_key_md5.as_deref(),
        )
    };
}
pub(crate) use source_customer_key;

/// Tells in an answer how the object called `name` is encrypted: with the customer's key, or the tenant's alone.
macro_rules! show_encryption {
    ($output:expr, $name:expr, $key_id:expr) => {
        match &$name.customer_key {
            Some(given) => {
                $output.sse_customer_algorithm = Some($crate::s3::customer_key::AES256.to_owned());
                $output.sse_customer_key_md5 = Some(given.md5());
            }
            None => {
                let method = s3s::dto::ServerSideEncryption::AWS_KMS;
                $output.server_side_encryption = Some(s3s::dto::ServerSideEncryption::from_static(method));
                $output.ssekms_key_id = Some($key_id);
            }
        }
    };
}
pub(crate) use show_encryption;

/// Refuses a customer's key for a new object beside another encryption, and where the operator does not allow any, as S3
/// does in buckets of today unless their owner does (Amazon S3 User Guide, "Blocking or unblocking SSE-C for a general
/// purpose bucket").
pub(crate) fn may_be_used(
    gateway: &Gateway,
    given: Option<&Arc<GivenKey>>,
    requested: Option<&ServerSideEncryption>,
) -> S3Result<()> {
    if given.is_some() && requested.is_some() {
        return Err(s3_error!(
            InvalidArgument,
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified."
        ));
    }
    if given.is_some() && !gateway.allows_sse_c {
        return Err(s3_error!(
            AccessDenied,
            "Customer-provided keys (SSE-C) are blocked: objects are encrypted with the key of their tenant."
        ));
    }
    Ok(())
}

/// The secret of the body of a new object, if its writer gives a key; the metadata then tells which.
pub(crate) fn new_body_secret(name: &Name, secret: &ObjectSecret, metadata: &mut Metadata) -> Option<ObjectSecret> {
    let (body, check) = name.customer_key.as_ref()?.key.join(secret);
    metadata.user.insert(CUSTOMER_KEY.to_owned(), check.to_metadata());
    Some(body)
}

/// The secret of the body of a stored object, if it was written with a customer's key. The request must give the same
/// one, and none for another object.
pub(crate) fn body_secret(name: &Name, secret: &ObjectSecret, metadata: &Metadata) -> S3Result<Option<ObjectSecret>> {
    match (&name.customer_key, metadata.user.get(CUSTOMER_KEY)) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(s3_error!(
            InvalidRequest,
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
             retrieve the object."
        )),
        (Some(_), None) => {
            Err(s3_error!(InvalidRequest, "The encryption parameters are not applicable to this object."))
        }
        (Some(given), Some(check)) => {
            let check = CustomerKeyCheck::from_metadata(check)
                .map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
            let (body, own) = given.key.join(secret);
            if own != check {
                return Err(s3_error!(AccessDenied, "The object was stored with another customer-provided key."));
            }
            Ok(Some(body))
        }
    }
}

/// The secret of the parts of an open upload, if it was begun with a customer's key: that of its check.
pub(crate) fn part_secret(
    name: &Name,
    secret: &ObjectSecret,
    check: Option<CustomerKeyCheck>,
) -> S3Result<Option<ObjectSecret>> {
    match (&name.customer_key, check) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(s3_error!(
            InvalidRequest,
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters."
        )),
        (Some(_), None) => Err(s3_error!(
            InvalidRequest,
            "The multipart upload initiate did not request encryption. Subsequent part requests must not include \
             encryption parameters."
        )),
        (Some(given), Some(check)) => {
            let (part, own) = given.key.join(secret);
            if own != check {
                return Err(s3_error!(
                    InvalidRequest,
                    "The provided encryption parameters did not match the ones used originally."
                ));
            }
            Ok(Some(part))
        }
    }
}

fn incomplete(what: &str) -> S3Error {
    s3_error!(
        InvalidArgument,
        "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
    )
}

fn invalid_algorithm() -> S3Error {
    s3_error!(
        InvalidEncryptionAlgorithmError,
        "The encryption request you specified is not valid. The valid value is AES256."
    )
}

/// The one algorithm that S3 knows.
pub(crate) const AES256: &str = "AES256";

#[cfg(test)]
mod tests;
