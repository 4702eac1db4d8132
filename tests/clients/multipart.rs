//! boto3: multipart uploads, as S3 promises them (`multipart.py`).

use crate::support::clients::script_tests;

script_tests! {
    python, "multipart.py", "def ":
    parts_of_any_size_make_one_object
    a_small_last_part_may_be_all_there_is
    parts_may_come_in_any_order_and_with_gaps
    a_part_that_is_sent_again_replaces_the_first
    the_etag_of_a_replaced_part_is_an_invalid_part
    the_etag_of_a_part_tells_the_attempt
    the_upload_is_open_after_a_refused_completion
    parts_that_are_not_named_are_dropped
    parts_must_be_named_in_order
    only_the_last_part_may_be_small
    part_numbers_have_bounds
    listed_parts_have_plain_sizes
    open_uploads_are_listed_until_they_end
    an_aborted_upload_is_gone
    an_upload_that_never_was_is_refused
    metadata_comes_from_the_beginning_of_the_upload
    ranges_cross_parts
    a_part_is_read_by_its_number
    the_only_part_of_a_plain_object_is_number_one
    attributes_speak_of_the_parts_of_the_client
    a_checksum_of_the_whole_object_is_verified_at_completion
    a_completion_may_be_repeated
    a_completion_has_conditions
    parts_are_copied_whole_and_by_range
    an_object_in_parts_is_copied
    any_part_of_many_is_read_back
}
