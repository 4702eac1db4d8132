//! The one place randomness comes from: the operating system. Tests, and they alone, may put a fixed stream in its
//! place for the current thread; in any other build that code does not exist, so nothing can be sealed twice alike.

use super::SealError;

/// `N` fresh random bytes.
///
/// # Errors
/// [`SealError::Randomness`] when the operating system fails.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    #[cfg(test)]
    if fixed::fill(&mut bytes) {
        return Ok(bytes);
    }
    getrandom::fill(&mut bytes).map_err(|_| SealError::Randomness)?;
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod fixed {
    //! A stream of bytes that depends on a label alone: block `i` is SHA-256(label || u64 i).

    use std::cell::RefCell;

    use sha2::{Digest, Sha256};

    thread_local! {
        static STREAM: RefCell<Option<(String, u64)>> = const { RefCell::new(None) };
    }

    /// Runs `work` with the fixed stream of `label` in place of the operating system's, on this thread.
    pub(in crate::seal) fn with<T>(label: &str, work: impl FnOnce() -> T) -> T {
        STREAM.set(Some((label.to_owned(), 0)));
        let done = work();
        STREAM.set(None);
        done
    }

    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        STREAM.with_borrow_mut(|stream| {
            let Some((label, block)) = stream else { return false };
            for chunk in bytes.chunks_mut(32) {
                let digest = Sha256::new().chain_update(label.as_bytes()).chain_update(block.to_be_bytes()).finalize();
                chunk.copy_from_slice(&digest[..chunk.len()]);
                *block += 1;
            }
            true
        })
    }
}
