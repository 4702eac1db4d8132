//! The framework's S3 trait, one line per operation: which verb serves it, or that it is refused.
//!
//! Settings that a store keeps and acts on go another way before they come here: [`forward`](super::forward).
//! Nothing is left to a default of the framework: a new operation of a newer framework does not compile until it is
//! decided here. An operation that could write or read bodies past the seal must never be forwarded blindly.

use std::sync::Arc;
use std::time::Duration;

#[allow(clippy::wildcard_imports, reason = "two types for each of 113 operations")]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::forward::Forward;
use super::parts::PartTables;
use super::{acl, attributes, bucket, bucket_settings, copy, delete, get, head, list, multipart, post, put, tagging};
use super::{upload_part, versions};
use crate::backend::{Backend, BucketName};
use crate::keys::Keys;
use crate::keys::cluster::LiveClusterKeys;
use crate::seal::RecordVersion;

/// The gateway: plain S3 in front, a store of sealed objects behind.
pub struct Gateway {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) keys: Arc<Keys>,
    /// what records of the gateways' own are sealed with
    pub(crate) cluster_keys: LiveClusterKeys,
    /// where upload records and small last parts wait
    pub(crate) staging: BucketName,
    pub(crate) uploads: multipart::Uploads,
    pub(crate) part_tables: PartTables,
    /// whether objects may be written with keys of customers (SSE-C)
    pub(crate) allows_sse_c: bool,
    /// of the completion records that are written
    pub(crate) record_version: RecordVersion,
    /// how long an upload may be open
    pub(crate) upload_max_age: Duration,
}

impl Gateway {
    /// A gateway over a store. `staging` must exist on the backend and be no client's bucket.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, keys: Arc<Keys>, cluster_keys: LiveClusterKeys, staging: BucketName) -> Self {
        let (uploads, part_tables) = (multipart::Uploads::default(), PartTables::default());
        Self {
            backend,
            keys,
            cluster_keys,
            staging,
            uploads,
            part_tables,
            allows_sse_c: false,
            record_version: RecordVersion::default(),
            upload_max_age: UPLOAD_MAX_AGE,
        }
    }

    /// Lets clients write objects with keys of their own (SSE-C), or not, as at first. Reading them is always allowed.
    #[must_use]
    pub fn allowing_sse_c(self, allows_sse_c: bool) -> Self {
        Self { allows_sse_c, ..self }
    }

    /// Writes completion records of this version; of the first at first. Every version is read.
    #[must_use]
    pub fn writing_records(self, record_version: RecordVersion) -> Self {
        Self { record_version, ..self }
    }

    /// Lets uploads be open for this long, in place of 30 days.
    #[must_use]
    pub fn keeping_uploads_for(self, upload_max_age: Duration) -> Self {
        Self { upload_max_age, ..self }
    }
}

impl Gateway {
    /// The way of the settings that are the store's own.
    #[must_use]
    pub fn forward(&self) -> Forward {
        Forward { backend: Arc::clone(&self.backend), staging: self.staging.clone() }
    }
}

macro_rules! operations {
    (serve { $($op:ident($input:ident) -> $output:ident = $verb:path;)* }
     refuse { $($refused:ident($refused_input:ident) -> $refused_output:ident;)* }) => {
        /// Operations that a verb serves, as the framework's trait names them.
        #[cfg(test)]
        pub(crate) const SERVED: &[&str] = &[$(stringify!($op)),*];
        /// Operations that no verb serves.
        #[cfg(test)]
        pub(crate) const REFUSED: &[&str] = &[$(stringify!($refused)),*];

        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl S3 for Gateway {
            $(async fn $op(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                Box::pin($verb(self, request)).await
            })*
            $(async fn $refused(&self, _: S3Request<$refused_input>) -> S3Result<S3Response<$refused_output>> {
                Err(s3_error!(NotImplemented, concat!("This gateway does not serve ", stringify!($refused), ".")))
            })*
        }
    };
}

