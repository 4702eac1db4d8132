use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::kmip::{
    fields::{ATTRIBUTE, ATTRIBUTE_NAME, ATTRIBUTE_VALUE, UNIQUE_IDENTIFIER},
    messages::Operation,
    testing::{attributes, case, key, located, refused, success},
};

const TENANT: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";
const ACTIVE: u32 = 2;
const DEACTIVATED: u32 = 3;
const DESTROYED: u32 = 5;

/// A lookup that gets these answers one after another, all of which must be used up.
fn run(check: NameCheck, answers: &[Vec<u8>]) -> Result<Found, LookupError> {
    let (mut lookup, _) = Lookup::start(TENANT, check);
    let mut answers = answers.iter();
    loop {
        match lookup.answer(answers.next().expect("a lookup that asks no more than this")) {
            Step::Ask(next, _) => lookup = next,
            Step::Done(outcome) => {
                assert_eq!(answers.len(), 0, "answers are left over: {outcome:?}");
                return outcome;
            }
        }
    }
}

fn seed_text() -> String {
    STANDARD.encode([7; 48])
}

fn is_absent(outcome: &Result<Found, LookupError>) -> bool {
    matches!(outcome, Err(LookupError::NoSuchKey(absent)) if absent.tenant == TENANT)
}

#[test]
fn the_flow_that_real_servers_answered_gives_the_seed() {
    let case = |name| case(name).answer.unwrap();
    let answers = [case("pykmip 12-"), attributes("1", TENANT, ACTIVE), case("pykmip 13-")];
    let found = run(NameCheck::Require, &answers).unwrap();
    let text = "47Xom2yNLy4HUhRztoaVbs9cjVZ0pR2TbsnYi0govapq3X1Nx8NHaFncCnfYjxvh";
    assert_eq!(found.seed.expose(), STANDARD.decode(text).unwrap());
    assert_eq!(found.lifecycle, Lifecycle::Active);
}

#[test]
fn each_request_is_about_the_object_that_was_located() {
    let (lookup, request) = Lookup::start(TENANT, NameCheck::Require);
    assert_eq!(request, messages::locate(TENANT, LOCATED_ASKED));
    let Step::Ask(lookup, request) = lookup.answer(&located(&["7"])) else { panic!("done") };
    assert_eq!(request, case("pykmip 42-").request);
    let Step::Ask(_, request) = lookup.answer(&attributes("7", TENANT, ACTIVE)) else { panic!("done") };
    let mut expected = case("pykmip 13-").request;
    let id = expected.iter().rposition(|byte| *byte == b'1').unwrap();
    expected[id] = b'7';
    assert_eq!(request, expected);
}

#[test]
fn nothing_located_is_the_definite_answer() {
    let outcome = run(NameCheck::Require, &[located(&[])]);
    assert!(is_absent(&outcome), "{outcome:?}");
    let text = outcome.unwrap_err().to_string();
    assert_eq!(text, "key not found for private tenantID 67f1adf3-08e5-4eea-94e3-e611f263c87b");
}

#[test]
fn an_object_that_goes_away_on_the_way_is_the_definite_answer() {
    for reason in [0x01, 0x36, 0x37] {
        let locating = [refused(Operation::Locate, reason)];
        let checking = [located(&["1"]), refused(Operation::GetAttributes, reason)];
        let getting = [located(&["1"]), attributes("1", TENANT, ACTIVE), refused(Operation::Get, reason)];
        for answers in [&locating[..], &checking, &getting] {
            let outcome = run(NameCheck::Require, answers);
            assert!(is_absent(&outcome), "{reason:#x} {outcome:?}");
        }
    }
}

#[test]
fn a_destroyed_object_is_the_definite_answer() {
    let outcome = run(NameCheck::Require, &[located(&["1"]), attributes("1", TENANT, DESTROYED)]);
    assert!(is_absent(&outcome), "{outcome:?}");
}

#[test]
fn a_refusal_for_another_reason_is_not_the_definite_answer() {
    for reason in [0x03, 0x0C, 0x100] {
        let answers = [located(&["1"]), attributes("1", TENANT, ACTIVE), refused(Operation::Get, reason)];
        let outcome = run(NameCheck::Require, &answers);
        assert!(matches!(outcome, Err(LookupError::Kms(KmsError::Refused(_)))), "{reason:#x} {outcome:?}");
    }
}

#[test]
fn an_object_of_another_name_is_never_asked_for_its_key() {
    let other = "67F1ADF3-08E5-4EEA-94E3-E611F263C87B";
    let outcome = run(NameCheck::Require, &[located(&["1"]), attributes("1", other, ACTIVE)]);
    let error = outcome.unwrap_err();
    assert!(matches!(error, LookupError::Kms(KmsError::Mismatch { what: "name" })), "{error:?}");
}

#[test]
fn a_deactivated_key_is_given_with_its_state() {
    let answers = [located(&["1"]), attributes("1", TENANT, DEACTIVATED), key("1", seed_text().as_bytes())];
    assert_eq!(run(NameCheck::Require, &answers).unwrap().lifecycle, Lifecycle::Deactivated);
}

#[test]
fn two_living_objects_are_ambiguous_whatever_their_order() {
    let answers = [located(&["1", "2"]), attributes("2", TENANT, ACTIVE), attributes("1", TENANT, DEACTIVATED)];
    let error = run(NameCheck::Require, &answers).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LookupError::Kms(KmsError::Ambiguous { objects: 2, .. })), "{error:?}");
    assert!(text.starts_with("ambiguous key for tenant"), "{text}");
}

