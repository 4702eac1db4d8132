//! A store that gives another record of an upload than the one that was written.

use s3s::dto::{CopySource, UploadPartCopyInput};

use super::*;
use crate::keys::ring::TenantKeys;
use crate::seal::{ClusterKey, ClusterKeys, RecordKind, RecordName, Seed, TenantKey, TimedClusterKey};

fn part_copy(upload: &Uploading<'_>, bucket: &str, key: &str) -> UploadPartCopyInput {
    UploadPartCopyInput::builder()
        .bucket(BUCKET.to_owned())
        .key(KEY.to_owned())
        .upload_id(upload.id.clone())
        .part_number(2)
        .copy_source(CopySource::Bucket { bucket: bucket.into(), key: key.into(), version_id: None })
        .build()
        .unwrap()
}

/// What each step answers.
async fn steps(upload: &Uploading<'_>) -> Vec<(&'static str, String)> {
    let copy = part_copy(upload, BUCKET, "source");
    let part = upload.gateway.upload_part(request(upload.part_input(1, b"small"))).await;
    vec![
        ("part", code(part)),
        ("copy", code(upload.gateway.upload_part_copy(request(copy)).await)),
        ("list", code(upload.list(None, None).await)),
        ("complete", code(upload.complete().await)),
    ]
}

fn assert_all_refused(what: &str, answers: &[(&'static str, String)]) {
    for (step, answer) in answers {
        assert_eq!(answer, "NoSuchUpload", "{what}: {step}");
    }
}

/// An upload of [`KEY`] with one part, begun on `harness.gateway`.
async fn with_a_part(harness: &Harness) -> Uploading<'_> {
    let mut upload = Uploading::begin_with(&harness.gateway, with_checksum("CRC32", Some("FULL_OBJECT"))).await;
    upload.part(1, b"small").await;
    upload
}

async fn note_of(harness: &Harness, upload: &Uploading<'_>) -> Vec<u8> {
    use base64::Engine as _;
    let prefix = upload.record_key().replace("record", "note/");
    let names = harness.stored_keys(STAGING).await;
    let name = names.iter().find(|name| name.starts_with(&prefix)).unwrap();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(name.rsplit('/').next().unwrap()).unwrap()
}

#[tokio::test]
async fn no_other_record_is_taken_for_that_of_an_upload_at_any_step() {
    let harness = Harness::new().await;
    harness.put("source", b"a source").await;
    let earlier = with_a_part(&harness).await;
    let other_tenants = CreateMultipartUploadInput {
        bucket: BUCKET.to_owned(),
        key: KEY.to_owned(),
        ..CreateMultipartUploadInput::default()
    };
    let other_tenants = harness.gateway.create_multipart_upload(request_of("another", other_tenants)).await.unwrap();
    let other_tenants =
        Uploading { gateway: &harness.gateway, id: other_tenants.output.upload_id.unwrap(), parts: Vec::new() };
    let other_name = CreateMultipartUploadInput {
        bucket: OTHER_BUCKET.to_owned(),
        key: "other".to_owned(),
        ..CreateMultipartUploadInput::default()
    };
    let other_name = harness.gateway.create_multipart_upload(request(other_name)).await.unwrap().output;
    let at = UploadRef {
        bucket: BucketName::new(OTHER_BUCKET),
        key: "other".to_owned(),
        upload_id: UploadId::new(store_upload_id(&other_name.upload_id.unwrap()).unwrap()),
    };
    let upload = with_a_part(&harness).await;
    let record_key = upload.record_key();
    let own = harness.stored(STAGING, &record_key).await;
    let keys = harness.cluster_keys.snapshot();
    let now = std::time::SystemTime::now();
    let again = |kind| {
        let name = RecordName::new(kind, TENANT, &[BUCKET, KEY, upload.store_id()]);
        keys.seal_record(&name, b"{}", now).unwrap()
    };
    let json = format!(r#"{{"bucket":"{BUCKET}","key":"{KEY}","upload_id":"{}"}}"#, upload.store_id());
    let mut changed = own.clone();
    changed[60] ^= 1;
    let lies: Vec<(&str, Vec<u8>)> = vec![
        ("an earlier upload of the name", harness.stored(STAGING, &earlier.record_key()).await),
        ("another tenant's", harness.stored(STAGING, &other_tenants.record_key()).await),
        ("another name", harness.stored(STAGING, &format!("{}/record", staging::id(&at))).await),
        ("a sealed object", harness.stored(BUCKET, "source").await),
        ("a note", note_of(&harness, &upload).await),
        ("another type", again(RecordKind::Note)),
        ("another record of the upload", again(RecordKind::Upload)),
        ("JSON of version 0.1", json.into_bytes()),
        ("cut", own[..own.len() - 1].to_vec()),
        ("grown", [own.as_slice(), &[0]].concat()),
        ("changed", changed),
        ("empty", Vec::new()),
        ("long", vec![b'S'; 100_000]),
    ];
    for (what, lie) in lies {
        harness.store_raw(STAGING, &record_key, &lie).await;
        let cold = harness.replica();
        let asked = Uploading { gateway: &cold, id: upload.id.clone(), parts: upload.parts.clone() };
        assert_all_refused(what, &steps(&asked).await);
        // the replica that read the true one before goes on with that
        assert_eq!(code(upload.list(None, None).await), "", "{what}");
    }
    harness.store_raw(STAGING, &record_key, &own).await;
    let cold = harness.replica();
    let asked = Uploading { gateway: &cold, id: upload.id.clone(), parts: upload.parts.clone() };
    asked.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), b"small");
}

