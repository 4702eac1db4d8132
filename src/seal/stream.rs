//! One stream: Tink's AES-CTR-HMAC streaming format with SHA-256, 32-byte keys and 16-byte tags, sealed and opened.
//!
//! `aes_key || hmac_key = HKDF-SHA256(secret, salt, aad, 64)`; segment `i` has the nonce
//! `nonce_prefix || u32 i || u8 last || 0000`, which is the first counter block of AES-256-CTR and goes into the tag
//! before the ciphertext. [`StreamSealer`] and [`StreamOpener`] are the only code that does this; singles, parts,
//! ranges, records and attributes are framings of these two. Source:
//! <https://developers.google.com/tink/streaming-aead/aes_ctr_hmac_streaming>.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::BytesMut;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    ObjectSecret, OpenError, SealError,
    counter::CounterMode,
    geometry::{LengthError, PlainRange, StreamLayout},
    random,
    secret::expand,
};

/// The 40 public bytes every stream begins with: `40 || salt || nonce_prefix`.
///
/// Ranges of single objects need it without the start of the body, so the writer keeps a copy in the metadata value
/// `sealgate-stream` (F-15). It needs no authentication of its own: a wrong one makes every segment fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHeader([u8; Self::BYTES]);

impl StreamHeader {
    /// The length of every stream header.
    pub const BYTES: usize = 40;

    /// Fresh salt and nonce prefix (F-12).
    pub(super) fn generate() -> Result<Self, SealError> {
        let mut bytes = random::bytes::<{ Self::BYTES }>()?;
        bytes[0] = MARK;
        Ok(Self(bytes))
    }

