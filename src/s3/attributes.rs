//! `GetObjectAttributes`: one backend request, and one more for the part table of a multipart object unless it is
//! cached. All numbers are of the plaintext and of the client's parts (F-8).
//!
//! Parts are given with their numbers and sizes; checksums of single parts are not kept.

use s3s::dto::{
    GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectAttributes, ObjectPart,
    StorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::customer_key::customer_key;
use super::etag;
use super::gateway::Gateway;
use super::get::kept;
use super::parts::{self, Completed};
use super::read::plain_len;
use super::scope::Scope;
use crate::seal::{Kind, PlainRange};

pub(crate) async fn get_object_attributes(
    gateway: &Gateway,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let input = request.input;
    let wanted = Wanted::new(&input.object_attributes)?;
    let page = PartsPage::new(input.max_parts, input.part_number_marker)?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let name = name.with_customer_key(customer_key!(input)?);
    let info = scope.head(&name, input.version_id.as_deref()).await?;
    let opened = scope.open(&name, &info.metadata)?;
    let kind = opened.envelope.kind();
    let plain = plain_len(&name, &info, kind)?;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(info.last_modified.into()),
        version_id: info.version_id.as_ref().map(|id| id.as_str().to_owned()),
        e_tag: wanted.etag.then(|| etag::shown(&info.etag)),
        object_size: i64::try_from(plain.bytes()).ok().filter(|_| wanted.size),
        ..GetObjectAttributesOutput::default()
    };
    if wanted.storage_class {
        let class = info.metadata.storage_class.clone().unwrap_or_else(|| StorageClass::STANDARD.to_owned());
        output.storage_class = Some(StorageClass::from(class));
    }
    if wanted.checksum {
        output.checksum = kept(&scope, &name, &info, &opened).await?.map(|kept| kept.shown());
    }
    if wanted.parts && kind == Kind::Multipart {
        output.object_parts = Some(page.of(&*parts::completed(&scope, &name, &info, &opened, None).await?));
    }
    Ok(S3Response::new(output))
}

/// Which attributes were asked for.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one name of the header")]
struct Wanted {
    etag: bool,
    checksum: bool,
    parts: bool,
    storage_class: bool,
    size: bool,
}

impl Wanted {
    fn new(names: &[ObjectAttributes]) -> S3Result<Self> {
        let mut wanted = Self::default();
        for name in names.iter().flat_map(|names| names.as_str().split(',')).map(str::trim) {
            match name {
                ObjectAttributes::ETAG => wanted.etag = true,
                ObjectAttributes::CHECKSUM => wanted.checksum = true,
                ObjectAttributes::OBJECT_PARTS => wanted.parts = true,
                ObjectAttributes::STORAGE_CLASS => wanted.storage_class = true,
                ObjectAttributes::OBJECT_SIZE => wanted.size = true,
                _ => return Err(s3_error!(InvalidArgument, "Invalid attribute name specified.")),
            }
        }
        if wanted == Self::default() {
            return Err(s3_error!(
                InvalidRequest,
                "The x-amz-object-attributes header specifying the attributes to be retrieved is required."
            ));
        }
        Ok(wanted)
    }
}

/// Which parts: at most `max` after the number `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PartsPage {
    max: u32,
    after: u32,
}

impl PartsPage {
    fn new(max: Option<i32>, after: Option<i32>) -> S3Result<Self> {
        let max = u32::try_from(max.unwrap_or(PARTS_MAX)).map_err(|_| {
            s3_error!(InvalidArgument, "Argument max-parts must be an integer between 0 and 2147483647")
        })?;
        let after = u32::try_from(after.unwrap_or(0)).map_err(|_| {
            s3_error!(InvalidArgument, "Argument part-number-marker must be an integer between 0 and 2147483647")
        })?;
        Ok(Self { max: max.min(PARTS_MAX.unsigned_abs()), after })
    }

    fn of(self, completed: &Completed) -> GetObjectAttributesParts {
        let total = completed.client_parts();
        let last = self.after.saturating_add(self.max).min(total);
        let parts = self.after.saturating_add(1)..=last;
        let number = |number: u32| i32::try_from(number).ok();
        GetObjectAttributesParts {
            total_parts_count: number(total),
            max_parts: number(self.max),
            part_number_marker: number(self.after),
            next_part_number_marker: number(last.max(self.after)),
            is_truncated: Some(self.max > 0 && last.max(self.after) < total),
            parts: Some(parts.map(|part| object_part(completed, part)).collect()),
        }
    }
}

fn object_part(completed: &Completed, number: u32) -> ObjectPart {
    let bytes = completed.part(number).flatten().map_or(0, PlainRange::bytes);
    ObjectPart { part_number: i32::try_from(number).ok(), size: i64::try_from(bytes).ok(), ..ObjectPart::default() }
}

const PARTS_MAX: i32 = 1_000;

#[cfg(test)]
mod tests;
