//! aws-cli as people use it.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::json;

use crate::support::{Content, Gateway, Ran, Request};

/// Uploads a file, downloads it, compares.
fn comes_back(bytes: u64) {
    let gateway = Gateway::with_bucket();
    Content::new(bytes, bytes).write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    gateway.aws(["s3", "cp", "--no-progress", "s3://bucket/key", "down"]).succeeds();
    Content::new(bytes, bytes).assert_equals_file(&gateway.work().join("down"));
}

#[test]
fn an_empty_file_comes_back() {
    comes_back(0);
}

#[test]
fn a_file_of_one_byte_comes_back() {
    comes_back(1);
}

#[test]
fn files_around_one_segment_come_back() {
    for bytes in [65_535, 65_536, 65_537] {
        comes_back(bytes);
    }
}

#[test]
fn a_file_of_5_mib_comes_back() {
    comes_back(5 << 20);
}

#[test]
fn a_file_of_100_mib_comes_back() {
    comes_back(100 << 20);
}

/// Neither end holds it: it is generated on its way up and compared on its way down. The store needs 5 GiB of disk.
#[test]
fn a_stream_of_5_gib_comes_back() {
    let (gateway, content) = (Gateway::with_bucket(), Content::new(5, 5 << 30));
    let mut up = gateway.aws_command();
    up.args(["s3", "cp", "-", "s3://bucket/key", "--expected-size", &content.bytes().to_string()]);
    let mut up = up.stdin(Stdio::piped()).stderr(File::create(gateway.work().join("err")).unwrap()).spawn().unwrap();
    let poured = content.clone().pour_into(up.stdin.take().unwrap());
    let errors = || fs::read_to_string(gateway.work().join("err")).unwrap();
    assert!(up.wait().unwrap().success() && poured.is_ok(), "{}", errors());

    let head = gateway.call(Request::new("HEAD", "/bucket/key"));
    assert_eq!(head.header("content-length"), content.bytes().to_string());

    let mut down = gateway.aws_command();
    let mut down = down.args(["s3", "cp", "s3://bucket/key", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    content.assert_equals(down.stdout.take().unwrap());
    assert!(down.wait().unwrap().success());
}

#[test]
fn ls_shows_plain_sizes() {
    let gateway = Gateway::with_bucket();
    for bytes in [0, 1, 65_536, 20_000_000] {
        Content::new(1, bytes).write_to(&gateway.work().join(bytes.to_string()));
    }
    gateway.aws(["s3", "cp", "--no-progress", "--recursive", ".", "s3://bucket/of/"]).succeeds();
    let listing = gateway.aws(["s3", "ls", "s3://bucket/of/"]).succeeds();
    assert_eq!(listing.lines().count(), 4, "{listing}");
    for line in listing.lines() {
        // 2026-11-22 18:00:00      65536 65536: each file is named like its size.
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[2], words[3], "{line}");
    }
}

#[test]
fn a_second_sync_copies_nothing() {
    let gateway = Gateway::with_bucket();
    let files = gateway.work().join("files");
    fs::create_dir_all(files.join("deeper")).unwrap();
    for (name, bytes) in [("empty", 0), ("small", 1_000), ("deeper/large", 20_000_000)] {
        Content::new(1, bytes).write_to(&files.join(name));
    }
    let sync = |from: &str, to: &str| gateway.aws(["s3", "sync", "--no-progress", from, to]).succeeds();
    assert_eq!(sync("files", "s3://bucket/files").lines().count(), 3);
    assert_eq!(sync("files", "s3://bucket/files"), "");
    assert_eq!(sync("s3://bucket/files", "back").lines().count(), 3);
    assert_eq!(sync("s3://bucket/files", "back"), "");
    Content::new(1, 20_000_000).assert_equals_file(&gateway.work().join("back/deeper/large"));
}

#[test]
fn a_presigned_url_is_opened_by_anyone() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    gateway.aws(["configure", "set", "default.s3.signature_version", "s3v4"]).succeeds();
    let url = gateway.aws(["s3", "presign", "s3://bucket/key"]).succeeds();
    assert_eq!(open(&gateway, &url).send(gateway.address()).succeeds(), b"plain");
}

#[test]
fn a_url_presigned_with_sigv2_tells_the_setting_that_helps() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let url = gateway.aws(["s3", "presign", "s3://bucket/key"]).succeeds();
    assert!(url.contains("AWSAccessKeyId="), "a SigV2 one: {url}");
    let refused = open(&gateway, &url).send(gateway.address());
    assert!((400..500).contains(&refused.status), "{}", refused.text());
    assert!(refused.text().contains("signature_version") && refused.text().contains("s3v4"), "{}", refused.text());
}

#[test]
fn a_url_presigned_with_sigv2_is_opened_where_the_operator_allows_it() {
    let gateway = Gateway::with_tenant(&json!({"auth": {"allow_sigv2_presigned": true}}), &json!({}));
    gateway.aws(["s3", "mb", "s3://bucket"]).succeeds();
    gateway.put("/bucket/key", b"plain");
    let url = gateway.aws(["s3", "presign", "s3://bucket/key"]).succeeds();
    assert!(url.contains("AWSAccessKeyId="), "a SigV2 one: {url}");
    assert_eq!(open(&gateway, &url).send(gateway.address()).succeeds(), b"plain");
    for change in ["&retention", "&versionId=null", "&response-content-type=text/html"] {
        let changed = open(&gateway, &format!("{}{change}", url.trim())).send(gateway.address());
        assert_eq!(changed.status, 403, "{change}: {}", changed.text());
    }
    let other = url.replace("/bucket/key", "/bucket/other");
    open(&gateway, &other).send(gateway.address()).is_error(403, "SignatureDoesNotMatch");
    let eight_days = gateway.aws(["s3", "presign", "s3://bucket/key", "--expires-in", "691200"]).succeeds();
    open(&gateway, &eight_days).send(gateway.address()).is_error(403, "AccessDenied");
}