#[tokio::test]
async fn an_id_that_commits_to_another_record_is_of_no_upload_be_it_cached_or_not() {
    let harness = Harness::new().await;
    harness.put("source", b"a source").await;
    let (upload, earlier) = (with_a_part(&harness).await, with_a_part(&harness).await);
    let of_earlier = earlier.id.rsplit_once('.').unwrap().1;
    let own = upload.id.rsplit_once('.').unwrap().1;
    let store_id = upload.store_id();
    let wrong = [
        store_id.to_owned(),
        format!("{store_id}.{of_earlier}"),
        format!("{store_id}.x"),
        format!("{store_id}."),
        format!("{store_id}.{own}A"),
        format!("{store_id}.{}", own.to_lowercase()),
        format!("{store_id}..{own}"),
        format!("{}.{own}", earlier.store_id()),
    ];
    let cold = harness.replica();
    for gateway in [&harness.gateway, &cold] {
        for id in &wrong {
            let asked = Uploading { gateway, id: id.clone(), parts: upload.parts.clone() };
            assert_all_refused(id, &steps(&asked).await);
        }
    }
}

#[tokio::test]
async fn a_repeated_complete_is_known_by_the_clients_id_and_not_by_the_stores() {
    let harness = Harness::new().await;
    let first = with_a_part(&harness).await;
    first.complete().await.unwrap();
    // another upload to which the store gave the same id
    let another = format!("{}.AAAAAAAAAAAAAAAAAAAAAA", first.store_id());
    let replica = harness.replica();
    for gateway in [&harness.gateway, &replica] {
        for id in [another.clone(), first.store_id().to_owned(), format!("{}.x", first.store_id())] {
            let asked = Uploading { gateway, id, parts: first.parts.clone() };
            assert_eq!(code(asked.complete().await), "NoSuchUpload");
        }
        let again = Uploading { gateway, id: first.id.clone(), parts: first.parts.clone() };
        assert_eq!(code(again.complete().await), "");
    }
}

#[tokio::test]
async fn notes_of_another_upload_or_part_say_nothing() {
    let harness = Harness::new().await;
    let (upload, other) = (with_a_part(&harness).await, with_a_part(&harness).await);
    let place = |of: &Uploading<'_>| of.record_key().replace("record", "note/");
    let note = |names: &[String], place: &str| names.iter().find(|name| name.starts_with(place)).unwrap().clone();
    let names = harness.stored_keys(STAGING).await;
    let (own, others) = (note(&names, &place(&upload)), note(&names, &place(&other)));
    let moved = format!("{}00001/{}", place(&upload), others.rsplit('/').next().unwrap());
    let to_2 = own.replace("note/00001", "note/00002");
    harness.store_raw(STAGING, &moved, b"").await;
    harness.store_raw(STAGING, &to_2, b"").await;
    let shown = upload.list(None, None).await.unwrap().parts.unwrap();
    assert!(shown[0].checksum_crc32.is_some());
    let object = crate::backend::ObjectRef { bucket: BucketName::new(STAGING), key: own, version_id: None };
    harness.store.delete(&object, None, crate::backend::Governance::Holds).await.unwrap();
    let shown = upload.list(None, None).await.unwrap().parts.unwrap();
    assert_eq!(shown[0].checksum_crc32, None);
}

fn fresh() -> ClusterKey {
    ClusterKey::generate().unwrap()
}

fn copy_of(key: &ClusterKey) -> ClusterKey {
    ClusterKey::from_base64(&key.to_base64()).unwrap()
}

