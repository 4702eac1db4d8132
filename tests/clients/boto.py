"""boto3: objects, their metadata, checksums, ranges, conditions, copies, lists, versions."""
import base64, hashlib, io, re

from boto3.s3.transfer import TransferConfig
from harness import MIB, client, content, equal, read, refused, run, with_bucket

ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


# --- bytes and checksums

def default_checksums_come_back():
    s3 = with_bucket()
    for size in [0, 1, 65535, 65536, 65537, 3 * MIB]:
        put = s3.put_object(Bucket="bucket", Key="key", Body=content(size))
        got = s3.get_object(Bucket="bucket", Key="key")
        equal(got["Body"].read(), content(size))
        equal((got["ContentLength"], got["ETag"]), (size, put["ETag"]))
        equal((got["ChecksumCRC32"], got["ChecksumType"]), (put["ChecksumCRC32"], "FULL_OBJECT"))


def every_checksum_algorithm_is_verified_kept_and_returned():
    s3 = with_bucket()
    for algorithm in ALGORITHMS:
        put = s3.put_object(Bucket="bucket", Key="key", Body=content(70_000), ChecksumAlgorithm=algorithm)
        name = f"Checksum{algorithm}"
        head = s3.head_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")
        attributes = s3.get_object_attributes(Bucket="bucket", Key="key", ObjectAttributes=["Checksum", "ObjectSize"])
        assert put[name], put
        equal((head[name], attributes["Checksum"][name], attributes["ObjectSize"]), (put[name], put[name], 70_000))
        equal(read(s3, "key"), content(70_000))


