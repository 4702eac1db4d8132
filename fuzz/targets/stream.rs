//! A single object, damaged as the input says, read whole and by range, in pieces of any size: what comes out is the
//! beginning of what was sealed, and all of it only if no byte that counts was changed.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sealgate_fuzz::{
    Input, binding, cut, damage, key, sample,
    seal::{
        Envelope, Kind, ObjectSecret, OpenError, PlainLen, PlainRange, RangeOpener, SealedLen, SingleOpener,
        SingleSealer, StreamHeader, geometry,
    },
};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let plain = sample(input.below(200_000));
    let (envelope, secret) = Envelope::seal(Kind::Single, key(), &binding()).unwrap();
    let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(plain.len() as u64)).unwrap();
    let (header, mut out) = (*sealer.stream_header(), BytesMut::new());
    for piece in cut(&plain, input.number()) {
        sealer.push(piece, &mut out).unwrap();
    }
    sealer.finish(&mut out).unwrap();
    let (sealed, mut body, cuts) = (out.to_vec(), out.to_vec(), input.number());
    let wish = (input.number() as u64 % 200_000, input.number() as u64 % 200_000);
    damage(&mut body, &mut input);

    let genuine = body.len() == sealed.len() && body[128..] == sealed[128..];
    let mut released = BytesMut::new();
    let whole = open(&secret, &body, cuts, &mut released);
    assert!(plain.starts_with(&released));
    assert_eq!(whole.is_ok(), genuine);
    assert!(!genuine || released == plain);
    range(&secret, &header, &plain, &body, cuts, wish);
});

fn open(secret: &ObjectSecret, body: &[u8], cuts: usize, out: &mut BytesMut) -> Result<(), OpenError> {
    let mut opener = SingleOpener::new(secret, SealedLen::new(body.len() as u64))?;
    cut(body, cuts).into_iter().try_for_each(|piece| opener.push(piece, out))?;
    opener.finish()
}

fn range(secret: &ObjectSecret, header: &StreamHeader, plain: &[u8], body: &[u8], cuts: usize, (a, b): (u64, u64)) {
    let stored = SealedLen::new(body.len() as u64);
    let Some(range) = PlainRange::new(a.min(b), a.max(b)) else { return };
    let Ok(span) = geometry::single_span(stored, range) else { return };
    let mut opener = RangeOpener::single(secret, header, stored, range, span.stored_first).unwrap();
    let (mut out, answer) = (BytesMut::new(), &body[span.stored_first as usize..][..span.stored_bytes as usize]);
    let opened = cut(answer, cuts).into_iter().try_for_each(|piece| opener.push(piece, &mut out));
    let opened = opened.and_then(|()| opener.finish());
    let wanted = plain.get(range.first() as usize..).unwrap_or_default();
    assert!(wanted.starts_with(&out));
    assert!(opened.is_err() || out.len() as u64 == range.bytes());
}
