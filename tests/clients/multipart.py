"""boto3: multipart uploads, as S3 promises them."""
import base64, hashlib, re

from harness import MIB, client, content, equal, read, refused, run, with_bucket

OBJECT = {"Bucket": "bucket", "Key": "key"}


def _begin(s3, **more):
    return s3.create_multipart_upload(**OBJECT, **more)["UploadId"]


def _part(s3, upload, number, body, **more):
    return s3.upload_part(**OBJECT, UploadId=upload, PartNumber=number, Body=body, **more)["ETag"]


def _complete(s3, upload, etags, **more):
    """`etags` maps part numbers to entity tags."""
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]
    return s3.complete_multipart_upload(**OBJECT, UploadId=upload, MultipartUpload={"Parts": parts}, **more)


def _store_parts(*sizes):
    """Stores the object in parts of these sizes; for tests that damage it."""
    _stored(client(), *map(int, sizes))


def _stored(s3, *sizes):
    upload = _begin(s3)
    bodies = [content(size, seed) for seed, size in enumerate(sizes)]
    answer = _complete(s3, upload, {number: _part(s3, upload, number, body) for number, body in enumerate(bodies, 1)})
    return b"".join(bodies), answer["ETag"]


def parts_of_any_size_make_one_object():
    s3 = with_bucket()
    for sizes in [[5 * MIB], [5 * MIB, 1], [5 * MIB, 5 * MIB], [5 * MIB + 1, 7 * MIB + 13, 65_536], [9 * MIB, 5 * MIB, 6 * MIB]]:
        body, etag = _stored(s3, *sizes)
        got = s3.get_object(**OBJECT)
        equal(got["Body"].read(), body)
        equal((got["ContentLength"], got["ETag"]), (len(body), etag))
        equal([(e["Size"], e["ETag"]) for e in s3.list_objects_v2(Bucket="bucket")["Contents"]], [(len(body), etag)])


def a_small_last_part_may_be_all_there_is():
    s3 = with_bucket()
    for size in [1, 70_000, 5 * MIB - 1]:
        body, _ = _stored(s3, size)
        equal(read(s3, "key"), body)
        equal(s3.list_objects_v2(Bucket="bucket")["Contents"][0]["Size"], size)


def parts_may_come_in_any_order_and_with_gaps():
    s3 = with_bucket()
    upload = _begin(s3)
    bodies = {number: content(size, number) for number, size in [(9000, 1000), (7, 5 * MIB), (300, 6 * MIB)]}
    etags = {number: _part(s3, upload, number, body) for number, body in bodies.items()}
    _complete(s3, upload, dict(sorted(etags.items())))
    equal(read(s3, "key"), bodies[7] + bodies[300] + bodies[9000])


def a_part_that_is_sent_again_replaces_the_first():
    s3 = with_bucket()
    upload = _begin(s3)
    for first, then in [(5 * MIB, 6 * MIB), (5 * MIB, 1000), (1000, 6 * MIB)]:
        _part(s3, upload, 2, content(first, 1))
        last = _part(s3, upload, 2, content(then, 2))
        equal([part["Size"] for part in s3.list_parts(**OBJECT, UploadId=upload)["Parts"]], [then])
    _complete(s3, upload, {1: _part(s3, upload, 1, content(5 * MIB, 3)), 2: last})
    equal(read(s3, "key"), content(5 * MIB, 3) + content(6 * MIB, 2))


def the_etag_of_a_replaced_part_is_an_invalid_part():
    s3 = with_bucket()
    upload = _begin(s3)
    old = _part(s3, upload, 1, content(5 * MIB, 1))
    _part(s3, upload, 1, content(5 * MIB, 2))
    with refused("InvalidPart", 400): _complete(s3, upload, {1: old})


