//! What an honest store has, in memory: buckets, objects, open uploads. As much of S3 as the gateway asks for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::wire::{Answer, Asked, Op, escaped, url_encoded};

/// All of it. A copy shares the bytes.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// counts what was made, so that nothing has the name of another
    made: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Bucket {
    is_versioned: bool,
    /// of each key the versions, oldest first; one, if the bucket keeps none
    pub(crate) keys: BTreeMap<String, Vec<Stored>>,
}

/// A stored object.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) body: Bytes,
    /// as the gateway gave them
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) etag: String,
    pub(crate) version: String,
    pub(crate) is_marker: bool,
}

#[derive(Clone)]
pub(crate) struct Upload {
    bucket: String,
    key: String,
    headers: Vec<(String, String)>,
    parts: BTreeMap<u32, (String, Bytes)>,
}

impl World {
    /// The object that a request asks for.
    pub(crate) fn stored(&self, asked: &Asked) -> Option<&Stored> {
        let versions = self.buckets.get(&asked.bucket)?.keys.get(&asked.key)?;
        match asked.query.get("versionId") {
            Some(version) => versions.iter().find(|stored| stored.version == *version),
            None => versions.last().filter(|stored| !stored.is_marker),
        }
    }

    /// Does what is asked for, and answers.
    pub(crate) fn answer(&mut self, asked: &Asked) -> Answer {
        let op = asked.op();
        if !matches!(op, Op::ListBuckets | Op::MakeBucket) && !self.buckets.contains_key(&asked.bucket) {
            return Answer::error(404, "NoSuchBucket");
        }
        match op {
            Op::ListBuckets => self.list_buckets(),
            Op::MakeBucket => {
                self.buckets.entry(asked.bucket.clone()).or_default();
                Answer::empty(200)
            }
            Op::RemoveBucket => self.remove_bucket(&asked.bucket),
            Op::SetVersioning => {
                self.bucket(asked).is_versioned = true;
                Answer::empty(200)
            }
            Op::List => self.list(asked),
            Op::ListVersions => self.list_versions(asked),
            Op::ListUploads => self.list_uploads(asked),
            Op::DeleteMany => self.delete_many(asked),
            Op::Create | Op::PutPart | Op::CopyPart | Op::ListParts | Op::Abort | Op::Complete => self.of_upload(asked),
            Op::Put => {
                let etag = self.put(asked, asked.body.clone(), asked.metadata());
                Answer::empty(200).header("etag", format!("\"{etag}\""))
            }
            Op::Copy => self.copy(asked),
            Op::Delete => {
                self.delete(&asked.bucket, &asked.key, asked.query.get("versionId"));
                Answer::empty(204)
            }
            Op::Get | Op::Head => self.read(asked),
            Op::Tags => Answer::xml("<Tagging><TagSet></TagSet></Tagging>"),
            Op::HeadBucket | Op::SetTags => Answer::empty(200),
            Op::Setting => Answer::error(404, "NoSuchConfiguration"),
        }
    }

    /// Puts the first two parts of every upload in the place of each other.
    pub(crate) fn exchange_parts(&mut self) {
        for upload in self.uploads.values_mut() {
            let (one, two) = (upload.parts[&1].1.clone(), upload.parts[&2].1.clone());
            upload.parts.get_mut(&1).unwrap().1 = two;
            upload.parts.get_mut(&2).unwrap().1 = one;
        }
    }