#[test]
fn what_a_server_lists_of_destroyed_objects_does_not_count() {
    let answers = [
        located(&["1", "2", "3"]),
        attributes("3", TENANT, DESTROYED),
        attributes("2", TENANT, ACTIVE),
        refused(Operation::GetAttributes, 0x36),
        key("2", seed_text().as_bytes()),
    ];
    assert_eq!(run(NameCheck::Require, &answers).unwrap().seed.expose(), [7; 48]);
}

#[test]
fn a_list_over_the_limit_is_ambiguous_without_another_request() {
    let ids: Vec<String> = (0..=LOCATED_MAX).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let error = run(NameCheck::Require, &[located(&ids)]).unwrap_err();
    assert!(matches!(error, LookupError::Kms(KmsError::Ambiguous { objects: 17, .. })), "{error:?}");
}

#[test]
fn without_the_name_check_the_key_follows_the_listing_of_active_objects() {
    let key = || key("1", seed_text().as_bytes());
    let listings = [
        (located(&["1"]), Lifecycle::Active),
        (located(&[]), Lifecycle::NotActive),
        (located(&["2"]), Lifecycle::NotActive),
        (refused(Operation::Locate, 0x01), Lifecycle::NotActive),
        // a server that cannot look for states tells none
        (refused(Operation::Locate, 0x07), Lifecycle::Active),
    ];
    for (active, expected) in listings {
        let found = run(NameCheck::Skip, &[located(&["1"]), active, key()]).unwrap();
        assert_eq!((found.seed.expose(), found.lifecycle), (&[7; 48][..], expected));
    }
}

#[test]
fn a_key_that_is_not_given_in_its_state_is_withheld() {
    let states = [(1, Lifecycle::PreActive), (DEACTIVATED, Lifecycle::Deactivated), (4, Lifecycle::Compromised)];
    for (state, expected) in states {
        for reason in [0x43, 0x0C] {
            let answers = [located(&["1"]), attributes("1", TENANT, state), refused(Operation::Get, reason)];
            let outcome = run(NameCheck::Require, &answers);
            let is_so = matches!(outcome, Err(LookupError::Withheld { lifecycle, .. }) if lifecycle == expected);
            assert!(is_so, "{state} {reason:#x} {outcome:?}");
        }
    }
    let answers = [located(&["1"]), attributes("1", TENANT, ACTIVE), refused(Operation::Get, 0x43)];
    let outcome = run(NameCheck::Require, &answers);
    assert!(matches!(outcome, Err(LookupError::Withheld { lifecycle: Lifecycle::NotActive, .. })), "{outcome:?}");
}

#[test]
fn a_state_that_no_specification_knows_is_not_active() {
    for (state, expected) in [
        (1, Lifecycle::PreActive),
        (4, Lifecycle::Compromised),
        (7, Lifecycle::NotActive),
        (0x8000_0001, Lifecycle::NotActive),
    ] {
        let answers = [located(&["1"]), attributes("1", TENANT, state), key("1", seed_text().as_bytes())];
        assert_eq!(run(NameCheck::Require, &answers).unwrap().lifecycle, expected);
    }
}

#[test]
fn two_states_of_one_object_are_no_answer() {
    let twice = success(Operation::GetAttributes, |payload| {
        UNIQUE_IDENTIFIER.put_text(payload, "1");
        for state in [4, ACTIVE] {
            ATTRIBUTE.put_structure(payload, |attribute| {
                ATTRIBUTE_NAME.put_text(attribute, "State");
                ATTRIBUTE_VALUE.put_enumeration(attribute, state);
            });
        }
    });
    let outcome = run(NameCheck::Require, &[located(&["1"]), twice]);
    assert!(matches!(outcome, Err(LookupError::Kms(KmsError::Payload(_)))), "{outcome:?}");
}

#[test]
fn without_the_name_check_two_objects_are_ambiguous_at_once() {
    let error = run(NameCheck::Skip, &[located(&["1", "2"])]).unwrap_err();
    assert!(matches!(error, LookupError::Kms(KmsError::Ambiguous { .. })), "{error:?}");
}

#[test]
fn a_server_that_ignores_names_is_found_out_by_the_canary() {
    let (canary, request) = Canary::start("nobody");
    assert_eq!(request, messages::locate("nobody", LOCATED_ASKED));
    assert!(matches!(canary.answer(&located(&["1"])), Err(KmsError::Mismatch { what: "name" })));
    assert!(Canary::start("nobody").0.answer(&located(&[])).is_ok());
}

proptest! {
    #[test]
    fn no_answer_however_damaged_makes_a_lookup_panic_or_go_on_for_ever(
        changes in prop::collection::vec((0_usize..4, any::<Index>(), any::<u8>()), 1..12),
    ) {
        let mut answers = [
            located(&["1", "2"]),
            refused(Operation::GetAttributes, 0x36),
            attributes("1", TENANT, ACTIVE),
            key("1", seed_text().as_bytes()),
        ];
        for (answer, at, byte) in changes {
            let at = at.index(answers[answer].len());
            answers[answer][at] = byte;
        }
        let (mut lookup, _) = Lookup::start(TENANT, NameCheck::Require);
        for answer in answers.iter().cycle().take(100) {
            match lookup.answer(answer) {
                Step::Ask(next, _) => lookup = next,
                Step::Done(_) => return Ok(()),
            }
        }
        prop_assert!(false, "still asking after 100 answers");
    }
}