def the_etag_of_a_part_tells_the_attempt():
    s3 = with_bucket()
    s3.put_object(Bucket="bucket", Key="source", Body=content(1000))
    for size in [1000, 5 * MIB]:
        upload = _begin(s3)
        first, etag = (_part(s3, upload, 1, content(size)) for _ in range(2))
        copied = s3.upload_part_copy(**OBJECT, UploadId=upload, PartNumber=2, CopySource="bucket/source")["CopyPartResult"]["ETag"]
        for one in (first, etag, copied): assert re.fullmatch(r'"[0-9a-f]{32}-[0-9a-f]{32}"', one), one
        assert len({one[-33:] for one in (first, etag, copied)}) == 3
        equal([part["ETag"] for part in s3.list_parts(**OBJECT, UploadId=upload)["Parts"]], [etag, copied])
        stored, attempt = etag.strip('"').split("-")
        for wrong in [stored, f"{stored}-0", f"{stored}-{first[-33:]}", f"{stored}-{attempt[1:]}", attempt]:
            with refused("InvalidPart", 400): _complete(s3, upload, {1: wrong})
        given = {1000: etag.strip('"').upper(), 5 * MIB: f"{stored}-{32 * '0'}"}[size]
        assert re.fullmatch(r'"[0-9a-f]{32}-[12]"', _complete(s3, upload, {1: given})["ETag"])
        equal(read(s3, "key"), content(size))


def the_upload_is_open_after_a_refused_completion():
    s3 = with_bucket()
    upload = _begin(s3)
    etag = _part(s3, upload, 1, content(5 * MIB, 1))
    with refused("InvalidPart", 400): _complete(s3, upload, {1: etag, 2: etag})
    _complete(s3, upload, {1: etag})
    equal(read(s3, "key"), content(5 * MIB, 1))


def parts_that_are_not_named_are_dropped():
    s3 = with_bucket()
    upload = _begin(s3)
    etags = {number: _part(s3, upload, number, content(5 * MIB, number)) for number in [1, 2, 3]}
    _complete(s3, upload, {1: etags[1], 3: etags[3]})
    equal(read(s3, "key"), content(5 * MIB, 1) + content(5 * MIB, 3))


def parts_must_be_named_in_order():
    s3 = with_bucket()
    upload = _begin(s3)
    etags = {number: _part(s3, upload, number, content(5 * MIB, number)) for number in [1, 2]}
    with refused("InvalidPartOrder", 400): _complete(s3, upload, {2: etags[2], 1: etags[1]})


def only_the_last_part_may_be_small():
    s3 = with_bucket()
    upload = _begin(s3)
    etags = {number: _part(s3, upload, number, content(size, number)) for number, size in [(1, 1000), (2, 5 * MIB)]}
    with refused("EntityTooSmall", 400): _complete(s3, upload, etags)


def part_numbers_have_bounds():
    s3 = with_bucket()
    upload = _begin(s3)
    for number in [0, 10_000, 10_001]:
        with refused("InvalidArgument", 400): _part(s3, upload, number, b"plain")
    _part(s3, upload, 9_999, b"plain")


def listed_parts_have_plain_sizes():
    s3 = with_bucket()
    upload = _begin(s3)
    sizes = {1: 5 * MIB, 2: 5 * MIB + 7, 5: 1000, 9: 0}
    etags = {number: _part(s3, upload, number, content(size, number)) for number, size in sizes.items()}
    listed = s3.list_parts(**OBJECT, UploadId=upload)["Parts"]
    equal({part["PartNumber"]: (part["Size"], part["ETag"]) for part in listed}, {n: (sizes[n], etags[n]) for n in sizes})
    first = s3.list_parts(**OBJECT, UploadId=upload, MaxParts=2)
    equal(([part["PartNumber"] for part in first["Parts"]], first["IsTruncated"]), ([1, 2], True))
    second = s3.list_parts(**OBJECT, UploadId=upload, PartNumberMarker=first["NextPartNumberMarker"])
    equal(([part["PartNumber"] for part in second["Parts"]], second["IsTruncated"]), ([5, 9], False))


def open_uploads_are_listed_until_they_end():
    s3 = with_bucket()
    uploads = [_begin(s3), _begin(s3)]
    listed = s3.list_multipart_uploads(Bucket="bucket")["Uploads"]
    equal({(entry["Key"], entry["UploadId"]) for entry in listed}, {("key", upload) for upload in uploads})
    s3.abort_multipart_upload(**OBJECT, UploadId=uploads[0])
    _complete(s3, uploads[1], {1: _part(s3, uploads[1], 1, b"plain")})
    equal(s3.list_multipart_uploads(Bucket="bucket").get("Uploads", []), [])


