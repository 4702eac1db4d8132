//! The calls that move bodies: what happens before and after the index is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::objects::{check_key, may_write};
use super::{LocalStore, blocking, uploads};
use crate::backend::local::tables::{Snapshot, View};
use crate::backend::{BackendError, PartRef, PutRequest, Result, SealedBody, StoredETag, Written};

impl LocalStore {
    /// Stores an object. A refusal that is known beforehand comes before the body is taken in.
    pub(super) async fn put_object(&self, request: PutRequest, body: SealedBody) -> Result<Written> {
        check_key(&request.key)?;
        let late = body.late_metadata.clone();
        let request = self.first_look(request).await?;
        let (body, file) = self.receiver.object(body).await?;
        let request = with_late_metadata(request, late)?;
        self.write(file, move |tables| tables.put(&request, &body)).await
    }

    async fn first_look(&self, request: PutRequest) -> Result<PutRequest> {
        let index = Arc::clone(&self.index);
        blocking(move || {
            may_write(&Snapshot::of(&index)?, &request.bucket, &request.key, &request.conditions)?;
            Ok(request)
        })
        .await
    }

    /// Stores a part.
    pub(super) async fn take_part(&self, part: &PartRef, body: SealedBody) -> Result<StoredETag> {
        uploads::check_number(part.number)?;
        let part = part.clone();
        let upload = part.upload.clone();
        self.read(move |snapshot| snapshot.upload(&upload)).await?;
        let (body, file) = self.receiver.file(body).await?;
        self.write(file, move |tables| tables.put_part(&part, &body)).await
    }
}

/// Adds what the writer knew only at the end of the body.
fn with_late_metadata(
    mut request: PutRequest,
    late: Option<Arc<OnceLock<BTreeMap<String, String>>>>,
) -> Result<PutRequest> {
    if let Some(late) = late {
        let unset = || BackendError::InvalidArgument("the late metadata was not set".to_owned());
        let late = late.get().ok_or_else(unset)?;
        request.metadata.user.extend(late.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(request)
}
