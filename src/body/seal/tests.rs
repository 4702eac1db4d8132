use bytes::Bytes;
use futures::StreamExt as _;
use s3s::S3Error;

use super::*;
use crate::seal::{
    Binding, Envelope, Kind, ObjectSecret, PlainLen, SealedLen, Seed, SingleOpener, TenantKey, geometry,
};

/// Counts what passes, and gives the verdict it was told to.
struct Verdict(S3Result<()>);

impl Inspects for Verdict {
    fn update(&mut self, _: &[u8]) {}
    fn settle(self) -> S3Result<()> {
        self.0
    }
}

fn sealer(plain_bytes: u64) -> (SingleSealer, ObjectSecret) {
    let key = TenantKey::from_seed(&Seed::generate().unwrap());
    let binding = Binding::new("tenant", "bucket", "key").unwrap();
    let (envelope, secret) = Envelope::seal(Kind::Single, &key, &binding).unwrap();
    (SingleSealer::new(&envelope, &secret, PlainLen::new(plain_bytes)).unwrap(), secret)
}

fn plain(bytes: usize) -> StreamingBlob {
    StreamingBlob::from_bytes(Bytes::from(vec![7; bytes]))
}

async fn sealed(stream: ByteStream) -> (Vec<u8>, Option<BodyError>) {
    let mut bytes = Vec::new();
    let mut failed = None;
    for piece in stream.collect::<Vec<_>>().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(error) => failed = Some(error),
        }
    }
    (bytes, failed)
}

#[tokio::test]
async fn a_body_that_agrees_is_sealed_whole_and_opens_again() {
    let (sealer, secret) = sealer(200_000);
    let (bytes, failed) = sealed(seal(plain(200_000), 200_000, sealer, Verdict(Ok(())))).await;
    assert!(failed.is_none());
    let stored = SealedLen::new(bytes.len() as u64);
    assert_eq!(stored, geometry::single_sealed(PlainLen::new(200_000)).unwrap());
    let (mut opener, mut out) = (SingleOpener::new(&secret, stored).unwrap(), BytesMut::new());
    opener.push(&bytes, &mut out).unwrap();
    opener.finish().unwrap();
    assert_eq!(out, vec![7; 200_000]);
}

#[tokio::test]
async fn the_last_segment_stays_while_the_verdict_is_against_it() {
    let (sealer, _) = sealer(200_000);
    let verdict = Verdict(Err(s3_error!(BadDigest)));
    let (bytes, failed) = sealed(seal(plain(200_000), 200_000, sealer, verdict)).await;
    assert!((bytes.len() as u64) < geometry::single_sealed(PlainLen::new(200_000)).unwrap().bytes());
    assert_eq!(failed.unwrap().downcast::<S3Error>().unwrap().code().as_str(), "BadDigest");
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_incomplete() {
    for given in [99, 101] {
        let (sealer, _) = sealer(100);
        let (_, failed) = sealed(seal(plain(given), 100, sealer, Verdict(Ok(())))).await;
        assert_eq!(failed.unwrap().downcast::<S3Error>().unwrap().code().as_str(), "IncompleteBody", "{given}");
    }
}
