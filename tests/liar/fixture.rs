//! Objects that are written twice, so that the store has something to replay, and what clients then ask of them.

use std::collections::BTreeMap;

use super::store::Liar;
use super::support::{Content, Gateway, Request, Response};
use super::world::World;

/// A store with objects, before and after each was written anew.
pub(crate) struct Fixture {
    pub(crate) liar: Liar,
    pub(crate) former: World,
    pub(crate) present: World,
    /// by key
    pub(crate) objects: BTreeMap<String, Object>,
}

/// The plaintext of an object: what it was, and what it is.
pub(crate) struct Object {
    pub(crate) former: Vec<Vec<u8>>,
    pub(crate) present: Vec<Vec<u8>>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// what is stored, all of it
    Truth,
    /// what was stored before, all of it
    Former,
    /// an error, or an answer that does not end
    Refused,
    /// anything else
    Wrong(String),
}

/// What clients ask of an object; each has objects of its own, so that a gateway meets each for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Range,
    RangeAcross,
    Suffix,
    Part,
    Head,
    Attributes,
    Copy,
    PartCopy,
}

impl Verb {
    pub(crate) const ALL: [Self; 9] = [
        Self::Get,
        Self::Range,
        Self::RangeAcross,
        Self::Suffix,
        Self::Part,
        Self::Head,
        Self::Attributes,
        Self::Copy,
        Self::PartCopy,
    ];
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let liar = Liar::start();
        let gateway = liar.gateway();
        gateway.call(Request::new("PUT", "/bucket")).succeeds();
        let mut objects = BTreeMap::new();
        for (name, former, present) in [
            ("single", vec![Content::new(1, 200_000).to_vec()], vec![Content::new(2, 300_000).to_vec()]),
            // as long, and of as many stored parts
            ("parts", parts(3, &[5 << 20, 3_000]), parts(5, &[(5 << 20) + 1_000, 2_000])),
        ] {
            for verb in Verb::ALL {
                objects.insert(format!("{name}-{verb:?}"), Object { former: former.clone(), present: present.clone() });
            }
        }
        let former = written(&liar, &gateway, &objects, |object| &object.former);
        let present = written(&liar, &gateway, &objects, |object| &object.present);
        Self { liar, former, present, objects }
    }

    /// Asks a gateway, and looks at what it answers.
    pub(crate) fn asked(&self, gateway: &Gateway, verb: Verb, key: &str) -> Outcome {
        let path = format!("/bucket/{key}");
        let (object, get) = (&self.objects[key], Request::new("GET", &path));
        let cut = |first: usize, last: usize| move |parts: &[Vec<u8>]| parts.concat()[first..=last].to_vec();
        match verb {
            Verb::Get => compared(object, &gateway.call(get), <[Vec<u8>]>::concat),
            Verb::Range => compared(object, &gateway.call(get.header("range", "bytes=100-100099")), cut(100, 100_099)),
            Verb::RangeAcross => {
                let middle = if object.present.len() > 1 { object.present[0].len() - 50 } else { 65_480 - 20 };
                let end = middle + if object.present.len() > 1 { 2_000 } else { 40 };
                let range = format!("bytes={middle}-{end}");
                compared(object, &gateway.call(get.header("range", range)), |parts| {
                    let all = parts.concat();
                    all.get(middle..(end + 1).min(all.len())).unwrap_or_default().to_vec()
                })
            }
            Verb::Suffix => compared(object, &gateway.call(get.header("range", "bytes=-1000")), |parts| {
                let all = parts.concat();
                all[all.len() - 1_000..].to_vec()
            }),
            Verb::Part => {
                let number = object.present.len();
                let answer = gateway.call(Request::new("GET", &format!("{path}?partNumber={number}")));
                compared(object, &answer, |parts| parts[number - 1].clone())
            }
            Verb::Head => {
                let answer = gateway.call(Request::new("HEAD", &path));
                let length = |parts: &[Vec<u8>]| parts.concat().len().to_string();
                judged(object, &answer, |parts| answer.header("content-length") == length(parts))
            }
            Verb::Attributes => {
                let attributes = Request::new("GET", &format!("{path}?attributes"));
                let answer = gateway.call(attributes.header("x-amz-object-attributes", "ObjectParts"));
                let text = answer.text();
                judged(object, &answer, |parts| {
                    // a single object has no parts to tell of
                    parts.len() < 2 || parts.iter().all(|part| text.contains(&format!("<Size>{}</Size>", part.len())))
                })
            }
            Verb::Copy => {
                let copy = Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", path);
                self.made(gateway, object, gateway.call(copy), <[Vec<u8>]>::concat)
            }
            Verb::PartCopy => self.part_copied(gateway, object, &path),
        }
    }

    /// An upload of one part that is copied.
    fn part_copied(&self, gateway: &Gateway, object: &Object, path: &str) -> Outcome {
        let created = gateway.call(Request::new("POST", "/bucket/copy?uploads")).text();
        let id = element(&created, "UploadId");
        let part = Request::new("PUT", &format!("/bucket/copy?partNumber=1&uploadId={id}"));
        let part = part.header("x-amz-copy-source", path).header("x-amz-copy-source-range", "bytes=100-199999");
        let answer = gateway.call(part);
        let text = answer.text();
        if answer.status != 200 || !answer.ended_well || text.contains("<Error>") {
            return Outcome::Refused;
        }
        let etag = element(&text, "ETag");
        let body = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        let complete = Request::new("POST", &format!("/bucket/copy?uploadId={id}")).body(body);
        self.made(gateway, object, gateway.call(complete), |parts| parts.concat()[100..=199_999].to_vec())
    }

    /// What was made of an object: if it is there it must open, once the store is honest again.
    fn made(
        &self,
        gateway: &Gateway,
        object: &Object,
        answer: Response,
        of: impl Fn(&[Vec<u8>]) -> Vec<u8>,
    ) -> Outcome {
        if answer.status != 200 || !answer.ended_well || answer.text().contains("<Error>") {
            return Outcome::Refused;
        }
        let told = self.liar.is_honest();
        let read = gateway.call(Request::new("GET", "/bucket/copy"));
        self.liar.lies_again(told);
        match compared(object, &read, of) {
            Outcome::Refused => Outcome::Wrong("a copy that nobody can open".to_owned()),
            outcome => outcome,
        }
    }
}

