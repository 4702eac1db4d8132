//! Settings that are the store's own: the request is made here, word by word, and only its document comes back.

use bytes::Bytes;
use http::Method;

use super::answer::{self, About};
use super::call::Call;
use super::features::NO_LOCK;
use super::objects::with_governance;
use super::outgoing::Outgoing;
use super::{S3Store, object_call, with_md5};
use crate::backend::{Result, Setting, SettingChange, SettingOf, SettingRequest};

impl S3Store {
    /// The document of a setting; empty where none was asked for.
    pub(super) async fn setting_of(&self, request: SettingRequest) -> Result<Bytes> {
        self.require_settings()?;
        let SettingRequest { setting, of, change, governance } = request;
        let is_lock = matches!(setting, Setting::ObjectLock | Setting::Retention | Setting::LegalHold);
        if is_lock && !self.features.features().object_lock {
            return Err(NO_LOCK);
        }
        let (method, body) = match change {
            SettingChange::Read => (Method::GET, None),
            SettingChange::Write(document) => (Method::PUT, Some(document)),
            SettingChange::Remove => (Method::DELETE, None),
        };
        let is_read = method == Method::GET;
        let (call, about) = match &of {
            SettingOf::Bucket(bucket) => (Call::bucket(method, bucket), About::default()),
            SettingOf::Object(object) => {
                let about = About { object: true, version: object.version_id.is_some(), upload: false };
                (object_call(method, object), about)
            }
        };
        let body = body.map_or_else(Outgoing::empty, Outgoing::of);
        let call = with_md5(with_governance(call.flag(word(setting)), governance)?, &body)?;
        let call = if is_read { call } else { call.once() };
        let response = self.ok(&call, &body, about).await?;
        if !is_read {
            return Ok(Bytes::new());
        }
        Ok(answer::held(response, self.waiting(&call), ANSWER_BYTES_MAX).await?.into())
    }
}

/// The word in the query that names a setting.
fn word(setting: Setting) -> &'static str {
    match setting {
        Setting::Lifecycle => "lifecycle",
        Setting::ObjectLock => "object-lock",
        Setting::Accelerate => "accelerate",
        Setting::RequestPayment => "requestPayment",
        Setting::Retention => "retention",
        Setting::LegalHold => "legal-hold",
    }
}

/// Settings are documents of some KiB; nothing longer is taken.
const ANSWER_BYTES_MAX: usize = 4 << 20;
