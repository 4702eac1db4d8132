//! Bytes that claim to be KMIP: what decodes is encoded to the same bytes again, and a lookup that is answered with
//! whatever comes asks a bounded number of questions and ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealgate_fuzz::kmip::{
    lookup::{Lookup, NameCheck, Step},
    messages::{ANSWER_LIMITS, answer_bytes},
    ttlv::{self, Item, Value, Writer},
};

const TENANT: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

fuzz_target!(|data: &[u8]| {
    if let Ok(item) = ttlv::decode(data, &ANSWER_LIMITS) {
        assert!(depth(&item) <= ANSWER_LIMITS.depth_max);
        let mut writer = Writer::default();
        writer.item(&item);
        assert_eq!(writer.into_bytes(), data);
        assert!(!format!("{item:?}").is_empty());
    }
    for check in [NameCheck::Require, NameCheck::Skip] {
        look_up(data, check);
    }
});

/// Answers the questions of a lookup with the messages that the input is a row of.
fn look_up(mut rest: &[u8], check: NameCheck) {
    let (mut lookup, _request) = Lookup::start(TENANT, check);
    let mut questions = 1;
    while let Some(answer) = cut(&mut rest) {
        match lookup.answer(answer) {
            Step::Done(_) => return,
            Step::Ask(next, request) => {
                assert!(ttlv::decode(&request, &ANSWER_LIMITS).is_ok());
                lookup = next;
            }
        }
        questions += 1;
        assert!(questions < 100, "no end of questions");
    }
}

/// The next message, as a connection would cut it.
fn cut<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let header = *rest.first_chunk()?;
    let length = answer_bytes(header).unwrap_or(rest.len()).min(rest.len());
    let (message, later) = rest.split_at(length);
    *rest = later;
    Some(message)
}

fn depth(item: &Item<'_>) -> usize {
    match item.value {
        Value::Structure(inside) => 1 + inside.items().map(|item| depth(&item)).max().unwrap_or(0),
        _ => 1,
    }
}