    fn bucket(&mut self, asked: &Asked) -> &mut Bucket {
        self.buckets.get_mut(&asked.bucket).unwrap()
    }

    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("{:016}", self.made)
    }

    fn put(&mut self, asked: &Asked, body: Bytes, headers: Vec<(String, String)>) -> String {
        let version = self.fresh();
        let etag = hex(&[&body, version.as_bytes()]);
        self.keep(&asked.bucket, &asked.key, Stored { body, headers, etag: etag.clone(), version, is_marker: false });
        etag
    }

    fn keep(&mut self, bucket: &str, key: &str, stored: Stored) {
        let bucket = self.buckets.get_mut(bucket).unwrap();
        let versions = bucket.keys.entry(key.to_owned()).or_default();
        if !bucket.is_versioned {
            versions.clear();
        }
        versions.push(stored);
    }

    fn delete(&mut self, bucket: &str, key: &str, version: Option<&String>) {
        let marker = self.fresh();
        let bucket = self.buckets.get_mut(bucket).unwrap();
        match version {
            Some(version) => {
                if let Some(versions) = bucket.keys.get_mut(key) {
                    versions.retain(|stored| stored.version != *version);
                }
            }
            None if bucket.is_versioned => {
                let (etag, headers) = (String::new(), Vec::new());
                let marker = Stored { body: Bytes::new(), headers, etag, version: marker, is_marker: true };
                bucket.keys.entry(key.to_owned()).or_default().push(marker);
            }
            None => drop(bucket.keys.remove(key)),
        }
        bucket.keys.retain(|_, versions| !versions.is_empty());
    }

    fn read(&self, asked: &Asked) -> Answer {
        let Some(stored) = self.stored(asked) else { return Answer::error(404, "NoSuchKey") };
        if asked.headers.get("if-match").is_some_and(|wanted| wanted.trim_matches('"') != stored.etag) {
            return Answer::error(412, "PreconditionFailed");
        }
        stored.read(asked.headers.get("range").map(String::as_str))
    }

    fn copy(&mut self, asked: &Asked) -> Answer {
        let Some(source) = self.source(asked) else { return Answer::error(412, "PreconditionFailed") };
        let headers = if asked.headers.get("x-amz-metadata-directive").is_some_and(|word| word == "REPLACE") {
            asked.metadata()
        } else {
            source.headers
        };
        let etag = self.put(asked, source.body, headers);
        copied("CopyObjectResult", &etag)
    }

    /// The source of a copy, if it is the one that is meant.
    fn source(&self, asked: &Asked) -> Option<Stored> {
        let from = asked.source()?;
        let source = self.stored(&from)?;
        let wanted = asked.headers.get("x-amz-copy-source-if-match");
        wanted.is_none_or(|etag| etag.trim_matches('"') == source.etag).then(|| source.clone())
    }

    fn of_upload(&mut self, asked: &Asked) -> Answer {
        if asked.op() == Op::Create {
            let id = format!("upload-{}", self.fresh());
            let (bucket, key) = (asked.bucket.clone(), asked.key.clone());
            self.uploads.insert(id.clone(), Upload { bucket, key, headers: asked.metadata(), parts: BTreeMap::new() });
            return Answer::xml(&format!("<R><UploadId>{id}</UploadId></R>"));
        }
        let id = asked.query.get("uploadId").cloned().unwrap_or_default();
        let source = self.source(asked);
        let version = self.fresh();
        let Some(upload) = self.uploads.get_mut(&id).filter(|up| up.bucket == asked.bucket && up.key == asked.key)
        else {
            return Answer::error(404, "NoSuchUpload");
        };
        let number = asked.query.get("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
        match asked.op() {
            Op::PutPart => {
                let etag = hex(&[&asked.body]);
                upload.parts.insert(number, (etag.clone(), asked.body.clone()));
                Answer::empty(200).header("etag", format!("\"{etag}\""))
            }
            Op::CopyPart => {
                let Some(source) = source else { return Answer::error(412, "PreconditionFailed") };
                let span =
                    asked.headers.get("x-amz-copy-source-range").and_then(|range| bounds(range, source.body.len()));
                let body = span.map_or_else(|| source.body.clone(), |(first, end)| source.body.slice(first..end));
                let etag = hex(&[&body]);
                upload.parts.insert(number, (etag.clone(), body));
                copied("CopyPartResult", &etag)
            }
            Op::ListParts => {
                let after: u32 = asked.query.get("part-number-marker").map_or(0, |after| after.parse().unwrap());
                let max: usize = asked.query.get("max-parts").map_or(1_000, |max| max.parse().unwrap());
                let parts: Vec<_> = upload.parts.range(after + 1..).collect();
                let mut text = format!("<IsTruncated>{}</IsTruncated>", parts.len() > max);
                for (number, (etag, body)) in parts.into_iter().take(max) {
                    text += &part_entry(*number, etag, body.len());
                }
                Answer::xml(&format!("<R>{text}</R>"))
            }
            Op::Abort => {
                self.uploads.remove(&id);
                Answer::empty(204)
            }
            _ => {
                let numbers = elements(&asked.body, "PartNumber");
                let parts: Option<Vec<_>> =
                    numbers.iter().map(|n| upload.parts.get(&n.parse().ok()?).cloned()).collect();
                let Some(parts) = parts else { return Answer::error(400, "InvalidPart") };
                let body: Vec<u8> = parts.iter().flat_map(|(_, body)| body.iter().copied()).collect();
                let tags: Vec<&[u8]> = parts.iter().map(|(etag, _)| etag.as_bytes()).collect();
                let etag = format!("{}-{}", hex(&tags), parts.len());
                let headers = upload.headers.clone();
                self.uploads.remove(&id);
                let stored = Stored { body: body.into(), headers, etag: etag.clone(), version, is_marker: false };
                self.keep(&asked.bucket, &asked.key, stored);
                Answer::xml(&format!("<R><ETag>\"{etag}\"</ETag></R>"))
            }
        }
    }

    fn list_buckets(&self) -> Answer {
        let mut text = String::new();
        for name in self.buckets.keys() {
            write!(text, "<Bucket><Name>{name}</Name><CreationDate>{TIME}</CreationDate></Bucket>").unwrap();
        }
        Answer::xml(&format!("<R><Buckets>{text}</Buckets></R>"))
    }

    fn remove_bucket(&mut self, name: &str) -> Answer {
        if self.buckets[name].keys.is_empty() {
            self.buckets.remove(name);
            return Answer::empty(204);
        }
        Answer::error(409, "BucketNotEmpty")
    }

    fn list(&self, asked: &Asked) -> Answer {
        let bucket = &self.buckets[&asked.bucket];
        let query = |name: &str| asked.query.get(name).map(String::as_str).unwrap_or_default();
        let (prefix, delimiter) = (query("prefix"), query("delimiter"));
        let after = query("continuation-token").max(query("start-after")).max(query("marker"));
        let max: usize = query("max-keys").parse().unwrap_or(1_000);
        let (mut text, mut last, mut count, mut is_truncated) = (String::new(), String::new(), 0, false);
        for (key, versions) in &bucket.keys {
            let Some(stored) = versions.last().filter(|stored| !stored.is_marker) else { continue };
            if !key.starts_with(prefix) || key.as_str() <= after || (!last.is_empty() && key.starts_with(&last)) {
                continue;
            }
            let rolled =
                Some(delimiter).filter(|text| !text.is_empty()).and_then(|text| key[prefix.len()..].find(text));
            let name = rolled.map_or(key.as_str(), |at| &key[..=prefix.len() + at]);
            if rolled.is_some() && (name <= after || after.starts_with(name)) {
                continue;
            }
            if count == max {
                is_truncated = true;
                break;
            }
            count += 1;
            text += &if rolled.is_some() {
                format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", url_encoded(name))
            } else {
                list_entry(name, &stored.etag, stored.body.len())
            };
            last = if rolled.is_some() { name.to_owned() } else { format!("{name}\u{0}") };
        }
        let token = last.trim_end_matches('\u{0}');
        let next = if is_truncated {
            format!(
                "<NextContinuationToken>{}</NextContinuationToken><NextMarker>{}</NextMarker>",
                escaped(token),
                url_encoded(token)
            )
        } else {
            String::new()
        };
        Answer::xml(&format!(
            "<R><EncodingType>url</EncodingType><IsTruncated>{is_truncated}</IsTruncated>{next}{text}</R>"
        ))
    }

    fn list_versions(&self, asked: &Asked) -> Answer {
        let prefix = asked.query.get("prefix").map(String::as_str).unwrap_or_default();
        let mut text = String::new();
        for (key, versions) in self.buckets[&asked.bucket].keys.iter().filter(|(key, _)| key.starts_with(prefix)) {
            for (index, stored) in versions.iter().enumerate().rev() {
                let (name, is_latest) =
                    (if stored.is_marker { "DeleteMarker" } else { "Version" }, index + 1 == versions.len());
                write!(
                    text,
                    "<{name}><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{is_latest}</IsLatest><ETag>\"{}\"</ETag><Size>{}</Size>\
                     <LastModified>{TIME}</LastModified></{name}>",
                    url_encoded(key),
                    stored.version,
                    stored.etag,
                    stored.body.len()
                )
                .unwrap();
            }
        }
        Answer::xml(&format!("<R><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{text}</R>"))
    }

    fn list_uploads(&self, asked: &Asked) -> Answer {
        let mut text = String::new();
        for (id, upload) in self.uploads.iter().filter(|(_, upload)| upload.bucket == asked.bucket) {
            let key = url_encoded(&upload.key);
            write!(text, "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{TIME}</Initiated></Upload>")
                .unwrap();
        }
        Answer::xml(&format!("<R><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{text}</R>"))
    }

    fn delete_many(&mut self, asked: &Asked) -> Answer {
        let mut text = String::new();
        for key in elements(&asked.body, "Key") {
            self.delete(&asked.bucket, &key, None);
            write!(text, "<Deleted><Key>{}</Key></Deleted>", escaped(&key)).unwrap();
        }
        Answer::xml(&format!("<R>{text}</R>"))
    }
}

