// What minio-js does against a server, one JSON line for each check. Its package ships no tests of its own, so these
// follow the client's API call by call. `node minio-js.mjs FOLDER`, where FOLDER has node_modules.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';

const Minio = createRequire(`${process.argv[2]}/package.json`)('minio');
const endpoint = new URL(process.env.AWS_ENDPOINT_URL);
const client = new Minio.Client({
  endPoint: endpoint.hostname,
  port: Number(endpoint.port),
  useSSL: false,
  region: process.env.AWS_REGION,
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
});
const bucket = `minio-js-${randomUUID()}`;
const MIB = 1 << 20;
const small = randomBytes(100_000);
const large = randomBytes(11 * MIB);

const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');
const all = async (stream) => {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces.every(Buffer.isBuffer) ? Buffer.concat(pieces) : pieces;
};
const same = async (key, bytes) => assert.equal(md5(await all(await client.getObject(bucket, key))), md5(bytes));
const refused = (code, promise) => assert.rejects(promise, (error) => error.code === code);

const checks = {
  async makeBucket() {
    await client.makeBucket(bucket, 'us-east-1');
    assert.equal(await client.bucketExists(bucket), true);
    assert.equal(await client.bucketExists(`${bucket}-absent`), false);
  },
  async makeBucketTwice() {
    await refused('BucketAlreadyOwnedByYou', client.makeBucket(bucket, 'us-east-1'));
  },
  async listBuckets() {
    assert.ok((await client.listBuckets()).some((each) => each.name === bucket));
  },
  async putObjectBuffer() {
    const { etag } = await client.putObject(bucket, 'small', small, small.length, { 'X-Amz-Meta-Colour': 'red' });
    const stat = await client.statObject(bucket, 'small');
    assert.deepEqual([stat.size, stat.etag, stat.metaData.colour], [small.length, etag, 'red']);
    await same('small', small);
  },
  async putObjectEmpty() {
    await client.putObject(bucket, 'empty', Buffer.alloc(0));
    assert.equal((await client.statObject(bucket, 'empty')).size, 0);
    await same('empty', Buffer.alloc(0));
  },
  async putObjectStream() {
    await client.putObject(bucket, 'stream', Readable.from([small, small]), 2 * small.length);
    await same('stream', Buffer.concat([small, small]));
  },
  async putObjectInParts() {
    await client.putObject(bucket, 'large', Readable.from([large]));
    assert.equal((await client.statObject(bucket, 'large')).size, large.length);
    await same('large', large);
  },
  async putObjectOddNames() {
    for (const key of ['a b', 'ä/ö+ü', 'per%20cent', '~!@#$%^&*()', 'dir/', "quote'\"<>"]) {
      await client.putObject(bucket, key, small);
      await same(key, small);
      await client.removeObject(bucket, key);
    }
  },
  async fPutAndFGetObject() {
    await writeFile('up.bin', large);
    await client.fPutObject(bucket, 'file', 'up.bin', { 'Content-Type': 'image/png' });
    await client.fGetObject(bucket, 'file', 'down.bin');
    assert.equal(md5(await readFile('down.bin')), md5(large));
    await Promise.all([rm('up.bin'), rm('down.bin')]);
  },
  async getPartialObject() {
    for (const [key, whole] of [['small', small], ['large', large]]) {
      for (const [from, count] of [[0, 1], [70_000, 20_000], [99_000, 1_000]]) {
        const part = await all(await client.getPartialObject(bucket, key, from, count));
        assert.equal(md5(part), md5(whole.subarray(from, from + count)));
      }
    }
  },
  async getAbsentObject() {
    await refused('NoSuchKey', client.getObject(bucket, 'absent'));
    await refused('NotFound', client.statObject(bucket, 'absent'));
  },
  async copyObject() {
    await client.copyObject(bucket, 'copy', `/${bucket}/large`);
    await same('copy', large);
    const { etag } = await client.statObject(bucket, 'small');
    const conditions = new Minio.CopyConditions();
    conditions.setMatchETag(etag);
    await client.copyObject(bucket, 'copy', `/${bucket}/small`, conditions);
    await same('copy', small);
    conditions.setMatchETag('0123456789abcdef0123456789abcdef');
    await refused('PreconditionFailed', client.copyObject(bucket, 'copy', `/${bucket}/empty`, conditions));
  },
  async composeObject() {
    const sources = ['large', 'small'].map((Object) => new Minio.CopySourceOptions({ Bucket: bucket, Object }));
    await client.composeObject(new Minio.CopyDestinationOptions({ Bucket: bucket, Object: 'composed' }), sources);
    await same('composed', Buffer.concat([large, small]));
  },
  async listObjects() {
    const keys = async (stream) => (await all(stream)).map((each) => each.name ?? each.prefix);
    for (const key of ['list/a', 'list/b', 'list/c/d']) await client.putObject(bucket, key, small);
    assert.deepEqual(await keys(client.listObjects(bucket, 'list/', true)), ['list/a', 'list/b', 'list/c/d']);
    assert.deepEqual(await keys(client.listObjectsV2(bucket, 'list/', false)), ['list/a', 'list/b', 'list/c/']);
    assert.deepEqual(await keys(client.listObjectsV2(bucket, 'list/', true, 'list/a')), ['list/b', 'list/c/d']);
  },
  async presignedUrls() {
    const put = await fetch(await client.presignedPutObject(bucket, 'presigned'), { method: 'PUT', body: small });
    assert.equal(put.status, 200);
    const got = await fetch(await client.presignedGetObject(bucket, 'presigned', 60, { 'response-content-type': 'a/b' }));
    assert.deepEqual([got.status, got.headers.get('content-type')], [200, 'a/b']);
    assert.equal(md5(Buffer.from(await got.arrayBuffer())), md5(small));
  },
  async presignedPostPolicy() {
    const policy = client.newPostPolicy();
    policy.setBucket(bucket);
    policy.setKey('posted');
    policy.setExpires(new Date(Date.now() + 60_000));
    policy.setContentLengthRange(1, MIB);
    const { postURL, formData } = await client.presignedPostPolicy(policy);
    const form = new FormData();
    for (const [name, value] of Object.entries(formData)) form.append(name, value);
    form.append('file', new Blob([small]));
    assert.equal((await fetch(postURL, { method: 'POST', body: form })).status, 204);
    await same('posted', small);
  },
  async incompleteUploads() {
    await client.initiateNewMultipartUpload(bucket, 'begun', {});
    const begun = await all(client.listIncompleteUploads(bucket, '', true));
    assert.deepEqual(begun.map((each) => each.key), ['begun']);
    await client.removeIncompleteUpload(bucket, 'begun');
    assert.deepEqual(await all(client.listIncompleteUploads(bucket, '', true)), Buffer.alloc(0));
  },
  async tagging() {
    await client.setObjectTagging(bucket, 'small', { colour: 'red' });
    assert.deepEqual(await client.getObjectTagging(bucket, 'small'), [{ Key: 'colour', Value: 'red' }]);
    await client.removeObjectTagging(bucket, 'small');
    await client.setBucketTagging(bucket, { owner: 'me' });
    assert.deepEqual(await client.getBucketTagging(bucket), [{ Key: 'owner', Value: 'me' }]);
    await client.removeBucketTagging(bucket);
  },
  async bucketVersioning() {
    await client.setBucketVersioning(bucket, { Status: 'Enabled' });
    assert.equal((await client.getBucketVersioning(bucket)).Status, 'Enabled');
    const { versionId } = await client.putObject(bucket, 'versions', small);
    await client.putObject(bucket, 'versions', large, large.length);
    assert.equal(md5(await all(await client.getObject(bucket, 'versions', { versionId }))), md5(small));
    await client.setBucketVersioning(bucket, { Status: 'Suspended' });
  },
  async removeEverything() {
    const versions = await all(client.listObjects(bucket, '', true, { IncludeVersion: true }));
    await client.removeObjects(bucket, versions.map(({ name, versionId }) => ({ name, versionId })));
    await client.removeBucket(bucket);
    assert.equal(await client.bucketExists(bucket), false);
  },
};

for (const [test, check] of Object.entries(checks)) {
  const started = Date.now();
  const why = await check().then(() => '', (error) => `${error.code ?? ''} ${error.message}`.trim() || 'failed');
  const seconds = (Date.now() - started) / 1000;
  console.log(JSON.stringify({ test, outcome: why ? 'failed' : 'passed', seconds, why: why.slice(0, 300) }));
}