#[tokio::test]
async fn an_upload_goes_on_while_the_key_of_the_cluster_changes_and_ends_with_its_key() {
    let harness = Harness::new().await;
    let (old, new) = (fresh(), fresh());
    let list = |keys: &[&ClusterKey]| {
        ClusterKeys::new(keys.iter().map(|key| TimedClusterKey::from(copy_of(key))).collect()).unwrap()
    };
    let of_tenant = || TenantKeys::new(std::sync::Arc::clone(&harness.key), []);
    let replica = |keys: &[&ClusterKey]| harness.replica_with(of_tenant(), list(keys));
    let before = replica(&[&old]);
    let mut upload = Uploading::begin_with(&before, with_checksum("CRC32", Some("FULL_OBJECT"))).await;
    upload.part(1, &pattern(1, 5 * MIB)).await;
    // two rollouts, and gateways of both kinds beside each other
    let (behind, in_front) = (replica(&[&old, &new]), replica(&[&new, &old]));
    for (number, gateway) in [(2, &behind), (3, &in_front), (4, &before)] {
        upload.gateway = gateway;
        upload.part(number, &pattern(2, 5 * MIB)).await;
    }
    let after = replica(&[&new]);
    upload.gateway = &after;
    assert_eq!(code(upload.list(None, None).await), "NoSuchUpload");
    upload.gateway = &in_front;
    upload.complete().await.unwrap();
    // a record that the old key made, brought back
    let late = Uploading::begin(&before).await;
    let replayed = Uploading { gateway: &after, id: late.id.clone(), parts: late.parts.clone() };
    assert_eq!(code(after.upload_part(request(replayed.part_input(1, b"small"))).await), "NoSuchUpload");
}

#[tokio::test]
async fn a_cached_record_counts_no_more_once_its_key_is_out_of_the_list() {
    let harness = Harness::new().await;
    let upload = with_a_part(&harness).await;
    harness.cluster_keys.replace(std::sync::Arc::new(ClusterKeys::one(fresh())));
    assert_eq!(code(upload.list(None, None).await), "NoSuchUpload");
    assert_eq!(code(upload.complete().await), "NoSuchUpload");
}

#[tokio::test]
async fn parts_and_complete_need_a_key_that_a_source_still_names() {
    let harness = Harness::new().await;
    let cluster = fresh();
    let new = || std::sync::Arc::new(TenantKey::from_seed(&Seed::from_bytes(&[9; 32]).unwrap()));
    let old = || [std::sync::Arc::clone(&harness.key)];
    let replica = |keys| harness.replica_with(keys, ClusterKeys::one(copy_of(&cluster)));
    let before = replica(TenantKeys::new(std::sync::Arc::clone(&harness.key), []));
    let mut upload = Uploading::begin(&before).await;
    upload.part(1, &pattern(1, 5 * MIB)).await;

    let retired = replica(TenantKeys::new(new(), []).keeping(old()));
    upload.gateway = &retired;
    let part = retired.upload_part(request(upload.part_input(2, b"small"))).await;
    let error = part.unwrap_err();
    assert_eq!(error.code().as_str(), "KMS.KMSInvalidStateException");
    assert_eq!(error.status_code().map(|status| status.as_u16()), Some(400));
    assert_eq!(code(upload.complete().await), "KMS.KMSInvalidStateException");
    // what is there is shown, and can be ended
    assert_eq!(upload.list(None, None).await.unwrap().parts.unwrap().len(), 1);

    let named = replica(TenantKeys::new(new(), old()));
    upload.gateway = &named;
    upload.part(2, b"small").await;
    upload.complete().await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_too_old_takes_nothing_more() {
    let harness = Harness::new().await;
    let upload = with_a_part(&harness).await;
    let replica = harness.replica().keeping_uploads_for(std::time::Duration::ZERO);
    let asked = Uploading { gateway: &replica, id: upload.id.clone(), parts: upload.parts.clone() };
    assert_eq!(code(asked.list(None, None).await), "NoSuchUpload");
    assert_eq!(code(asked.complete().await), "NoSuchUpload");
    assert_eq!(code(asked.abort().await), "");
}

#[tokio::test]
async fn what_names_the_staging_bucket_is_refused() {
    let harness = Harness::new().await;
    harness.put("source", b"a source").await;
    let upload = with_a_part(&harness).await;
    let copy = part_copy(&upload, STAGING, &upload.record_key());
    assert_eq!(code(harness.gateway.upload_part_copy(request(copy)).await), "AccessDenied");
    let create = CreateMultipartUploadInput {
        bucket: STAGING.to_owned(),
        key: "~settings~x".to_owned(),
        ..CreateMultipartUploadInput::default()
    };
    assert_eq!(code(harness.gateway.create_multipart_upload(request(create)).await), "AccessDenied");
    let list = ListMultipartUploadsInput { bucket: STAGING.to_owned(), ..ListMultipartUploadsInput::default() };
    assert_eq!(code(harness.gateway.list_multipart_uploads(request(list)).await), "AccessDenied");
}
