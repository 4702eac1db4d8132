//! The lies about objects: each makes another answer of an honest one. `former` is the store as it was before each object
//! was written anew.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::store::{Lie, STAGING};
use super::wire::{Answer, Asked, Op, Pace};
use super::world::{Stored, World};

/// A lie, and what must come of it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) lie: Lie,
    pub(crate) counts: Counts,
    /// whether the object that was there before is as good an answer
    pub(crate) rolls_back: bool,
    /// whether a HEAD, which nothing authenticates, may give another size
    pub(crate) changes_sizes: bool,
}

/// What becomes of the counter of tampering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// it rises: what is stored is not what was sealed
    Up,
    /// it stays: nothing shows that somebody changed an object
    Not,
}

impl Row {
    fn rolling_back(self) -> Self {
        Self { rolls_back: true, changes_sizes: true, ..self }
    }

    fn changing_sizes(self) -> Self {
        Self { changes_sizes: true, ..self }
    }
}

/// What a lie about a read goes by.
struct Read<'a> {
    asked: &'a Asked,
    honest: Answer,
    /// the object
    now: Stored,
    /// what was there before it
    before: Stored,
}

impl Read<'_> {
    /// The answer that an honest store with this object would give, whatever the conditions are.
    fn of(&self, stored: &Stored) -> Answer {
        stored.read(self.asked.headers.get("range").map(String::as_str))
    }

    /// The same with another body.
    fn with_body(&self, body: impl Into<Bytes>) -> Answer {
        self.of(&Stored { body: body.into(), ..self.now.clone() })
    }

    /// The honest answer with these headers of the object before.
    fn with_former(self, is_taken: impl Fn(&str) -> bool) -> Answer {
        let before = self.before.read(None).headers.into_iter().filter(|(name, _)| is_taken(name));
        before.fold(self.honest, |answer, (name, value)| answer.header(&name, value))
    }

    fn is_get(&self) -> bool {
        self.asked.op() == Op::Get
    }
}

