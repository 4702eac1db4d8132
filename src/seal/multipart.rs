//! Opening a whole multipart object as it streams by, without its table: the part headers are walked, and the
//! completion record at the end must say that these were all the parts (F-5).
//!
//! The final segment of the last part stays withheld until the record has said so (F-18): a reader that is told of a
//! failure never held the whole plaintext.

use bytes::BytesMut;

use super::{
    Completion, ObjectSecret, OpenError, PartHeader, PartNumber, PartOpener, PlainLen, SealedLen, StreamHash,
    completion::{Summary, TRAILER_BYTES, record_in},
    geometry::{PART_OVERHEAD_BYTES, multipart_plain},
    stream::split_at_most,
    table::PartsDigest,
};

/// Opens a whole multipart object, fed from stored offset 0.
pub struct MultipartOpener {
    secret: ObjectSecret,
    /// of the parts, where a customer's key makes it another
    body_secret: Option<ObjectSecret>,
    stored: SealedLen,
    stored_parts: u32,
    plain: PlainLen,
    /// stored bytes behind the part under way
    stored_left: u64,
    state: State,
    /// the final segment of the part that came last
    withheld: BytesMut,
    seen: Seen,
}

enum State {
    /// the first 16 bytes of a stored part, as far as they came
    Header(Vec<u8>),
    Part(Box<PartOpener>),
    /// the completion part, as far as it came
    Tail(Vec<u8>),
    /// the bytes in which the record is
    Ended(Vec<u8>),
}

#[derive(Default)]
struct Seen {
    digest: PartsDigest,
    parts: u32,
    plain: u64,
    last: Option<PartNumber>,
    /// of every part: 16 bytes each, 160 KB at most
    streams: Vec<StreamHash>,
}

impl MultipartOpener {
    /// Begins; `stored` is the length of the whole stored object and `stored_parts` the count after the dash of its
    /// stored `ETag`.
    ///
    /// # Errors
    /// [`OpenError::Length`] when the two do not go together.
    pub fn new(secret: &ObjectSecret, stored: SealedLen, stored_parts: u32) -> Result<Self, OpenError> {
        Ok(Self {
            secret: secret.duplicate(),
            body_secret: None,
            stored,
            stored_parts,
            plain: multipart_plain(stored, stored_parts)?,
            stored_left: stored.bytes(),
            state: State::Header(Vec::with_capacity(PartHeader::BYTES)),
            withheld: BytesMut::new(),
            seen: Seen::default(),
        })
    }

    /// The same for parts that were sealed under another secret than the completion record: see
    /// [`CustomerKey`](super::CustomerKey).
    #[must_use]
    pub fn with_body_secret(self, secret: &ObjectSecret) -> Self {
        Self { body_secret: Some(secret.duplicate()), ..self }
    }

    /// The plaintext length, by arithmetic; [`MultipartOpener::finish`] confirms it.
    #[must_use]
    pub fn plain(&self) -> PlainLen {
        self.plain
    }

    /// Takes the next stored bytes and appends the plaintext that they complete and authenticate.
    ///
    /// # Errors
    /// [`OpenError`]; a caller stops there and aborts what it was sending.
    pub fn push(&mut self, mut sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            sealed = self.step(sealed, out)?;
        }
        Ok(())
    }

    /// Ends: checks that the parts seen are those of the completion record (F-5, F-29) and that slack is zero (F-9),
    /// appends the bytes withheld until then, and gives the record.
    ///
    /// # Errors
    /// [`OpenError::Cut`], [`OpenError::Completion`], [`OpenError::PartsDiffer`], [`OpenError::Slack`].
    pub fn finish(self, out: &mut BytesMut) -> Result<Completion, OpenError> {
        let State::Ended(tail) = self.state else { return Err(OpenError::Cut) };
        let completion = Completion::open(&self.secret, self.stored, self.stored_parts, &tail)?;
        let seen = Summary::of(PlainLen::new(self.seen.plain), self.seen.parts, self.seen.digest);
        if completion.summary() != seen {
            return Err(OpenError::PartsDiffer);
        }
        completion.streams().check_all(&self.seen.streams)?;
        let slack_bytes = tail.len() - TRAILER_BYTES - record_in(&tail)?.len();
        require_zero(&tail[..slack_bytes])?;
        out.extend_from_slice(&self.withheld);
        Ok(completion)
    }

    fn step<'a>(&mut self, sealed: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], OpenError> {
        match &mut self.state {
            State::Header(held) => {
                let (now, later) = split_at_most(sealed, (PartHeader::BYTES - held.len()) as u64);
                held.extend_from_slice(now);
                if held.len() == PartHeader::BYTES {
                    let held = std::mem::take(held);
                    self.begin(held, out)?;
                }
                Ok(later)
            }
            State::Part(part) => {
                let to = if part.is_at_last_segment() { &mut self.withheld } else { out };
                let later = part.step(sealed, to)?;
                if part.is_done() {
                    self.end_part()?;
                }
                Ok(later)
            }
            State::Tail(held) => {
                let (now, later) = split_at_most(sealed, PART_OVERHEAD_BYTES - held.len() as u64);
                held.extend_from_slice(now);
                if held.len() as u64 == PART_OVERHEAD_BYTES {
                    self.state = State::Ended(std::mem::take(held));
                }
                Ok(later)
            }
            State::Ended(_) => Err(OpenError::Trailing),
        }
    }

    /// Begins a part, or the completion part: the last stored one, which begins with zeros. Parts that cannot be those
    /// of the record, because they do not ascend or are too many, are refused at once.
    fn begin(&mut self, held: Vec<u8>, out: &mut BytesMut) -> Result<(), OpenError> {
        if self.stored_left == PART_OVERHEAD_BYTES && require_zero(&held).is_ok() {
            self.stored_left = 0;
            self.state = State::Tail(held);
            return Ok(());
        }
        let header = PartHeader::parse(&held)?;
        if self.seen.parts == self.stored_parts || Some(header.number()) <= self.seen.last {
            return Err(OpenError::PartsDiffer);
        }
        self.stored_left = self.stored_left.checked_sub(header.stored().bytes()).ok_or(OpenError::PartHeader)?;
        out.extend_from_slice(&self.withheld.split());
        let secret = self.body_secret.as_ref().unwrap_or(&self.secret);
        self.state = State::Part(Box::new(PartOpener::new(secret, header)));
        Ok(())
    }

    /// Ends a part: behind the last stored one comes the record, behind any other the next header.
    fn end_part(&mut self) -> Result<(), OpenError> {
        let State::Part(part) =
            std::mem::replace(&mut self.state, State::Header(Vec::with_capacity(PartHeader::BYTES)))
        else {
            return Err(OpenError::Cut);
        };
        let header = part.header();
        self.seen.streams.push(part.stream_header().ok_or(OpenError::Cut)?.hash());
        self.seen.digest.add(header.number(), header.plain());
        self.seen.parts += 1;
        self.seen.last = Some(header.number());
        self.seen.plain += header.plain().bytes();
        let slack = part.into_slack()?;
        if self.stored_left == 0 {
            self.state = State::Ended(slack);
            Ok(())
        } else {
            require_zero(&slack)
        }
    }
}

/// F-9.
fn require_zero(slack: &[u8]) -> Result<(), OpenError> {
    if slack.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(OpenError::Slack) }
}

#[cfg(test)]
mod tests;
