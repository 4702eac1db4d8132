//! Uploads by a browser's form (`POST` of `multipart/form-data` with a signed policy).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::{Content, Gateway, Request, Response, Signer};

#[test]
fn a_form_stores_its_file_under_its_key() {
    let gateway = Gateway::with_bucket();
    for bytes in [0, 1, 70_000, 3 << 20] {
        let file = Content::new(bytes, bytes).to_vec();
        let response = Form::new("uploads/photo").file(&file).send(&gateway);
        assert_eq!(response.status, 204, "{}", response.text());
        assert!(gateway.get("/bucket/uploads/photo").succeeds() == file);
    }
}

#[test]
fn a_form_keeps_type_and_metadata() {
    let gateway = Gateway::with_bucket();
    let form = Form::new("photo").field("Content-Type", "image/png").field("x-amz-meta-colour", "red").file(b"plain");
    assert_eq!(form.send(&gateway).status, 204);
    let response = gateway.get("/bucket/photo");
    assert_eq!((response.header("content-type"), response.header("x-amz-meta-colour")), ("image/png", "red"));
}

#[test]
fn a_form_is_answered_with_the_status_it_asks_for() {
    let gateway = Gateway::with_bucket();
    let response = Form::new("photo").field("success_action_status", "201").file(b"plain").send(&gateway);
    assert_eq!(response.status, 201, "{}", response.text());
    assert!(response.text().contains("<Key>photo</Key>"), "{}", response.text());
}

#[test]
fn a_form_fills_in_the_name_of_its_file() {
    let gateway = Gateway::with_bucket();
    assert_eq!(Form::new("of/${filename}").file(b"plain").send(&gateway).status, 204);
    assert_eq!(gateway.get("/bucket/of/file.bin").succeeds(), b"plain");
}

#[test]
fn a_form_that_someone_else_signed_is_refused() {
    let gateway = Gateway::with_bucket();
    let stranger = gateway.signer().with_secret("another secret");
    let refused = Form::new("photo").file(b"plain").send_by(&gateway, &signed_policy(&stranger, "", HOUR));
    refused.is_error(403, "SignatureDoesNotMatch");
    gateway.has_no("/bucket/photo");
}

/// What boto3's `generate_presigned_post` makes unless it is told otherwise.
#[test]
fn a_form_signed_with_the_old_version_tells_the_setting_that_helps() {
    let gateway = Gateway::with_bucket();
    let policy = BASE64.encode(r#"{"expiration": "2099-01-01T00:00:00Z", "conditions": [{"bucket": "bucket"}]}"#);
    let fields = [
        ("AWSAccessKeyId", gateway.credentials().access_key.clone()),
        ("policy", policy),
        ("signature", "c2lnbmF0dXJlIG9mIHZlcnNpb24=".to_owned()),
    ];
    let refused = Form::new("photo").file(b"plain").send_by(&gateway, &fields);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("signature_version") && refused.text().contains("s3v4"), "{}", refused.text());
    gateway.has_no("/bucket/photo");
}

#[test]
fn a_form_whose_policy_has_ended_is_refused() {
    let gateway = Gateway::with_bucket();
    let fields = signed_policy(&gateway.signer(), "", -HOUR);
    Form::new("photo").file(b"plain").send_by(&gateway, &fields).is_error(403, "AccessDenied");
    gateway.has_no("/bucket/photo");
}

#[test]
fn a_form_may_not_store_what_its_policy_does_not_allow() {
    let gateway = Gateway::with_bucket();
    let fields = signed_policy(&gateway.signer(), r#", ["starts-with", "$key", "uploads/"]"#, HOUR);
    let refused = Form::new("elsewhere/photo").file(b"plain").send_by(&gateway, &fields);
    refused.is_error(403, "AccessDenied");
    gateway.has_no("/bucket/elsewhere/photo");
}

#[test]
fn a_file_above_the_length_of_the_policy_is_refused() {
    let gateway = Gateway::with_bucket();
    for bytes in [1_001, 3 << 20] {
        let fields = signed_policy(&gateway.signer(), r#", ["content-length-range", 0, 1000]"#, HOUR);
        let file = Content::new(1, bytes).to_vec();
        Form::new("photo").file(&file).send_by(&gateway, &fields).is_error(400, "EntityTooLarge");
        gateway.has_no("/bucket/photo");
    }
}

#[test]
fn a_form_without_a_policy_is_refused() {
    let gateway = Gateway::with_bucket();
    let response = Form::new("photo").file(b"plain").send_by(&gateway, &[]);
    assert!([400, 403].contains(&response.status), "{}", response.text());
    gateway.has_no("/bucket/photo");
}

#[test]
fn a_form_may_not_carry_metadata_of_the_gateway_itself() {
    let gateway = Gateway::with_bucket();
    let response = Form::new("photo").field("x-amz-meta-sealgate", "forged").file(b"plain").send(&gateway);
    assert_eq!(response.status, 400, "{}", response.text());
    gateway.has_no("/bucket/photo");
}

const HOUR: i64 = 3600;

/// A form on its way into `bucket`.
pub(crate) struct Form {
    fields: Vec<(String, String)>,
    file: Vec<u8>,
}

impl Form {
    pub(crate) fn new(key: &str) -> Self {
        Self { fields: vec![("key".to_owned(), key.to_owned())], file: Vec::new() }
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn file(mut self, bytes: &[u8]) -> Self {
        self.file = bytes.to_vec();
        self
    }

    /// Signed by the gateway's user, under a policy that allows all fields.
    pub(crate) fn send(self, gateway: &Gateway) -> Response {
        let allowed: String =
            self.fields.iter().map(|(name, _)| format!(r#", ["starts-with", "${name}", ""]"#)).collect();
        let fields = signed_policy(&gateway.signer(), &allowed, HOUR);
        self.send_by(gateway, &fields)
    }

    fn send_by(mut self, gateway: &Gateway, signature: &[(&'static str, String)]) -> Response {
        self.fields.extend(signature.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            body.extend(
                format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        let file = "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"file.bin\"\r\n\
            content-type: application/octet-stream\r\n\r\n";
        body.extend(file.bytes());
        body.extend_from_slice(&self.file);
        body.extend(b"\r\n--edge--\r\n");
        let request = Request::new("POST", "/bucket").header("content-type", "multipart/form-data; boundary=edge");
        request.body(body).send(gateway.address())
    }
}

/// The fields of a signed policy for `bucket`, with these further conditions, that ends in so many seconds.
fn signed_policy(signer: &Signer, conditions: &str, seconds: i64) -> Vec<(&'static str, String)> {
    let end = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    let end = end.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    let (credential, date) = (signer.credential(), signer.timestamp());
    let json = format!(
        r#"{{"expiration": "{end}", "conditions": [{{"bucket": "bucket"}}, ["starts-with", "$key", ""],
        {{"x-amz-algorithm": "AWS4-HMAC-SHA256"}}, {{"x-amz-credential": "{credential}"}},
        {{"x-amz-date": "{date}"}}{conditions}]}}"#
    );
    signer.form(&BASE64.encode(json))
}
