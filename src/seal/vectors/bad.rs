//! Makes the vectors that are refused, and some that open by range, from the good ones.

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    bodies::{Files, KEY, name, seed, tenant_key, vector},
    file::VectorFile,
};
use crate::seal::{Envelope, Kind, ObjectSecret, random::fixed, seal_attributes};

type Named = Vec<(String, VectorFile)>;

pub(super) fn make(files: &Files) -> Named {
    let mut all = Named::new();
    envelopes(files, &mut all);
    names_and_keys(files, &mut all);
    customer_keys(files, &mut all);
    single_bytes(files, &mut all);
    single_lengths(files, &mut all);
    single_segments(files, &mut all);
    single_ranges(files, &mut all);
    part_bytes(files, &mut all);
    part_orders(files, &mut all);
    records(files, &mut all);
    streams(files, &mut all);
    part_ranges(files, &mut all);
    attributes(files, &mut all);
    all
}

/// Refused, with so many plaintext bytes given out before.
fn refused(vector: VectorFile, cause: &str, released: usize) -> VectorFile {
    vector.with("outcome", format!("refused: {cause}")).with("released", released)
}

fn envelopes(files: &Files, all: &mut Named) {
    let base = vector(files, "single-1");
    let own = tenant_key(1).key_id();
    let other_key = format!("sealed to key {}, not {own}", flipped_id(&own.to_string()));
    let tag = "envelope tag mismatch";
    for (field, offset, mask, cause) in [
        ("magic", 0, 1, "malformed envelope: magic"),
        ("suite", 4, 2, "malformed envelope: suite"),
        ("kind-unknown", 5, 2, "malformed envelope: kind"),
        ("kind", 5, 3, tag),
        ("mode-unknown", 6, 2, "malformed envelope: mode"),
        ("mode", 6, 1, tag),
        ("zero", 7, 1, "malformed envelope: zero bytes"),
        ("key-id", 8, 0x80, &*other_key),
        ("epk", 16, 1, tag),
        ("epk-high-bit", 47, 0x80, tag),
        ("unused-secret", 48, 1, "malformed envelope: zero bytes"),
        ("object-id", 80, 1, tag),
        ("tag", 96, 1, tag),
        ("tag-end", 127, 1, tag),
    ] {
        let changed = with_envelope(&base, |bytes| bytes[offset] ^= mask);
        all.push((format!("envelope-{field}"), refused(changed, cause, 0)));
    }
    let wrapped = with_envelope(&vector(files, "single-1-wrapped"), |bytes| bytes[50] ^= 1);
    all.push(("envelope-wrapped-secret".into(), refused(wrapped, tag, 0)));
    let zero = with_envelope(&base, |bytes| bytes[16..48].fill(0));
    all.push(("envelope-low-order".into(), refused(zero, "low-order ephemeral point", 0)));
    let text = base.field("envelope").to_owned();
    let not_base64 = "malformed envelope: base64url";
    all.push(("envelope-cut".into(), refused(base.clone().with("envelope", &text[..170]), not_base64, 0)));
    all.push((
        "envelope-short".into(),
        refused(base.clone().with("envelope", &text[..168]), "malformed envelope: length", 0),
    ));
    all.push(("envelope-padded".into(), refused(base.with("envelope", format!("{text}=")), not_base64, 0)));
}

/// The key id with its highest bit the other way.
fn flipped_id(id: &str) -> String {
    format!("{:016x}", u64::from_str_radix(id, 16).unwrap() ^ (1 << 63))
}

fn with_envelope(base: &VectorFile, change: impl FnOnce(&mut Vec<u8>)) -> VectorFile {
    let mut bytes = URL_SAFE_NO_PAD.decode(base.field("envelope")).unwrap();
    change(&mut bytes);
    base.clone().with("envelope", URL_SAFE_NO_PAD.encode(bytes))
}

fn names_and_keys(files: &Files, all: &mut Named) {
    let base = vector(files, "single-1");
    let tag = "envelope tag mismatch";
    all.push(("name-other-tenant".into(), refused(base.clone().with("tenant", "default"), tag, 0)));
    all.push(("name-other-bucket".into(), refused(base.clone().with("bucket", "archive"), tag, 0)));
    all.push(("name-other-key".into(), refused(base.clone().with("key", "other"), tag, 0)));
    let shifted = base.clone().with("bucket", format!("photos{}", &KEY[..1])).with("key", &KEY[1..]);
    all.push(("name-shifted".into(), refused(shifted, tag, 0)));
    let cause = format!("sealed to key {}, not {}", tenant_key(1).key_id(), tenant_key(9).key_id());
    all.push(("key-other-seed".into(), refused(base.with("seed", STANDARD.encode(seed(9).expose())), &cause, 0)));
}