/// The request that a URL stands for.
fn open(gateway: &Gateway, url: &str) -> Request {
    Request::new("GET", url.trim().strip_prefix(&gateway.credentials().endpoint).unwrap())
}

fn s3api(gateway: &Gateway, line: &str) -> Ran {
    gateway.aws(["s3api"].into_iter().chain(line.split(' ')).chain(["--output", "text"]))
}

#[test]
fn s3api_gets_a_range() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", &Content::new(1, 200_000).to_vec());
    let got =
        s3api(&gateway, "get-object --bucket bucket --key key --range bytes=65530-65545 out --query ContentRange");
    assert_eq!(got.succeeds().trim(), "bytes 65530-65545/200000");
    assert!(fs::read(gateway.work().join("out")).unwrap() == Content::new(1, 200_000).to_vec()[65_530..65_546]);
}

#[test]
fn s3api_gets_on_conditions() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let etag = s3api(&gateway, "head-object --bucket bucket --key key --query ETag").succeeds().replace('"', "");
    let get = |condition: &str| s3api(&gateway, &format!("get-object --bucket bucket --key key {condition} out"));
    get(&format!("--if-match {}", etag.trim())).succeeds();
    assert!(get("--if-match 00000000000000000000000000000000-0").fails().contains("PreconditionFailed"));
    assert!(get(&format!("--if-none-match {}", etag.trim())).fails().contains("304"));
}

#[test]
fn s3api_puts_on_conditions() {
    let gateway = Gateway::with_bucket();
    fs::write(gateway.work().join("up"), "plain").unwrap();
    let put = || s3api(&gateway, "put-object --bucket bucket --key key --body up --if-none-match *");
    put().succeeds();
    assert!(put().fails().contains("PreconditionFailed"));
}

#[test]
fn s3api_copies() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", &Content::new(1, 200_000).to_vec());
    s3api(&gateway, "copy-object --copy-source bucket/key --bucket bucket --key copy").succeeds();
    assert!(gateway.get("/bucket/copy").succeeds() == Content::new(1, 200_000).to_vec());
}

#[test]
fn s3api_completes_parts_as_they_are_listed() {
    let gateway = Gateway::with_bucket();
    fs::write(gateway.work().join("up"), Content::new(1, 70_000).to_vec()).unwrap();
    let create = s3api(&gateway, "create-multipart-upload --bucket bucket --key key --query UploadId").succeeds();
    let of_upload = format!("--bucket bucket --key key --upload-id {}", create.trim());
    let part = format!("upload-part {of_upload} --part-number 1 --body up --query ETag");
    let etag = s3api(&gateway, &part).succeeds().replace('"', "");
    let listed = s3api(&gateway, &format!("list-parts {of_upload} --query Parts[0].ETag")).succeeds().replace('"', "");
    assert_eq!(listed, etag);
    let parts = format!("--multipart-upload Parts=[{{ETag={},PartNumber=1}}]", listed.trim());
    s3api(&gateway, &format!("complete-multipart-upload {of_upload} {parts}")).succeeds();
    assert!(gateway.get("/bucket/key").succeeds() == Content::new(1, 70_000).to_vec());
}

#[test]
fn mv_moves_a_large_object() {
    let gateway = Gateway::with_bucket();
    let content = Content::new(1, 20_000_000);
    content.write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    gateway.aws(["s3", "mv", "--no-progress", "s3://bucket/key", "s3://bucket/moved"]).succeeds();
    gateway.has_no("/bucket/key");
    gateway.assert_stored("/bucket/moved", content);
}

#[test]
fn s3api_tags() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let object = "--bucket bucket --key key";
    s3api(&gateway, &format!("put-object-tagging {object} --tagging TagSet=[{{Key=colour,Value=red}}]")).succeeds();
    let tags = s3api(&gateway, &format!("get-object-tagging {object} --query TagSet[].[Key,Value]")).succeeds();
    assert_eq!(tags, "colour\tred\n");
    s3api(&gateway, &format!("delete-object-tagging {object}")).succeeds();
    assert_eq!(s3api(&gateway, &format!("get-object-tagging {object} --query TagSet")).succeeds().trim(), "");
}

#[test]
fn s3api_keeps_versions() {
    let gateway = Gateway::with_bucket();
    s3api(&gateway, "put-bucket-versioning --bucket bucket --versioning-configuration Status=Enabled").succeeds();
    gateway.put("/bucket/key", b"the first");
    let first = s3api(&gateway, "head-object --bucket bucket --key key --query VersionId").succeeds();
    gateway.put("/bucket/key", b"the second one");
    let sizes = s3api(&gateway, "list-object-versions --bucket bucket --query Versions[].[Size]").succeeds();
    assert_eq!(sizes, "14\n9\n");
    s3api(&gateway, &format!("get-object --bucket bucket --key key --version-id {} out", first.trim())).succeeds();
    assert_eq!(fs::read(gateway.work().join("out")).unwrap(), b"the first");
}

#[test]
fn rm_and_rb_empty_the_store() {
    let gateway = Gateway::with_bucket();
    for key in ["/bucket/one", "/bucket/of/two"] {
        gateway.put(key, &Content::new(1, 400_000).to_vec());
    }
    gateway.aws(["s3", "rm", "--recursive", "s3://bucket"]).succeeds();
    gateway.aws(["s3", "rb", "s3://bucket"]).succeeds();
    assert_eq!(gateway.aws(["s3", "ls"]).succeeds(), "");
}