impl Stored {
    /// The answer to a read of a range such as `bytes=0-9`.
    pub(crate) fn read(&self, range: Option<&str>) -> Answer {
        let whole = self.body.len();
        let mut answer = match range {
            None => Answer { body: self.body.clone(), ..Answer::empty(200) },
            Some(range) => match bounds(range, whole) {
                None => return Answer::error(416, "InvalidRange").header("content-range", format!("bytes */{whole}")),
                Some((first, end)) => Answer { body: self.body.slice(first..end), ..Answer::empty(206) }
                    .header("content-range", format!("bytes {first}-{}/{whole}", end - 1)),
            },
        };
        answer.headers.extend(self.headers.iter().cloned());
        answer
            .header("etag", format!("\"{}\"", self.etag))
            .header("last-modified", "Fri, 01 Jan 2100 00:00:00 GMT".to_owned())
            .header("x-amz-version-id", self.version.clone())
    }
}

/// First byte and the one behind the last; none if the range holds no byte.
fn bounds(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(whole)),
        (Ok(first), Err(_)) => (first, whole),
        (Err(_), Ok(count)) => (whole.saturating_sub(count), whole),
        (Err(_), Err(_)) => return None,
    };
    (first < end).then_some((first, end))
}

/// The texts of all elements of this name.
fn elements(document: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(document);
    let opening = format!("<{name}>");
    let starts = text.split(&opening).skip(1);
    starts.map(|rest| rest.split('<').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&")).collect()
}

/// An object in a list.
pub(crate) fn list_entry(key: &str, etag: &str, bytes: usize) -> String {
    format!(
        "<Contents><Key>{}</Key><ETag>\"{etag}\"</ETag><Size>{bytes}</Size><LastModified>{TIME}</LastModified></Contents>",
        url_encoded(key)
    )
}

/// A part in a list.
pub(crate) fn part_entry(number: u32, etag: &str, bytes: usize) -> String {
    format!(
        "<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag><Size>{bytes}</Size><LastModified>{TIME}</LastModified></Part>"
    )
}

fn copied(root: &str, etag: &str) -> Answer {
    Answer::xml(&format!("<{root}><ETag>\"{etag}\"</ETag><LastModified>{TIME}</LastModified></{root}>"))
}

/// What an entity tag looks like.
fn hex(pieces: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// In the future: nothing here is so old that a sweeper takes it for what a gateway has left behind.
const TIME: &str = "2100-01-01T00:00:00.000Z";
