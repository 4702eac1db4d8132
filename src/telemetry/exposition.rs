//! The text of metrics in the two formats that scrapers ask for: `OpenMetrics` 1.0, and the Prometheus text format
//! 0.0.4, in which a counter's family is named with `_total` and neither units nor an end are marked.

use std::collections::HashSet;

/// The content type of `OpenMetrics`.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of the Prometheus text format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a scraper takes `OpenMetrics`.
#[must_use]
pub fn takes_open_metrics(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.contains("application/openmetrics-text"))
}

/// `OpenMetrics` text in the Prometheus format.
#[must_use]
pub fn prometheus(open_metrics: &str) -> String {
    let counters: HashSet<&str> =
        open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let (mark, rest) = match line.split_at_checked(7) {
            Some((mark @ ("# HELP " | "# TYPE "), rest)) => (mark, rest),
            _ => ("", line),
        };
        let (name, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let suffix = if !mark.is_empty() && counters.contains(name) { "_total" } else { "" };
        text.extend([mark, name, suffix, " ", more, "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_samples() {
        let open = "# HELP a_bytes Some text.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"y z\"} 1\n# EOF\n";
        let expected = "# HELP a_bytes_total Some text.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"y z\"} 1\n";
        assert_eq!(prometheus(open), expected);
    }

    #[test]
    fn everything_else_stays() {
        let open = "# HELP g Help.\n# TYPE g gauge\ng 2.5\n";
        assert_eq!(prometheus(open), open);
    }
}