fn customer_keys(files: &Files, all: &mut Named) {
    let cause = "segment 0 fails authentication";
    for of in ["single", "multipart"] {
        let base = vector(files, &format!("{of}-customer-key"));
        let other = base.clone().with("customer-key", STANDARD.encode([7; 32]));
        all.push((format!("{of}-customer-key-other"), refused(other, cause, 0)));
        all.push((format!("{of}-customer-key-absent"), refused(base.without("customer-key"), cause, 0)));
    }
    let plain = vector(files, "single-1").and("customer-key", STANDARD.encode([7; 32]));
    all.push(("single-customer-key-unasked".into(), refused(plain, cause, 0)));
}

fn single_bytes(files: &Files, all: &mut Named) {
    let base = vector(files, "single-196521");
    let segment = |index: u32| format!("segment {index} fails authentication");
    for (what, offset, cause, released) in [
        ("header-mark", 128, "malformed stream header".to_owned(), 0),
        ("header-salt", 129, segment(0), 0),
        ("header-prefix", 167, segment(0), 0),
        ("segment-0", 168, segment(0), 0),
        ("segment-0-tag", 128 + 65_535, segment(0), 0),
        ("segment-1", 128 + 65_536, segment(1), 65_480),
        ("segment-2-tag", 128 + 3 * 65_536 - 1, segment(2), 131_000),
        ("segment-3", 128 + 3 * 65_536, segment(3), 196_520),
        ("segment-3-tag", 128 + 3 * 65_536 + 16, segment(3), 196_520),
    ] {
        all.push((
            format!("single-flip-{what}"),
            refused(base.clone().and("xor", format!("{offset} 01")), &cause, released),
        ));
    }
    let stale = base.clone().and("xor", "0 ff").and("xor", "127 ff");
    all.push(("single-stale-leading-envelope".into(), stale));
    let empty = vector(files, "single-0").and("xor", "183 80");
    all.push(("single-flip-empty-tag".into(), refused(empty, &segment(0), 0)));
}

fn single_lengths(files: &Files, all: &mut Named) {
    let base = vector(files, "single-196521");
    let cut = |bytes: usize| base.clone().with("piece", format!("single-196521.bin 0 {bytes}"));
    let no_length = "length outside of the format";
    for bytes in [0, 1, 127, 128, 167, 168, 183, 65_665, 65_680, 131_201, 131_216, 196_737, 196_752] {
        all.push((format!("single-length-{bytes}"), refused(cut(bytes), no_length, 0)));
    }
    // One byte less leaves a last segment of a tag alone.
    all.push(("single-cut-last-byte".into(), refused(cut(196_752), no_length, 0)));
    for bytes in [184, 300, 65_664, 65_681, 131_200, 196_736] {
        all.push((format!("single-cut-{bytes}"), refused(cut(bytes), "segment 0 fails authentication", 0)));
    }
    for (what, zeros) in [("a-byte", 1), ("a-segment", 65_536)] {
        let grown = base.clone().and("piece", format!("zeros {zeros}"));
        all.push((format!("single-grown-by-{what}"), refused(grown, "segment 0 fails authentication", 0)));
    }
}

fn single_segments(files: &Files, all: &mut Named) {
    let base = vector(files, "single-196521");
    let pieces = |spans: &[(usize, usize)]| {
        let mut vector = base.clone().without("piece");
        for (first, bytes) in spans {
            vector = vector.and("piece", format!("single-196521.bin {first} {bytes}"));
        }
        vector
    };
    let (zero, one, two, three) = ((0, 65_664), (65_664, 65_536), (131_200, 65_536), (196_736, 17));
    let fails = |index: u32| format!("segment {index} fails authentication");
    all.push(("single-segments-swapped".into(), refused(pieces(&[zero, two, one, three]), &fails(1), 65_480)));
    all.push(("single-segment-over-another".into(), refused(pieces(&[zero, one, one, three]), &fails(2), 131_000)));
    all.push(("single-segment-dropped".into(), refused(pieces(&[zero, two, three]), &fails(0), 0)));
    all.push(("single-segment-repeated".into(), refused(pieces(&[zero, one, one, two, three]), &fails(0), 0)));
    let body = "single-131001.bin 0 131217";
    let other = vector(files, "single-131000").with("piece", body).with("plain-bytes", 131_001);
    all.push(("single-body-of-another".into(), refused(other, &fails(0), 0)));
}

