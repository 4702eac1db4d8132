//! Who signs requests to the store: the ambient AWS chain where the configuration names nobody. Services that hand out
//! credentials are played on loopback; the store is a real one that knows the keys, and what is signed with which is seen on
//! the way there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::counted::{Seen, header, proxy};
use super::over::{STORE, backend, own_prefix};
use super::support::{Gateway, Request};

/// A gateway whose configuration has no credentials of the store, and what it sends there.
fn ambient(environment: &[(&str, &str)]) -> (Gateway, Seen) {
    let prefix = own_prefix();
    let (address, seen) = proxy();
    let mut section = backend(&format!("http://{address}"), &prefix);
    for name in ["access_key_id", "secret_access_key"] {
        section.as_object_mut().unwrap().remove(name);
    }
    let sections = json!({"backend": section});
    (Gateway::with_environment(&sections, &json!({"bucket_prefix": prefix}), environment), seen)
}

/// Without it a machine in a cloud could be asked.
const NO_METADATA: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

fn assert_serves(gateway: &Gateway) {
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", b"plain");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

/// Which access key the requests for one of a client were signed with.
fn signed_with(gateway: &Gateway, seen: &Seen) -> String {
    let (got, heads) = seen.during(|| gateway.get("/bucket/key").succeeds());
    assert_eq!((got.as_slice(), heads.len()), (&b"plain"[..], 1));
    let signed = header(&heads[0], "authorization").unwrap();
    signed.split_once("Credential=").unwrap().1.split('/').next().unwrap().to_owned()
}

#[test]
fn the_environment_names_who_signs() {
    let (id, secret) = STORE.keys();
    let (gateway, seen) = ambient(&[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), NO_METADATA]);
    assert_serves(&gateway);
    assert_eq!(signed_with(&gateway, &seen), id);
}

#[test]
fn a_profile_names_who_signs() {
    let (id, secret) = STORE.keys();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let text = format!("[store]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (gateway, seen) = ambient(&[("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_PROFILE", "store"), NO_METADATA]);
    assert_serves(&gateway);
    assert_eq!(signed_with(&gateway, &seen), id);
}

#[test]
fn a_container_is_asked_who_signs_and_asked_again_before_that_ends() {
    let handing = Handing::start(|request, keys| {
        assert!(request.starts_with("GET /credentials ") && request.contains("\r\nauthorization: let me in\r\n"));
        Some(keys.json(&[]))
    });
    let uri = format!("http://{}/credentials", handing.address);
    handing.renews(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in"),
        NO_METADATA,
    ]);
}

#[test]
fn a_web_identity_is_exchanged_for_who_signs_and_again_before_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "token.of.the.pod").unwrap();
    let handing = Handing::start(|request, keys| {
        let (_, form) = request.split_once("\r\n\r\n").unwrap();
        for field in [
            "Action=AssumeRoleWithWebIdentity",
            "WebIdentityToken=token.of.the.pod",
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fgate",
        ] {
            assert!(form.split('&').any(|given| given == field), "{field} is in {form}");
        }
        Some(keys.xml())
    });
    handing.renews(&[
        ("AWS_ENDPOINT_URL_STS", &format!("http://{}", handing.address)),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/gate"),
        ("AWS_ROLE_SESSION_NAME", "gate"),
        ("AWS_REGION", "us-east-1"),
        NO_METADATA,
    ]);
}

