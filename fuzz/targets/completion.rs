//! The fields of a completion record as a writer with the right secret, but of any intent, could seal them; and tails
//! that claim to end with a record.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sealgate_fuzz::{
    binding, key,
    seal::{Completion, CompletionParts, Envelope, Kind, ObjectSecret, PlainRange, RecordVersion, SealedLen, parse_completion_fields},
};

static SECRET: LazyLock<ObjectSecret> = LazyLock::new(|| Envelope::seal(Kind::Multipart, key(), &binding()).unwrap().1);

fuzz_target!(|data: &[u8]| {
    let secret = &*SECRET;
    assert!(Completion::open(secret, SealedLen::new(data.len() as u64), 1, data).is_err());
    let Ok(completion) = parse_completion_fields(data) else { return };
    assert!(completion.attributes().len() <= Completion::ATTRIBUTES_BYTES_MAX);
    let CompletionParts::Listed(table) = completion.parts() else { return };
    assert_eq!((table.total(), table.client_parts()), (completion.total(), completion.client_parts()));
    let mut end = 0;
    for part in table.iter() {
        assert_eq!(part.plain_first, end);
        end += part.plain.bytes();
    }
    assert_eq!(end, completion.total().bytes());
    if let Some(range) = PlainRange::whole(table.total()) {
        let given: u64 = table.locate(range).unwrap().map(|(_, within)| within.bytes()).sum();
        assert_eq!(given, end);
        assert!(table.span(range).is_ok());
    }
    // What was read can be sealed and is read back the same.
    // What was read can be sealed and is read back the same, where the record knows of all parts: what it leaves out
    // cannot be given again. Of version 1 those are left out of which nothing is known.
    let (streams, version) = (completion.streams().listed(), completion.version());
    let is_kept = match version {
        RecordVersion::One => streams.is_empty() || streams.iter().any(|stream| stream.header().is_some()),
        RecordVersion::Two => streams.len() as u64 == u64::from(table.client_parts()),
    };
    if completion.at_upload().kind() == Kind::Multipart && is_kept {
        let (at_upload, attributes) = (completion.at_upload(), completion.attributes());
        let sealed = Completion::seal(secret, at_upload, version, (table, streams), attributes).unwrap();
        let stored = SealedLen::new(end + u64::from(table.client_parts()) * 16_440);
        let opened = Completion::open(secret, stored, table.client_parts(), sealed.as_bytes());
        assert_eq!(opened.as_ref(), Ok(&completion));
    }
});
