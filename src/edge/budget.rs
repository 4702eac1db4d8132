//! How much may be under way: requests, and the memory that their bodies are held in. Permits end with the answer's
//! body.
//!
//! A body streams, so a request holds some buffers whatever its length: [`STREAM_BYTES`], more while a request of XML
//! or a signed chunk is read whole. That much is taken from the budget, not the body's length.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests and bytes under way.
pub(super) struct Budget {
    requests: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    kibibytes_max: u32,
}

/// One request's share; given back when dropped.
pub(super) struct Permit {
    _request: OwnedSemaphorePermit,
    _kibibytes: OwnedSemaphorePermit,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Requests,
    Bytes,
}

impl Budget {
    pub(super) fn new(requests_max: usize, bytes_max: u64) -> Self {
        let kibibytes_max = u32::try_from((bytes_max / 1024).max(1)).unwrap_or(u32::MAX);
        let kibibytes = usize::try_from(kibibytes_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(requests_max.min(Semaphore::MAX_PERMITS))),
            kibibytes: Arc::new(Semaphore::new(kibibytes)),
            kibibytes_max,
        }
    }

    /// Room for a request, or what there is too much of. Nobody waits: a client that is told comes again later.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<Permit, Full> {
        let kibibytes = u32::try_from(held_bytes(request) / 1024).unwrap_or(u32::MAX).min(self.kibibytes_max);
        let of_requests = Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Full::Requests)?;
        let of_bytes = Arc::clone(&self.kibibytes).try_acquire_many_owned(kibibytes).map_err(|_| Full::Bytes)?;
        Ok(Permit { _request: of_requests, _kibibytes: of_bytes })
    }
}

/// The memory that a request's bodies may take.
fn held_bytes<B>(request: &Request<B>) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match *request.method() {
        // a list of parts or of keys is read whole
        Method::POST => length.unwrap_or(WHOLE_BYTES_MAX).clamp(STREAM_BYTES, WHOLE_BYTES_MAX),
        _ => STREAM_BYTES,
    }
}

/// A segment being filled, one being sent, and the buffers of two sockets.
const STREAM_BYTES: u64 = 256 * 1024;
/// The longest XML that is read whole.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, length: Option<u64>) -> Request<()> {
        let mut request = Request::builder().method(method).body(()).unwrap();
        if let Some(length) = length {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        request
    }

    #[test]
    fn requests_and_bytes_are_limited_apart() {
        let budget = Budget::new(2, 10 * STREAM_BYTES);
        let first = budget.admit(&request(Method::GET, None)).ok();
        let _second = budget.admit(&request(Method::GET, None)).ok().unwrap();
        assert_eq!(budget.admit(&request(Method::GET, None)).err(), Some(Full::Requests));
        drop(first);
        assert!(budget.admit(&request(Method::GET, None)).is_ok());
        let budget = Budget::new(100, 2 * STREAM_BYTES);
        let _held = [(); 2].map(|()| budget.admit(&request(Method::PUT, Some(5 << 30))).ok().unwrap());
        assert_eq!(budget.admit(&request(Method::GET, None)).err(), Some(Full::Bytes));
    }

    #[test]
    fn what_is_read_whole_takes_its_length() {
        assert_eq!(held_bytes(&request(Method::POST, Some(1 << 20))), 1 << 20);
        assert_eq!(held_bytes(&request(Method::POST, Some(1))), STREAM_BYTES);
        assert_eq!(held_bytes(&request(Method::POST, None)), WHOLE_BYTES_MAX);
        assert_eq!(held_bytes(&request(Method::PUT, Some(5 << 30))), STREAM_BYTES);
    }

    #[test]
    fn a_request_over_the_whole_budget_still_fits_alone() {
        let budget = Budget::new(1, 1024);
        assert!(budget.admit(&request(Method::POST, None)).is_ok());
    }
}
