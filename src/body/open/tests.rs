use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::*;
use crate::seal::geometry::LengthError;

/// Hands bytes through, and ends as told.
struct Through {
    fails_after: usize,
    ends_well: bool,
}

impl Opens for Through {
    fn push(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        if self.fails_after == 0 {
            return Err(OpenError::Trailing);
        }
        self.fails_after -= 1;
        out.extend_from_slice(sealed);
        Ok(())
    }

    fn finish(self, _: &mut BytesMut) -> Result<(), OpenError> {
        if self.ends_well { Ok(()) } else { Err(OpenError::Cut) }
    }
}

fn stored(pieces: &[&'static [u8]]) -> ByteStream {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
    Box::pin(stream::iter(pieces))
}

async fn given(blob: StreamingBlob) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let pieces: Vec<_> = blob.collect().await;
    let ended_well = pieces.iter().all(Result::is_ok);
    for piece in pieces.into_iter().flatten() {
        bytes.extend_from_slice(&piece);
    }
    (bytes, ended_well)
}

#[tokio::test]
async fn the_piece_that_completes_a_body_is_withheld_until_the_opener_ended_well() {
    let opener = Through { fails_after: 9, ends_well: false };
    let blob = open(stored(&[b"first", b"last"]), opener, 9).await.unwrap();
    assert_eq!(given(blob).await, (b"first".to_vec(), false));
}

#[tokio::test]
async fn a_body_that_opens_is_given_whole() {
    let opener = Through { fails_after: 9, ends_well: true };
    let blob = open(stored(&[b"first", b"last"]), opener, 9).await.unwrap();
    assert_eq!(blob.remaining_length().exact(), Some(9));
    assert_eq!(given(blob).await, (b"firstlast".to_vec(), true));
}

#[tokio::test]
async fn a_body_that_fails_at_once_is_an_error_before_the_answer_begins() {
    let at_the_first_piece = open(stored(&[b"first"]), Through { fails_after: 0, ends_well: true }, 5).await;
    assert!(at_the_first_piece.is_err());
    let at_the_end = open(stored(&[b"first"]), Through { fails_after: 9, ends_well: false }, 5).await;
    assert!(at_the_end.is_err());
}

#[tokio::test]
async fn a_later_failure_ends_the_stream_in_an_error() {
    let opener = Through { fails_after: 1, ends_well: true };
    let blob = open(stored(&[b"first", b"second", b"third"]), opener, 16).await.unwrap();
    assert_eq!(given(blob).await, (b"first".to_vec(), false));
}

#[tokio::test]
async fn an_empty_body_opens_to_nothing() {
    let blob = open(stored(&[]), Through { fails_after: 9, ends_well: true }, 0).await.unwrap();
    assert_eq!(given(blob).await, (Vec::new(), true));
}

#[test]
fn what_proves_no_tampering_is_not_counted() {
    let key = |text: &str| text.parse().unwrap();
    let other = OpenError::WrongKey { envelope: key("0011223344556677"), key: key("8899aabbccddeeff") };
    for error in [OpenError::Malformed(Envelope::SUITE_FIELD), other] {
        assert_eq!(failed_in(&error), None, "{error}");
    }
}

#[test]
fn what_is_not_as_it_was_sealed_is_counted_by_its_kind() {
    for (error, kind) in [
        (OpenError::Malformed("magic"), Failed::Envelope),
        (OpenError::Malformed("zero bytes"), Failed::Envelope),
        (OpenError::LowOrderPoint, Failed::Envelope),
        (OpenError::EnvelopeTag, Failed::Envelope),
        (OpenError::WrongKind, Failed::Envelope),
        (OpenError::Segment { index: 3 }, Failed::Segment),
        (OpenError::Length(LengthError::Range), Failed::Structure),
        (OpenError::StreamHeader, Failed::Structure),
        (OpenError::Cut, Failed::Structure),
        (OpenError::Trailing, Failed::Structure),
        (OpenError::PartHeader, Failed::Structure),
        (OpenError::Slack, Failed::Structure),
        (OpenError::Completion("no trailer"), Failed::Structure),
        (OpenError::PartsDiffer, Failed::Structure),
        (OpenError::Attributes, Failed::Structure),
        (OpenError::CustomerKeyCheck, Failed::Structure),
    ] {
        assert_eq!(failed_in(&error), Some(kind), "{error}");
    }
}

/// Pieces, and then the end that a connection makes of an answer.
fn cut(pieces: &[&'static [u8]]) -> ByteStream {
    let cut: Result<Bytes, BodyError> = Err("cut".into());
    Box::pin(stored(pieces).chain(stream::iter([cut])))
}

#[tokio::test]
async fn whether_an_answer_was_cut_is_told_beside_why_it_does_not_open() {
    for (sealed, was_cut) in [(stored(&[b"first", b"second"]), false), (cut(&[b"first", b"second"]), true)] {
        let opened = open(sealed, Through { fails_after: 0, ends_well: true }, 11).await;
        let Err(NotOpened::Sealed { error: OpenError::Trailing, is_cut }) = opened else { panic!("it does not open") };
        assert_eq!(is_cut, was_cut);
    }
}

#[tokio::test]
async fn a_structure_that_does_not_fit_in_an_answer_that_was_cut_is_the_cut() {
    for (sealed, is_cut) in
        [(stored(&[b"first", b"second", b"third"]), false), (cut(&[b"first", b"second", b"third"]), true)]
    {
        let blob = open(sealed, Through { fails_after: 1, ends_well: true }, 16).await.unwrap();
        let pieces: Vec<_> = blob.collect().await;
        let error = pieces.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.is::<OpenError>(), !is_cut);
    }
}
