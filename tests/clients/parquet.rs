//! Parquet files by pyarrow and `DuckDB` (`parquet.py`).

use crate::support::clients::script_tests;

script_tests! {
    python, "parquet.py", "def ":
    pyarrow_reads_the_columns_it_wrote
    pyarrow_uploads_in_parts
    pyarrow_lists_a_folder
    duckdb_reads_what_pyarrow_wrote
    duckdb_writes_what_pyarrow_reads
}
