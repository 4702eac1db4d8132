// The JavaScript SDK (version 3) and minio-js.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { client, content, endpoint, require, withBucket } from "./harness.mjs";

const sdk = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const MIB = 1 << 20;
const object = { Bucket: "bucket", Key: "key" };

async function read(s3, more = {}) {
  const got = await s3.send(new sdk.GetObjectCommand({ ...object, ...more }));
  return Buffer.from(await got.Body.transformToByteArray());
}

const same = (left, right) => assert.ok(Buffer.compare(left, right) === 0, `${left.length} and ${right.length} bytes`);

export async function buffers_come_back() {
  const s3 = await withBucket();
  for (const size of [0, 1, 65_536, 3 * MIB]) {
    await s3.send(new sdk.PutObjectCommand({ ...object, Body: content(size) }));
    same(await read(s3), content(size));
  }
}

export async function a_stream_goes_up_with_a_trailer() {
  const s3 = await withBucket();
  for (const size of [1, 70_000, 3 * MIB]) {
    const Body = Readable.from([content(size)]);
    const put = await s3.send(new sdk.PutObjectCommand({ ...object, Body, ContentLength: size }));
    assert.ok(put.ChecksumCRC32);
    same(await read(s3), content(size));
  }
}

export async function every_checksum_algorithm_is_taken() {
  const s3 = await withBucket();
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
    const put = await s3.send(new sdk.PutObjectCommand({ ...object, Body: content(70_000), ChecksumAlgorithm }));
    const head = await s3.send(new sdk.HeadObjectCommand({ ...object, ChecksumMode: "ENABLED" }));
    const name = `Checksum${ChecksumAlgorithm}`;
    assert.ok(put[name]);
    assert.equal(head[name], put[name]);
    same(await read(s3), content(70_000));
  }
}

export async function lib_storage_uploads_a_stream_in_parts() {
  const s3 = await withBucket();
  const chunks = Array.from({ length: 13 }, () => content(MIB));
  await new Upload({ client: s3, params: { ...object, Body: Readable.from(chunks) } }).done();
  same(await read(s3), Buffer.concat(chunks));
}

export async function ranges_and_lists_are_plain() {
  const s3 = await withBucket();
  await s3.send(new sdk.PutObjectCommand({ ...object, Body: content(200_000) }));
  same(await read(s3, { Range: "bytes=65530-65545" }), content(200_000).subarray(65_530, 65_546));
  const list = await s3.send(new sdk.ListObjectsV2Command({ Bucket: "bucket" }));
  assert.deepEqual(list.Contents.map(({ Key, Size }) => [Key, Size]), [["key", 200_000]]);
}

export async function a_copy_is_made() {
  const s3 = await withBucket();
  await s3.send(new sdk.PutObjectCommand({ ...object, Body: content(200_000) }));
  await s3.send(new sdk.CopyObjectCommand({ Bucket: "bucket", Key: "copy", CopySource: "bucket/key" }));
  same(await read(s3, { Key: "copy" }), content(200_000));
}

export async function errors_have_their_names() {
  const s3 = await withBucket();
  await assert.rejects(read(s3), { name: "NoSuchKey" });
  await assert.rejects(client().send(new sdk.ListObjectsV2Command({ Bucket: "absent" })), { name: "NoSuchBucket" });
}

export async function minio_js_comes_back() {
  await withBucket();
  const minio = new (require("minio").Client)({
    endPoint: endpoint.hostname,
    port: Number(endpoint.port),
    useSSL: false,
    accessKey: process.env.AWS_ACCESS_KEY_ID,
    secretKey: process.env.AWS_SECRET_ACCESS_KEY,
    partSize: 5 * MIB,
  });
  for (const size of [70_000, 12 * MIB]) {
    await minio.putObject("bucket", "key", Readable.from([content(size)]), size);
    assert.equal((await minio.statObject("bucket", "key")).size, size);
    const chunks = [];
    for await (const chunk of await minio.getObject("bucket", "key")) chunks.push(chunk);
    same(Buffer.concat(chunks), content(size));
  }
}
