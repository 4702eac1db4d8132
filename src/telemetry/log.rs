//! Log lines on standard error, as text or JSON.
//!
//! The framework logs every refused request as an error, and whole requests with their signatures when asked for more:
//! whatever the filter says, it stays silent, and so do the libraries that would tell of headers and of keys.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use super::traces::Traces;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// for people
    #[default]
    Text,
    /// one JSON object a line
    Json,
}

/// Whose lines hold requests, headers or key material at some level.
const NEVER: &[&str] = &[
    "s3s=off",
    "h2=info",
    "hyper=info",
    "hyper_util=info",
    "rustls=info",
    "aws_smithy_runtime=info",
    "aws_sigv4=off",
    "aws_config=info",
    // a line for each event in a watched folder, where the log itself may lie
    "notify=info",
    // spans that are for traces alone
    "sealgate_trace=off",
];

/// Logs from now on, and gives spans to the traces. `filter` is `info` or the like, or per module as in `sealgate::s3=debug`.
///
/// # Errors
/// If the filter makes no sense.
pub fn start(lines_of: &str, format: Format, recent: &RecentLines, traces: Option<&Traces>) -> Result<(), ParseError> {
    let shown = filter(lines_of)?;
    let Some(traces) = traces else {
        // one filter before everything: what is not logged costs nothing
        tracing_subscriber::registry().with(shown).with(never()?).with(recent.clone()).with(lines(format)).init();
        return Ok(());
    };
    let kept = recent.clone().with_filter(filter(lines_of)?.and(never()?));
    let shown = lines(format).with_filter(shown.and(never()?));
    tracing_subscriber::registry().with(traces.layer()).with(kept).with(shown).init();
    Ok(())
}

/// What is logged.
pub(super) fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let mut filter = EnvFilter::try_new(text)?;
    for directive in NEVER {
        filter = filter.add_directive(directive.parse()?);
    }
    Ok(filter)
}

/// What [`NEVER`] keeps out, also where the filter names a module within: there the longer name would win.
fn never() -> Result<Targets, ParseError> {
    NEVER.join(",").parse::<Targets>().map(|targets| targets.with_default(LevelFilter::TRACE))
}

fn lines<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => Box::new(lines.with_ansi(std::io::stderr().is_terminal())),
        Format::Json => Box::new(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)),
    }
}

/// The last warnings and errors, for the status page. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct RecentLines(Arc<Mutex<VecDeque<RecentLine>>>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentLine {
    /// when
    pub at: SystemTime,
    /// `WARN` or `ERROR`
    pub level: &'static str,
    /// the message and its fields
    pub text: String,
}

impl RecentLines {
    /// The last lines, the newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<RecentLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for RecentLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            _ => return,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        let end = text.0.char_indices().nth(LINE_CHARS_MAX).map_or(text.0.len(), |(end, _)| end);
        text.0.truncate(end);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(RecentLine { at: SystemTime::now(), level, text: text.0 });
    }
}

/// Message and fields as they come.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        let _infallible = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}

const LINES_MAX: usize = 50;
const LINE_CHARS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_logged_is_not_by_a_longer_name_either() {
        let recent = RecentLines::default();
        let asked = "s3s::ops=trace,notify::inotify=trace,rustls=trace,info";
        let subscriber = tracing_subscriber::registry().with(filter(asked).unwrap()).with(never().unwrap());
        tracing::subscriber::with_default(subscriber.with(recent.clone()), || {
            tracing::error!(target: "s3s::ops", "a request with its signature");
            tracing::debug!(target: "notify::inotify", "an event");
            assert!(!tracing::enabled!(target: "s3s::ops", Level::ERROR));
            assert!(!tracing::enabled!(target: "notify::inotify", Level::TRACE));
            assert!(!tracing::enabled!(target: "rustls", Level::DEBUG));
            tracing::warn!(target: "notify::inotify", "a folder cannot be watched");
        });
        let texts: Vec<_> = recent.newest_first().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["a folder cannot be watched"]);
    }

    #[test]
    fn the_last_warnings_and_errors_are_kept() {
        let recent = RecentLines::default();
        let subscriber = tracing_subscriber::registry().with(recent.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("not this one");
            for number in 0..60 {
                tracing::warn!(number, "warned");
            }
            tracing::error!(why = %"x".repeat(600), "failed");
        });
        let lines = recent.newest_first();
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[0].level == "ERROR" && lines[0].text.starts_with("failed why=x"));
        assert_eq!(lines[0].text.len(), LINE_CHARS_MAX);
        assert_eq!(lines[1].text, "warned number=59");
    }
}
