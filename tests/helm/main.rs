//! The Helm chart: rendered by Helm 3 and 4, checked against the schemas of several Kubernetes versions, its alerts
//! played through by promtool, and the files that it would mount given to the program.
//!
//! The checks themselves are functions of `chart.py`, one a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "../support/install.rs"]
#[allow(dead_code, reason = "the clients are for the other tests")]
mod install;
mod start;
mod tools;

use std::fs;
use std::path::Path;
use std::process::Command;

use sealgate::telemetry::table::{ALL, Described};
use tools::HELM;

/// Runs one check of `chart.py`.
#[track_caller]
fn check(name: &str, arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let metrics = folder.path().join("metrics");
    let names: Vec<String> = ALL.iter().map(Described::full_name).collect();
    fs::write(&metrics, names.join("\n")).unwrap();
    let output = Command::new(HELM.join("venv/bin/python"))
        .arg(root.join("tests/helm/chart.py"))
        .arg(root.join("helm/sealgate"))
        .args([HELM.join("helm3"), HELM.join("helm4"), HELM.join("usr/bin/promtool"), metrics])
        .arg(name)
        .args(arguments)
        // neither settings nor plugins of whoever runs the tests
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}:\n{}", String::from_utf8_lossy(&output.stderr));
}

macro_rules! checks {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name), &[]);
        }
    )*};
}

checks! {
    every_toggle_renders_valid_manifests_with_both_helms
    two_renders_are_the_same_and_both_helms_agree
    lint_is_strict_and_silent
    pods_are_restricted
    what_is_mounted_is_a_folder
    keys_of_the_cluster_are_mounted_and_named
    pods_make_certificates_for_development
    existing_objects_are_used_and_not_written
    the_free_map_becomes_json
    tokens_of_the_account_are_for_others_than_kubernetes
    pods_roll_for_what_counts_after_a_restart_only
    the_chart_can_be_signed_and_verified
    names_of_services_are_not_too_long
    the_chart_says_what_it_is
    probes_and_the_way_out
    scaling_and_disruption
    the_network_policy_names_every_port_both_ways
    the_admin_port_is_closed_to_other_namespaces_by_default
    services_have_further_ports_and_a_headless_one
    a_proxy_is_told_to_the_gateway
    every_example_of_the_readme_renders
    resources_follow_the_sizing_table
    wrong_values_are_refused_in_plain_words
    defaults_hold_no_secret
    notes_warn
    the_schema_is_draft_7_and_strict
    the_test_pod_is_one_of_helm_test
    the_readme_is_made_of_the_values
    an_upgrade_may_reuse_the_values_of_released_versions
    values_of_released_versions_render_and_what_cannot_change_does_not
    both_monitors_scrape_the_same_way
    alerts_are_sound
    the_dashboard_shows_metrics_that_exist
}
