//! The store's clock, as its answers tell it.

use std::time::SystemTime;

use http::Method;

use super::S3Store;
use super::call::Call;
use super::outgoing::Outgoing;
use crate::backend::Result;
use crate::backend::s3::headers;

impl S3Store {
    /// What the store's clock says, in whole seconds: any answer tells, be it a refusal. None if it does not say.
    ///
    /// # Errors
    /// `Unavailable` if the store gives no answer.
    pub async fn clock(&self) -> Result<Option<SystemTime>> {
        let answer = self.client.send(&Call::service(Method::GET), &Outgoing::empty()).await?;
        Ok(headers::date(answer.headers()))
    }
}