#[test]
fn an_instance_is_asked_who_signs_and_asked_again_before_that_ends() {
    let handing = Handing::start(|request, keys| {
        let path = request.split(' ').nth(1).unwrap();
        if path == "/latest/api/token" {
            return Some("session".to_owned());
        }
        assert!(request.contains("\r\nx-aws-ec2-metadata-token: session\r\n"), "{request}");
        match path.split_once("/latest/meta-data/").unwrap().1 {
            "placement/region" => Some("us-east-1".to_owned()),
            "iam/security-credentials/" => Some("role".to_owned()),
            "iam/security-credentials/role" => Some(keys.json(&[("Code", "Success"), ("Type", "AWS-HMAC")])),
            _ => None,
        }
    });
    handing.renews(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://{}", handing.address))]);
}

/// A service on loopback that hands out credentials: at first those that end in four minutes, then others.
struct Handing {
    address: SocketAddr,
    is_renewed: Arc<AtomicBool>,
    handed: Arc<AtomicU32>,
    /// what the service found wrong with a request
    wrong: Arc<Mutex<Option<String>>>,
}

/// What is handed out.
struct Keys<'a> {
    id: &'a str,
    secret: &'a str,
    ends: String,
    handed: &'a AtomicU32,
}

impl Keys<'_> {
    fn json(&self, more: &[(&str, &str)]) -> String {
        self.handed.fetch_add(1, Ordering::SeqCst);
        let Self { id, secret, ends, .. } = self;
        let mut told = json!({
            "AccessKeyId": id, "SecretAccessKey": secret, "Token": "", "Expiration": ends, "LastUpdated": ends,
        });
        for (name, value) in more {
            told[name] = (*value).into();
        }
        told.to_string()
    }

    fn xml(&self) -> String {
        self.handed.fetch_add(1, Ordering::SeqCst);
        let Self { id, secret, ends, .. } = self;
        format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{id}</AccessKeyId>\
             <SecretAccessKey>{secret}</SecretAccessKey><SessionToken></SessionToken><Expiration>{ends}</Expiration>\
             </Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/gate/gate</Arn>\
             <AssumedRoleId>1:gate</AssumedRoleId></AssumedRoleUser></AssumeRoleWithWebIdentityResult>\
             <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
        )
    }
}

impl Handing {
    /// `answer` makes an answer to a request, head and body; nothing is 404.
    fn start(answer: impl Fn(&str, &Keys<'_>) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let handing = Self {
            address: listener.local_addr().unwrap(),
            is_renewed: Arc::default(),
            handed: Arc::default(),
            wrong: Arc::default(),
        };
        let (is_renewed, handed) = (Arc::clone(&handing.is_renewed), Arc::clone(&handing.handed));
        let wrong = Arc::clone(&handing.wrong);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = whole(&mut stream) else { continue };
                let is_renewed = is_renewed.load(Ordering::SeqCst);
                let (id, secret) = if is_renewed { STORE.keys() } else { STORE.second_keys() };
                let lasts = if is_renewed { Duration::from_hours(12) } else { Duration::from_mins(4) };
                let ends = (OffsetDateTime::now_utc() + lasts).replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
                let keys = Keys { id, secret, ends, handed: &handed };
                let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answer(&request, &keys)));
                if answered.is_err() {
                    *wrong.lock().unwrap() = Some(request);
                }
                let (status, text) = match answered.ok().flatten() {
                    Some(text) => ("200 OK", text),
                    None => ("404 Not Found", String::new()),
                };
                let head = "Connection: close\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
                write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\n\r\n{text}", text.len()).ok();
            }
        });
        handing
    }

    /// A gateway in this environment signs with the first credentials, and with the others once they are handed out, though
    /// the first ones are still good; it then asks no more.
    fn renews(&self, environment: &[(&str, &str)]) {
        let (gateway, seen) = ambient(environment);
        assert_serves(&gateway);
        assert_eq!(self.wrong.lock().unwrap().take(), None);
        assert_eq!(signed_with(&gateway, &seen), STORE.second_keys().0);
        self.is_renewed.store(true, Ordering::SeqCst);
        assert_eq!(signed_with(&gateway, &seen), STORE.keys().0);
        let handed = self.handed.load(Ordering::SeqCst);
        assert_eq!(signed_with(&gateway, &seen), STORE.keys().0);
        assert_eq!(self.handed.load(Ordering::SeqCst), handed, "they are good for long");
        assert_eq!(self.wrong.lock().unwrap().take(), None);
    }
}

/// A request with its body; names of headers in lower case.
fn whole(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}