    /// Reads a header from its 40 bytes.
    ///
    /// # Errors
    /// [`OpenError::StreamHeader`] on another length or first byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        match <[u8; Self::BYTES]>::try_from(bytes) {
            Ok(bytes) if bytes[0] == MARK => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(OpenError::StreamHeader),
        }
    }

    /// Reads the metadata value `sealgate-stream`.
    ///
    /// # Errors
    /// [`OpenError::StreamHeader`] for anything but canonical base64url without padding of a header.
    pub fn from_metadata(text: &str) -> Result<Self, OpenError> {
        Self::parse(&URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::StreamHeader)?)
    }

    /// The metadata value: base64url without padding, 54 characters.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// What tells this stream from every other.
    #[must_use]
    pub fn hash(&self) -> StreamHash {
        let digest = Sha256::digest(self.0);
        StreamHash(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// The first 16 bytes of the SHA-256 of a stream header, public; printed in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHash([u8; Self::BYTES]);

impl StreamHash {
    /// The length of every hash.
    pub const BYTES: usize = 16;

    /// A hash as a record or a client keeps it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for StreamHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Seals one plaintext of known length. Ciphertext leaves at once, the tag of a full segment with the next byte, and
/// the tag of the last with [`StreamSealer::finish`] only.
pub(super) struct StreamSealer {
    keys: StreamKeys,
    layout: StreamLayout,
    index: u32,
    segment: Segment,
    segment_left: u64,
    left: u64,
}

impl StreamSealer {
    pub(super) fn new(secret: &ObjectSecret, aad: &[&[u8]], layout: StreamLayout, header: &StreamHeader) -> Self {
        let keys = StreamKeys::derive(secret, aad, header);
        let segment = keys.segment(0, layout.last() == 0);
        let (segment_left, left) = (layout.segment_plain_bytes(0), layout.plain().bytes());
        Self { keys, layout, index: 0, segment, segment_left, left }
    }

    /// The plaintext bytes that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn push(&mut self, mut plain: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        let announced = self.layout.plain().bytes();
        self.left = self.left.checked_sub(plain.len() as u64).ok_or_else(|| SealError::LengthDiffers {
            announced,
            given: (announced - self.left).saturating_add(plain.len() as u64),
        })?;
        out.reserve(plain.len() + TAG_BYTES * (2 + plain.len() / LEAST_SEGMENT_BYTES));
        while !plain.is_empty() {
            if self.segment_left == 0 {
                self.index += 1;
                let next = self.keys.segment(self.index, self.index == self.layout.last());
                std::mem::replace(&mut self.segment, next).end(out);
                self.segment_left = self.layout.segment_plain_bytes(self.index);
            }
            let (now, later) = split_at_most(plain, self.segment_left);
            self.segment.seal(&self.keys.cipher, now, out);
            self.segment_left -= now.len() as u64;
            plain = later;
        }
        Ok(())
    }

    pub(super) fn finish(self, out: &mut BytesMut) -> Result<(), SealError> {
        if self.left != 0 {
            let announced = self.layout.plain().bytes();
            return Err(SealError::LengthDiffers { announced, given: announced - self.left });
        }
        self.segment.end(out);
        Ok(())
    }
}

/// Opens the segments that hold a range, fed from the first byte of the first of them. Gives out a plaintext byte only
/// after its segment's tag was checked; until then at most one segment of it waits here.
pub(super) struct StreamOpener {
    keys: StreamKeys,
    layout: StreamLayout,
    /// the next segment, and the one after the last to open
    next: u32,
    end: u32,
    skip: u64,
    give: u64,
    begun: Option<Begun>,
    /// what was decrypted of the segment that has begun
    withheld: BytesMut,
}

/// A segment that has come in part.
struct Begun {
    segment: Segment,
    ciphertext_left: u64,
    tag: [u8; TAG_BYTES],
    tag_bytes: usize,
    skip: u64,
    give: u64,
}

impl StreamOpener {
    /// Opens all of a stream, fed from behind its header.
    pub(super) fn whole(secret: &ObjectSecret, aad: &[&[u8]], layout: StreamLayout, header: &StreamHeader) -> Self {
        Self {
            keys: StreamKeys::derive(secret, aad, header),
            layout,
            next: 0,
            end: layout.last().saturating_add(1),
            skip: 0,
            give: layout.plain().bytes(),
            begun: None,
            withheld: BytesMut::new(),
        }
    }

    /// Opens a range of it, fed from the first segment of [`StreamLayout::span`].
    pub(super) fn range(
        secret: &ObjectSecret,
        aad: &[&[u8]],
        layout: StreamLayout,
        header: &StreamHeader,
        range: PlainRange,
    ) -> Result<Self, LengthError> {
        let span = layout.span(range)?;
        Ok(Self {
            next: span.first_segment,
            end: span.last_segment.saturating_add(1),
            skip: span.skip_bytes,
            give: span.give_bytes,
            ..Self::whole(secret, aad, layout, header)
        })
    }

    /// Whether every segment asked for was opened.
    pub(super) fn is_done(&self) -> bool {
        self.next == self.end
    }

    /// Whether the next segment to open is the final one of the stream.
    pub(super) fn is_at_last(&self) -> bool {
        self.next == self.layout.last()
    }

    /// Takes what belongs to the segments asked for and answers with what lies behind them. A caller stops at
    /// the first error; one that pushed on would still get nothing but authentic bytes in their order.
    pub(super) fn push<'a>(&mut self, mut sealed: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], OpenError> {
        while !self.is_done() && !sealed.is_empty() {
            sealed = self.step(sealed, out)?;
        }
        Ok(sealed)
    }

    /// Like [`StreamOpener::push`], for at most one segment.
    pub(super) fn step<'a>(&mut self, sealed: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], OpenError> {
        let fails = OpenError::Segment { index: self.next };
        let mut begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin().ok_or(fails)?,
        };
        let (ciphertext, later) = split_at_most(sealed, begun.ciphertext_left);
        begun.take(&self.keys.cipher, ciphertext, &mut self.withheld);
        let missing = &mut begun.tag[begun.tag_bytes..];
        let (tag, later) = later.split_at(missing.len().min(later.len()));
        missing[..tag.len()].copy_from_slice(tag);
        begun.tag_bytes += tag.len();
        if begun.tag_bytes < TAG_BYTES {
            self.begun = Some(begun);
            return Ok(later);
        }
        // Authenticates the segment (F-13). Which one is the last follows from the layout, never from where the input ends.
        if begun.segment.mac.verify_truncated_left(&begun.tag).is_err() {
            self.withheld.clear();
            return Err(fails);
        }
        out.unsplit(self.withheld.split());
        (self.skip, self.give) = (begun.skip, begun.give);
        self.next += 1;
        Ok(later)
    }

    /// Makes ready for the next segment.
    fn begin(&mut self) -> Option<Begun> {
        let mut segment = self.keys.segment(self.next, self.is_at_last());
        let ciphertext = self.layout.segment_plain_bytes(self.next);
        let skip = self.skip.min(ciphertext);
        segment.offset = skip;
        let wanted = usize::try_from(self.give.min(ciphertext - skip)).ok()?;
        self.withheld.reserve(wanted);
        let (tag, tag_bytes) = ([0; TAG_BYTES], 0);
        Some(Begun { segment, ciphertext_left: ciphertext, tag, tag_bytes, skip, give: self.give })
    }
}