def a_sha256_of_the_client_is_taken_as_it_is():
    s3 = with_bucket()
    digest = base64.b64encode(hashlib.sha256(content(1000)).digest()).decode()
    s3.put_object(Bucket="bucket", Key="key", Body=content(1000), ChecksumSHA256=digest)
    equal(s3.head_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")["ChecksumSHA256"], digest)
    with refused("BadDigest", 400):
        s3.put_object(Bucket="bucket", Key="key", Body=content(1001), ChecksumSHA256=digest)


def checksums_are_told_to_those_who_ask():
    s3 = with_bucket(response_checksum_validation="when_required")
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain", ChecksumAlgorithm="SHA256")
    assert "ChecksumSHA256" not in s3.head_object(Bucket="bucket", Key="key")
    assert "ChecksumSHA256" in s3.head_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")


def a_large_file_goes_up_in_parts_and_comes_back():
    s3 = with_bucket()
    body = content(20 * MIB + 12345)
    for algorithm in [None, *ALGORITHMS]:
        more = {"ExtraArgs": {"ChecksumAlgorithm": algorithm}} if algorithm else {}
        s3.upload_fileobj(io.BytesIO(body), "bucket", "key", Config=TransferConfig(multipart_chunksize=5 * MIB), **more)
        equal(s3.head_object(Bucket="bucket", Key="key")["ContentLength"], len(body))
        back = io.BytesIO()
        s3.download_fileobj("bucket", "key", back, Config=TransferConfig(multipart_chunksize=3 * MIB))
        equal(back.getvalue(), body)


# --- what is said of an object

def head_tells_plain_length_type_and_metadata():
    s3 = with_bucket()
    said = dict(ContentType="image/png", CacheControl="no-store", ContentDisposition="inline", ContentEncoding="gzip",
                ContentLanguage="de", Metadata={"colour": "red", "empty": ""})
    s3.put_object(Bucket="bucket", Key="key", Body=content(70_000), **said)
    for answer in [s3.head_object(Bucket="bucket", Key="key"), s3.get_object(Bucket="bucket", Key="key")]:
        equal(answer["ContentLength"], 70_000)
        equal({name: answer[name] for name in said}, said)
        assert answer["AcceptRanges"] == "bytes" and answer["LastModified"]


def metadata_of_the_gateway_is_not_shown():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain", Metadata={"mine": "1"})
    equal(s3.head_object(Bucket="bucket", Key="key")["Metadata"], {"mine": "1"})
    headers = s3.get_object(Bucket="bucket", Key="key")["ResponseMetadata"]["HTTPHeaders"]
    assert not [name for name in headers if "sealgate" in name], headers


def metadata_of_the_gateway_is_refused():
    s3 = with_bucket()
    for name in ["sealgate", "sealgate-attrs"]:
        for operation in [s3.put_object, s3.create_multipart_upload]:
            with refused("InvalidArgument", 400):
                operation(Bucket="bucket", Key="key", Metadata={name: "forged"})


def a_response_has_the_headers_that_the_request_asks_for():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain", ContentType="text/plain")
    got = s3.get_object(Bucket="bucket", Key="key", ResponseContentType="image/png", ResponseCacheControl="no-cache",
                        ResponseContentDisposition="attachment", ResponseContentEncoding="x", ResponseContentLanguage="fr")
    there = [got[name] for name in ["ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage"]]
    equal(there, ["image/png", "no-cache", "attachment", "x", "fr"])


def an_etag_is_never_taken_for_an_md5():
    s3 = with_bucket()
    put = s3.put_object(Bucket="bucket", Key="key", Body=b"plain")
    assert re.fullmatch(r'"[0-9a-f]{32}-[0-9]+"', put["ETag"]), put["ETag"]
    listed = s3.list_objects_v2(Bucket="bucket")["Contents"][0]["ETag"]
    equal([put["ETag"]] * 2, [listed, s3.head_object(Bucket="bucket", Key="key")["ETag"]])


def encryption_is_told_and_asked_for():
    s3 = with_bucket()
    for asked in [{}, {"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "aws:kms"}]:
        put = s3.put_object(Bucket="bucket", Key="key", Body=b"plain", **asked)
        head = s3.head_object(Bucket="bucket", Key="key")
        equal((put["ServerSideEncryption"], head["ServerSideEncryption"]), ("aws:kms", "aws:kms"))
        assert head["SSEKMSKeyId"] and put["SSEKMSKeyId"] == head["SSEKMSKeyId"]


def a_key_of_the_customer_is_not_taken():
    s3 = with_bucket()
    key = base64.b64encode(bytes(32)).decode(), base64.b64encode(hashlib.md5(bytes(32)).digest()).decode()
    from botocore.awsrequest import AWSRequest
    def add(request: AWSRequest, **_):
        request.headers["x-amz-server-side-encryption-customer-algorithm"] = "AES256"
        request.headers["x-amz-server-side-encryption-customer-key"] = key[0]
        request.headers["x-amz-server-side-encryption-customer-key-MD5"] = key[1]
    s3.meta.events.register("before-sign.s3", add)
    with refused("AccessDenied", 403):
        s3.put_object(Bucket="bucket", Key="key", Body=b"plain")
    client().put_object(Bucket="bucket", Key="key", Body=b"plain")
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket="bucket", Key="key")


def any_name_will_do():
    s3 = with_bucket()
    for key in ["ü/ö ä", "a+b&c=d?e#f", "%2F%25", "..a", "a//b/", "日本語.txt", "x" * 1024, "\U0001f512", " lead and end "]:
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
        equal(read(s3, key), key.encode())
        equal([entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]], [key])
        s3.delete_object(Bucket="bucket", Key=key)


# --- ranges

def ranges_are_exact():
    s3 = with_bucket()
    body = content(200_000)
    s3.put_object(Bucket="bucket", Key="key", Body=body)
    for first, last in [(0, 0), (0, 65_535), (65_495, 65_496), (65_400, 131_200), (199_999, 199_999), (1, 199_998)]:
        got = s3.get_object(Bucket="bucket", Key="key", Range=f"bytes={first}-{last}")
        equal(got["ContentRange"], f"bytes {first}-{last}/200000")
        equal(got["Body"].read(), body[first:last + 1])


def open_and_suffix_ranges_reach_the_end():
    s3 = with_bucket()
    body = content(200_000)
    s3.put_object(Bucket="bucket", Key="key", Body=body)
    for value, wanted in [("150000-", body[150_000:]), ("-10", body[-10:]), ("-999999", body), ("199990-999999", body[199_990:])]:
        equal(read(s3, "key", Range=f"bytes={value}"), wanted)


def a_range_behind_the_end_tells_the_plain_size():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=content(1000))
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    for key, value, size in [("key", "1000-", 1000), ("key", "5000-6000", 1000), ("key", "-0", 1000), ("empty", "0-", 0)]:
        try:
            s3.get_object(Bucket="bucket", Key=key, Range=f"bytes={value}")
        except s3.exceptions.ClientError as error:
            equal(error.response["Error"]["Code"], "InvalidRange")
            equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 416)
            equal(error.response["ResponseMetadata"]["HTTPHeaders"].get("content-range"), f"bytes */{size}")
        else:
            raise AssertionError(f"{key} {value} was served")


