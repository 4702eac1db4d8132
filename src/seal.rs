//! The sealed object format, version 1: bytes in, bytes out, no IO.
//!
//! `SPEC.md` beside this file is normative; comments and tests name its rules (`F-3`). In one picture:
//!
//! ```text
//! seed ─SHA-256→ TenantKey ─X25519─→ Envelope (128 bytes, metadata) ─→ ObjectSecret ─HKDF→ stream keys
//! plaintext ─→ SingleSealer / PartSealer ─→ sealed bytes ─→ SingleOpener / RangeOpener / MultipartOpener ─→ plaintext
//! ```
//!
//! A sealer lets the tag of its last segment out in `finish` only: a caller that withholds `finish` withholds the
//! object. An opener gives out plaintext only after the segment that holds it was authenticated. Both are state
//! machines fed with slices of any size; how the input is cut never changes the output.
//!
//! All lengths and offsets are bytes. Integers in the format are big-endian. Plain and sealed lengths are different
//! types; [`geometry`] alone converts between them.

mod attributes;
mod binding;
#[cfg(not(fuzzing))]
mod cluster_key;
mod completion;
#[cfg_attr(fuzzing, path = "../fuzz/src/counter.rs")]
mod counter;
mod customer;
mod envelope;
mod error;
pub mod geometry;
mod multipart;
mod part;
mod random;
mod range;
// fuzzing has no AES-GCM
#[cfg(not(fuzzing))]
mod record;
mod secret;
mod single;
mod stream;
mod table;
// fuzzing takes portable code, so that it need not build AWS-LC
#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;
#[cfg_attr(fuzzing, path = "../fuzz/src/x25519.rs")]
mod x25519;

pub use attributes::{ATTRIBUTES_BYTES_MAX, open_attributes, seal_attributes};
pub use binding::Binding;
#[cfg(not(fuzzing))]
pub use cluster_key::{ClusterKey, ClusterKeyId, ClusterKeys, ClusterKeysError, TimedClusterKey};
#[cfg(fuzzing)]
pub use completion::parse_completion_fields;
pub use completion::{
    Completion, CompletionParts, CompletionRecord, PartStream, PartStreams, RecordVersion, UnlistedParts,
};
pub use customer::{CustomerKey, CustomerKeyCheck};
pub use envelope::{Envelope, Kind, Mode};
pub use error::{OpenError, SealError, SeedError};
pub use geometry::{LengthError, PlainLen, PlainRange, PlainRangeSpec, SealedLen, Span, StoredRangeSpec};
pub use multipart::MultipartOpener;
pub use part::{PartHeader, PartNumber, PartOpener, PartSealer, place_record, stream_header_of};
pub use range::RangeOpener;
#[cfg(not(fuzzing))]
pub use record::{
    RecordError, RecordKind, RecordName, is_upload_id_of, record_key_id, record_upload_id, store_upload_id,
};
pub use secret::{KeyId, KeyIdError, ObjectId, ObjectSecret, Seed, TenantKey};
pub use single::{SingleOpener, SingleSealer};
pub use stream::{StreamHash, StreamHeader};
pub use table::{PartTable, PartsSpan, PlacedPart};
