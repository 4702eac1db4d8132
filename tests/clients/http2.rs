//! HTTP/2 without TLS, by httpx (`http2.py`).

use crate::support::clients::script_tests;

script_tests! {
    python, "http2.py", "def ":
    an_object_goes_up_and_comes_back
    many_streams_share_a_connection
    a_framed_body_without_its_last_chunk_is_incomplete
}
