//! The documents of settings: parsed into the framework's types and written anew, in both directions.
//!
//! What a client sends must be kept whole by that: an element that the types have no place for would change what a rule
//! means if it were left out. None of these documents names a bucket, so none can name another tenant's; their prefixes
//! and tags are the client's own words about its own keys. What a store sends may say more; that is left out.

use bytes::Bytes;
use s3s::dto::{
    AccelerateConfiguration, BucketAccelerateStatus, BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockRetention, ObjectLockRetentionMode, Payer, RequestPaymentConfiguration,
};
use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};
use s3s::{S3Error, S3Result, s3_error};

use super::xml::{self, Plain};
use crate::backend::Setting;
use crate::s3::dots;

/// What a client sends, as the store gets it.
pub(super) fn from_client(setting: Setting, document: &[u8]) -> S3Result<Bytes> {
    let said = xml::plain(document).map_err(|why| malformed(&why))?;
    match setting {
        Setting::Lifecycle => kept::<BucketLifecycleConfiguration>(&said, lifecycle_is_served),
        Setting::ObjectLock => kept::<ObjectLockConfiguration>(&said, lock_is_known),
        Setting::Retention => kept::<ObjectLockRetention>(&said, |retention| is_mode(retention.mode.as_ref())),
        Setting::LegalHold => kept::<ObjectLockLegalHold>(&said, |hold| {
            let status = hold.status.as_ref().map(ObjectLockLegalHoldStatus::as_str);
            is_one_of(status, &[ObjectLockLegalHoldStatus::ON, ObjectLockLegalHoldStatus::OFF])
        }),
        Setting::Accelerate => kept::<AccelerateConfiguration>(&said, |accelerate| {
            let status = accelerate.status.as_ref().map(BucketAccelerateStatus::as_str);
            is_one_of(status, &[BucketAccelerateStatus::ENABLED, BucketAccelerateStatus::SUSPENDED])
        }),
        Setting::RequestPayment => kept::<RequestPaymentConfiguration>(&said, |payment| {
            is_one_of(Some(payment.payer.as_str()), &[Payer::BUCKET_OWNER, Payer::REQUESTER])
        }),
    }
}

/// What a store answers, as the client gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// the setting
    Setting(Bytes),
    /// another document: the store does not know the setting, and told of something else
    Other,
    /// no document that can be read
    Broken,
}

/// Reads what a store answers.
pub(super) fn from_store(setting: Setting, document: &[u8]) -> Answer {
    if document.is_empty() {
        return Answer::Other;
    }
    let Ok(said) = xml::plain(document) else { return Answer::Broken };
    if said.elements.last().is_none_or(|(root, _)| *root != root_of(setting)) {
        return Answer::Other;
    }
    let shown = match setting {
        Setting::Lifecycle => shown::<BucketLifecycleConfiguration>(&said),
        Setting::ObjectLock => shown::<ObjectLockConfiguration>(&said),
        Setting::Retention => shown::<ObjectLockRetention>(&said),
        Setting::LegalHold => shown::<ObjectLockLegalHold>(&said),
        Setting::Accelerate => shown::<AccelerateConfiguration>(&said),
        Setting::RequestPayment => shown::<RequestPaymentConfiguration>(&said),
    };
    shown.map_or(Answer::Broken, Answer::Setting)
}

fn root_of(setting: Setting) -> &'static str {
    match setting {
        Setting::Lifecycle => "LifecycleConfiguration",
        Setting::ObjectLock => "ObjectLockConfiguration",
        Setting::Retention => "Retention",
        Setting::LegalHold => "LegalHold",
        Setting::Accelerate => "AccelerateConfiguration",
        Setting::RequestPayment => "RequestPaymentConfiguration",
    }
}

/// What is told of a setting that was never made, where S3 does not call that an error.
pub(super) fn never_made(setting: Setting) -> S3Result<Bytes> {
    match setting {
        Setting::Accelerate => written(&AccelerateConfiguration::default()),
        Setting::RequestPayment => {
            written(&RequestPaymentConfiguration { payer: Payer::from_static(Payer::BUCKET_OWNER) })
        }
        Setting::Lifecycle => {
            Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"))
        }
        Setting::ObjectLock => Err(s3_error!(
            ObjectLockConfigurationNotFoundError,
            "Object Lock configuration does not exist for this bucket"
        )),
        Setting::Retention | Setting::LegalHold => Err(s3_error!(
            NoSuchObjectLockConfiguration,
            "The specified object does not have an ObjectLock configuration"
        )),
    }
}

