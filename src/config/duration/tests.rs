use proptest::prelude::*;

use super::*;

fn nanos(text: &str) -> Result<u128, DurationError> {
    text.parse::<GoDuration>().map(|duration| duration.get().as_nanos())
}

#[test]
fn durations_are_read_as_go_reads_them() {
    // the cases of Go's own ParseDuration that are greater than zero
    let cases: &[(&str, u128)] = &[
        ("5s", 5_000_000_000),
        ("30s", 30_000_000_000),
        ("1478s", 1_478_000_000_000),
        ("+5s", 5_000_000_000),
        ("5.0s", 5_000_000_000),
        ("5.6s", 5_600_000_000),
        ("5.s", 5_000_000_000),
        (".5s", 500_000_000),
        ("1.0s", 1_000_000_000),
        ("1.004s", 1_004_000_000),
        ("1.0040s", 1_004_000_000),
        ("100.00100s", 100_001_000_000),
        ("10ns", 10),
        ("11us", 11_000),
        ("12\u{b5}s", 12_000),
        ("12\u{3bc}s", 12_000),
        ("13ms", 13_000_000),
        ("14s", 14_000_000_000),
        ("15m", 900_000_000_000),
        ("16h", 57_600_000_000_000),
        ("3h30m", 12_600_000_000_000),
        ("10.5s4m", 250_500_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("39h9m14.425s", 140_954_425_000_000),
        ("52763797000ns", 52_763_797_000),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("9007199254740993ns", 9_007_199_254_740_993),
        ("9223372036854775807ns", 9_223_372_036_854_775_807),
        ("9223372036s854ms775us807ns", 9_223_372_036_854_775_807),
        ("0.100000000000000000000h", 360_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("300ms", 300_000_000),
    ];
    for (text, expected) in cases {
        assert_eq!(nanos(text), Ok(*expected), "{text}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    use DurationError::{Malformed, NoUnit, TooLong, UnknownUnit};
    let cases = [
        ("", Malformed),
        ("3", NoUnit),
        ("-", Malformed),
        ("s", Malformed),
        (".", Malformed),
        ("-.", Malformed),
        (".s", Malformed),
        ("+.s", Malformed),
        ("1d", UnknownUnit),
        ("1 h", UnknownUnit),
        (" 1h", Malformed),
        ("1h ", UnknownUnit),
        ("1H", UnknownUnit),
        ("1h-5m", UnknownUnit),
        ("1h5", NoUnit),
        ("1.5.5h", NoUnit),
        ("1e3s", UnknownUnit),
        ("\u{661}s", Malformed),
        ("9223372036854775808ns", TooLong),
        ("9223372036854775.808us", TooLong),
        ("9223372036854ms775us808ns", TooLong),
        ("2562048h", TooLong),
        ("99999999999999999999h", TooLong),
    ];
    for (text, expected) in cases {
        assert_eq!(nanos(text), Err(expected), "{text:?}");
    }
}

#[test]
fn zero_and_negative_durations_are_refused() {
    for text in ["0", "+0", "-0", "0s", "0.0h", "0h0m0s", "-1s", "-1h30m", "0.1ns"] {
        assert_eq!(nanos(text), Err(DurationError::NotPositive), "{text:?}");
    }
}

#[test]
fn durations_are_written_short() {
    for (text, written) in
        [("90m", "1h30m"), ("1h0m0s", "1h"), ("1500ms", "1.5s"), ("1h0.25s", "1h250ms"), ("7us", "7us")]
    {
        assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), written);
    }
}

proptest! {
    #[test]
    fn a_written_duration_reads_back(nanos in 1..=NANOS_MAX) {
        let duration = GoDuration(Duration::from_nanos(nanos));
        prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
    }

    #[test]
    fn any_text_is_answered(text in "[-+.0-9a-zµμ ]{0,24}") {
        let _answer = text.parse::<GoDuration>();
    }
}
