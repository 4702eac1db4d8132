//! Finds the version that a request means.

use super::ids::Name;
use super::records::{BucketRecord, ObjectRecord, Version, VersionRecord};
use super::tables::View;
use crate::backend::{BackendError, ObjectRef, Result, VersionId};

/// What a version id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Null,
    Named(Name),
}

impl Wanted {
    pub(super) fn parse(id: &VersionId) -> Result<Self> {
        match id.as_str() {
            "null" => Ok(Self::Null),
            text => Name::parse(text)
                .map(Self::Named)
                .ok_or_else(|| BackendError::InvalidArgument("no version id of this store".to_owned())),
        }
    }

    pub(super) fn is(self, version: Version) -> bool {
        match self {
            Self::Null => version.random.is_none(),
            Self::Named(name) => version.seq == name.seq && version.random == Some(name.random),
        }
    }
}

/// A version and whether it stands in the table of current objects.
pub(super) struct Found {
    pub(super) record: VersionRecord,
    pub(super) is_current: bool,
}

/// The version of that id.
pub(super) fn find(view: &impl View, bucket: u64, key: &str, wanted: Wanted) -> Result<Option<Found>> {
    if let Some(current) = view.current_object(bucket, key)?
        && wanted.is(current.version)
    {
        return Ok(Some(Found { record: VersionRecord::Object(current), is_current: true }));
    }
    let older = match wanted {
        Wanted::Null => view.older_null(bucket, key)?,
        Wanted::Named(name) => view.older_version(bucket, key, name.seq)?,
    };
    Ok(older.filter(|older| wanted.is(older.version())).map(|record| Found { record, is_current: false }))
}

/// The object that a read means.
pub(super) fn object(view: &impl View, object: &ObjectRef) -> Result<(BucketRecord, ObjectRecord)> {
    let bucket = view.bucket(&object.bucket)?;
    let Some(id) = &object.version_id else {
        return match view.current_object(bucket.id, &object.key)? {
            Some(record) => Ok((bucket, record)),
            None => Err(no_such_key(view, bucket.id, &object.key)?),
        };
    };
    match find(view, bucket.id, &object.key, Wanted::parse(id)?)?.map(|found| found.record) {
        Some(VersionRecord::Object(record)) => Ok((bucket, record)),
        Some(VersionRecord::Marker(marker)) => {
            Err(BackendError::IsDeleteMarker { version_id: marker.version.id(), last_modified: marker.modified.time() })
        }
        None => Err(BackendError::NoSuchVersion),
    }
}

/// The refusal that names the marker which hides the key, if one does.
fn no_such_key(view: &impl View, bucket: u64, key: &str) -> Result<BackendError> {
    let delete_marker = match view.newest_older_version(bucket, key)? {
        Some(VersionRecord::Marker(marker)) => Some(marker.version.id()),
        _ => None,
    };
    Ok(BackendError::NoSuchKey { delete_marker })
}
