//! Lies by requests: every answer is the truth or a refusal, nothing of a lie stays, and the counter is right.

use super::fixture::{Fixture, Outcome, Verb};
use super::lies::{self, Counts, Row};
use super::support::{Gateway, Request};

/// How many stored objects failed authentication, says a gateway.
pub(crate) fn tampered(gateway: &Gateway) -> u64 {
    let metrics = Request::new("GET", "/metrics").send(gateway.admin()).text();
    let counts = metrics.lines().filter(|line| line.starts_with("sealgate_crypto_integrity_failures_total{"));
    let counts: Vec<u64> = counts.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!counts.is_empty(), "the metric has gone");
    counts.iter().sum()
}

impl Row {
    fn allows(&self, verb: Verb, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Truth | Outcome::Refused => true,
            Outcome::Former => self.rolls_back || verb == Verb::Head && self.changes_sizes,
            // nothing authenticates a HEAD
            Outcome::Wrong(_) => verb == Verb::Head && self.changes_sizes,
        }
    }
}

/// Tells one lie in answer to all these requests.
fn told(fixture: &Fixture, row: &Row, verbs: &[Verb]) {
    let gateway = fixture.liar.gateway();
    for verb in verbs {
        for name in ["single", "parts"] {
            let key = format!("{name}-{verb:?}");
            for known in ["nothing", "the object", "the object before"] {
                fixture.liar.is_honest();
                if known == "the object before" {
                    fixture.liar.show(&fixture.former);
                    let was = fixture.asked(&gateway, *verb, &key);
                    // both have the same size, or no parts
                    let is_same = matches!((verb, name), (Verb::Head, "parts") | (Verb::Attributes, "single"));
                    assert!(
                        was == Outcome::Former || is_same && was == Outcome::Truth,
                        "{key} as it was, honestly: {was:?}"
                    );
                }
                fixture.liar.show(&fixture.present);
                if known == "the object" {
                    assert_eq!(
                        fixture.asked(&gateway, *verb, &key),
                        Outcome::Truth,
                        "{key} honestly, after {}",
                        row.name
                    );
                }
                fixture.liar.lies(&row.lie);
                let outcome = fixture.asked(&gateway, *verb, &key);
                assert!(row.allows(*verb, &outcome), "{key}, {}, {known} is known: {outcome:?}", row.name);
            }
            fixture.liar.is_honest();
            fixture.liar.show(&fixture.present);
            assert_eq!(fixture.asked(&gateway, *verb, &key), Outcome::Truth, "{key} honestly, after {}", row.name);
        }
    }
    let rises = tampered(&gateway) > 0;
    assert_eq!(rises, row.counts == Counts::Up, "{}: counted as tampering", row.name);
}

#[test]
fn what_was_changed_is_refused_and_counted() {
    let fixture = Fixture::new();
    for row in lies::tampering(&fixture.former) {
        told(&fixture, &row, &Verb::ALL);
    }
}

#[test]
fn nonsense_is_refused_or_seen_through_and_never_counted() {
    let fixture = Fixture::new();
    for row in lies::nonsense(&fixture.former) {
        told(&fixture, &row, &Verb::ALL);
    }
}

#[test]
fn answers_without_an_end_are_given_up_and_not_counted() {
    let fixture = Fixture::new();
    for row in lies::waiting(&fixture.former) {
        told(&fixture, &row, &[Verb::Range]);
    }
}
