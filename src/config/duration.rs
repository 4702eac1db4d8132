//! [`GoDuration`]: a span of time written as Go writes it, `300ms`, `1h30m`, `1.5h`.
//!
//! The grammar is that of Go's `time.ParseDuration`: a sequence of decimal numbers, each with an optional fraction and
//! a unit of `ns us µs ms s m h`. Zero and negative spans are refused, since every duration of the configuration is a
//! period. Resolution is 1 ns, the longest span is Go's, 2^63 - 1 ns or about 292 years.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A positive span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GoDuration(Duration);

impl GoDuration {
    /// The span.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl GoDuration {
    /// For defaults; at least a second.
    pub(super) const fn of_seconds(seconds: u32) -> Self {
        Self(Duration::from_secs(if seconds == 0 { 1 } else { seconds as u64 }))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if unsigned == "0" {
            return Err(DurationError::NotPositive);
        }
        if unsigned.is_empty() {
            return Err(DurationError::Malformed);
        }
        let mut rest = unsigned;
        let mut nanos: u64 = 0;
        while !rest.is_empty() {
            let (term, after) = term(rest)?;
            nanos = nanos.checked_add(term).filter(|sum| *sum <= NANOS_MAX).ok_or(DurationError::TooLong)?;
            rest = after;
        }
        if nanos == 0 || text.starts_with('-') {
            return Err(DurationError::NotPositive);
        }
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

/// The nanoseconds of the first number with its unit, and the text after it.
fn term(text: &str) -> Result<(u64, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Malformed);
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::NoUnit);
    }
    let (_, unit_nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError::UnknownUnit)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| DurationError::TooLong)? };
    let mut below: u64 = 0;
    let mut scale: u64 = 1;
    for digit in fraction.bytes().take(FRACTION_DIGITS_MAX) {
        below = below * 10 + u64::from(digit - b'0');
        scale *= 10;
    }
    let below_nanos = u128::from(*unit_nanos) * u128::from(below) / u128::from(scale);
    let nanos = u128::from(whole) * u128::from(*unit_nanos) + below_nanos;
    Ok((u64::try_from(nanos).map_err(|_| DurationError::TooLong)?, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

impl TryFrom<String> for GoDuration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<GoDuration> for String {
    fn from(duration: GoDuration) -> Self {
        duration.to_string()
    }
}

impl fmt::Display for GoDuration {
    /// As short as can be, and read back to the same span: `1h30m`, `1.5s`, `300ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.0.as_secs() / 3600, self.0.as_secs() / 60 % 60);
        let (seconds, nanos) = (self.0.as_secs() % 60, self.0.subsec_nanos());
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        match (seconds, nanos) {
            (0, 0) => Ok(()),
            (0, _) if nanos % 1_000_000 == 0 => write!(f, "{}ms", nanos / 1_000_000),
            (0, _) if nanos % 1_000 == 0 => write!(f, "{}us", nanos / 1_000),
            (0, _) => write!(f, "{nanos}ns"),
            (_, 0) => write!(f, "{seconds}s"),
            (_, _) => write!(f, "{seconds}.{}s", format!("{nanos:09}").trim_end_matches('0')),
        }
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$",
            "examples": ["30s", "5m", "1h30m"]
        })
    }
}

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// no number where one should be
    #[error("not a duration such as 30s, 5m or 1h30m")]
    Malformed,
    /// a number without a unit
    #[error("a duration needs a unit: ns, us, ms, s, m or h")]
    NoUnit,
    /// a unit that Go does not know
    #[error("unknown unit in duration; known are ns, us, ms, s, m and h")]
    UnknownUnit,
    /// zero or negative
    #[error("a duration must be greater than zero")]
    NotPositive,
    /// more than 2^63 - 1 ns
    #[error("a duration must be shorter than 292 years")]
    TooLong,
}

const NANOS_MAX: u64 = i64::MAX.unsigned_abs();
/// Eighteen decimal digits fit 64 bits; one more is below a nanosecond in any unit.
const FRACTION_DIGITS_MAX: usize = 18;
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

#[cfg(test)]
mod tests;
