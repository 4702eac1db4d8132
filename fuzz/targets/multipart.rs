//! A multipart object, damaged as the input says, read whole and by range: what comes out of a whole read is made of
//! segments that were sealed for it, and a read succeeds only on an object that is what it was.
#![no_main]

use std::sync::Arc;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sealgate_fuzz::{
    Input, binding, cut, damage, key, sample,
    seal::{
        Completion, CompletionParts, Envelope, Kind, MultipartOpener, ObjectSecret, OpenError, PartNumber, PartSealer,
        PartStream, PartTable, PlainLen, PlainRange, RangeOpener, RecordVersion, SealedLen, Span, StreamHeader,
        place_record,
    },
};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let object = Object::new(&mut input);
    let (mut body, cuts, count) = (object.body.clone(), input.number(), object.stored_parts);
    let wish = (input.number() as u64 % 100_000, input.number() as u64 % 100_000);
    damage(&mut body, &mut input);

    let mut out = BytesMut::new();
    let whole = open(&object.secret, &body, count, cuts, &mut out);
    assert_eq!(whole.is_ok(), body == object.body);
    assert!(whole.is_err() || out == object.plain);
    assert!(whole.is_ok() || object.last_is_empty || object.plain != out, "the last segment waits for the record");
    range(&object, &body, cuts, wish);
});

struct Object {
    secret: ObjectSecret,
    plain: Vec<u8>,
    body: Vec<u8>,
    stored_parts: u32,
    last_is_empty: bool,
}

impl Object {
    fn new(input: &mut Input<'_>) -> Self {
        let (envelope, secret) = Envelope::seal(Kind::Multipart, key(), &binding()).unwrap();
        let (mut parts, mut number) = (Vec::new(), 0);
        for _ in 0..1 + input.byte() % 5 {
            number += 1 + u32::from(input.byte() % 3);
            parts.push((PartNumber::new(number).unwrap(), input.below(90_000)));
        }
        let plain = sample(parts.iter().map(|part| part.1).sum());
        let (mut rest, mut stored, mut streams) = (&plain[..], Vec::new(), Vec::new());
        for (number, bytes) in &parts {
            let (now, later) = rest.split_at(*bytes);
            let mut sealer = PartSealer::new(&secret, *number, PlainLen::new(*bytes as u64)).unwrap();
            streams.push(match bytes % 3 {
                0 => PartStream::Unknown,
                1 => PartStream::Header(*sealer.stream_header()),
                _ => PartStream::Hash(sealer.stream_header().hash()),
            });
            let mut out = BytesMut::new();
            sealer.push(now, &mut out).unwrap();
            sealer.finish(&mut out).unwrap();
            stored.push(out.to_vec());
            rest = later;
        }
        let table = parts.iter().map(|(number, bytes)| (*number, PlainLen::new(*bytes as u64)));
        let version = if parts.len() % 2 == 0 { RecordVersion::One } else { RecordVersion::Two };
        let table = PartTable::from_parts(table).unwrap();
        let record = Completion::seal(&secret, &envelope, version, (&table, &streams), b"").unwrap();
        if input.byte() % 2 == 0 {
            place_record(stored.last_mut().unwrap(), &record).unwrap();
        } else {
            stored.push(record.into_part());
        }
        let (stored_parts, last_is_empty) = (stored.len() as u32, parts.last().is_some_and(|part| part.1 == 0));
        Self { secret, plain, body: stored.concat(), stored_parts, last_is_empty }
    }
}

fn open(secret: &ObjectSecret, body: &[u8], count: u32, cuts: usize, out: &mut BytesMut) -> Result<(), OpenError> {
    let mut opener = MultipartOpener::new(secret, SealedLen::new(body.len() as u64), count)?;
    cut(body, cuts).into_iter().try_for_each(|piece| opener.push(piece, out))?;
    opener.finish(out).map(|_| ())
}

fn range(object: &Object, body: &[u8], cuts: usize, (a, b): (u64, u64)) -> Option<()> {
    let tail = &body[body.len().saturating_sub(16_440)..];
    let stored = SealedLen::new(body.len() as u64);
    let completion = Completion::open(&object.secret, stored, object.stored_parts, tail).ok()?;
    let (CompletionParts::Listed(table), streams) = completion.into_parts() else { return None };
    let range = PlainRange::new(a.min(b), a.max(b))?;
    let span = table.span(range).ok()?;
    let slice = |span: Span| &body[span.stored_first as usize..][..span.stored_bytes as usize];
    let header =
        span.stream_header_first.map(|at| StreamHeader::parse(slice(Span { stored_first: at, stored_bytes: 40 })));
    let header = header.transpose().ok()?;
    let known = (Arc::new(table), Arc::new(streams));
    let mut opener = RangeOpener::parts(&object.secret, known, range, header.as_ref()).ok()?;
    let mut out = BytesMut::new();
    let opened = cut(slice(span.stored), cuts).into_iter().try_for_each(|piece| opener.push(piece, &mut out));
    let opened = opened.and_then(|()| opener.finish());
    assert!(object.plain[range.first() as usize..].starts_with(&out));
    assert!(opened.is_err() || out.len() as u64 == range.bytes());
    Some(())
}
