//! Raw deflate (RFC 1951), unpacked into memory of its own.

use flate2::{Decompress, FlushDecompress, Status};

/// What unpacks, used again for the next block.
pub(super) struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

impl Inflater {
    /// Unpacks `packed` into `plain`. None where it has not just `length` bytes.
    pub(super) fn unpack(&mut self, packed: &[u8], length: usize, plain: &mut Vec<u8>) -> Option<()> {
        self.0.reset(false);
        plain.clear();
        plain.reserve_exact(length);
        while plain.len() < length {
            let (read, before) = (self.read(), plain.len());
            let status = self.0.decompress_vec(&packed[read..], plain, FlushDecompress::None).ok()?;
            if status == Status::StreamEnd || plain.len() == before {
                break;
            }
        }
        (plain.len() == length).then_some(())
    }

    /// Unpacks all of `packed`, no more than `most` bytes. None where it is none, or more; else whether the stream ended with
    /// its last byte.
    pub(super) fn unpack_all(&mut self, packed: &[u8], most: usize, plain: &mut Vec<u8>) -> Option<bool> {
        self.0.reset(false);
        plain.clear();
        loop {
            if plain.len() == plain.capacity() {
                plain.reserve(plain.len().clamp(64 << 10, 8 << 20));
            }
            let (read, before) = (self.read(), plain.len());
            let status = self.0.decompress_vec(&packed[read..], plain, FlushDecompress::None).ok()?;
            if plain.len() > most {
                return None;
            }
            match status {
                Status::StreamEnd => return (self.read() == packed.len()).then_some(true),
                _ if self.read() == packed.len() && plain.len() < plain.capacity() => return Some(false),
                _ if self.read() == read && plain.len() == before && plain.len() < plain.capacity() => {
                    return None;
                }
                _ => {}
            }
        }
    }

    fn read(&self) -> usize {
        usize::try_from(self.0.total_in()).expect("it lies in memory")
    }
}