def an_aborted_upload_is_gone():
    s3 = with_bucket()
    upload = _begin(s3)
    etags = {1: _part(s3, upload, 1, content(5 * MIB)), 2: _part(s3, upload, 2, content(1000))}
    s3.abort_multipart_upload(**OBJECT, UploadId=upload)
    with refused("NoSuchUpload", 404): _part(s3, upload, 3, b"plain")
    with refused("NoSuchUpload", 404): _complete(s3, upload, etags)
    with refused("NoSuchUpload", 404): s3.list_parts(**OBJECT, UploadId=upload)
    with refused("NoSuchKey", 404): read(s3, "key")


def an_upload_that_never_was_is_refused():
    s3 = with_bucket()
    for upload in ["nonsense", "0" * 64, "../../etc"]:
        with refused("NoSuchUpload", 404): _part(s3, upload, 1, b"plain")


def metadata_comes_from_the_beginning_of_the_upload():
    s3 = with_bucket()
    upload = _begin(s3, ContentType="image/png", Metadata={"colour": "red"}, Tagging="a=1")
    _complete(s3, upload, {1: _part(s3, upload, 1, b"plain")})
    got = s3.get_object(**OBJECT)
    equal((got["ContentType"], got["Metadata"], got["TagCount"]), ("image/png", {"colour": "red"}, 1))
    equal(got["Body"].read(), b"plain")


def ranges_cross_parts():
    s3 = with_bucket()
    body, _ = _stored(s3, 5 * MIB, 5 * MIB + 100, 1000)
    joint = 5 * MIB
    for first, last in [(0, 9), (joint - 1, joint), (joint - 70_000, joint + 70_000), (len(body) - 1, len(body) - 1), (1, len(body) - 2)]:
        got = s3.get_object(**OBJECT, Range=f"bytes={first}-{last}")
        equal(got["Body"].read(), body[first:last + 1])
        equal(got["ContentRange"], f"bytes {first}-{last}/{len(body)}")
    equal(read(s3, "key", Range="bytes=-1500"), body[-1500:])


def a_part_is_read_by_its_number():
    s3 = with_bucket()
    sizes = [5 * MIB, 6 * MIB, 1000]
    body, _ = _stored(s3, *sizes)
    offset = 0
    for number, size in enumerate(sizes, 1):
        got = s3.get_object(**OBJECT, PartNumber=number)
        equal(got["Body"].read(), body[offset:offset + size])
        equal((got["PartsCount"], got["ContentLength"]), (3, size))
        equal(got["ContentRange"], f"bytes {offset}-{offset + size - 1}/{len(body)}")
        equal(s3.head_object(**OBJECT, PartNumber=number)["ContentLength"], size)
        offset += size
    with refused("InvalidPartNumber", 416): s3.get_object(**OBJECT, PartNumber=4)


def the_only_part_of_a_plain_object_is_number_one():
    s3 = with_bucket()
    s3.put_object(**OBJECT, Body=content(1000))
    equal(read(s3, "key", PartNumber=1), content(1000))
    with refused("InvalidPartNumber", 416): s3.get_object(**OBJECT, PartNumber=2)


