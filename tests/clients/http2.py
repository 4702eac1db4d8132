"""HTTP/2 without TLS (prior knowledge), by httpx over presigned URLs of boto3."""
import hashlib

import httpx
from harness import MIB, client, content, equal, run, with_bucket


def _http():
    return httpx.Client(http1=False, http2=True, trust_env=False, timeout=60)


def _url(s3, operation, key="key"):
    return s3.generate_presigned_url(operation, Params={"Bucket": "bucket", "Key": key})


def _download(path):
    """Prints how a download ends: the status, how many bytes came, and whether the stream was aborted.

    A stream may be reset while its head is still queued: then no status has come.
    """
    bucket, key = path.strip("/").split("/")
    url = client(signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    status, came = None, 0
    try:
        with _http() as http, http.stream("GET", url) as answer:
            status = answer.status_code
            for chunk in answer.iter_raw():
                came += len(chunk)
            promised = answer.headers.get("content-length")
            print(status, came, "whole" if promised in (None, str(came)) else "short")
    except httpx.RemoteProtocolError:
        print(status, came, "aborted")


def an_object_goes_up_and_comes_back():
    s3 = with_bucket(signature_version="s3v4")
    with _http() as http:
        for size in [0, 1, 70_000, 20 * MIB]:
            put = http.put(_url(s3, "put_object"), content=content(size))
            equal((put.http_version, put.status_code), ("HTTP/2", 200))
            got = http.get(_url(s3, "get_object"))
            equal((got.status_code, len(got.content)), (200, size))
            equal(hashlib.sha256(got.content).digest(), hashlib.sha256(content(size)).digest())


def many_streams_share_a_connection():
    import asyncio
    s3 = with_bucket(signature_version="s3v4")
    s3.put_object(Bucket="bucket", Key="key", Body=content(MIB))
    async def read_all():
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False, timeout=60) as http:
            answers = await asyncio.gather(*(http.get(_url(s3, "get_object")) for _ in range(32)))
            equal([answer.content == content(MIB) for answer in answers], [True] * 32)
    asyncio.run(read_all())


if __name__ == "__main__":
    run(globals())
