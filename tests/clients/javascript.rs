//! The JavaScript SDK, version 3, and minio-js (`javascript.mjs`).

use crate::support::clients::script_tests;

script_tests! {
    node, "javascript.mjs", "export async function ":
    buffers_come_back
    a_stream_goes_up_with_a_trailer
    every_checksum_algorithm_is_taken
    lib_storage_uploads_a_stream_in_parts
    ranges_and_lists_are_plain
    a_copy_is_made
    errors_have_their_names
    minio_js_comes_back
}