def attributes_speak_of_the_parts_of_the_client():
    s3 = with_bucket()
    upload = _begin(s3, ChecksumAlgorithm="SHA256")
    bodies = [content(5 * MIB, 1), content(5 * MIB, 2), content(1000, 3)]
    digests = [base64.b64encode(hashlib.sha256(body).digest()).decode() for body in bodies]
    parts = [{"PartNumber": n, "ETag": _part(s3, upload, n, body, ChecksumSHA256=digest), "ChecksumSHA256": digest}
             for n, (body, digest) in enumerate(zip(bodies, digests), 1)]
    s3.complete_multipart_upload(**OBJECT, UploadId=upload, MultipartUpload={"Parts": parts})
    told = s3.get_object_attributes(**OBJECT, ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"])
    equal((told["ObjectSize"], told["ObjectParts"]["TotalPartsCount"]), (10 * MIB + 1000, 3))
    whole = hashlib.sha256(b"".join(base64.b64decode(digest) for digest in digests)).digest()
    equal(told["Checksum"]["ChecksumSHA256"].removesuffix("-3"), base64.b64encode(whole).decode())
    equal(told["Checksum"]["ChecksumType"], "COMPOSITE")
    head = s3.head_object(**OBJECT, ChecksumMode="ENABLED")
    equal(head["ChecksumSHA256"].removesuffix("-3"), base64.b64encode(whole).decode())


def a_checksum_of_the_whole_object_is_verified_at_completion():
    from awscrt.checksums import crc64nvme
    s3 = with_bucket()
    bodies = [content(5 * MIB, 1), content(1000, 2)]
    right = base64.b64encode(crc64nvme(b"".join(bodies)).to_bytes(8, "big")).decode()
    upload = _begin(s3, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
    etags = {n: _part(s3, upload, n, body, ChecksumAlgorithm="CRC64NVME") for n, body in enumerate(bodies, 1)}
    with refused("BadDigest", 400):
        _complete(s3, upload, etags, ChecksumCRC64NVME=base64.b64encode(bytes(8)).decode(), ChecksumType="FULL_OBJECT")
    done = _complete(s3, upload, etags, ChecksumCRC64NVME=right, ChecksumType="FULL_OBJECT")
    equal((done["ChecksumCRC64NVME"], done["ChecksumType"]), (right, "FULL_OBJECT"))
    equal(s3.head_object(**OBJECT, ChecksumMode="ENABLED")["ChecksumCRC64NVME"], right)


def a_completion_may_be_repeated():
    s3 = with_bucket()
    upload = _begin(s3)
    etags = {1: _part(s3, upload, 1, content(5 * MIB))}
    first = _complete(s3, upload, etags)
    try:
        equal(_complete(s3, upload, etags)["ETag"], first["ETag"])
    except s3.exceptions.ClientError as error:
        equal(error.response["Error"]["Code"], "NoSuchUpload")
    equal(read(s3, "key"), content(5 * MIB))


def a_completion_has_conditions():
    s3 = with_bucket()
    s3.put_object(**OBJECT, Body=b"there")
    upload = _begin(s3)
    etags = {1: _part(s3, upload, 1, b"plain")}
    with refused("PreconditionFailed", 412): _complete(s3, upload, etags, IfNoneMatch="*")
    equal(read(s3, "key"), b"there")
    _complete(s3, upload, etags, IfMatch=s3.head_object(**OBJECT)["ETag"])
    equal(read(s3, "key"), b"plain")


def parts_are_copied_whole_and_by_range():
    s3 = with_bucket()
    source = content(12 * MIB, 1)
    s3.put_object(Bucket="bucket", Key="source", Body=source)
    upload = _begin(s3)
    copy = lambda number, **more: s3.upload_part_copy(**OBJECT, UploadId=upload, PartNumber=number, CopySource="bucket/source", **more)
    ranges = {2: (0, 5 * MIB - 1), 3: (1000, 6 * MIB), 4: (12 * MIB - 7, 12 * MIB - 1)}
    etags = {1: copy(1)["CopyPartResult"]["ETag"]}
    for number, (first, last) in ranges.items():
        etags[number] = copy(number, CopySourceRange=f"bytes={first}-{last}")["CopyPartResult"]["ETag"]
    with refused("InvalidArgument", 400): copy(5, CopySourceRange=f"bytes=0-{12 * MIB}")
    _complete(s3, upload, etags)
    equal(read(s3, "key"), source + b"".join(source[first:last + 1] for first, last in ranges.values()))


def an_object_in_parts_is_copied():
    s3 = with_bucket()
    body, _ = _stored(s3, 5 * MIB, 6 * MIB, 1000)
    s3.copy_object(CopySource="bucket/key", Bucket="bucket", Key="copy")
    s3.delete_object(**OBJECT)
    equal(read(s3, "copy"), body)
    equal(read(s3, "copy", Range="bytes=5242870-5242890"), body[5242870:5242891])
    equal(s3.list_objects_v2(Bucket="bucket")["Contents"][0]["Size"], len(body))


def any_part_of_many_is_read_back():
    s3 = with_bucket()
    upload = _begin(s3)
    body = content(5 * MIB)
    etags = {number: _part(s3, upload, number, body[number:] + body[:number]) for number in range(1, 13)}
    _complete(s3, upload, etags)
    for number in [1, 6, 12]:
        equal(read(s3, "key", PartNumber=number), body[number:] + body[:number])
    equal(s3.head_object(**OBJECT)["ContentLength"], 60 * MIB)


if __name__ == "__main__":
    run(globals())