operations! {
    serve {
        put_object(PutObjectInput) -> PutObjectOutput = put::put_object;
        post_object(PostObjectInput) -> PostObjectOutput = post::post_object;
        get_object(GetObjectInput) -> GetObjectOutput = get::get_object;
        head_object(HeadObjectInput) -> HeadObjectOutput = head::head_object;
        copy_object(CopyObjectInput) -> CopyObjectOutput = copy::copy_object;
        delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete::delete_object;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete::delete_objects;
        get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = attributes::get_object_attributes;
        list_objects(ListObjectsInput) -> ListObjectsOutput = list::list_objects;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = list::list_objects_v2;
        list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = versions::list_object_versions;
        list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = multipart::list_multipart_uploads;
        list_parts(ListPartsInput) -> ListPartsOutput = multipart::list_parts;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create_multipart_upload;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart::complete_multipart_upload;
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort_multipart_upload;
        upload_part(UploadPartInput) -> UploadPartOutput = upload_part::upload_part;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = upload_part::upload_part_copy;
        list_buckets(ListBucketsInput) -> ListBucketsOutput = bucket::list_buckets;
        create_bucket(CreateBucketInput) -> CreateBucketOutput = bucket::create_bucket;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = bucket::delete_bucket;
        head_bucket(HeadBucketInput) -> HeadBucketOutput = bucket::head_bucket;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = bucket::get_bucket_location;
        get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = versions::get_bucket_versioning;
        put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = versions::put_bucket_versioning;
        get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tagging::get_object_tagging;
        put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tagging::put_object_tagging;
        delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tagging::delete_object_tagging;
        get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = tagging::get_bucket_tagging;
        put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = tagging::put_bucket_tagging;
        delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = tagging::delete_bucket_tagging;
        get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = acl::get_bucket_acl;
        put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = acl::put_bucket_acl;
        get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = acl::get_object_acl;
        put_object_acl(PutObjectAclInput) -> PutObjectAclOutput = acl::put_object_acl;
        get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = bucket_settings::get_bucket_encryption;
        delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = bucket_settings::delete_bucket_encryption;
        put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput = bucket_settings::put_bucket_encryption;
        get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = bucket_settings::get_bucket_ownership_controls;
        get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = bucket_settings::get_public_access_block;
        get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = bucket_settings::get_bucket_policy;
        get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput = bucket_settings::get_bucket_policy_status;
        delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = bucket_settings::delete_bucket_policy;
        get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = bucket_settings::get_bucket_cors;
        delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = bucket_settings::delete_bucket_cors;
        get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput = bucket_settings::get_bucket_lifecycle_configuration;
        delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = bucket_settings::delete_bucket_lifecycle;
        get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = bucket_settings::get_bucket_website;
        delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput = bucket_settings::delete_bucket_website;
        get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput = bucket_settings::get_bucket_replication;
        delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput = bucket_settings::delete_bucket_replication;
        get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput = bucket_settings::get_object_lock_configuration;
        get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput = bucket_settings::get_bucket_accelerate_configuration;
        get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = bucket_settings::get_bucket_logging;
        get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput = bucket_settings::get_bucket_notification_configuration;
        get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput = bucket_settings::get_bucket_request_payment;
        get_bucket_abac(GetBucketAbacInput) -> GetBucketAbacOutput = bucket_settings::get_bucket_abac;
        get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput = bucket_settings::get_bucket_analytics_configuration;
        get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput) -> GetBucketIntelligentTieringConfigurationOutput = bucket_settings::get_bucket_intelligent_tiering_configuration;
        get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput = bucket_settings::get_bucket_inventory_configuration;
        get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput = bucket_settings::get_bucket_metrics_configuration;
        get_bucket_metadata_configuration(GetBucketMetadataConfigurationInput) -> GetBucketMetadataConfigurationOutput = bucket_settings::get_bucket_metadata_configuration;
        get_bucket_metadata_table_configuration(GetBucketMetadataTableConfigurationInput) -> GetBucketMetadataTableConfigurationOutput = bucket_settings::get_bucket_metadata_table_configuration;
        list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput = bucket_settings::list_bucket_analytics_configurations;
        list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput = bucket_settings::list_bucket_intelligent_tiering_configurations;
        list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput = bucket_settings::list_bucket_inventory_configurations;
        list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput = bucket_settings::list_bucket_metrics_configurations;
        put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput = bucket_settings::put_public_access_block;
        put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput = bucket_settings::put_bucket_logging;
        put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput = bucket_settings::put_bucket_notification_configuration;
        put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput = bucket_settings::put_bucket_ownership_controls;
        get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput = bucket_settings::get_object_retention;
        get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput = bucket_settings::get_object_legal_hold;
    }
    refuse {
        create_bucket_metadata_configuration(CreateBucketMetadataConfigurationInput) -> CreateBucketMetadataConfigurationOutput;
        create_bucket_metadata_table_configuration(CreateBucketMetadataTableConfigurationInput) -> CreateBucketMetadataTableConfigurationOutput;
        create_session(CreateSessionInput) -> CreateSessionOutput;
        delete_bucket_analytics_configuration(DeleteBucketAnalyticsConfigurationInput) -> DeleteBucketAnalyticsConfigurationOutput;
        delete_bucket_intelligent_tiering_configuration(DeleteBucketIntelligentTieringConfigurationInput) -> DeleteBucketIntelligentTieringConfigurationOutput;
        delete_bucket_inventory_configuration(DeleteBucketInventoryConfigurationInput) -> DeleteBucketInventoryConfigurationOutput;
        delete_bucket_metadata_configuration(DeleteBucketMetadataConfigurationInput) -> DeleteBucketMetadataConfigurationOutput;
        delete_bucket_metadata_table_configuration(DeleteBucketMetadataTableConfigurationInput) -> DeleteBucketMetadataTableConfigurationOutput;
        delete_bucket_metrics_configuration(DeleteBucketMetricsConfigurationInput) -> DeleteBucketMetricsConfigurationOutput;
        delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput;
        delete_object_annotation(DeleteObjectAnnotationInput) -> DeleteObjectAnnotationOutput;
        delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput;
        get_object_annotation(GetObjectAnnotationInput) -> GetObjectAnnotationOutput;
        get_object_torrent(GetObjectTorrentInput) -> GetObjectTorrentOutput;
        list_directory_buckets(ListDirectoryBucketsInput) -> ListDirectoryBucketsOutput;
        list_object_annotations(ListObjectAnnotationsInput) -> ListObjectAnnotationsOutput;
        put_bucket_abac(PutBucketAbacInput) -> PutBucketAbacOutput;
        put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput) -> PutBucketAccelerateConfigurationOutput;
        put_bucket_analytics_configuration(PutBucketAnalyticsConfigurationInput) -> PutBucketAnalyticsConfigurationOutput;
        put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
        put_bucket_intelligent_tiering_configuration(PutBucketIntelligentTieringConfigurationInput) -> PutBucketIntelligentTieringConfigurationOutput;
        put_bucket_inventory_configuration(PutBucketInventoryConfigurationInput) -> PutBucketInventoryConfigurationOutput;
        put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput;
        put_bucket_metrics_configuration(PutBucketMetricsConfigurationInput) -> PutBucketMetricsConfigurationOutput;
        put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput;
        put_bucket_replication(PutBucketReplicationInput) -> PutBucketReplicationOutput;
        put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput;
        put_bucket_website(PutBucketWebsiteInput) -> PutBucketWebsiteOutput;
        put_object_annotation(PutObjectAnnotationInput) -> PutObjectAnnotationOutput;
        put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput;
        put_object_lock_configuration(PutObjectLockConfigurationInput) -> PutObjectLockConfigurationOutput;
        put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput;
        rename_object(RenameObjectInput) -> RenameObjectOutput;
        restore_object(RestoreObjectInput) -> RestoreObjectOutput;
        select_object_content(SelectObjectContentInput) -> SelectObjectContentOutput;
        update_bucket_metadata_annotation_table_configuration(UpdateBucketMetadataAnnotationTableConfigurationInput) -> UpdateBucketMetadataAnnotationTableConfigurationOutput;
        update_bucket_metadata_inventory_table_configuration(UpdateBucketMetadataInventoryTableConfigurationInput) -> UpdateBucketMetadataInventoryTableConfigurationOutput;
        update_bucket_metadata_journal_table_configuration(UpdateBucketMetadataJournalTableConfigurationInput) -> UpdateBucketMetadataJournalTableConfigurationOutput;
        update_object_encryption(UpdateObjectEncryptionInput) -> UpdateObjectEncryptionOutput;
        write_get_object_response(WriteGetObjectResponseInput) -> WriteGetObjectResponseOutput;
    }
}

/// How long an upload may be open, unless the configuration says otherwise.
const UPLOAD_MAX_AGE: Duration = Duration::from_hours(30 * 24);
