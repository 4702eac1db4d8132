//! Settings that a store keeps and acts on by itself. A request for one is made of these types alone: nothing that a
//! client wrote goes along, and of the answer only the document comes back.

use bytes::Bytes;

use super::types::{BucketName, Governance, ObjectRef};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// rules by which objects of a bucket expire
    Lifecycle,
    /// Object Lock of a bucket
    ObjectLock,
    /// transfer acceleration of a bucket
    Accelerate,
    /// who pays for requests to a bucket
    RequestPayment,
    /// until when a version is kept
    Retention,
    /// whether a version is kept until further notice
    LegalHold,
}

/// What a setting belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOf {
    /// a bucket
    Bucket(BucketName),
    /// an object or a version of it
    Object(ObjectRef),
}

/// What is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingChange {
    /// nothing: its document is asked for
    Read,
    /// this document takes its place
    Write(Bytes),
    /// it goes
    Remove,
}

/// A request about a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingRequest {
    /// which
    pub setting: Setting,
    /// of what
    pub of: SettingOf,
    /// what is done with it
    pub change: SettingChange,
    /// whether a retention may be shortened
    pub governance: Governance,
}
