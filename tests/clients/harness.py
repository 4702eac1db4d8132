"""What the Python scripts share: a client of the gateway under test, a bucket, bytes, and the words for refusals.

A script's functions are the tests, run one at a time: `python boto.py FUNCTION [ARGUMENT...]`. Names that start with
an underscore are not tests. Endpoint and credentials come from the environment, as for every AWS client.
"""
import random, sys
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20


def client(**config):
    """boto3 with default settings; no retries, so that what goes wrong is seen."""
    return boto3.client("s3", config=Config(retries={"total_max_attempts": 1}, **config))


def with_bucket(**config):
    s3 = client(**config)
    s3.create_bucket(Bucket="bucket")
    return s3


def content(length, seed=0):
    return random.Random(seed).randbytes(length)


def read(s3, key, bucket="bucket", **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


@contextmanager
def refused(code, status=None):
    """Fails unless what is inside is refused with this S3 error code (HEAD has none: its status as text)."""
    try:
        yield
    except ClientError as error:
        there = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert there[0] == code and status in (None, there[1]), f"expected {code} {status}: {error} {there}"
    else:
        raise AssertionError(f"expected {code}: it was allowed")


def equal(left, right):
    assert left == right, f"{str(left)[:500]} is not {str(right)[:500]}"


def run(functions):
    functions[sys.argv[1]](*sys.argv[2:])
