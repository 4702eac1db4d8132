//! minio-py (`minio_py.py`).

use crate::support::clients::script_tests;

script_tests! {
    python, "minio_py.py", "def ":
    objects_come_back
    a_stream_of_unknown_length_comes_back
    lists_show_plain_sizes
}
