"""Parquet files through pyarrow's own S3 client (the C++ SDK) and DuckDB: many small ranges, trailer checksums."""
import os, pathlib, sys
from urllib.parse import urlparse

from harness import equal, run, with_bucket

ROWS = 300_000


def _table():
    import pyarrow as pa
    return pa.table({"number": range(ROWS), "square": [n * n for n in range(ROWS)], "text": [f"row {n}" for n in range(ROWS)]})


def _arrow():
    from pyarrow import fs
    endpoint = urlparse(os.environ["AWS_ENDPOINT_URL"])
    return fs.S3FileSystem(endpoint_override=endpoint.netloc, scheme=endpoint.scheme, region="us-east-1")


def pyarrow_reads_the_columns_it_wrote():
    import pyarrow.parquet as pq
    with_bucket()
    pq.write_table(_table(), "bucket/table.parquet", filesystem=_arrow(), row_group_size=20_000)
    got = pq.read_table("bucket/table.parquet", filesystem=_arrow(), columns=["square"])
    equal(got["square"].to_pylist()[-3:], [n * n for n in range(ROWS - 3, ROWS)])
    one = pq.ParquetFile("bucket/table.parquet", filesystem=_arrow()).read_row_group(7)
    equal(one["number"].to_pylist(), list(range(140_000, 160_000)))


def pyarrow_uploads_in_parts():
    import pyarrow.parquet as pq
    s3 = with_bucket()
    pq.write_table(_table(), "bucket/table.parquet", filesystem=_arrow(), compression="none", use_dictionary=False)
    head = s3.head_object(Bucket="bucket", Key="table.parquet")
    assert head["ContentLength"] > 5 << 20 and not head["ETag"].endswith('-0"'), head
    assert pq.read_table("bucket/table.parquet", filesystem=_arrow()).equals(_table())


def pyarrow_lists_a_folder():
    from pyarrow import fs
    s3 = with_bucket()
    for key in ["of/one", "of/two"]:
        s3.put_object(Bucket="bucket", Key=key, Body=b"plain")
    listed = _arrow().get_file_info(fs.FileSelector("bucket/of"))
    equal(sorted((entry.path, entry.size) for entry in listed), [("bucket/of/one", 5), ("bucket/of/two", 5)])


def _duckdb():
    import duckdb, duckdb_extension_httpfs
    folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent
    extension = next(folder.rglob("httpfs.duckdb_extension"))
    db = duckdb.connect()
    db.execute(f"LOAD '{extension}'")
    endpoint = urlparse(os.environ["AWS_ENDPOINT_URL"])
    db.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}', SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
                   ENDPOINT '{endpoint.netloc}', URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')""")
    return db


def duckdb_reads_what_pyarrow_wrote():
    import pyarrow.parquet as pq
    with_bucket()
    pq.write_table(_table(), "bucket/table.parquet", filesystem=_arrow(), row_group_size=20_000)
    found = _duckdb().execute("SELECT count(*), max(square) FROM 's3://bucket/table.parquet' WHERE number >= 290000").fetchall()
    equal(found, [(10_000, (ROWS - 1) ** 2)])


def duckdb_writes_what_pyarrow_reads():
    import pyarrow.parquet as pq
    with_bucket()
    _duckdb().execute("COPY (SELECT range AS number, 'row ' || range AS text FROM range(200000)) TO 's3://bucket/duck.parquet'")
    got = pq.read_table("bucket/duck.parquet", filesystem=_arrow())
    equal((got.num_rows, got["text"][199_999].as_py()), (200_000, "row 199999"))


if __name__ == "__main__":
    run(globals())
    sys.stdout.flush()
    os._exit(0)  # pyarrow's S3 threads may abort a process that ends in order
