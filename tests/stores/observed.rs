//! Requests to the store: they carry the id of the client's request, and are counted.

use super::counted::counting_with;
use super::over::{lacks, own_prefix, replica};
use super::support::Request;
use serde_json::json;

#[test]
fn a_request_to_the_store_carries_the_id_of_the_clients_and_is_counted() {
    let prefix = own_prefix();
    replica(&prefix).call(Request::new("PUT", "/bucket")).succeeds();
    let (gateway, seen) = counting_with(&prefix, &json!({}));
    for (method, path, operation, status) in [
        ("PUT", "/bucket/key", "PutObject", 200),
        ("GET", "/bucket/key", "GetObject", 200),
        ("HEAD", "/bucket/none", "HeadObject", 404),
        ("GET", "/bucket/key?retention", "Other", 400),
    ] {
        if operation == "Other" && (lacks(&gateway, "settings") || lacks(&gateway, "object lock")) {
            continue;
        }
        let (answer, heads) = seen.during(|| gateway.call(Request::new(method, path)));
        assert_eq!(answer.status, status, "{method} {path}");
        let id = format!("x-sealgate-request-id: {}\r\n", answer.header("x-amz-request-id"));
        assert!(heads.len() == 1 && heads[0].to_lowercase().contains(&id.to_lowercase()), "{id} {heads:?}");
        let metrics = Request::new("GET", "/metrics").send(gateway.admin()).text();
        // some more were made at the start
        let outcome = format!("{}xx", status / 100);
        for line in [
            format!("sealgate_backend_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} "),
            format!("sealgate_backend_request_duration_seconds_count{{operation=\"{operation}\"}} "),
        ] {
            let count = metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok());
            assert!(count.is_some_and(|count| count > 0), "{line}{count:?} is in\n{metrics}");
        }
    }
}
