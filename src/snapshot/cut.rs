//! Where the blocks of a text end: at lines that their own bytes choose, so that a change moves no end but those beside it.
//!
//! In: a text, as far as it has come. Out: the length of its first block, as soon as what is still to come cannot change it.
//! Nothing can go wrong.

use memchr::memchr;

/// The least bytes of a block: what its window costs at its beginning should not matter.
const LEAST: usize = 64 << 10;

/// The most bytes of a block.
pub(super) const MOST: usize = 512 << 10;

/// One line in so many is chosen as the first of a block.
const ONE_IN: u32 = 128;

/// How many bytes of a line choose: an id, mostly. So many behind a block have a part in where it ends.
pub(super) const CHOOSERS: usize = 48;

/// Looks for the end of a block while its text is still coming.
#[derive(Debug)]
pub(super) struct Cutter {
    /// Up to here all lines were looked at.
    at: usize,
}

impl Cutter {
    pub(super) const fn new() -> Self {
        Self { at: LEAST }
    }

    /// The length of the first block of `text`, which is all of it or its beginning. None where that hangs on what comes. The
    /// text of a later call begins with that of an earlier one.
    pub(super) fn end(&mut self, text: &[u8], is_all: bool) -> Option<usize> {
        let end = text.len().min(MOST);
        while self.at < end {
            let Some(line) = memchr(b'\n', &text[self.at..end]) else {
                self.at = end;
                break;
            };
            let next = self.at + line + 1;
            let front = &text[next..];
            if !is_all && !is_known(front) {
                return None;
            }
            self.at = next;
            if !front.is_empty() && next < end && chosen(front) {
                return Some(next);
            }
        }
        (end == MOST || is_all).then_some(end)
    }
}

/// Whether all of a line is there that chooses.
fn is_known(front: &[u8]) -> bool {
    front.len() >= CHOOSERS || front.iter().any(|byte| ends(*byte))
}

const fn ends(byte: u8) -> bool {
    byte == b':' || byte == b'\n'
}

/// Whether the line that begins with `front` is the first of a block, by FNV-1a.
fn chosen(front: &[u8]) -> bool {
    let front = front.iter().take(CHOOSERS).take_while(|byte| !ends(**byte));
    let hash = front.fold(0x811c_9dc5u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The last bytes reach only its low bits; once more multiplied they reach the high ones.
    hash.wrapping_mul(0x9e37_79b1) <= u32::MAX / ONE_IN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &[u8]) -> Option<usize> {
        Cutter::new().end(text, true)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_still_to_come_changes_no_end_that_was_found(
            seed in any::<u64>(),
            length in 0..MOST + 4096,
            step in 1usize..40_000,
        ) {
            // Lines of 1 to 64 bytes.
            let mut state = seed | 1;
            let mut text = Vec::new();
            while text.len() < length {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let line = (state >> 58) as usize;
                text.extend(std::iter::repeat_n(b'a' + (state >> 40) as u8 % 26, line));
                text.extend_from_slice(if state >> 63 == 0 { b"\n" } else { b":x\n" });
            }
            let (mut cutter, mut found) = (Cutter::new(), None);
            for end in (0..text.len()).step_by(step) {
                found = found.or_else(|| cutter.end(&text[..end], false));
            }
            let found = found.or_else(|| cutter.end(&text, true));
            prop_assert_eq!(found, whole(&text));
        }
    }

    #[test]
    fn a_text_without_lines_is_cut_all_the_same() {
        let text = vec![b'x'; 2 * MOST];
        assert_eq!(whole(&text), Some(MOST));
        assert_eq!(Cutter::new().end(&text[..MOST - 1], false), None);
        assert_eq!(whole(b"x"), Some(1));
    }
}
