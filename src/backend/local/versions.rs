//! How versions of a key follow each other.
//!
//! The newest version, if it is an object, stands in `current`; everything else stands in `versions`. So a write
//! pushes the current object down, and the removal of the newest version lifts the next one up if it is an object.

use super::ids::Name;
use super::lookup::Found;
use super::records::{BucketRecord, ObjectRecord, Version, VersionRecord};
use super::tables::{Tables, View};
use crate::backend::{Result, Versioning};

impl Tables<'_> {
    /// The version that the next write of this bucket makes.
    pub(super) fn next_version(&self, bucket: &BucketRecord) -> Result<Version> {
        let seq = self.ids.next();
        match bucket.versioning {
            Versioning::Enabled => Ok(Version { seq, random: Some(Name::new(seq)?.random) }),
            Versioning::Unversioned | Versioning::Suspended => Ok(Version { seq, random: None }),
        }
    }

    /// Makes this the newest version of the key. Its sequence number was drawn last.
    pub(super) fn add_newest(&mut self, bucket: &BucketRecord, key: &str, newest: &VersionRecord) -> Result<()> {
        self.make_way(bucket, key)?;
        match newest {
            VersionRecord::Object(object) => {
                self.current.insert((bucket.id, key), object.encode().as_slice())?;
            }
            VersionRecord::Marker(_) => self.put_older(bucket.id, key, newest)?,
        }
        Ok(())
    }

    /// Removes what a write replaces, and pushes the current object down if it stays.
    fn make_way(&mut self, bucket: &BucketRecord, key: &str) -> Result<()> {
        let current = self.current.remove((bucket.id, key))?.map(|row| row.value().to_vec());
        let current = current.map(|row| ObjectRecord::decode(&row)).transpose()?;
        let replaces_null = bucket.versioning != Versioning::Enabled;
        match current {
            Some(current) if replaces_null && current.version.random.is_none() => self.release(current.body)?,
            Some(current) => self.put_older(bucket.id, key, &VersionRecord::Object(current))?,
            None => {}
        }
        if bucket.versioning == Versioning::Suspended
            && let Some(null) = self.older_null(bucket.id, key)?
        {
            self.remove_older(bucket.id, key, &null)?;
        }
        Ok(())
    }

    /// Removes one version for good.
    pub(super) fn remove_version(&mut self, bucket: &BucketRecord, key: &str, found: &Found) -> Result<()> {
        if !found.is_current {
            let is_hidden = self.current_object(bucket.id, key)?.is_some();
            self.remove_older(bucket.id, key, &found.record)?;
            return if is_hidden { Ok(()) } else { self.lift(bucket, key) };
        }
        self.current.remove((bucket.id, key))?;
        if let VersionRecord::Object(object) = &found.record {
            self.release(object.body)?;
        }
        self.lift(bucket, key)
    }

    /// Makes the newest of the older versions current if it is an object.
    fn lift(&mut self, bucket: &BucketRecord, key: &str) -> Result<()> {
        if bucket.versioning == Versioning::Unversioned {
            return Ok(());
        }
        let Some(VersionRecord::Object(next)) = self.newest_older_version(bucket.id, key)? else { return Ok(()) };
        self.versions.remove((bucket.id, key, !next.version.seq))?;
        if next.version.random.is_none() {
            self.nulls.remove((bucket.id, key))?;
        }
        self.current.insert((bucket.id, key), next.encode().as_slice())?;
        Ok(())
    }

    /// Enters a version that is not the current object, or replaces its row.
    pub(super) fn put_older(&mut self, bucket: u64, key: &str, record: &VersionRecord) -> Result<()> {
        let version = record.version();
        self.versions.insert((bucket, key, !version.seq), record.encode().as_slice())?;
        if version.random.is_none() {
            self.nulls.insert((bucket, key), version.seq)?;
        }
        Ok(())
    }

    fn remove_older(&mut self, bucket: u64, key: &str, record: &VersionRecord) -> Result<()> {
        let version = record.version();
        self.versions.remove((bucket, key, !version.seq))?;
        if version.random.is_none() {
            self.nulls.remove((bucket, key))?;
        }
        match record {
            VersionRecord::Object(object) => self.release(object.body),
            VersionRecord::Marker(_) => Ok(()),
        }
    }
}
