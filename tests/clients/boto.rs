//! boto3: objects, their metadata, checksums, ranges, conditions, copies, lists, versions (`boto.py`).

use crate::support::clients::script_tests;

script_tests! {
    python, "boto.py", "def ":
    default_checksums_come_back
    every_checksum_algorithm_is_verified_kept_and_returned
    a_sha256_of_the_client_is_taken_as_it_is
    checksums_are_told_to_those_who_ask
    a_large_file_goes_up_in_parts_and_comes_back
    head_tells_plain_length_type_and_metadata
    metadata_of_the_gateway_is_not_shown
    metadata_of_the_gateway_is_refused
    a_response_has_the_headers_that_the_request_asks_for
    an_etag_is_never_taken_for_an_md5
    encryption_is_told_and_asked_for
    a_key_of_the_customer_is_not_taken
    any_name_will_do
    ranges_are_exact
    open_and_suffix_ranges_reach_the_end
    a_range_behind_the_end_tells_the_plain_size
    head_of_a_range_tells_its_length
    reads_have_conditions
    the_stored_etag_is_not_an_etag
    writes_have_conditions
    a_copy_keeps_what_is_said_of_the_source
    a_copy_replaces_what_it_is_told_to
    a_copy_onto_itself_needs_a_change
    a_copy_of_a_copy_opens_when_the_source_is_gone
    copies_have_conditions
    objects_have_tags
    an_object_has_ten_tags_at_most
    buckets_have_tags
    buckets_come_and_go
    a_bucket_is_made_once
    the_name_of_a_bucket_has_rules
    lists_show_plain_sizes_in_both_versions
    lists_are_paged
    lists_have_folders
    many_objects_are_deleted_at_once
    versions_are_kept
    a_delete_marker_hides_and_is_taken_back
    a_suspended_bucket_writes_the_null_version
    what_cannot_be_served_is_said_to_be_not_implemented
    what_is_not_there_is_said_to_be_missing
    a_name_that_is_too_long_is_refused
}
