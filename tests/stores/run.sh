#!/usr/bin/env bash
# The contract of a backend and the running gateway over one real store: `tests/stores/run.sh garage|ceph|rclone|seaweedfs`.
# What the store needs is installed, pinned, under target/stores (Ceph: from Debian, as root). Further words go to the tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
export SEALGATE_TEST_STORE=${1:?which store: seaweedfs, garage, ceph or rclone}
status=0
cargo test --ignore-rust-version --lib backend::s3::tests "${@:2}" || status=$?
cargo test --ignore-rust-version --test stores "${@:2}" || status=$?
exit "$status"
