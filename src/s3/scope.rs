//! What a verb works with: the gateway's parts, who asks, and one snapshot of the keys that the request keeps to its
//! end.

use std::sync::Arc;
use std::time::SystemTime;

use s3s::{S3Request, S3Result, s3_error};

use super::customer_key::{self, GivenKey};
use super::gateway::Gateway;
use super::{dots, errors, metadata};
use crate::backend::{Backend, BucketName, Metadata, ObjectInfo, ObjectRef, ReadConditions, VersionId};
use crate::keys::ring::{KeyRing, KeyState};
use crate::seal::{Binding, Envelope, KeyId, Kind, ObjectSecret, TenantKey};
use crate::tenant::Principal;

/// The name of an object as the client says it, and where it lies on the backend.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// the client's bucket
    pub(crate) bucket: String,
    /// the key
    pub(crate) key: String,
    /// the bucket on the backend
    pub(crate) stored: BucketName,
    /// the customer's key that the request gives for it
    pub(crate) customer_key: Option<Arc<GivenKey>>,
}

impl Name {
    /// With the customer's key that the request gives.
    pub(crate) fn with_customer_key(self, customer_key: Option<Arc<GivenKey>>) -> Self {
        Self { customer_key, ..self }
    }

    /// The current version, or the one given.
    pub(crate) fn version(&self, version_id: Option<&str>) -> ObjectRef {
        let version_id = version_id.filter(|id| !id.is_empty()).map(VersionId::new);
        ObjectRef { bucket: self.stored.clone(), key: self.key.clone(), version_id }
    }
}

/// An envelope that was opened.
pub(crate) struct Opened {
    pub(crate) envelope: Envelope,
    /// of everything but bodies
    pub(crate) secret: ObjectSecret,
    /// of the body, where a customer's key makes it another
    joined: Option<ObjectSecret>,
}

impl Opened {
    /// The secret of the body.
    pub(crate) fn body_secret(&self) -> &ObjectSecret {
        self.joined.as_ref().unwrap_or(&self.secret)
    }
}

/// Whose names are asked for, and where.
pub(crate) struct Place<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) staging: &'a BucketName,
}

impl Place<'_> {
    /// Where a client's bucket lies. `owner` is `x-amz-expected-bucket-owner`.
    pub(crate) fn bucket(&self, bucket: &str, owner: Option<&str>) -> S3Result<BucketName> {
        if owner.is_some_and(|owner| owner != self.principal.tenant.as_str()) {
            return Err(s3_error!(AccessDenied));
        }
        let stored = self.principal.bucket_prefix.to_backend(bucket).map_err(|_| s3_error!(InvalidBucketName))?;
        // The gateway's own bucket is nobody's.
        if stored == *self.staging {
            return Err(s3_error!(AccessDenied));
        }
        Ok(stored)
    }

    /// Refuses a key that the store may take for one of another bucket: a tenant that shares the store with others has
    /// none with a segment `.` or `..`, and nobody one that leads out of its bucket.
    pub(crate) fn takes_key(&self, key: &str) -> S3Result<()> {
        if !self.backend.forwards() {
            return Ok(());
        }
        let is_shared = !self.principal.bucket_prefix.as_str().is_empty();
        if is_shared && dots::in_key(key) || dots::lead_out(key) {
            return Err(s3_error!(
                InvalidArgument,
                "A key with a segment '.' or '..' cannot be kept by the storage behind this gateway."
            ));
        }
        Ok(())
    }
}

/// One request's view of the world.
pub(crate) struct Scope<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) principal: Principal,
    ring: Arc<KeyRing>,
    /// why the tenant has no keys, if it was found out, and the state of the key that it would have
    no_keys: Option<(String, Option<KeyState>)>,
}

impl<'a> Scope<'a> {
    /// Takes the principal that access control left with the request, and a snapshot of the keys. For verbs that need
    /// the tenant's own ones, [`Scope::with_keys`] follows.
    pub(crate) fn new<T>(gateway: &'a Gateway, request: &S3Request<T>) -> S3Result<Self> {
        let principal = request.extensions.get::<Principal>().ok_or_else(|| s3_error!(AccessDenied))?.clone();
        Ok(Self { gateway, principal, ring: gateway.keys.snapshot(), no_keys: None })
    }

    /// The same with the tenant's keys in its snapshot. A tenant that no refresh told of is looked up; why there is
    /// nothing is told by whatever needs a key.
    pub(crate) async fn with_keys(mut self) -> Self {
        match self.gateway.keys.serving(&self.principal.tenant).await {
            Ok(ring) => self.ring = ring,
            Err(error) => self.no_keys = Some((errors::chain(&*error), error.state())),
        }
        self
    }

