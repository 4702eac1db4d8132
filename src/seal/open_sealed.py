#!/usr/bin/env python3
"""Opens one sealed object without the gateway, as SPEC.md beside this file says; the plaintext goes to standard output.
FILE is the stored body; --envelope is its metadata value `sealgate`, in place of the copy that a single object begins with
(which opens under the name of the upload). On exit status 1 the object is not genuine, and what came out is not all of it."""
import argparse, base64, hashlib, hmac, io, os, struct, sys
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ENVELOPE, HEADER, TAG, SEGMENT, SLOTS, OVERHEAD = 128, 40, 16, 65536, 1024, 16440      # bytes; SLOTS: segments a part
hkdf = lambda ikm, salt, info, size: HKDF(SHA256(), size, salt, info).derive(ikm)
sha256 = lambda data: hashlib.sha256(data).digest(); mac = lambda key, data: hmac.new(key, data, hashlib.sha256).digest()
ctr = lambda key, block, data: Cipher(algorithms.AES(key), modes.CTR(block)).decryptor().update(data)
segments = lambda plain, segment: max(1, -(-(plain + HEADER) // (segment - TAG)))

def require(ok, why):
    if not ok: raise ValueError(why)

def open_envelope(envelope, seed, tenant, bucket, key):                                 # -> (kind, object secret)
    require(len(envelope) == ENVELOPE and envelope[:5] == b"SGE1\x01" and envelope[5] in (1, 2) and envelope[6] in (0, 1)
            and envelope[7] == 0 and (envelope[6] == 1 or envelope[48:80] == bytes(32)), "malformed envelope")
    own = X25519PrivateKey.from_private_bytes(sha256(seed)); public = own.public_key().public_bytes_raw()
    require(envelope[8:16] == sha256(b"sealgate/1 key id" + public)[:8], "sealed to key " + envelope[8:16].hex())
    okm = hkdf(own.exchange(X25519PublicKey.from_public_bytes(envelope[16:48])), envelope[16:48] + public, b"sealgate/1 ecies", 96)
    names = b"".join(struct.pack(">H", len(name)) + name for name in (tenant.encode(), bucket.encode(), key.encode()))
    tag = mac(okm[64:], envelope[:96] + sha256(b"sealgate/1 binding" + names))
    require(hmac.compare_digest(tag, envelope[96:]), "envelope tag mismatch: changed, or of another tenant, bucket or key")
    return envelope[5], ctr(okm[32:64], bytes(16), envelope[48:80]) if envelope[6] else okm[:32]

def plain_size(stream):
    plain = stream - HEADER - TAG * max(1, -(-stream // SEGMENT))
    require(plain >= 0 and stream == HEADER + plain + TAG * segments(plain, SEGMENT), "no plaintext has this stored length")
    return plain

def open_stream(file, secret, aad, plain, segment=SEGMENT):                             # yields authenticated segments
    header = file.read(HEADER); require(len(header) == HEADER and header[0] == HEADER, "malformed stream header")
    keys, count = hkdf(secret, header[1:33], aad, 64), segments(plain, segment)
    for i in range(count):
        size = min(plain, segment - TAG - (0 if i else HEADER)); plain -= size
        nonce, stored = header[33:] + struct.pack(">IBI", i, i == count - 1, 0), file.read(size + TAG)
        require(hmac.compare_digest(mac(keys[32:], nonce + stored[:size])[:TAG], stored[size:]), f"segment {i} fails authentication")
        yield ctr(keys[:32], nonce, stored[:size])

def known_streams(fields):                                      # -> (of the first parts: hash of the stream header or None, digest)
    runs, = struct.unpack(">H", fields[173:175]); at = 175 + 16 * (runs if runs != 0xFFFF else 0)
    size, = struct.unpack(">H", fields[at:at + 2]); text, rest, known, digest = fields[at + 2:at + 2 + size], fields[at + 2 + size:], [], None
    if fields[0] == 1:
        text, mark, headers = text.partition(b"\0"); require(len(headers) % HEADER == 0 and bool(mark) == bool(headers), "malformed streams")
        rest = mark + b"".join(b"\1" + header if any(header) else b"\0" for header in (headers[i:i + HEADER] for i in range(0, len(headers), HEADER)))
    require(len(text) <= 400 and b"\0" not in text and rest[:1] == (b"\0" if fields[0] == 2 else rest[:1]), "malformed attributes")
    rest = rest[1:]
    while rest and digest is None:
        entry, size = rest[1:], {0: 0, 1: HEADER, 2: 16, 3: 32}.get(rest[0]); require(size is not None and len(entry) >= size, "malformed streams")
        if rest[0] == 3: digest = entry[:32]
        else: known.append([None, sha256(entry[:HEADER])[:16], entry[:16]][rest[0]])
        require(rest[0] != 1 or entry[0] == HEADER, "malformed streams"); rest = entry[size:]
    require(not rest, "malformed streams"); return known, digest

def open_parts(file, size, secret, body_secret):
    file.seek(max(0, size - OVERHEAD)); tail = file.read()
    require(tail[-16:-12] == b"SGC1" and tail[-8:] == bytes(8), "no completion record")
    length, = struct.unpack(">I", tail[-12:-8]); record = tail[-16 - length:-16]; require(len(record) == length, "record is cut")
    fields = b"".join(open_stream(io.BytesIO(record), secret, b"sealgate/1 completion", plain_size(length)))
    require(fields[0] in (1, 2), "unknown version of the record"); known, digest = known_streams(fields)
    total, count = struct.unpack(">QI", fields[129:141]); parts, streams, at = [], [], 0
    for _ in range(count):                                  # all headers first: the parts must be those of the record
        file.seek(at); header = file.read(16); require(len(header) == 16 and header[:4] == b"SGP1", "malformed part header")
        parts.append((at, header)); streams.append(sha256(file.read(HEADER))[:16]); at += struct.unpack(">Q", header[8:])[0] + OVERHEAD
    listed = sha256(b"".join(header[4:] for _, header in parts)) == fields[141:173] and total == at - count * OVERHEAD
    same = len(known) <= count and all(told in (None, stream) for told, stream in zip(known, streams))
    if fields[0] == 2 and len(known) == count: require(digest is not None, "malformed streams")
    whole = sha256(b"".join(told or bytes(16) for told in known) + b"".join(streams[len(known):]))      # over all parts
    require(listed and same and digest in (None, whole) and size - at in (0, OVERHEAD), "parts differ from the completion record")
    for (first, header), end in zip(parts, [part[0] for part in parts[1:]] + [size - 16 - length]):
        plain, segment = struct.unpack(">Q", header[8:])[0], SEGMENT
        while segments(plain, segment) > SLOTS: segment *= 2
        file.seek(first + 16); yield from open_stream(file, body_secret, b"sealgate/1 part" + header, plain, segment)
        require(not any(file.read(end - file.tell())), "slack of a part is not zero")

def main():
    args = argparse.ArgumentParser(description=__doc__)
    for name in ("--seed", "--tenant", "--bucket", "--key"): args.add_argument(name, required=True)
    for name in ("--envelope", "--customer-key", "file"): args.add_argument(name)
    args = args.parse_args(); own = base64.b64decode(args.customer_key or "", validate=True)     # of SSE-C: 32 bytes
    seed = base64.b64decode(args.seed.rstrip(), validate=True); require(len(seed) >= 32, "a seed has at least 32 bytes")
    with open(args.file, "rb") as file:
        size, text = os.fstat(file.fileno()).st_size, args.envelope
        envelope = file.read(ENVELOPE) if text is None else base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        require(text in (None, base64.urlsafe_b64encode(envelope).decode().rstrip("=")), "malformed envelope")
        kind, secret = open_envelope(envelope, seed, args.tenant, args.bucket, args.key); file.seek(ENVELOPE)
        body = hkdf(secret + own, None, b"sealgate/1 customer key", 48)[:32] if own else secret
        plain = plain_size(size - ENVELOPE) if kind == 1 else 0; aad = b"sealgate/1 object" + struct.pack(">Q", plain)
        for data in open_stream(file, body, aad, plain) if kind == 1 else open_parts(file, size, secret, body):
            sys.stdout.buffer.write(data)

if __name__ == "__main__":
    try: main()
    except (ValueError, struct.error, OSError) as error: sys.exit(f"open_sealed: {error}")
