//! Object Lock headers: the store's matter, where it has it. What a request says of retention and legal holds goes to it
//! with the version, what the store says comes back; the embedded store keeps no locks.
//!
//! As in S3, a copy takes nothing over of the lock of its source.

use s3s::dto::{ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetainUntilDate, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};

use crate::backend::{Backend, Governance, Lock};

/// Takes Object Lock out of any input that has S3's fields for it.
macro_rules! lock_of {
    ($input:expr) => {
        $crate::s3::lock::checked(
            $input.object_lock_mode.as_ref(),
            $input.object_lock_retain_until_date.as_ref(),
            $input.object_lock_legal_hold_status.as_ref(),
        )
    };
}
pub(crate) use lock_of;

/// Puts Object Lock into any output that has S3's fields for it.
macro_rules! show_lock {
    ($output:expr, $lock:expr) => {
        $output.object_lock_retain_until_date = $lock.retain_until.as_deref().and_then($crate::s3::lock::time);
        $output.object_lock_mode = $lock.mode.map(Into::into);
        $output.object_lock_legal_hold_status = $lock.legal_hold.map(Into::into);
    };
}
pub(crate) use show_lock;

/// What a request asks for, if it makes sense.
pub(crate) fn checked(
    mode: Option<&ObjectLockMode>,
    retain_until: Option<&ObjectLockRetainUntilDate>,
    legal_hold: Option<&ObjectLockLegalHoldStatus>,
) -> S3Result<Lock> {
    if mode.is_some() != retain_until.is_some() {
        return Err(s3_error!(
            InvalidArgument,
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        ));
    }
    Ok(Lock {
        mode: mode.map(|mode| mode.as_str().to_owned()),
        retain_until: retain_until.map(written).transpose()?,
        legal_hold: legal_hold.map(|status| status.as_str().to_owned()),
    })
}

/// Refuses a lock where none can be kept, in the words of S3 for a bucket without Object Lock.
pub(crate) fn is_kept(backend: &dyn Backend, lock: &Lock) -> S3Result<()> {
    if backend.forwards() || *lock == Lock::default() {
        return Ok(());
    }
    Err(no_configuration())
}

/// What S3 says of locks in a bucket without Object Lock.
pub(crate) fn no_configuration() -> S3Error {
    s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")
}

/// `x-amz-bypass-governance-retention`
pub(crate) fn governance(bypass: Option<bool>) -> Governance {
    if bypass == Some(true) { Governance::Bypassed } else { Governance::Holds }
}

/// A time of the store's, if it is one.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::DateTime, text).ok()
}

fn written(time: &Timestamp) -> S3Result<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::DateTime, &mut text)
        .map_err(|_| s3_error!(InvalidArgument, "invalid retention date"))?;
    String::from_utf8(text).map_err(|_| s3_error!(InvalidArgument, "invalid retention date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_has_a_mode_and_a_date_and_both_come_back() {
        let (mode, date) = (ObjectLockMode::from_static("GOVERNANCE"), time("2030-01-01T00:00:00Z").unwrap());
        let lock = checked(Some(&mode), Some(&date), None).unwrap();
        assert_eq!(lock.mode.as_deref(), Some("GOVERNANCE"));
        assert_eq!(lock.retain_until.as_deref().and_then(time), Some(date));
        assert!(checked(Some(&mode), None, None).is_err());
    }
}
