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


def a_framed_body_without_its_last_chunk_is_incomplete():
    """On HTTP/2 a stream ends where the client says, whatever the framing inside says."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    import botocore.session
    s3 = with_bucket(signature_version="s3v4")
    credentials = botocore.session.get_session().get_credentials()
    def put(body):
        request = AWSRequest("PUT", s3.meta.endpoint_url + "/bucket/key", headers={
            "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "5",
            "x-amz-trailer": "x-amz-checksum-crc32"})
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        request.context["payload_signing_enabled"] = False
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        with _http() as http:
            # without a length: the end of the stream is all there is
            return http.put(request.url, headers=dict(request.headers), content=iter([body]))
    whole = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    for end in [0, 8, 10, 13, 20, len(whole) - 2]:
        answer = put(whole[:end])
        equal((answer.http_version, answer.status_code), ("HTTP/2", 400))
        assert "<Code>IncompleteBody</Code>" in answer.text, answer.text
        equal(s3.list_objects_v2(Bucket="bucket")["KeyCount"], 0)
    equal(put(whole).status_code, 200)
    equal(s3.get_object(Bucket="bucket", Key="key")["Body"].read(), b"hello")


if __name__ == "__main__":
    run(globals())
