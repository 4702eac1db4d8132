//! ACLs of buckets and objects: the owner has full control, and nobody else anything, as in an S3 bucket whose owner is
//! enforced. Reading an ACL says so, writing one succeeds where it says the same and is refused otherwise. No ACL and no
//! grant reaches a store: there they would protect nothing, and would show what they open.

use s3s::dto::{
    AccessControlPolicy, BucketCannedACL, GetBucketAclInput, GetBucketAclOutput, GetObjectAclInput, GetObjectAclOutput,
    Grant, Grantee, ObjectCannedACL, Permission, PutBucketAclInput, PutBucketAclOutput, PutObjectAclInput,
    PutObjectAclOutput, Type,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::list::view;
use super::scope::Scope;
use super::{body_digest, errors};
use crate::tenant::TenantId;

/// Looks at the grants for a new object in any input that has S3's fields for them.
macro_rules! object_acl_changes_nothing {
    ($input:expr) => {
        $crate::s3::acl::changes_nothing(
            $input.acl.as_ref().map(s3s::dto::ObjectCannedACL::as_str),
            &[&$input.grant_full_control, &$input.grant_read, &$input.grant_read_acp, &$input.grant_write_acp],
        )
    };
}
pub(crate) use object_acl_changes_nothing;

/// Refuses what a request asks for by a canned ACL or by headers, but for the owner's own, in the words of S3 for a bucket
/// whose owner is enforced.
pub(crate) fn changes_nothing(canned: Option<&str>, grants: &[&Option<String>]) -> S3Result<()> {
    let grants = grants.iter().any(|grant| grant.is_some());
    if canned.is_some() && grants {
        return Err(s3_error!(InvalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed"));
    }
    if grants || canned.is_some_and(|canned| !OWNERS_ALONE.contains(&canned)) {
        return Err(s3_error!(AccessControlListNotSupported));
    }
    Ok(())
}

pub(crate) async fn get_bucket_acl(
    gateway: &Gateway,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let bucket = scope.bucket(&request.input.bucket, request.input.expected_bucket_owner.as_deref())?;
    scope.backend().head_bucket(&bucket).await.map_err(errors::backend)?;
    let tenant = &scope.principal.tenant;
    Ok(S3Response::new(GetBucketAclOutput {
        grants: Some(vec![full_control(tenant)]),
        owner: Some(view::owner(tenant)),
    }))
}

pub(crate) async fn put_bucket_acl(
    gateway: &Gateway,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<S3Response<PutBucketAclOutput>> {
    body_digest::verify(&request)?;
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let bucket = scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    scope.backend().head_bucket(&bucket).await.map_err(errors::backend)?;
    let grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    let asked = Asked {
        canned: input.acl.as_ref().map(BucketCannedACL::as_str),
        policy: input.access_control_policy.as_ref(),
        grants: grants.iter().any(|grant| grant.is_some()),
    };
    asked.changes_nothing(&scope.principal.tenant)?;
    Ok(S3Response::new(PutBucketAclOutput {}))
}

pub(crate) async fn get_object_acl(
    gateway: &Gateway,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = &request.input;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    scope.head(&name, input.version_id.as_deref()).await?;
    let tenant = &scope.principal.tenant;
    Ok(S3Response::new(GetObjectAclOutput {
        grants: Some(vec![full_control(tenant)]),
        owner: Some(view::owner(tenant)),
        request_charged: None,
    }))
}

pub(crate) async fn put_object_acl(
    gateway: &Gateway,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<S3Response<PutObjectAclOutput>> {
    body_digest::verify(&request)?;
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    scope.head(&name, input.version_id.as_deref()).await?;
    let grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    let asked = Asked {
        canned: input.acl.as_ref().map(ObjectCannedACL::as_str),
        policy: input.access_control_policy.as_ref(),
        grants: grants.iter().any(|grant| grant.is_some()),
    };
    asked.changes_nothing(&scope.principal.tenant)?;
    Ok(S3Response::new(PutObjectAclOutput::default()))
}

/// What a request wants an ACL to become: in one of three ways.
struct Asked<'a> {
    canned: Option<&'a str>,
    policy: Option<&'a AccessControlPolicy>,
    /// `x-amz-grant-*`
    grants: bool,
}

impl Asked<'_> {
    fn changes_nothing(&self, tenant: &TenantId) -> S3Result<()> {
        if self.grants || self.canned.is_some_and(|canned| !OWNERS_ALONE.contains(&canned)) {
            return Err(s3_error!(AccessControlListNotSupported));
        }
        match (self.canned, self.policy) {
            (Some(_), Some(_)) => {
                Err(s3_error!(UnexpectedContent, "This request does not support content beside a canned ACL."))
            }
            (None, None) => Err(s3_error!(MissingSecurityHeader, "Your request was missing a required header.")),
            (Some(_), None) => Ok(()),
            (None, Some(policy)) if is_full_control_of(policy, tenant) => Ok(()),
            (None, Some(_)) => Err(s3_error!(AccessControlListNotSupported)),
        }
    }
}

/// Canned ACLs that grant the owner full control, and nobody else anything.
const OWNERS_ALONE: &[&str] = &["private", "bucket-owner-full-control"];

/// Whether a policy grants the owner full control, and nothing else to anyone.
fn is_full_control_of(policy: &AccessControlPolicy, tenant: &TenantId) -> bool {
    let owner = policy.owner.as_ref().and_then(|owner| owner.id.as_deref());
    let own = |grant: &Grant| {
        let grantee = grant.grantee.as_ref().and_then(|grantee| grantee.id.as_deref());
        let permission = grant.permission.as_ref().map(Permission::as_str);
        grantee == Some(tenant.as_str()) && permission == Some(Permission::FULL_CONTROL)
    };
    let grants = policy.grants.as_deref().unwrap_or_default();
    owner.is_none_or(|owner| owner == tenant.as_str()) && !grants.is_empty() && grants.iter().all(own)
}

fn full_control(tenant: &TenantId) -> Grant {
    let owner = view::owner(tenant);
    Grant {
        grantee: Some(Grantee {
            display_name: owner.display_name,
            email_address: None,
            id: owner.id,
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}

#[cfg(test)]
mod tests;
