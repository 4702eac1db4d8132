"""minio-py: signed chunks over plain HTTP, Content-MD5, `?location` first."""
import io, os
from urllib.parse import urlparse

from harness import MIB, content, equal, run, with_bucket
from minio import Minio


def _minio():
    host = urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
    return Minio(host, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], secure=False)


def objects_come_back():
    with_bucket()
    minio = _minio()
    for size in [0, 70_000, 12 * MIB]:
        minio.put_object("bucket", "key", io.BytesIO(content(size)), size, part_size=5 * MIB)
        equal(minio.stat_object("bucket", "key").size, size)
        equal(minio.get_object("bucket", "key").read(), content(size))


def a_stream_of_unknown_length_comes_back():
    with_bucket()
    _minio().put_object("bucket", "key", io.BytesIO(content(12 * MIB)), -1, part_size=5 * MIB)
    equal(_minio().get_object("bucket", "key").read(), content(12 * MIB))


def lists_show_plain_sizes():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=content(70_000))
    equal([(entry.object_name, entry.size) for entry in _minio().list_objects("bucket")], [("key", 70_000)])


if __name__ == "__main__":
    run(globals())