/// The document of a value that keeps all that was said and may be set.
fn kept<T>(said: &Plain<'_>, check: impl FnOnce(&T) -> S3Result<()>) -> S3Result<Bytes>
where
    T: Serialize + for<'a> Deserialize<'a>,
{
    let value: T = parsed(said).ok_or_else(|| malformed(&"is not the document that belongs here"))?;
    check(&value)?;
    let document = written(&value)?;
    let kept = xml::plain(&document).map_err(|why| malformed(&why))?;
    if facts(said) != facts(&kept) {
        return Err(malformed(&"has elements or values that are not known here"));
    }
    Ok(document)
}

fn shown<T>(said: &Plain<'_>) -> Option<Bytes>
where
    T: Serialize + for<'a> Deserialize<'a>,
{
    let value: T = parsed(said)?;
    written(&value).ok()
}

fn parsed<T: for<'a> Deserialize<'a>>(said: &Plain<'_>) -> Option<T> {
    let mut deserializer = Deserializer::new(said.text.as_bytes());
    let value = T::deserialize(&mut deserializer).ok()?;
    deserializer.expect_eof().ok()?;
    Some(value)
}

fn written(value: &impl Serialize) -> S3Result<Bytes> {
    let mut document = Vec::new();
    let mut serializer = Serializer::new(&mut document);
    serializer.decl().and_then(|()| value.serialize(&mut serializer)).map_err(|_| s3_error!(InternalError))?;
    Ok(document.into())
}

/// What a document says, whatever its order: the types write their elements in an order of their own.
fn facts<'a>(said: &'a Plain<'_>) -> Vec<(&'a str, String)> {
    let fact = |(name, text): &'a (&str, String)| match *name {
        // one time has many spellings, and the types keep the time
        "Date" | "RetainUntilDate" => (*name, String::new()),
        "ExpiredObjectDeleteMarker" => (*name, text.to_ascii_lowercase()),
        _ => (*name, text.clone()),
    };
    let mut facts: Vec<_> = said.elements.iter().map(fact).collect();
    facts.sort_unstable();
    facts
}

fn lifecycle_is_served(configuration: &BucketLifecycleConfiguration) -> S3Result<()> {
    if configuration.rules.len() > RULES_MAX {
        return Err(malformed(&"has more than 1,000 rules"));
    }
    configuration.rules.iter().try_for_each(rule_is_served)
}

fn rule_is_served(rule: &LifecycleRule) -> S3Result<()> {
    is_one_of(Some(rule.status.as_str()), &[ExpirationStatus::ENABLED, ExpirationStatus::DISABLED])?;
    let none = LifecycleRuleFilter::default();
    let filter = rule.filter.as_ref().unwrap_or(&none);
    let and = filter.and.as_ref();
    let sizes = [
        filter.object_size_greater_than,
        filter.object_size_less_than,
        and.and_then(|and| and.object_size_greater_than),
        and.and_then(|and| and.object_size_less_than),
    ];
    if sizes.iter().any(Option::is_some) {
        return Err(s3_error!(NotImplemented, "Lifecycle rules by size would go by the sizes of sealed objects."));
    }
    let prefixes = [rule.prefix.as_deref(), filter.prefix.as_deref(), and.and_then(|and| and.prefix.as_deref())];
    if prefixes.iter().flatten().any(|prefix| dots::in_prefix(prefix)) {
        return Err(s3_error!(InvalidArgument, "A prefix of a lifecycle rule has a segment '.' or '..'."));
    }
    Ok(())
}

fn lock_is_known(configuration: &ObjectLockConfiguration) -> S3Result<()> {
    is_one_of(
        configuration.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str),
        &[ObjectLockEnabled::ENABLED],
    )?;
    let default = configuration.rule.as_ref().and_then(|rule| rule.default_retention.as_ref());
    is_mode(default.and_then(|default| default.mode.as_ref()))
}

fn is_mode(mode: Option<&ObjectLockRetentionMode>) -> S3Result<()> {
    let known = [ObjectLockRetentionMode::GOVERNANCE, ObjectLockRetentionMode::COMPLIANCE];
    is_one_of(mode.map(ObjectLockRetentionMode::as_str), &known)
}

fn is_one_of(value: Option<&str>, known: &[&str]) -> S3Result<()> {
    if value.is_none_or(|value| known.contains(&value)) { Ok(()) } else { Err(malformed(&"has an unknown value")) }
}

fn malformed(why: &dyn std::fmt::Display) -> S3Error {
    s3_error!(MalformedXML, "The document in the request {why}.")
}

const RULES_MAX: usize = 1_000;
