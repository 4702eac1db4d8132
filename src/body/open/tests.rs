use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::*;

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