fn parts(seed: u64, bytes: &[usize]) -> Vec<Vec<u8>> {
    (seed..).zip(bytes).map(|(seed, bytes)| Content::new(seed, *bytes as u64).to_vec()).collect()
}

/// The store after all objects were written.
fn written(
    liar: &Liar,
    gateway: &Gateway,
    objects: &BTreeMap<String, Object>,
    which: impl Fn(&Object) -> &Vec<Vec<u8>>,
) -> World {
    let mut first: BTreeMap<usize, String> = BTreeMap::new();
    for (key, object) in objects {
        let (path, parts) = (format!("/bucket/{key}"), which(object));
        // the bytes of objects that are alike are in memory once
        if let Some(source) = first.get(&parts.len()) {
            let copy = Request::new("PUT", &path).header("x-amz-copy-source", format!("/bucket/{source}"));
            gateway.call(copy).succeeds();
            continue;
        }
        first.insert(parts.len(), key.clone());
        match parts.as_slice() {
            [plain] => gateway.put(&path, plain),
            parts => upload(gateway, &path, parts),
        }
    }
    liar.world()
}

/// Uploads an object in parts.
pub(crate) fn upload(gateway: &Gateway, path: &str, parts: &[Vec<u8>]) {
    upload_with(gateway, path, parts, |request| request);
}

/// The same with more in the requests that begin it and bring its parts.
pub(crate) fn upload_with(gateway: &Gateway, path: &str, parts: &[Vec<u8>], with: impl Fn(Request) -> Request) {
    let created = gateway.call(with(Request::new("POST", &format!("{path}?uploads")))).succeeds();
    let id = element(&String::from_utf8_lossy(&created), "UploadId");
    let mut named = String::new();
    for (part, number) in parts.iter().zip(1..) {
        let put = Request::new("PUT", &format!("{path}?partNumber={number}&uploadId={id}")).body(part.clone());
        let answer = gateway.call(with(put));
        let etag = answer.header("etag").to_owned();
        answer.succeeds();
        named += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let body = format!("<CompleteMultipartUpload>{named}</CompleteMultipartUpload>");
    gateway.call(Request::new("POST", &format!("{path}?uploadId={id}")).body(body)).succeeds();
}

/// The text of the first element of this name.
pub(crate) fn element(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split_once('<').unwrap().0.replace("&quot;", "\"")
}

/// The answer held against what of the object should be in it.
fn compared(object: &Object, answer: &Response, of: impl Fn(&[Vec<u8>]) -> Vec<u8>) -> Outcome {
    judged(object, answer, |parts| answer.body == of(parts))
}

fn judged(object: &Object, answer: &Response, is_of: impl Fn(&[Vec<u8>]) -> bool) -> Outcome {
    if !(200..300).contains(&answer.status) || !answer.ended_well {
        return Outcome::Refused;
    }
    let whole = |parts: &[Vec<u8>]| {
        let range = answer.header("content-range");
        range.is_empty() || range.ends_with(&format!("/{}", parts.concat().len()))
    };
    for (parts, outcome) in [(&object.present, Outcome::Truth), (&object.former, Outcome::Former)] {
        if is_of(parts) && whole(parts) {
            return outcome;
        }
    }
    let (length, range) = (answer.header("content-length"), answer.header("content-range"));
    Outcome::Wrong(format!("{} with {} bytes, length {length}, range {range:?}", answer.status, answer.body.len()))
}