impl Begun {
    /// Takes ciphertext of the segment into its tag, and decrypts what was asked for of it.
    fn take(&mut self, cipher: &CounterMode, ciphertext: &[u8], withheld: &mut BytesMut) {
        self.ciphertext_left -= ciphertext.len() as u64;
        for block in ciphertext.chunks(BLOCK_BYTES) {
            self.segment.mac.update(block);
            let (skipped, wanted) = split_at_most(block, self.skip);
            let (wanted, _) = split_at_most(wanted, self.give);
            self.skip -= skipped.len() as u64;
            self.give -= wanted.len() as u64;
            self.segment.crypt(cipher, wanted, withheld);
        }
    }
}

/// The keys of one stream.
struct StreamKeys {
    cipher: CounterMode,
    /// keyed once; each segment starts from a clone
    mac: Hmac<Sha256>,
    nonce_prefix: [u8; 7],
}

impl StreamKeys {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn derive(secret: &ObjectSecret, aad: &[&[u8]], header: &StreamHeader) -> Self {
        let mut okm = Zeroizing::new([0; 64]);
        expand(secret.expose(), &header.0[1..33], aad, okm.as_mut_slice());
        let mut aes_key = Zeroizing::new([0; 32]);
        aes_key.copy_from_slice(&okm[..32]);
        let mut nonce_prefix = [0; 7];
        nonce_prefix.copy_from_slice(&header.0[33..]);
        let cipher = CounterMode::new(&aes_key);
        Self { cipher, mac: Hmac::new_from_slice(&okm[32..]).expect("any length"), nonce_prefix }
    }

    fn segment(&self, index: u32, last: bool) -> Segment {
        let mut nonce = [0; 16];
        nonce[..7].copy_from_slice(&self.nonce_prefix);
        nonce[7..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = u8::from(last);
        Segment { nonce, offset: 0, mac: self.mac.clone().chain_update(nonce) }
    }
}

/// One segment under way.
struct Segment {
    nonce: [u8; 16],
    /// of the next byte to encrypt or decrypt
    offset: u64,
    mac: Hmac<Sha256>,
}

impl Segment {
    fn seal(&mut self, cipher: &CounterMode, plain: &[u8], out: &mut BytesMut) {
        for block in plain.chunks(BLOCK_BYTES) {
            let at = out.len();
            self.crypt(cipher, block, out);
            self.mac.update(&out[at..]);
        }
    }

    /// Encrypts or decrypts: the same in counter mode.
    fn crypt(&mut self, cipher: &CounterMode, bytes: &[u8], out: &mut BytesMut) {
        let at = out.len();
        out.extend_from_slice(bytes);
        cipher.apply(self.nonce, self.offset, &mut out[at..]);
        self.offset += bytes.len() as u64;
    }

    fn end(self, out: &mut BytesMut) {
        out.extend_from_slice(&self.mac.finalize().into_bytes()[..TAG_BYTES]);
    }
}

/// Splits off at most `bytes`.
pub(super) fn split_at_most(slice: &[u8], bytes: u64) -> (&[u8], &[u8]) {
    slice.split_at(usize::try_from(bytes).unwrap_or(usize::MAX).min(slice.len()))
}

/// Seals something short in one go.
///
/// # Errors
/// [`SealError::Randomness`], [`SealError::Length`].
pub(super) fn seal_whole(secret: &ObjectSecret, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let layout = StreamLayout::single(super::PlainLen::new(plain.len() as u64))?;
    let header = StreamHeader::generate()?;
    let mut out = BytesMut::from(header.as_bytes().as_slice());
    let mut sealer = StreamSealer::new(secret, &[aad], layout, &header);
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out.to_vec())
}

/// Opens what [`seal_whole`] made.
///
/// # Errors
/// [`OpenError`]; nothing of the plaintext is kept.
pub(super) fn open_whole(secret: &ObjectSecret, aad: &[u8], sealed: &[u8]) -> Result<BytesMut, OpenError> {
    let layout = StreamLayout::of_sealed(sealed.len() as u64)?;
    let (header, segments) = sealed.split_at(StreamHeader::BYTES);
    let mut opener = StreamOpener::whole(secret, &[aad], layout, &StreamHeader::parse(header)?);
    let mut out = BytesMut::new();
    opener.push(segments, &mut out)?;
    if opener.is_done() { Ok(out) } else { Err(OpenError::Cut) }
}

/// The first byte of a stream header: its length.
const MARK: u8 = 40;
const TAG_BYTES: usize = 16;
const LEAST_SEGMENT_BYTES: usize = 65_536;
/// What is encrypted and hashed at once: it stays in the first cache between the two.
const BLOCK_BYTES: usize = 8 << 10;

#[cfg(test)]
mod tests;
