//! What the cipher and the authentication alone cost, on this machine and in this minute.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Failure;
use super::process::usage;

/// AES-256-CTR and then HMAC-SHA-256 over segments of 64 KiB, in place.
pub(super) fn cpu_seconds_per_gib() -> Result<f64, Failure> {
    let mut segment = vec![0_u8; 64 << 10];
    let before = usage("self")?.cpu_seconds;
    for _ in 0..(1 << 30) / segment.len() {
        Ctr128BE::<Aes256>::new(&[1; 32].into(), &[2; 16].into()).apply_keystream(&mut segment);
        let mut mac = Hmac::<Sha256>::new_from_slice(&[3; 32])?;
        mac.update(&segment);
        std::hint::black_box(mac.finalize());
    }
    Ok(usage("self")?.cpu_seconds - before)
}
