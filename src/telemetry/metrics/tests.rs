use super::*;

fn ended(operation: &'static str, status: u16) -> Ended {
    let ended = Ended { status, first_byte_micros: 3_000, total_micros: 2_000_000, ..Ended::of("1") };
    ended.facts.set_operation(operation);
    ended
}

#[test]
fn requests_are_counted_by_operation_and_class() {
    let metrics = Metrics::new("1.2.3");
    metrics.request(&ended("GetObject", 206));
    metrics.request(&ended("SomethingNew", 503));
    let text = metrics.text(&[]);
    for line in [
        "sealgate_http_requests_total{operation=\"GetObject\",code_class=\"2xx\"} 1",
        "sealgate_http_requests_total{operation=\"Other\",code_class=\"5xx\"} 1",
        "sealgate_http_request_duration_seconds_bucket{le=\"2.5\",operation=\"GetObject\"} 1",
        "sealgate_http_first_byte_seconds_bucket{le=\"0.005\",operation=\"GetObject\"} 1",
        "sealgate_build_info{version=\"1.2.3\"} 1",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn requests_to_the_store_are_counted_once_there_are_any() {
    let metrics = Metrics::new("1");
    assert!(!metrics.text(&[]).contains("sealgate_backend_requests_total{"));
    metrics.backend_call("PutObject", Some(503), Duration::from_secs(2));
    metrics.backend_call("PutObject", None, Duration::from_secs(2));
    metrics.backend_call("SomethingNew", Some(200), Duration::from_secs(2));
    let text = metrics.text(&[]);
    for line in [
        "sealgate_backend_requests_total{operation=\"PutObject\",outcome=\"5xx\"} 1",
        "sealgate_backend_requests_total{operation=\"PutObject\",outcome=\"none\"} 1",
        "sealgate_backend_requests_total{operation=\"Other\",outcome=\"2xx\"} 1",
        "sealgate_backend_request_duration_seconds_count{operation=\"PutObject\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn errors_are_counted_by_code_and_unknown_ones_together() {
    let metrics = Metrics::new("1");
    for code in ["NoSuchKey", "SomethingNew", "SomethingElse"] {
        metrics.request(&Ended { error_code: Some(code.to_owned()), ..ended("GetObject", 404) });
    }
    let text = metrics.text(&[]);
    for line in ["sealgate_s3_errors_total{code=\"NoSuchKey\"} 1", "sealgate_s3_errors_total{code=\"Other\"} 2"] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn caches_tell_hits_misses_and_entries() {
    tally::looked_up(Cache::Uploads, true, 7);
    tally::looked_up(Cache::Uploads, false, 7);
    let text = Metrics::new("1").text(&[]);
    assert!(text.contains("sealgate_cache_items{cache=\"uploads\"} 7"), "{text}");
    for result in ["hit", "miss"] {
        let line = format!("sealgate_cache_lookups_total{{cache=\"uploads\",result=\"{result}\"}} 0");
        assert!(!text.contains(&line), "{text}");
    }
}

#[test]
fn what_is_told_replaces_what_was_told_before() {
    let metrics = Metrics::new("1");
    metrics.tell(&table::UPSTREAM, [(label("upstream", "kms"), 1.0)]);
    metrics.tell(&table::UPSTREAM, [(label("upstream", "coordinator"), 0.0)]);
    metrics.tell_key_ages([30.0, 30.0]);
    metrics.tell_key_ages([30.0]);
    let text = metrics.text(&[]);
    assert!(text.contains("sealgate_upstream_connection_status{upstream=\"coordinator\"} 0.0"), "{text}");
    assert!(!text.contains("upstream=\"kms\""));
    let count = text.lines().find(|line| line.starts_with("sealgate_key_age_seconds_count")).unwrap();
    assert!(count.ends_with(" 1"), "{count}");
}

#[test]
fn every_metric_of_the_table_is_registered() {
    let metrics = Metrics::new("1");
    let _handles = metrics.audit("file");
    metrics.connections("s3").inc();
    metrics.handshakes_failed("s3").inc();
    metrics.tell_key_ages([1.0]);
    for described in TOLD {
        metrics.tell(described, [(Labels::new(), 1.0)]);
    }
    metrics.request(&ended("GetObject", 200));
    metrics.backend_call("GetObject", None, Duration::from_secs(1));
    let spread =
        |metric| Spread { metric, labels: label("operation", "list"), buckets: vec![(f64::INFINITY, 1)], sum: 0.5 };
    let spreads = [&table::COORDINATOR_DURATION, &table::KMS_DURATION].map(spread).into();
    let counted = [
        (&table::NETWORK, label("direction", "received"), 1),
        (&table::CONFIG_RELOADS, label("result", "ok"), 1),
        (&table::KEYS_REFRESHES, label("result", "ok"), 1),
        (&table::KEYS_LOOKUPS, label("result", "found"), 1),
        (&table::KEYS_SURPRISES, Labels::new(), 0),
        (&table::KEYS_REVOKED, Labels::new(), 0),
        (&table::KEYS_OPENED_NOT_ACTIVE, label("state", "compromised"), 0),
        (&table::COORDINATOR_REQUESTS, label("result", "answered"), 1),
        (&table::KMS_REQUESTS, label("result", "answered"), 1),
    ];
    let text = metrics.text_with(&counted, spreads);
    for described in table::ALL {
        let family = described.full_name();
        let family = family.strip_suffix("_total").unwrap_or(&family);
        assert!(text.contains(&format!("# TYPE {family} ")), "{family}\n{text}");
    }
}

#[test]
fn histograms_of_others_are_told_as_our_own_are() {
    let of = |operation, last| Spread {
        metric: &table::COORDINATOR_DURATION,
        labels: label("operation", operation),
        buckets: vec![(0.5, 2), (1.0, 1), (f64::INFINITY, last)],
        sum: 2.5,
    };
    let text = Metrics::new("1").text_with(&[], vec![of("list", 1), of("changes", 0)]);
    let name = "sealgate_coordinator_request_duration_seconds";
    assert_eq!(text.matches(&format!("# TYPE {name} histogram\n")).count(), 1, "{text}");
    for line in [
        format!("{name}_bucket{{le=\"0.5\",operation=\"list\"}} 2"),
        format!("{name}_bucket{{le=\"1.0\",operation=\"list\"}} 3"),
        format!("{name}_bucket{{le=\"+Inf\",operation=\"list\"}} 4"),
        format!("{name}_count{{operation=\"changes\"}} 3"),
        format!("{name}_sum{{operation=\"changes\"}} 2.5"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
