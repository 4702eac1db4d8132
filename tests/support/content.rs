//! Bytes that look random, come from a seed, and so need no second file to be compared with.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// The first `bytes` bytes of the stream that belongs to `seed`, from where reading has got to.
#[derive(Clone)]
pub(crate) struct Content {
    seed: u64,
    offset: u64,
    bytes: u64,
}

impl Content {
    pub(crate) fn new(seed: u64, bytes: u64) -> Self {
        Self { seed, offset: 0, bytes }
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The eight bytes with this number (`SplitMix64`, which reaches any of them in one step).
    fn word(&self, number: u64) -> [u8; 8] {
        let step = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).to_le_bytes()
    }

    /// All of it in memory.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.clone().read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// All of it in a new file.
    pub(crate) fn write_to(&self, path: &Path) {
        io::copy(&mut self.clone(), &mut File::create(path).unwrap()).unwrap();
    }

    /// All of it into `sink`, which may close early.
    pub(crate) fn pour_into(mut self, mut sink: impl Write) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = self.read(&mut buffer)?;
            if n == 0 {
                return sink.flush();
            }
            sink.write_all(&buffer[..n])?;
        }
    }

    /// Fails unless `source` gives this and nothing more.
    pub(crate) fn assert_equals(mut self, mut source: impl Read) {
        let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let mut offset = 0_u64;
        loop {
            let n = source.read(&mut theirs).unwrap();
            if n == 0 {
                assert_eq!(offset, self.bytes, "the content ends too early");
                return;
            }
            let wanted = self.read(&mut ours[..n]).unwrap();
            assert!(ours[..wanted] == theirs[..n], "the content differs in the {n} bytes from {offset}");
            offset += n as u64;
        }
    }

    /// Fails unless the file contains this and nothing more.
    pub(crate) fn assert_equals_file(&self, path: &Path) {
        self.clone().assert_equals(File::open(path).unwrap());
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = usize::try_from((self.bytes - self.offset).min(buffer.len() as u64)).expect("not more than the buffer");
        let mut rest = &mut buffer[..n];
        while !rest.is_empty() {
            let word = self.word(self.offset / 8);
            let word = &word[(self.offset % 8) as usize..];
            let taken = word.len().min(rest.len());
            let (now, later) = rest.split_at_mut(taken);
            now.copy_from_slice(&word[..taken]);
            rest = later;
            self.offset += taken as u64;
        }
        Ok(n)
    }
}
