//! Settings of buckets and objects over a store: what it is told, and what it is never told.

use serde_json::json;

use super::counted::counting_with;
use super::over::{STORE, lacks, own_prefix, replica};
use super::support::store::contains;
use super::support::{Gateway, Request, Signer};

/// Documents that name the bucket of another tenant, in every spelling that is read differently somewhere.
fn naming(other: &str) -> Vec<(&'static str, Vec<u8>)> {
    let replication = |bucket: &str| {
        format!(
            "<ReplicationConfiguration><Role>arn:aws:iam::1:role/r</Role><Rule><Status>Enabled</Status>\
             <Destination><Bucket>{bucket}</Bucket></Destination></Rule></ReplicationConfiguration>"
        )
    };
    let logging = |target: &str| {
        format!(
            "<BucketLoggingStatus><LoggingEnabled>{target}<TargetPrefix>x</TargetPrefix></LoggingEnabled></BucketLoggingStatus>"
        )
    };
    let policy = |resource: &str| {
        format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"{resource}"}}]}}"#)
    };
    let utf16 = |text: String| [0xfeff_u16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut documents: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for arn in [
        format!("arn:aws:s3:::{other}"),
        format!("arn:aws:s3&#58;::{other}"),
        format!("<![CDATA[arn:aws:s3]]>:::{other}"),
        format!("arn:aws:s3<!-- -->:::{other}"),
        format!("arn:aws-cn:s3:::{other}"),
        format!("ARN:AWS:S3:::{other}"),
        other.to_owned(),
    ] {
        documents.push(("replication", replication(&arn).into_bytes()));
        documents.push(("replication", utf16(replication(&arn))));
    }
    for target in [
        format!("<TargetBucket>{other}</TargetBucket>"),
        format!("<TargetBucket\n>{other}</TargetBucket >"),
        format!("<s:TargetBucket xmlns:s='x'>{other}</s:TargetBucket>"),
    ] {
        documents.push(("logging", logging(&target).into_bytes()));
    }
    for resource in [format!("arn:aws:s3:::{other}/*"), format!("arn:aws:s3\\u003a::{other}/*"), "*".to_owned()] {
        documents.push(("policy", policy(&resource).into_bytes()));
    }
    let topic = format!(
        "<NotificationConfiguration><TopicConfiguration><Topic>arn:aws:sns:::{other}</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>"
    );
    documents.push(("notification", topic.into_bytes()));
    documents.push(("cors", b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>".to_vec()));
    documents.push(("website", b"<WebsiteConfiguration><RedirectAllRequestsTo><HostName>evil</HostName></RedirectAllRequestsTo></WebsiteConfiguration>".to_vec()));
    documents.push((
        "ownershipControls",
        b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>".to_vec(),
    ));
    documents.push((
        "publicAccessBlock",
        b"<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>"
            .to_vec(),
    ));
    documents.push(("inventory&id=a", format!("<InventoryConfiguration><Destination><S3BucketDestination><Bucket>arn:aws:s3:::{other}</Bucket></S3BucketDestination></Destination></InventoryConfiguration>").into_bytes()));
    documents
}

/// Heads of requests that may change something at the store.
fn changes(heads: &[String]) -> Vec<&String> {
    heads.iter().filter(|head| !head.starts_with("HEAD ") && !head.starts_with("GET ")).collect()
}

#[test]
fn no_store_is_told_of_a_setting_that_it_would_act_on_with_sealed_objects() {
    let (prefix, other) = (own_prefix(), own_prefix());
    replica(&other).call(Request::new("PUT", "/bucket")).succeeds();
    let (gateway, seen) = counting_with(&prefix, &json!({}));
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    for (word, document) in naming(&format!("{other}bucket")) {
        let put = Request::new("PUT", &format!("/bucket?{word}")).body(document.clone());
        let (answer, heads) = seen.during(|| gateway.call(put));
        assert!([400, 501].contains(&answer.status), "{word} {}", answer.text());
        assert!(changes(&heads).is_empty(), "{word} {heads:?}");
    }
    for word in ["policy", "cors", "website", "replication", "encryption"] {
        let (answer, heads) = seen.during(|| gateway.call(Request::new("DELETE", &format!("/bucket?{word}"))));
        assert_eq!(answer.status, 204, "{word} {}", answer.text());
        assert!(changes(&heads).is_empty(), "{word} {heads:?}");
    }
}

#[test]
fn what_no_store_is_told_of_was_never_made_and_no_store_is_asked() {
    let (gateway, seen) = counting_with(&own_prefix(), &json!({}));
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    for (word, status, says) in [
        ("policy", 404, "NoSuchBucketPolicy"),
        ("policyStatus", 404, "NoSuchBucketPolicy"),
        ("cors", 404, "NoSuchCORSConfiguration"),
        ("website", 404, "NoSuchWebsiteConfiguration"),
        ("replication", 404, "ReplicationConfigurationNotFoundError"),
        ("lifecycle", 404, "NoSuchLifecycleConfiguration"),
        ("object-lock", 404, "ObjectLockConfigurationNotFoundError"),
        ("analytics&id=a", 404, "NoSuchConfiguration"),
        ("inventory&id=a", 404, "NoSuchConfiguration"),
        ("metrics&id=a", 404, "NoSuchConfiguration"),
        ("intelligent-tiering&id=a", 404, "NoSuchConfiguration"),
        ("inventory", 200, ""),
        ("metrics", 200, ""),
        ("logging", 200, "BucketLoggingStatus"),
        ("notification", 200, "NotificationConfiguration"),
        ("accelerate", 200, "AccelerateConfiguration"),
        ("requestPayment", 200, "BucketOwner"),
        ("encryption", 200, "ServerSideEncryptionConfiguration"),
        ("ownershipControls", 200, "BucketOwnerEnforced"),
        ("publicAccessBlock", 200, "<BlockPublicPolicy>true"),
        ("acl", 200, "FULL_CONTROL"),
    ] {
        let (answer, heads) = seen.during(|| gateway.get(&format!("/bucket?{word}")));
        assert!(answer.status == status && answer.text().contains(says), "{word} {} {}", answer.status, answer.text());
        let keeps = ["lifecycle", "object-lock", "accelerate", "requestPayment"].contains(&word);
        assert!(keeps || heads.iter().all(|head| head.starts_with("HEAD ")), "{word} {heads:?}");
        gateway.get(&format!("/absent?{word}")).is_error(404, "NoSuchBucket");
    }
}

/// The settings that this store keeps.
fn keeps_settings(gateway: &Gateway) -> bool {
    !lacks(gateway, "settings")
}

const LIFECYCLE: &str = "<?xml version=\"1.0\"?><LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <Rule><ID>one</ID><Filter><Prefix>a<![CDATA[&b]]>&#x2f;</Prefix></Filter><Status>Enabled</Status>\
    <Expiration><Days>10</Days></Expiration></Rule></LifecycleConfiguration>";

#[test]
fn a_lifecycle_is_the_stores_and_is_written_anew() {
    let prefix = own_prefix();
    let gateway = replica(&prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    let put = |document: &str| gateway.call(Request::new("PUT", "/bucket?lifecycle").body(document));
    if !keeps_settings(&gateway) {
        // it would take this for a request about the bucket itself
        put(LIFECYCLE).is_error(501, "NotImplemented");
        return;
    }
    put(LIFECYCLE).succeeds();
    let shown = String::from_utf8(gateway.get("/bucket?lifecycle").succeeds()).unwrap();
    assert!(shown.contains("a&amp;b/") && shown.contains("<Days>10</Days>") && !shown.contains(&prefix), "{shown}");
    let by_size = LIFECYCLE.replace("<Filter>", "<Filter><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan>");
    put(&by_size).is_error(501, "NotImplemented");
    for (from, to) in [
        ("<Filter>", "<Filter><Unknown/>"),
        ("<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY e 'x'>]>"),
        ("<Rule>", "<s:Rule xmlns:s='x'>"),
        ("Enabled", "Perhaps"),
        ("10", "10x"),
    ] {
        put(&LIFECYCLE.replace(from, to)).is_error(400, "MalformedXML");
    }
    put(&format!("<LifecycleConfiguration>{}", " ".repeat(1 << 20))).is_error(400, "EntityTooLarge");
    put("").is_error(400, "MalformedXML");
    let wrong = Request::new("PUT", "/bucket?lifecycle").header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    gateway.call(wrong.body(LIFECYCLE)).is_error(400, "BadDigest");
    assert_eq!(String::from_utf8(gateway.get("/bucket?lifecycle").succeeds()).unwrap(), shown, "it is the one before");
    gateway.call(Request::new("DELETE", "/bucket?lifecycle")).succeeds();
    gateway.get("/bucket?lifecycle").is_error(404, "NoSuchLifecycleConfiguration");
}

#[test]
fn of_a_request_about_a_setting_only_known_words_reach_the_store() {
    let (gateway, seen) = counting_with(&own_prefix(), &json!({}));
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    if !keeps_settings(&gateway) {
        return;
    }
    let put = Request::new("PUT", "/bucket?lifecycle=&x-id=PutBucketLifecycleConfiguration")
        .header("x-amz-copy-source", "/another-bucket/key")
        .header("x-amz-meta-name", "value")
        .header("x-amz-acl", "private")
        .header("x-amz-grant-read", "id=another")
        .header("x-amz-server-side-encryption-customer-key", "c2VjcmV0")
        .header("x-amz-copy-source-server-side-encryption-customer-key", "c2VjcmV0")
        .header("x-amz-bypass-governance-retention", "true")
        .header("x-amz-mfa", "serial 123456")
        .header("x-amz-request-payer", "requester")
        .header("if-match", "\"tag\"")
        .header("x-forwarded-host", "another")
        .body(LIFECYCLE);
    let (answer, heads) = seen.during(|| gateway.call(put));
    answer.succeeds();
    let [head] = changes(&heads)[..] else { panic!("one request: {heads:?}") };
    let names: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let known = [
        "host",
        "authorization",
        "x-amz-date",
        "x-amz-content-sha256",
        "content-md5",
        "content-length",
        "x-sealgate-request-id",
        "x-amz-security-token",
        "traceparent",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert!(head.lines().next().unwrap().contains("bucket?lifecycle HTTP/1.1"), "{head}");
    for query in ["lifecycle&prefix=x", "lifecycle&versionId=1", "lifecycle&uploads", "lifecycle&lifecycle"] {
        let put = Request::new("PUT", &format!("/bucket?{query}")).body(LIFECYCLE);
        let (answer, heads) = seen.during(|| gateway.call(put));
        assert!(
            [400, 501].contains(&answer.status) && changes(&heads).is_empty(),
            "{query} {} {heads:?}",
            answer.text()
        );
    }
}

#[test]
fn another_bucket_than_ones_own_is_not_reached() {
    let prefix = own_prefix();
    let (one, other) = (replica(&prefix), replica(&own_prefix()));
    one.call(Request::new("PUT", "/bucket")).succeeds();
    for word in ["acl", "lifecycle"] {
        let path = format!("/bucket?{word}");
        assert_eq!(other.get(&path).status, 404);
        let unsigned = Request::new("GET", &path).header("host", one.address().to_string());
        assert_eq!(unsigned.send(one.address()).status, 403);
        let wrong = one.signer().with_secret("another secret").sign(Request::new("GET", &path), one.address());
        assert_eq!(wrong.send(one.address()).status, 403);
        let owner = Request::new("GET", &path).header("x-amz-expected-bucket-owner", "somebody");
        one.call(owner).is_error(403, "AccessDenied");
    }
}

#[test]
fn what_is_in_neither_list_is_not_passed_on() {
    let gateway = replica(&own_prefix());
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", b"plain");
    gateway.call(Request::new("POST", "/bucket/key?restore").body("<RestoreRequest/>")).is_error(501, "NotImplemented");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

/// Grants would protect nothing at the store, and let others read there what is sealed.
#[test]
fn no_grant_reaches_a_store() {
    let prefix = own_prefix();
    let (gateway, seen) = counting_with(&prefix, &json!({}));
    gateway.call(Request::new("PUT", "/bucket").header("x-amz-acl", "private")).succeeds();
    gateway.put("/bucket/key", b"plain");
    let requests = [
        Request::new("PUT", "/granted"),
        Request::new("PUT", "/bucket/new").body("plain"),
        Request::new("POST", "/bucket/new?uploads"),
        Request::new("PUT", "/bucket/new").header("x-amz-copy-source", "bucket/key"),
        Request::new("PUT", "/bucket?acl"),
        Request::new("PUT", "/bucket/key?acl"),
    ];
    for (name, value) in [("x-amz-acl", "public-read"), ("x-amz-acl", "x"), ("x-amz-grant-read", "id=another")] {
        for request in &requests {
            let (answer, heads) = seen.during(|| gateway.call(request.clone().header(name, value)));
            answer.is_error(400, "AccessControlListNotSupported");
            assert!(changes(&heads).is_empty(), "{heads:?}");
        }
    }
    for canned in ["private", "bucket-owner-full-control"] {
        let put = Request::new("PUT", "/bucket/new").header("x-amz-acl", canned).body("plain");
        let (answer, heads) = seen.during(|| gateway.call(put));
        answer.succeeds();
        assert!(heads.iter().all(|head| !head.contains("x-amz-acl") && !head.contains("x-amz-grant")), "{heads:?}");
    }
    gateway
        .call(Request::new("PUT", "/owned").header("x-amz-object-ownership", "ObjectWriter"))
        .is_error(501, "NotImplemented");
    gateway.call(Request::new("PUT", "/owned").header("x-amz-object-ownership", "BucketOwnerEnforced")).succeeds();
}

#[test]
fn a_key_of_dots_does_not_lead_to_another_bucket() {
    let (prefix, other) = (own_prefix(), own_prefix());
    let neighbour = replica(&other);
    neighbour.call(Request::new("PUT", "/bucket")).succeeds();
    neighbour.put("/bucket/key", b"the neighbour's");
    let (gateway, seen) = counting_with(&prefix, &json!({}));
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", b"plain");
    let way_out = format!("../{other}bucket/key");
    let longer = format!("a/../../{other}bucket/key");
    let hidden = way_out.replace('.', "%2e").replace('/', "%2f");
    for (key, sent) in [
        ("..", ".."),
        (".", "%2E"),
        ("a/../k", "a/../k"),
        ("./k", "./k"),
        ("a/.", "a%2F."),
        ("../k", "%2e%2e/k"),
        ("../k", "..%2Fk"),
        ("..%5Ck", "..%5Ck"),
        (&way_out, &way_out),
        (&way_out, &hidden),
        (&longer, &longer),
    ] {
        let path = format!("/bucket/{key}");
        let plain = key.replace("%5C", "\\");
        let batch = format!("<Delete><Object><Key>{plain}</Key></Object></Delete>");
        let source = format!("bucket/{key}");
        for request in [
            Request::new("GET", &path),
            Request::new("PUT", &path).body("x"),
            Request::new("DELETE", &path),
            Request::new("POST", &format!("{path}?uploads")),
            Request::new("PUT", &format!("{path}?partNumber=1&uploadId=u")).body("x"),
            Request::new("GET", &format!("{path}?uploadId=u")),
            Request::new("DELETE", &format!("{path}?uploadId=u")),
            Request::new("GET", &format!("{path}?tagging")),
            Request::new("GET", &format!("{path}?acl")),
            Request::new("GET", &format!("{path}?retention")),
            Request::new("GET", &format!("{path}?attributes")).header("x-amz-object-attributes", "ETag"),
            Request::new("PUT", &path).header("x-amz-copy-source", "bucket/key"),
            Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", &*source),
        ] {
            // it is signed by what it means, and sent in another spelling
            let mut signed = gateway.signer().sign(request.clone(), gateway.address());
            signed.target = signed.target.replacen(key, sent, 1);
            let (answer, heads) = seen.during(|| signed.send(gateway.address()));
            answer.is_error(400, "InvalidArgument");
            assert!(heads.is_empty(), "{request:?} {heads:?}");
        }
        assert_eq!(gateway.call(Request::new("HEAD", &path)).status, 400, "{key}");
        let deleted = gateway.call(Request::new("POST", "/bucket?delete").body(batch));
        assert!(deleted.text().contains("<Code>InvalidArgument</Code>"), "{}", deleted.text());
    }
    for list in [
        format!("list-type=2&prefix=../{other}bucket/"),
        format!("prefix=a/../../{other}bucket/"),
        format!("list-type=2&start-after=../{other}bucket/a"),
        format!("marker=../{other}bucket/a"),
        format!("versions&prefix=../{other}bucket/"),
        format!("versions&key-marker=../{other}bucket/a"),
        format!("uploads&prefix=../{other}bucket/"),
        format!("uploads&key-marker=../{other}bucket/a"),
    ] {
        let (answer, heads) = seen.during(|| gateway.get(&format!("/bucket?{}", list.replace('/', "%2F"))));
        answer.is_error(400, "InvalidArgument");
        assert!(heads.is_empty(), "{list} {heads:?}");
    }
    gateway.get("/bucket?list-type=2&prefix=.").succeeds();
    assert_eq!(neighbour.get("/bucket/key").succeeds(), b"the neighbour's");
}

#[test]
fn a_locked_version_outlives_a_delete_until_its_lock_is_bypassed() {
    let gateway = replica(&own_prefix());
    let lock = |request: Request| {
        let request = request.header("x-amz-object-lock-mode", "GOVERNANCE");
        request.header("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z")
    };
    let locked = Request::new("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    if lacks(&gateway, "object lock") {
        gateway.call(locked).is_error(501, "NotImplemented");
        gateway.call(Request::new("PUT", "/locked")).succeeds();
        gateway.call(lock(Request::new("PUT", "/locked/key").body("unlocked"))).is_error(501, "NotImplemented");
        gateway.has_no("/locked/key");
        return;
    }
    gateway.call(locked).succeeds();
    for bytes in [1_000, 3 << 20] {
        let body = super::support::Content::new(bytes, bytes).to_vec();
        let put = gateway.call(lock(Request::new("PUT", "/locked/key").body(body.clone())));
        assert_eq!(put.status, 200);
        let version = format!("/locked/key?versionId={}", put.header("x-amz-version-id"));
        let head = gateway.call(Request::new("HEAD", &version));
        assert_eq!(head.header("x-amz-object-lock-mode"), "GOVERNANCE");
        assert!(head.header("x-amz-object-lock-retain-until-date").starts_with("2099-01-01T00:00:00"));
        gateway.call(Request::new("DELETE", &version)).is_error(403, "AccessDenied");
        assert!(gateway.get(&version).succeeds() == body);
        let bypass = Request::new("DELETE", &version).header("x-amz-bypass-governance-retention", "true");
        gateway.call(bypass).succeeds();
        assert_eq!(gateway.get(&version).status, 404);
    }
    let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    gateway.call(Request::new("PUT", "/locked?versioning").body(suspend)).is_error(409, "InvalidBucketState");
}