fn single_ranges(files: &Files, all: &mut Named) {
    let base = vector(files, "single-196521");
    let range = |first: usize, last: usize| base.clone().with("range", format!("{first}-{last}"));
    for (first, last) in [(0, 0), (65_479, 65_480), (131_000, 196_520), (0, 196_520), (196_520, 196_520)] {
        let opens = range(first, last).with("released", last - first + 1);
        all.push((format!("single-range-{first}-{last}"), opens));
    }
    let fails = |index: u32| format!("segment {index} fails authentication");
    let tampered = range(60_000, 140_000).and("xor", format!("{} 01", 128 + 2 * 65_536));
    all.push(("single-range-tampered".into(), refused(tampered, &fails(2), 131_000 - 60_000)));
    let untouched = range(0, 65_479).and("xor", format!("{} 01", 128 + 2 * 65_536)).with("released", 65_480);
    all.push(("single-range-beside-tampered".into(), untouched));
    let header = vector(files, "single-131001").field("stream").to_owned();
    all.push(("single-range-other-stream".into(), refused(range(70_000, 70_001).with("stream", header), &fails(1), 0)));
    let cut = range(70_000, 70_001).with("piece", "single-196521.bin 0 196736");
    all.push(("single-range-of-cut".into(), refused(cut, &fails(1), 0)));
    let grown = range(70_000, 70_001).and("piece", "zeros 1");
    all.push(("single-range-of-grown".into(), refused(grown, &fails(1), 0)));
    let behind = refused(range(196_520, 196_521), "length outside of the format", 0);
    all.push(("single-range-behind-the-end".into(), behind));
}

fn part_bytes(files: &Files, all: &mut Named) {
    let base = vector(files, "multipart-small-last");
    let header = "malformed or unexpected part header";
    let fails = |index: u32| format!("segment {index} fails authentication");
    let first = 70_000 + 16_440;
    for (what, offset, cause, released) in [
        ("part-magic", 0, header.to_owned(), 0),
        ("part-number", 7, header.to_owned(), 0),
        ("part-number-possible", 6, fails(0), 0),
        ("part-length", 15, fails(0), 0),
        ("part-length-huge", 8, header.to_owned(), 0),
        ("stream-mark", 16, "malformed stream header".to_owned(), 0),
        ("stream-salt", 17, fails(0), 0),
        ("segment-0", 56, fails(0), 0),
        ("segment-1", 16 + 65_536, fails(1), 65_480),
        ("segment-1-tag", 16 + 40 + 70_000 + 31, fails(1), 65_480),
        ("second-part-magic", first, header.to_owned(), 65_480),
        ("second-part-segment", first + 56, fails(0), 70_000),
        ("slack-first", 16 + 40 + 70_000 + 32, "slack of a part is not zero".to_owned(), 65_480),
        ("slack-last", first - 1, "slack of a part is not zero".to_owned(), 65_480),
        ("slack-before-record", first + 2_000, "slack of a part is not zero".to_owned(), 70_000),
    ] {
        all.push((
            format!("multipart-flip-{what}"),
            refused(base.clone().and("xor", format!("{offset} 01")), &cause, released),
        ));
    }
}