def head_of_a_range_tells_its_length():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=content(1000))
    head = s3.head_object(Bucket="bucket", Key="key", Range="bytes=10-19")
    equal(head["ContentLength"], 10)


# --- conditions

def reads_have_conditions():
    s3 = with_bucket()
    put = s3.put_object(Bucket="bucket", Key="key", Body=b"plain")
    etag, changed = put["ETag"], s3.head_object(Bucket="bucket", Key="key")["LastModified"]
    for operation, failed, same in [(s3.get_object, "PreconditionFailed", "304"), (s3.head_object, "412", "304")]:
        call = lambda **condition: operation(Bucket="bucket", Key="key", **condition)
        call(IfMatch=etag), call(IfMatch="*"), call(IfNoneMatch='"0"'), call(IfUnmodifiedSince=changed)
        with refused(failed, 412): call(IfMatch='"00000000000000000000000000000000-0"')
        with refused(same, 304): call(IfNoneMatch=etag)
        with refused(same, 304): call(IfModifiedSince=changed)
        with refused(failed, 412): call(IfUnmodifiedSince="2001-01-01T00:00:00Z")


def the_stored_etag_is_not_an_etag():
    s3 = with_bucket()
    etag = s3.put_object(Bucket="bucket", Key="key", Body=b"plain")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket="bucket", Key="key", IfMatch=etag.replace("-0", ""))


def writes_have_conditions():
    s3 = with_bucket()
    put = lambda **condition: s3.put_object(Bucket="bucket", Key="key", Body=b"plain", **condition)
    with refused("NoSuchKey", 404): put(IfMatch='"00000000000000000000000000000000-0"')
    first = put(IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412): put(IfNoneMatch="*")
    second = put(IfMatch=first)["ETag"]
    with refused("PreconditionFailed", 412): put(IfMatch=first)
    with refused("PreconditionFailed", 412): s3.delete_object(Bucket="bucket", Key="key", IfMatch=first)
    s3.delete_object(Bucket="bucket", Key="key", IfMatch=second)


# --- copies

