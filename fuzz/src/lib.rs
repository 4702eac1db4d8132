//! The sealed format and the reading of KMIP by their sources, and what the targets share: a key, a reader of
//! instructions, changes to bodies.

#[path = "../../src"]
mod product {
    /// What of it does no IO; connections use the rest.
    #[allow(dead_code)]
    pub mod kmip {
        pub mod error;
        mod fields;
        pub mod lookup;
        pub mod messages;
        pub mod ttlv;
    }
    pub mod seal;
}

pub use product::{kmip, seal};
use seal::{Binding, Seed, TenantKey};

/// One tenant for all targets; derived once.
pub fn key() -> &'static TenantKey {
    static KEY: std::sync::LazyLock<TenantKey> =
        std::sync::LazyLock::new(|| TenantKey::from_seed(&Seed::from_bytes(&[1; 32]).unwrap()));
    &KEY
}

pub fn binding() -> Binding {
    Binding::new("tenant", "bucket", "key").unwrap()
}

/// Bytes that repeat neither by block nor by segment.
pub fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 7 + i / 251 + i / 65_521) as u8).collect()
}

/// The fuzzer's input as a row of instructions; zero when it has run out.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub fn number(&mut self) -> usize {
        u32::from_le_bytes(self.array()) as usize
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        self.number() % end
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let (now, rest) = self.0.split_at(self.0.len().min(N));
        array[..now.len()].copy_from_slice(now);
        self.0 = rest;
        array
    }
}

/// Changes a body as the input says: bits, cuts, growth, moves. At most 16 changes.
pub fn damage(body: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..16 {
        if input.is_over() || body.is_empty() {
            return;
        }
        let (what, at) = (input.byte(), input.below(body.len()));
        match what % 5 {
            0 | 1 => body[at] ^= input.byte(),
            2 => body.truncate(at),
            3 => body.resize(body.len() + at % 20_000, input.byte()),
            _ => {
                let length = input.below(body.len() - at + 1);
                let to = input.below(body.len() - length + 1);
                body.copy_within(at..at + length, to);
            }
        }
    }
}

/// Cuts a body by turns into pieces of the lengths that two bytes say.
pub fn cut<'a>(mut rest: &'a [u8], seed: usize) -> Vec<&'a [u8]> {
    let (mut pieces, mut state) = (Vec::new(), seed as u64 | 1);
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (now, later) = rest.split_at((1 + (state >> 40) as usize % 100_000).min(rest.len()));
        pieces.push(now);
        rest = later;
    }
    pieces
}
