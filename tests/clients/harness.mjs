// What the scripts share: the pinned clients, a client of the gateway under test, a bucket, bytes.
import { createRequire } from "node:module";
import { join } from "node:path";

export const require = createRequire(join(process.env.SEALGATE_NODE_FOLDER, "package.json"));
export const endpoint = new URL(process.env.AWS_ENDPOINT_URL);
const { S3Client, CreateBucketCommand } = require("@aws-sdk/client-s3");

/** A client with default settings; no retries, so that what goes wrong is seen. */
export const client = () => new S3Client({ endpoint: endpoint.href, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 });

export async function withBucket() {
  const s3 = client();
  await s3.send(new CreateBucketCommand({ Bucket: "bucket" }));
  return s3;
}

/** The same bytes for the same length. */
export function content(length) {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = 1; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