fn part_orders(files: &Files, all: &mut Named) {
    let base = vector(files, "multipart-four");
    let large = 17_440;
    let p = |index: usize| format!("multipart-four.bin {} {}", index * large, if index == 3 { 16_450 } else { large });
    let foreign = format!("multipart-four-again.bin {large} {large}");
    let differ = "parts differ from the completion record";
    let fails = "segment 0 fails authentication";
    for (what, pieces, cause, released) in [
        ("dropped-first", vec![p(1), p(2), p(3)], differ, 2_000),
        ("dropped-middle", vec![p(0), p(2), p(3)], differ, 2_000),
        ("dropped-last", vec![p(0), p(1), p(2)], "malformed completion record: no trailer", 2_000),
        ("dropped-all-but-last", vec![p(3)], differ, 0),
        ("repeated", vec![p(0), p(1), p(1), p(2), p(3)], differ, 1_000),
        ("reordered", vec![p(1), p(0), p(2), p(3)], differ, 0),
        ("one-over-another", vec![p(0), p(1), p(1), p(3)], differ, 1_000),
        ("of-another-upload", vec![p(0), foreign, p(2), p(3)], fails, 1_000),
        (
            "last-of-another-upload",
            vec![p(0), p(1), p(2), "multipart-four-again.bin 52320 16450".to_owned()],
            fails,
            3_000,
        ),
    ] {
        let mut vector = base.clone().without("piece").with("stored-parts", pieces.len());
        for piece in pieces {
            vector = vector.and("piece", piece);
        }
        match what {
            "dropped-first" => vector = vector.and("given", "1000-2999"),
            "dropped-middle" => vector = vector.and("given", "0-999").and("given", "2000-2999"),
            _ => {}
        }
        all.push((format!("multipart-part-{what}"), refused(vector, cause, released)));
    }
    let attempts = |pieces: &[(usize, usize)]| {
        let empty = vector(files, "multipart-attempts").without("piece");
        let piece = |vector: VectorFile, (first, bytes): &(usize, usize)| {
            vector.and("piece", format!("multipart-attempts.bin {first} {bytes}"))
        };
        pieces.iter().fold(empty, piece)
    };
    let (one, last, renumbered) = ((0, 17_440), (34_380, 16_450), (50_830 + 16_940 + 17_440, 16_940));
    let (shorter, longer) = ((50_830, 16_940), (50_830 + 16_940, 17_440));
    let other = attempts(&[one, renumbered, last]).and("given", "0-999").and("given", "0-499");
    all.push(("multipart-part-of-another-number".into(), refused(other, differ, 1_500)));
    let other = attempts(&[shorter, longer, last]).and("given", "0-499").and("given", "0-999");
    all.push(("multipart-part-of-other-lengths".into(), refused(other, differ, 1_500)));
    all.push(("multipart-count-too-small".into(), refused(base.clone().with("stored-parts", 3), differ, 2_000)));
    all.push((
        "multipart-count-too-large".into(),
        refused(base.clone().with("stored-parts", 5), "length outside of the format", 0),
    ));
    all.push(("multipart-count-zero".into(), refused(base.with("stored-parts", 0), "length outside of the format", 0)));
}

fn records(files: &Files, all: &mut Named) {
    let base = vector(files, "multipart-completion-part");
    let end = 1_000 + 2 * 16_440;
    let record = end - 16 - (40 + 177 + 16 + 2 + 16);
    let fails = "segment 0 fails authentication";
    for (what, offset, cause) in [
        ("stream-mark", record, "malformed stream header"),
        ("stream-salt", record + 1, fails),
        ("fields", record + 40, fails),
        ("tag", end - 17, fails),
        ("trailer-magic", end - 16, "malformed completion record: no trailer"),
        ("trailer-length", end - 9, "malformed stream header"),
        ("trailer-length-huge", end - 12, "malformed completion record: length of the record"),
        ("trailer-zeros", end - 1, "malformed completion record: trailer"),
        ("slack", record - 1, "slack of a part is not zero"),
    ] {
        let changed = base.clone().and("xor", format!("{offset} 01"));
        all.push((format!("record-flip-{what}"), refused(changed, cause, 0)));
    }
    let own = "multipart-completion-part.bin 0 17440";
    let alone = base.clone().with("piece", own).with("stored-parts", 1);
    all.push(("record-missing".into(), refused(alone.clone(), "malformed completion record: no trailer", 0)));
    let zeros = alone.clone().and("piece", "zeros 16440").with("stored-parts", 2);
    all.push(("record-zeroed".into(), refused(zeros, "malformed completion record: no trailer", 0)));
    let cut = base.clone().with("piece", format!("multipart-completion-part.bin 0 {}", end - 1));
    all.push(("record-cut".into(), refused(cut, "malformed or unexpected part header", 0)));
    let foreign = alone.and("piece", "multipart-four.bin 52320 16450").with("stored-parts", 2);
    all.push(("record-of-another".into(), refused(foreign, fails, 1_000)));
    let twice = base.and("piece", "multipart-completion-part.bin 17440 16440").with("stored-parts", 3);
    all.push(("record-twice".into(), refused(twice, "malformed or unexpected part header", 0)));
}