    /// The store.
    pub(crate) fn backend(&self) -> &'a dyn Backend {
        self.gateway.backend.as_ref()
    }

    fn place(&self) -> Place<'_> {
        Place { principal: &self.principal, backend: self.backend(), staging: &self.gateway.staging }
    }

    /// Where a client's bucket lies. `owner` is `x-amz-expected-bucket-owner`.
    pub(crate) fn bucket(&self, bucket: &str, owner: Option<&str>) -> S3Result<BucketName> {
        self.place().bucket(bucket, owner)
    }

    /// An object's name, here and there.
    pub(crate) fn name(&self, bucket: &str, key: &str, owner: Option<&str>) -> S3Result<Name> {
        let place = self.place();
        let stored = place.bucket(bucket, owner)?;
        place.takes_key(key)?;
        Ok(Name { bucket: bucket.to_owned(), key: key.to_owned(), stored, customer_key: None })
    }

    /// Refuses a key that the store may take for another one.
    pub(crate) fn takes_key(&self, key: &str) -> S3Result<()> {
        self.place().takes_key(key)
    }

    /// The same for what a list begins with or goes on from.
    pub(crate) fn takes_start(&self, prefix: Option<&str>) -> S3Result<()> {
        if self.backend().forwards() && prefix.is_some_and(dots::in_prefix) {
            return Err(s3_error!(
                InvalidArgument,
                "A segment '.' or '..' cannot be listed over the storage behind this gateway."
            ));
        }
        Ok(())
    }

    /// What an envelope of this object is bound to.
    pub(crate) fn binding(&self, name: &Name) -> S3Result<Binding> {
        Binding::new(self.principal.tenant.as_str(), &name.bucket, &name.key).map_err(|_| s3_error!(KeyTooLongError))
    }

    /// The tenant's keys in this request's snapshot.
    fn keys(&self) -> S3Result<&KeyRing> {
        match &self.no_keys {
            None => Ok(&self.ring),
            Some((why, None)) => Err(errors::no_key(self.principal.tenant.as_str(), why)),
            Some((why, Some(_))) => Err(errors::key_state(self.principal.tenant.as_str(), why)),
        }
    }

    /// The key that seals.
    pub(crate) fn sealing_key(&self) -> S3Result<&TenantKey> {
        let sealing = self.keys()?.sealing(&self.principal.tenant, SystemTime::now());
        sealing.map_err(|why| errors::unusable(self.principal.tenant.as_str(), &why))
    }

    /// Refuses to seal more under an envelope that was made before: its key must still be one that seals.
    pub(crate) fn check_seals(&self, envelope: &Envelope) -> S3Result<()> {
        let seals = self.keys()?.check_seals(&self.principal.tenant, envelope.key_id(), SystemTime::now());
        seals.map_err(|why| errors::unusable(self.principal.tenant.as_str(), &why))
    }

    fn opening(&self, id: KeyId) -> S3Result<(&TenantKey, KeyState)> {
        let tenant = &self.principal.tenant;
        self.keys()?.opening(tenant, id).map_err(|why| errors::unusable(tenant.as_str(), &why))
    }

    /// Opens the envelope of an object under its name (F-2, F-3): an object without one is not served, nor one that a
    /// customer's key belongs to without it.
    pub(crate) fn open(&self, name: &Name, metadata: &Metadata) -> S3Result<Opened> {
        let opened = self.open_but_body(name, metadata)?;
        let joined = customer_key::body_secret(name, &opened.secret, metadata)?;
        Ok(Opened { joined, ..opened })
    }

    /// Opens the envelope of an object of which everything but the body is wanted: no customer's key is asked for.
    pub(crate) fn open_but_body(&self, name: &Name, metadata: &Metadata) -> S3Result<Opened> {
        let text = metadata
            .user
            .get(metadata::ENVELOPE)
            .ok_or_else(|| errors::unsealable(&name.bucket, &name.key, &errors::Misfit::NoEnvelope))?;
        let envelope =
            Envelope::from_metadata(text).map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
        self.open_envelope(name, envelope)
    }

    /// Opens an envelope that is at hand.
    pub(crate) fn open_envelope(&self, name: &Name, envelope: Envelope) -> S3Result<Opened> {
        let (key, state) = self.opening(envelope.key_id())?;
        if !state.is_active() {
            self.gateway.keys.counts().opened(state);
        }
        let secret = envelope
            .open(key, &self.binding(name)?)
            .map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
        Ok(Opened { envelope, secret, joined: None })
    }

    /// A HEAD of the backend, without conditions.
    pub(crate) async fn head(&self, name: &Name, version_id: Option<&str>) -> S3Result<ObjectInfo> {
        self.backend().head(&name.version(version_id), &ReadConditions::default()).await.map_err(errors::backend)
    }
}

/// What kind of object the stored metadata and entity tag say it is, without a key; `None` if it has no envelope.
pub(crate) fn kind(info: &ObjectInfo) -> Option<Kind> {
    let text = info.metadata.user.get(metadata::ENVELOPE)?;
    Envelope::from_metadata(text).ok().map(|envelope| envelope.kind())
}