/// A lie about every read of an object of a client.
fn of_reads(
    name: &'static str,
    counts: Counts,
    former: &World,
    lie: impl Fn(Read<'_>) -> Answer + Send + Sync + 'static,
) -> Row {
    let former = former.clone();
    let lie: Lie = Arc::new(move |asked, honest, world| {
        if !matches!(asked.op(), Op::Get | Op::Head) || asked.bucket == STAGING {
            return honest;
        }
        match (world.stored(asked), former.stored(asked)) {
            (Some(now), Some(before)) => lie(Read { asked, honest, now: now.clone(), before: before.clone() }),
            _ => honest,
        }
    });
    Row { name, lie, counts, rolls_back: false, changes_sizes: false }
}

/// An envelope with one byte changed.
fn with_byte(answer: Answer, at: usize, change: impl Fn(u8) -> u8) -> Answer {
    let Some(text) = answer.get(ENVELOPE) else { return answer };
    let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    bytes[at] = change(bytes[at]);
    answer.header(ENVELOPE, URL_SAFE_NO_PAD.encode(bytes))
}

/// Lies that change what is stored: all are found out, and counted.
pub(crate) fn tampering(former: &World) -> Vec<Row> {
    let told = |name, lie: fn(Read<'_>) -> Answer| of_reads(name, Counts::Up, former, lie);
    vec![
        told("the envelope of the object before", |read| read.with_former(|name| name == ENVELOPE)),
        told("all metadata of the object before", |read| read.with_former(|name| name.starts_with(ENVELOPE))),
        told("the body of the object before", |read| read.with_body(read.before.body.clone())).changing_sizes(),
        told("no envelope", |read| read.honest.without(ENVELOPE)),
        told("an entity tag of other parts", |read| {
            let etag = read.now.etag.split_once('-').map_or("0-3".to_owned(), |(hex, _)| format!("{hex}-7"));
            read.of(&Stored { etag, ..read.now.clone() })
        })
        .changing_sizes(),
        told("an envelope of another object id", |read| with_byte(read.honest, 80, |byte| byte ^ 1)),
        told("an envelope of the other kind", |read| with_byte(read.honest, 5, |kind| 3 - kind)).changing_sizes(),
        told("every bit of the body flipped", |read| {
            read.with_body(read.now.body.iter().map(|byte| !byte).collect::<Vec<_>>())
        }),
        told("a body that ends early", |read| read.with_body(read.now.body.slice(1..))).changing_sizes(),
        told("a body that goes on behind its end", |read| read.with_body([&read.now.body[..], &[7; 100]].concat()))
            .changing_sizes(),
    ]
}

/// Lies that prove nothing of the object: none is counted.
pub(crate) fn nonsense(former: &World) -> Vec<Row> {
    let told = |name, lie: fn(Read<'_>) -> Answer| of_reads(name, Counts::Not, former, lie);
    let mut rows = vec![
        told("the entity tag of the object before", |read| {
            // how many stored parts there are is part of the format, and counted where it is wrong
            let parts = |stored: &Stored| stored.etag.split_once('-').map(|(_, parts)| parts.to_owned());
            if parts(&read.before) != parts(&read.now) {
                return read.honest;
            }
            read.of(&Stored { etag: read.before.etag.clone(), ..read.now.clone() })
        }),
        told("the object before", |read| read.of(&read.before)).rolling_back(),
        told("another object in a HEAD than in a GET", |read| {
            if read.is_get() { read.honest } else { read.before.read(None) }
        })
        .rolling_back(),
        told("no stream header", |read| read.honest.without("x-amz-meta-sealgate-stream")),
        told("another version", |read| read.honest.header("x-amz-version-id", "9".repeat(16))),
        told("an envelope of a suite of later", |read| with_byte(read.honest, 4, |_| 9)),
        told("an envelope for a key that is not here", |read| with_byte(read.honest, 8, |byte| byte ^ 1)),
        told("another range", |read| match read.asked.headers.get("range") {
            Some(_) => read.honest.header("content-range", "bytes 1-2/3".to_owned()),
            None => read.honest,
        }),
        told("no entity tag", |read| read.honest.without("etag")),
        told("a body that is announced too long", |read| {
            let announced = read.is_get().then(|| read.honest.body.len() + 10);
            Answer { announced, ..read.honest }
        }),
        told("a connection that ends at the beginning of a body", |read| paced(read, Pace::Cut(10))),
        told("a connection that ends in a body", |read| paced(read, Pace::Cut(150_000))),
    ];
    for (name, status, code) in [
        ("500 to a read", 500, "InternalError"),
        ("403 to a read", 403, "AccessDenied"),
        ("404 to a read", 404, "NoSuchKey"),
        ("416 to a read", 416, "InvalidRange"),
        ("304 to a read", 304, "NotModified"),
        ("a code of its own to a read", 418, "Teapot"),
    ] {
        rows.push(of_reads(name, Counts::Not, former, move |_| Answer::error(status, code)));
    }
    rows
}

/// Answers that do not come to an end, which takes its time.
pub(crate) fn waiting(former: &World) -> Vec<Row> {
    let told = |name, lie: fn(Read<'_>) -> Answer| of_reads(name, Counts::Not, former, lie);
    vec![
        told("a body that stands still", |read| paced(read, Pace::Stalled(50_000))),
        told("a head that drips", |read| paced(read, Pace::DrippingHead)),
        told("an error without an end", |read| Answer { status: 500, ..paced(read, Pace::Endless) }),
        told("an error that drips", |read| Answer {
            status: 500,
            announced: Some(1 << 20),
            ..paced(read, Pace::Dripping)
        }),
    ]
}

fn paced(read: Read<'_>, pace: Pace) -> Answer {
    if read.is_get() { read.honest.paced(pace) } else { read.honest }
}

const ENVELOPE: &str = "x-amz-meta-sealgate";
