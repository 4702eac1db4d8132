"""Opens the stream of a single sealed object with Tink itself, and writes the plaintext to standard output.

Arguments: seed, tenant, bucket, key, envelope (metadata value), file. The envelope alone is opened by our own script;
keys, segments, nonces and tags of the stream are Tink's doing.
"""
import base64
import io
import pathlib
import struct
import sys

import tink
from tink import cleartext_keyset_handle, streaming_aead
from tink.proto import aes_ctr_hmac_streaming_pb2 as streaming, common_pb2, tink_pb2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src" / "seal"))
import open_sealed

seed, tenant, bucket, key, envelope, path = sys.argv[1:]
envelope = base64.urlsafe_b64decode(envelope + "=" * (-len(envelope) % 4))
kind, secret = open_sealed.open_envelope(envelope, base64.b64decode(seed), tenant, bucket, key)
open_sealed.require(kind == 1, "not a single object")
stream = pathlib.Path(path).read_bytes()[open_sealed.ENVELOPE:]

params = streaming.AesCtrHmacStreamingParams(
    ciphertext_segment_size=open_sealed.SEGMENT,
    derived_key_size=32,
    hkdf_hash_type=common_pb2.SHA256,
    hmac_params={"hash": common_pb2.SHA256, "tag_size": open_sealed.TAG},
)
keyset = tink_pb2.Keyset(primary_key_id=1)
entry = keyset.key.add(key_id=1, status=tink_pb2.ENABLED, output_prefix_type=tink_pb2.RAW)
entry.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesCtrHmacStreamingKey"
entry.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
entry.key_data.value = streaming.AesCtrHmacStreamingKey(key_value=secret, params=params).SerializeToString()

streaming_aead.register()
handle = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset.SerializeToString()))
aad = b"sealgate/1 object" + struct.pack(">Q", open_sealed.plain_size(len(stream)))
opened = handle.primitive(streaming_aead.StreamingAead).new_decrypting_stream(io.BytesIO(stream), aad)
sys.stdout.buffer.write(opened.read())
