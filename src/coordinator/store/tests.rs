use super::*;

fn state(epoch: &str, revision: u64, floor: u64) -> State {
    State { epoch: epoch.into(), revision, floor, is_tagged: true }
}

#[test]
fn what_is_known_never_goes_back() {
    let known = watch::Sender::new(state("e", 5, 2));
    advance(&known, &state("e", 4, 2));
    assert_eq!(*known.borrow(), state("e", 5, 2));
    advance(&known, &state("e", 6, 2));
    assert_eq!(*known.borrow(), state("e", 6, 2));
    advance(&known, &state("f", 6, 2));
    assert_eq!(*known.borrow(), state("f", 6, 2));
}

#[test]
fn the_beginnings_of_a_prefix_are_all_but_itself() {
    assert_eq!(proper_beginnings("abc"), ["", "a", "ab"]);
    assert!(proper_beginnings("").is_empty());
}

#[test]
fn times_survive_to_the_second() {
    let time = from_unix_seconds(1_900_000_000);
    assert_eq!(unix_seconds(time), 1_900_000_000);
}

#[test]
fn a_tenant_is_as_expected_or_in_conflict() {
    assert!(Expected::Absent.check(None).is_ok());
    assert!(Expected::Revision(3).check(Some(3)).is_ok());
    for (expected, current) in
        [(Expected::Absent, Some(1)), (Expected::Revision(3), Some(4)), (Expected::Revision(3), None)]
    {
        assert!(matches!(expected.check(current), Err(StoreError::Conflict { current: told }) if told == current));
    }
}