/// Other attempts at parts, where the record tells the streams of all but the second.
fn streams(files: &Files, all: &mut Named) {
    let base = vector(files, "multipart-streams");
    let differ = "parts differ from the completion record";
    // of each part in the object, and of the other attempt at it behind the object
    let lengths = [70_000 + 16_440, 500 + 16_440, 70_000 + 16_440, 10 + 16_440];
    let object: usize = lengths.iter().sum();
    let exchanged = |at: usize| {
        let (mut vector, mut first) = (base.clone().without("piece"), 0);
        for (index, bytes) in lengths.into_iter().enumerate() {
            let from = if index == at { object + first } else { first };
            vector = vector.and("piece", format!("multipart-streams.bin {from} {bytes}"));
            first += bytes;
        }
        vector
    };
    for (what, at) in [("known-by-header", 0), ("known-by-hash", 2)] {
        all.push((format!("streams-attempt-{what}"), refused(exchanged(at), differ, 140_500)));
    }
    all.push(("streams-attempt-unknown".into(), exchanged(1)));
    for (what, at, range, released) in [
        ("beginning-of-header", 0, "0-10", 0),
        ("middle-of-header", 0, "69000-70600", 0),
        ("beginning-of-hash", 2, "70490-70600", 10),
        ("middle-of-hash", 2, "140000-140505", 0),
    ] {
        let range = exchanged(at).with("range", range);
        all.push((format!("streams-range-{what}"), refused(range, differ, released)));
    }
    let beside = exchanged(0).with("range", "70000-140505").with("released", 70_506);
    all.push(("streams-range-beside".into(), beside));
}

fn part_ranges(files: &Files, all: &mut Named) {
    let base = vector(files, "multipart-small-last");
    let range = |first: usize, last: usize| base.clone().with("range", format!("{first}-{last}"));
    for (first, last) in [(0, 70_099), (65_479, 65_480), (69_999, 70_000), (70_099, 70_099)] {
        let opens = range(first, last).with("released", last - first + 1);
        all.push((format!("multipart-range-{first}-{last}"), opens));
    }
    let tampered = range(65_000, 65_480).and("xor", format!("{} 01", 16 + 65_536));
    all.push(("multipart-range-tampered".into(), refused(tampered, "segment 1 fails authentication", 480)));
    let number = range(0, 0).and("xor", "6 01");
    all.push(("multipart-range-other-number".into(), refused(number, "malformed or unexpected part header", 0)));
    let no_record = range(0, 0).and("xor", format!("{} 01", 70_100 + 2 * 16_440 - 17));
    all.push(("multipart-range-without-record".into(), refused(no_record, "segment 0 fails authentication", 0)));
    let swapped = vector(files, "multipart-four")
        .with("range", "0-1500")
        .with("piece", "multipart-four.bin 17440 17440")
        .and("piece", "multipart-four.bin 0 17440")
        .and("piece", "multipart-four.bin 34880 33890");
    all.push(("multipart-range-reordered".into(), refused(swapped, "malformed or unexpected part header", 0)));
}

fn attributes(files: &Files, all: &mut Named) {
    let base = vector(files, "single-1");
    let secret = |kind: Kind| -> ObjectSecret {
        let base = if kind == Kind::Single { &base } else { &vector(files, "multipart-four") };
        Envelope::from_metadata(base.field("envelope")).unwrap().open(&tenant_key(1), &name()).unwrap()
    };
    let text = r#"{"crc64nvme":"AAAAAAAAAAA="}"#;
    let sealed = |kind| fixed::with("attributes", || seal_attributes(&secret(kind), text.as_bytes()).unwrap());
    let with = |value: &str| base.clone().with("attributes", value).with("attributes-plain", text);
    let good = sealed(Kind::Single);
    all.push(("attributes".into(), with(&good).with("released", text.len())));
    let other = with(&sealed(Kind::Multipart));
    all.push(("attributes-of-another".into(), refused(other, "segment 0 fails authentication", 0)));
    let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
    bytes[45] ^= 1;
    let changed = with(&URL_SAFE_NO_PAD.encode(bytes));
    all.push(("attributes-flip".into(), refused(changed, "segment 0 fails authentication", 0)));
    all.push(("attributes-cut".into(), refused(with(&good[..72]), "length outside of the format", 0)));
    all.push(("attributes-padded".into(), refused(with(&format!("{good}=")), "malformed sealed attributes", 0)));
}
