use proptest::prelude::*;

use super::*;
use crate::kmip::testing::{case, cases, unhex};

const ROOT: Tag = Tag::new(0x42_007B);
const LIMITS: Limits = Limits { bytes_max: 4096, depth_max: 4, items_max: 8 };
const ROOMY: Limits = Limits { bytes_max: 64 << 10, depth_max: 16, items_max: 1024 };

fn encoded(item: &Item<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.item(item);
    writer.into_bytes()
}

#[test]
fn every_recorded_message_decodes_and_encodes_to_the_same_bytes() {
    let mut messages = 0;
    for case in cases() {
        for message in std::iter::once(&case.request).chain(&case.answer) {
            // one request was corrupted on purpose before it was sent
            if case.name.contains("70-garbage") && *message == case.request {
                continue;
            }
            let item = decode(message, &ROOMY).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert_eq!(encoded(&item), *message, "{}", case.name);
            messages += 1;
        }
    }
    assert_eq!(messages, 332);
}

#[test]
fn every_type_is_read_as_the_specification_writes_it() {
    // the examples of KMIP 1.4, section 9.1.2
    let examples: [(&str, Value<'_>); 9] = [
        ("42 00 20 02 00 00 00 04 00 00 00 08 00 00 00 00", Value::Integer(8)),
        ("42 00 20 03 00 00 00 08 01 B6 9B 4B A5 74 92 00", Value::LongInteger(123_456_789_000_000_000)),
        (
            "42 00 20 04 00 00 00 10 00 00 00 00 03 FD 35 EB 6B C2 DF 46 18 08 00 00",
            Value::BigInteger(&[0, 0, 0, 0, 0x03, 0xFD, 0x35, 0xEB, 0x6B, 0xC2, 0xDF, 0x46, 0x18, 0x08, 0, 0]),
        ),
        ("42 00 20 05 00 00 00 04 00 00 00 FF 00 00 00 00", Value::Enumeration(255)),
        ("42 00 20 06 00 00 00 08 00 00 00 00 00 00 00 01", Value::Boolean(true)),
        ("42 00 20 07 00 00 00 0B 48 65 6C 6C 6F 20 57 6F 72 6C 64 00 00 00 00 00", Value::TextString("Hello World")),
        ("42 00 20 08 00 00 00 03 01 02 03 00 00 00 00 00", Value::ByteString(&[1, 2, 3])),
        ("42 00 20 09 00 00 00 08 00 00 00 00 47 DA 67 F8", Value::DateTime(0x47DA_67F8)),
        ("42 00 20 0A 00 00 00 04 00 0D 2F 00 00 00 00 00", Value::Interval(864_000)),
    ];
    for (text, value) in examples {
        let bytes = unhex(&text.replace(' ', ""));
        let item = Item { tag: Tag::new(0x42_0020), value };
        assert_eq!(decode(&bytes, &LIMITS), Ok(item), "{text}");
        assert_eq!(encoded(&item), bytes, "{text}");
    }
}

#[test]
fn bytes_that_break_a_rule_are_refused_by_that_rule() {
    let cases = [
        ("42007B", Error::Truncated),
        ("42007B0100000008", Error::Truncated),
        ("42007B01FFFFFFFF0000000000000000", Error::Truncated),
        ("42007B0100000004 42006A02 00000000", Error::Truncated),
        ("42007B0100000008 42006A0200000004", Error::Truncated),
        ("42007B0100000000 00", Error::TrailingBytes),
        ("42007B0B00000000", Error::UnknownType(0x0B)),
        ("42007B0000000000", Error::UnknownType(0)),
        ("42007B0200000008 0000000000000000", Error::BadLength(2)),
        ("42007B0300000004 0000000000000000", Error::BadLength(3)),
        ("42007B0400000004 0000000000000000", Error::BadLength(4)),
        ("42007B0400000000", Error::BadLength(4)),
        ("42007B0600000008 0000000000000002", Error::BadBoolean),
        ("42007B0200000004 0000000100000001", Error::BadPadding),
        ("42007B0700000001 FF00000000000000", Error::BadText),
    ];
    for (text, error) in cases {
        assert_eq!(decode(&unhex(&text.replace(' ', "")), &LIMITS), Err(error), "{text}");
    }
}

#[test]
fn a_rule_broken_deep_inside_refuses_the_whole_message() {
    let mut message = case("pykmip 13-get-found").answer.unwrap();
    assert!(decode(&message, &ROOMY).is_ok());
    let key_material = message.windows(3).position(|tag| tag == [0x42, 0x00, 0x43]).unwrap();
    message[key_material + 3] = 0x0B;
    assert_eq!(decode(&message, &ROOMY), Err(Error::UnknownType(0x0B)));
}

fn nested(depth: usize) -> Vec<u8> {
    fn fill(writer: &mut Writer, depth: usize) {
        if depth > 0 {
            writer.structure(ROOT, |writer| fill(writer, depth - 1));
        }
    }
    Writer::message(ROOT, |writer| fill(writer, depth - 1))
}

fn wide(items: usize) -> Vec<u8> {
    Writer::message(ROOT, |writer| (1..items).for_each(|_| writer.integer(ROOT, 1)))
}

#[test]
fn nesting_is_taken_up_to_its_limit() {
    assert!(decode(&nested(4), &LIMITS).is_ok());
    assert_eq!(decode(&nested(5), &LIMITS), Err(Error::TooDeep { max: 4 }));
}

#[test]
fn items_are_taken_up_to_their_limit() {
    assert!(decode(&wide(8), &LIMITS).is_ok());
    assert_eq!(decode(&wide(9), &LIMITS), Err(Error::TooManyItems { max: 8 }));
}

#[test]
fn bytes_are_taken_up_to_their_limit() {
    let message = Writer::message(ROOT, |writer| writer.text(ROOT, &"a".repeat(4096 - 16)));
    assert_eq!(message.len(), 4096);
    assert!(decode(&message, &LIMITS).is_ok());
    let longer = Writer::message(ROOT, |writer| writer.text(ROOT, &"a".repeat(4096 - 15)));
    assert_eq!(decode(&longer, &LIMITS), Err(Error::TooLong { bytes: 4104, max: 4096 }));
}

#[test]
fn a_header_tells_the_length_or_is_refused_before_a_buffer_is_filled() {
    let header = |text: &str| <[u8; 8]>::try_from(unhex(text)).unwrap();
    assert_eq!(message_bytes(header("42007B0100000FF8"), ROOT, &LIMITS), Ok(4096));
    let long = Error::TooLong { bytes: 4097, max: 4096 };
    assert_eq!(message_bytes(header("42007B0100000FF9"), ROOT, &LIMITS), Err(long));
    assert!(matches!(message_bytes(header("42007B01FFFFFFFF"), ROOT, &LIMITS), Err(Error::TooLong { .. })));
    let other = Error::NotTheMessage(Tag::new(0x48_5454));
    assert_eq!(message_bytes(*b"HTTP/1.1", ROOT, &LIMITS), Err(other));
    assert_eq!(message_bytes(header("42007B0200000004"), ROOT, &LIMITS), Err(Error::NotTheMessage(ROOT)));
}

#[test]
fn debug_shows_lengths_instead_of_text_and_bytes() {
    let message = Writer::message(ROOT, |writer| {
        writer.text(ROOT, "secret");
        writer.item(&Item { tag: ROOT, value: Value::ByteString(b"secret") });
    });
    let shown = format!("{:?}", decode(&message, &LIMITS).unwrap());
    assert!(shown.contains("TextString(6 bytes)") && shown.contains("ByteString(6 bytes)"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}

proptest! {
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(
        start in 0_usize..300,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let cases = cases();
        let mut message = cases[start % cases.len()].request.clone();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        if let Ok(item) = decode(&message, &ROOMY) {
            prop_assert_eq!(encoded(&item), message);
        }
    }
}
