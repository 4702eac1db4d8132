//! Reads a vector the way the gateway reads an object.

use std::sync::Arc;

use bytes::BytesMut;

use super::file::VectorFile;
use crate::seal::{
    Binding, Completion, CompletionParts, CustomerKey, Envelope, Kind, MultipartOpener, ObjectSecret, OpenError,
    PartHeader, PartStreams, PlainRange, RangeOpener, SealedLen, Seed, SingleOpener, Span, StreamHeader, TenantKey,
    geometry, open_attributes,
    testing::{chunks, sample},
};

/// What was given out, and how it ended.
pub(super) fn read(vector: &VectorFile, body: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<(), OpenError>) {
    let mut out = BytesMut::new();
    let ended = open(vector, body, cuts, &mut out);
    (out.to_vec(), ended)
}

/// What a reader gets if the vector opens, and of which it may get the beginning if not.
pub(super) fn wanted(vector: &VectorFile) -> Vec<u8> {
    if let Some(text) = vector.find("attributes-plain") {
        return text.as_bytes().to_vec();
    }
    let plain = sample(vector.number("plain-bytes"));
    let given: Vec<_> = vector.all("given").map(|given| between(given).unwrap()).collect();
    if !given.is_empty() {
        let part = |range: &PlainRange| {
            plain[usize::try_from(range.first()).unwrap()..][..usize::try_from(range.bytes()).unwrap()].to_vec()
        };
        return given.iter().flat_map(part).collect();
    }
    match range(vector) {
        Some(range) => {
            let end = usize::try_from(range.last() + 1).unwrap().min(plain.len());
            plain[usize::try_from(range.first()).unwrap().min(end)..end].to_vec()
        }
        None => plain,
    }
}

fn range(vector: &VectorFile) -> Option<PlainRange> {
    between(vector.find("range")?)
}

fn between(text: &str) -> Option<PlainRange> {
    let (first, last) = text.split_once('-')?;
    PlainRange::new(first.parse().unwrap(), last.parse().unwrap())
}

fn open(vector: &VectorFile, body: &[u8], cuts: &[usize], out: &mut BytesMut) -> Result<(), OpenError> {
    let key = TenantKey::from_seed(&Seed::from_base64(vector.field("seed")).unwrap());
    let name = Binding::new(vector.field("tenant"), vector.field("bucket"), vector.field("key")).unwrap();
    let envelope = Envelope::from_metadata(vector.field("envelope"))?;
    let secret = envelope.open(&key, &name)?;
    if let Some(attributes) = vector.find("attributes") {
        out.extend_from_slice(&open_attributes(&secret, attributes)?);
        return Ok(());
    }
    let joined = vector.find("customer-key").map(|key| CustomerKey::from_base64(key).unwrap().join(&secret).0);
    let body_secret = joined.as_ref().unwrap_or(&secret);
    let stored = SealedLen::new(body.len() as u64);
    match (envelope.kind(), range(vector)) {
        (Kind::Single, None) => {
            let mut opener = SingleOpener::new(body_secret, stored)?;
            chunks(body, cuts).into_iter().try_for_each(|chunk| opener.push(chunk, out))?;
            opener.finish()
        }
        (Kind::Multipart, None) => {
            let mut opener = MultipartOpener::new(&secret, stored, vector.number("stored-parts"))?;
            opener = opener.with_body_secret(body_secret);
            chunks(body, cuts).into_iter().try_for_each(|chunk| opener.push(chunk, out))?;
            opener.finish(out).map(|_| ())
        }
        (Kind::Single, Some(range)) => {
            let header = StreamHeader::from_metadata(vector.field("stream"))?;
            let span = geometry::single_span(stored, range)?;
            let opener = RangeOpener::single(body_secret, &header, stored, range, span.stored_first)?;
            feed(opener, slice(body, span), cuts, out)
        }
        (Kind::Multipart, Some(range)) => {
            let tail = &body[body.len().saturating_sub(16_440)..];
            let completion = Completion::open(&secret, stored, vector.number("stored-parts"), tail)?;
            open_parts(body_secret, completion.into_parts(), range, body, cuts, out)
        }
    }
}

fn open_parts(
    secret: &ObjectSecret,
    (parts, streams): (CompletionParts, PartStreams),
    range: PlainRange,
    body: &[u8],
    cuts: &[usize],
    out: &mut BytesMut,
) -> Result<(), OpenError> {
    let table = match parts {
        CompletionParts::Listed(table) => table,
        CompletionParts::Unlisted(unlisted) => {
            let mut at = 0;
            let headers = (0..unlisted.client_parts()).map(|_| {
                let header = PartHeader::parse(&body[at..at + 16])?;
                at += usize::try_from(header.stored().bytes()).unwrap();
                Ok((header.number(), header.plain()))
            });
            unlisted.resolve(headers.collect::<Result<Vec<_>, OpenError>>()?)?
        }
    };
    let span = table.span(range)?;
    let header = span
        .stream_header_first
        .map(|at| StreamHeader::parse(slice(body, Span { stored_first: at, stored_bytes: 40 })));
    let known = (Arc::new(table), Arc::new(streams));
    let opener = RangeOpener::parts(secret, known, range, header.transpose()?.as_ref())?;
    feed(opener, slice(body, span.stored), cuts, out)
}

fn feed(mut opener: RangeOpener, answer: &[u8], cuts: &[usize], out: &mut BytesMut) -> Result<(), OpenError> {
    chunks(answer, cuts).into_iter().try_for_each(|chunk| opener.push(chunk, out))?;
    opener.finish()
}

/// The stored bytes, as far as there are so many.
fn slice(body: &[u8], span: Span) -> &[u8] {
    let first = usize::try_from(span.stored_first).unwrap().min(body.len());
    let end = usize::try_from(span.stored_first + span.stored_bytes).unwrap().min(body.len());
    &body[first..end]
}