def a_copy_keeps_what_is_said_of_the_source():
    s3 = with_bucket()
    s3.create_bucket(Bucket="other")
    s3.put_object(Bucket="bucket", Key="key", Body=content(70_000), ContentType="image/png", Metadata={"colour": "red"},
                  Tagging="a=1", ChecksumAlgorithm="SHA256")
    for bucket, key in [("bucket", "copy"), ("other", "ü copy")]:
        s3.copy_object(CopySource={"Bucket": "bucket", "Key": "key"}, Bucket=bucket, Key=key)
        got = s3.get_object(Bucket=bucket, Key=key)
        equal(got["Body"].read(), content(70_000))
        equal((got["ContentType"], got["Metadata"]), ("image/png", {"colour": "red"}))
        equal(s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"], [{"Key": "a", "Value": "1"}])
        equal(s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["ChecksumSHA256"],
              s3.head_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")["ChecksumSHA256"])


def a_copy_replaces_what_it_is_told_to():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=content(70_000), ContentType="image/png", Metadata={"colour": "red"}, Tagging="a=1")
    s3.copy_object(CopySource="bucket/key", Bucket="bucket", Key="copy", MetadataDirective="REPLACE", ContentType="text/plain",
                   Metadata={"size": "small"}, TaggingDirective="REPLACE", Tagging="b=2")
    got = s3.get_object(Bucket="bucket", Key="copy")
    equal((got["Body"].read(), got["ContentType"], got["Metadata"]), (content(70_000), "text/plain", {"size": "small"}))
    equal(s3.get_object_tagging(Bucket="bucket", Key="copy")["TagSet"], [{"Key": "b", "Value": "2"}])


def a_copy_onto_itself_needs_a_change():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=content(70_000))
    with refused("InvalidRequest", 400):
        s3.copy_object(CopySource="bucket/key", Bucket="bucket", Key="key")
    for colour in ["red", "blue"]:
        s3.copy_object(CopySource="bucket/key", Bucket="bucket", Key="key", MetadataDirective="REPLACE", Metadata={"colour": colour})
        got = s3.get_object(Bucket="bucket", Key="key")
        equal((got["Body"].read(), got["Metadata"]), (content(70_000), {"colour": colour}))


def a_copy_of_a_copy_opens_when_the_source_is_gone():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="0", Body=content(400_000))
    for step in range(3):
        s3.copy_object(CopySource=f"bucket/{step}", Bucket="bucket", Key=str(step + 1))
        s3.delete_object(Bucket="bucket", Key=str(step))
    equal(read(s3, "3"), content(400_000))
    equal(read(s3, "3", Range="bytes=300000-300009"), content(400_000)[300_000:300_010])


def copies_have_conditions():
    s3 = with_bucket()
    etag = s3.put_object(Bucket="bucket", Key="key", Body=b"plain")["ETag"]
    copy = lambda **condition: s3.copy_object(CopySource="bucket/key", Bucket="bucket", Key="copy", **condition)
    with refused("PreconditionFailed", 412): copy(CopySourceIfNoneMatch=etag)
    with refused("PreconditionFailed", 412): copy(CopySourceIfMatch='"00000000000000000000000000000000-0"')
    copy(CopySourceIfMatch=etag)
    with refused("NoSuchKey", 404): s3.copy_object(CopySource="bucket/absent", Bucket="bucket", Key="copy")


# --- tags

def objects_have_tags():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain", Tagging="a=1&b=x%20y")
    equal(s3.get_object_tagging(Bucket="bucket", Key="key")["TagSet"], [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x y"}])
    equal(s3.get_object(Bucket="bucket", Key="key")["TagCount"], 2)
    s3.put_object_tagging(Bucket="bucket", Key="key", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    equal(s3.get_object_tagging(Bucket="bucket", Key="key")["TagSet"], [{"Key": "c", "Value": ""}])
    s3.delete_object_tagging(Bucket="bucket", Key="key")
    equal(s3.get_object_tagging(Bucket="bucket", Key="key")["TagSet"], [])


def an_object_has_ten_tags_at_most():
    s3 = with_bucket()
    tags = lambda n: {"TagSet": [{"Key": str(i), "Value": "v"} for i in range(n)]}
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain")
    s3.put_object_tagging(Bucket="bucket", Key="key", Tagging=tags(10))
    with refused("InvalidTag", 400): s3.put_object_tagging(Bucket="bucket", Key="key", Tagging=tags(11))


def buckets_have_tags():
    s3 = with_bucket()
    with refused("NoSuchTagSet", 404): s3.get_bucket_tagging(Bucket="bucket")
    s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    equal(s3.get_bucket_tagging(Bucket="bucket")["TagSet"], [{"Key": "a", "Value": "1"}])
    s3.delete_bucket_tagging(Bucket="bucket")
    with refused("NoSuchTagSet", 404): s3.get_bucket_tagging(Bucket="bucket")


# --- buckets and lists

def buckets_come_and_go():
    s3 = client()
    for name in ["bucket-one", "bucket-two"]:
        s3.create_bucket(Bucket=name)
    equal([bucket["Name"] for bucket in s3.list_buckets()["Buckets"]], ["bucket-one", "bucket-two"])
    s3.head_bucket(Bucket="bucket-one")
    s3.put_object(Bucket="bucket-one", Key="key", Body=b"")
    with refused("BucketNotEmpty", 409): s3.delete_bucket(Bucket="bucket-one")
    s3.delete_bucket(Bucket="bucket-two")
    with refused("404", 404): s3.head_bucket(Bucket="bucket-two")
    with refused("NoSuchBucket", 404): s3.list_objects_v2(Bucket="bucket-two")
    with refused("NoSuchBucket", 404): s3.put_object(Bucket="bucket-two", Key="key", Body=b"plain")


def a_bucket_is_made_once():
    s3 = with_bucket()
    with refused("BucketAlreadyOwnedByYou", 409): s3.create_bucket(Bucket="bucket")


def the_name_of_a_bucket_has_rules():
    s3 = client()
    for name in ["ab", "under_score", "Upper", "-lead", "two..dots"]:
        with refused("InvalidBucketName", 400): s3.create_bucket(Bucket=name)


def lists_show_plain_sizes_in_both_versions():
    s3 = with_bucket()
    sizes = {"0": 0, "1": 1, "65496": 65496, "65497": 65497, "200000": 200000}
    for key, size in sizes.items():
        s3.put_object(Bucket="bucket", Key=key, Body=content(size))
    for answer in [s3.list_objects_v2(Bucket="bucket"), s3.list_objects(Bucket="bucket")]:
        equal({entry["Key"]: entry["Size"] for entry in answer["Contents"]}, sizes)
    versions = s3.list_object_versions(Bucket="bucket")["Versions"]
    equal({entry["Key"]: entry["Size"] for entry in versions}, sizes)


def lists_are_paged():
    s3 = with_bucket()
    keys = [f"{i:02}" for i in range(25)]
    for key in keys:
        s3.put_object(Bucket="bucket", Key=key, Body=b"")
    for operation in ["list_objects_v2", "list_objects", "list_object_versions"]:
        pages = list(s3.get_paginator(operation).paginate(Bucket="bucket", PaginationConfig={"PageSize": 10}))
        name = "Versions" if operation == "list_object_versions" else "Contents"
        equal([[entry["Key"] for entry in page[name]] for page in pages], [keys[:10], keys[10:20], keys[20:]])


def lists_have_folders():
    s3 = with_bucket()
    for key in ["a", "b/1", "b/2", "b/c/3", "d"]:
        s3.put_object(Bucket="bucket", Key=key, Body=b"")
    for operation in [s3.list_objects_v2, s3.list_objects]:
        top = operation(Bucket="bucket", Delimiter="/")
        equal([entry["Key"] for entry in top["Contents"]], ["a", "d"])
        equal([entry["Prefix"] for entry in top["CommonPrefixes"]], ["b/"])
        below = operation(Bucket="bucket", Prefix="b/", Delimiter="/")
        equal([entry["Key"] for entry in below["Contents"]], ["b/1", "b/2"])
        equal([entry["Prefix"] for entry in below["CommonPrefixes"]], ["b/c/"])
    equal([entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket", StartAfter="b/1")["Contents"]], ["b/2", "b/c/3", "d"])


def many_objects_are_deleted_at_once():
    s3 = with_bucket()
    for i in range(5):
        s3.put_object(Bucket="bucket", Key=str(i), Body=content(400_000))
    keys = [{"Key": str(i)} for i in range(4)] + [{"Key": "absent"}]
    answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": keys})
    equal((len(answer["Deleted"]), answer.get("Errors", [])), (5, []))
    equal([entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]], ["4"])


# --- versions

def versions_are_kept():
    s3 = with_bucket()
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    equal(s3.get_bucket_versioning(Bucket="bucket")["Status"], "Enabled")
    ids = [s3.put_object(Bucket="bucket", Key="key", Body=content(size))["VersionId"] for size in [1000, 70_000]]
    equal([read(s3, "key", VersionId=version) for version in ids], [content(1000), content(70_000)])
    versions = s3.list_object_versions(Bucket="bucket")["Versions"]
    equal([(v["VersionId"], v["Size"], v["IsLatest"]) for v in versions], [(ids[1], 70_000, True), (ids[0], 1000, False)])
    copied = s3.copy_object(CopySource={"Bucket": "bucket", "Key": "key", "VersionId": ids[0]}, Bucket="bucket", Key="copy")
    equal(copied["CopySourceVersionId"], ids[0])
    equal(read(s3, "copy"), content(1000))


def a_delete_marker_hides_and_is_taken_back():
    s3 = with_bucket()
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain")
    marker = s3.delete_object(Bucket="bucket", Key="key")
    assert marker["DeleteMarker"]
    with refused("NoSuchKey", 404): read(s3, "key")
    equal(s3.list_objects_v2(Bucket="bucket")["KeyCount"], 0)
    equal(len(s3.list_object_versions(Bucket="bucket")["DeleteMarkers"]), 1)
    s3.delete_object(Bucket="bucket", Key="key", VersionId=marker["VersionId"])
    equal(read(s3, "key"), b"plain")


def a_suspended_bucket_writes_the_null_version():
    s3 = with_bucket()
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket="bucket", Key="key", Body=b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Suspended"})
    for body in [b"one", b"two"]:
        s3.put_object(Bucket="bucket", Key="key", Body=body)
    equal({v["VersionId"] for v in s3.list_object_versions(Bucket="bucket")["Versions"]}, {kept, "null"})
    equal((read(s3, "key", VersionId=kept), read(s3, "key", VersionId="null")), (b"kept", b"two"))


# --- errors

def what_cannot_be_served_is_said_to_be_not_implemented():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="key", Body=b"plain")
    bucket, key = {"Bucket": "bucket"}, {"Bucket": "bucket", "Key": "key"}
    rule = {"ID": "1", "Status": "Enabled", "Filter": {"Prefix": ""}}
    for operation, arguments in [
        (s3.put_bucket_lifecycle_configuration, dict(bucket, LifecycleConfiguration={"Rules": [rule | {"Expiration": {"Days": 1}}]})),
        (s3.put_bucket_website, dict(bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})),
        (s3.put_bucket_policy, dict(bucket, Policy="{}")),
        (s3.put_object_retention, dict(key, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": "2030-01-01T00:00:00Z"})),
        (s3.select_object_content, dict(key, Expression="SELECT *", ExpressionType="SQL", InputSerialization={"CSV": {}},
                                        OutputSerialization={"CSV": {}})),
        (s3.restore_object, dict(key, RestoreRequest={"Days": 1})),
    ]:
        with refused("NotImplemented", 501): operation(**arguments)
    equal(read(s3, "key"), b"plain")


def what_is_not_there_is_said_to_be_missing():
    s3 = with_bucket()
    with refused("NoSuchKey", 404): s3.get_object(Bucket="bucket", Key="absent")
    with refused("404", 404): s3.head_object(Bucket="bucket", Key="absent")
    equal(s3.delete_object(Bucket="bucket", Key="absent")["ResponseMetadata"]["HTTPStatusCode"], 204)
    with refused("NoSuchVersion", 404): s3.get_object(Bucket="bucket", Key="absent", VersionId="0" * 32)


def a_name_that_is_too_long_is_refused():
    s3 = with_bucket()
    with refused("KeyTooLongError", 400): s3.put_object(Bucket="bucket", Key="x" * 1025, Body=b"")


if __name__ == "__main__":
    run(globals())
