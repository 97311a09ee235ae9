//! The frames of one direction of an HTTP/2 connection, seen as their bytes go by (RFC 9113 section 4.1).
//!
//! In: bytes, cut anywhere. Out: whose they are, and which frames are whole with them. Nothing is held back or changed.

/// What a client begins with (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;

const END_STREAM: u8 = 1;

/// Where in the frames one direction is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes before the next head: of a preface, or of a payload.
    left: usize,
    head: [u8; HEAD],
    /// How much of the head there is; all of it while its payload goes by.
    filled: usize,
}

/// Bytes of a frame that went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Of which stream; 0 is the connection.
    pub(super) stream: u32,
    kind: u8,
    flags: u8,
    /// The last byte of the frame was among them.
    whole: bool,
}

impl Passed {
    /// Some of a body.
    pub(super) fn is_data(self) -> bool {
        self.kind == DATA
    }

    /// The last byte of a body.
    pub(super) fn ends_body(self) -> bool {
        self.is_data() && self.whole && self.flags & END_STREAM != 0
    }

    /// Whoever sent it wants no more of the stream.
    pub(super) fn resets(self) -> bool {
        self.kind == RST_STREAM && self.whole
    }
}

impl Frames {
    /// Of a client, which begins with the preface.
    pub(super) fn after_preface() -> Self {
        Self { left: PREFACE.len(), ..Self::default() }
    }

    /// `bytes` go by; `seen` is told of each frame that some of them belong to, after its head.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut seen: impl FnMut(Passed)) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let taken = bytes.len().min(HEAD - self.filled);
                let (front, rest) = bytes.split_at(taken);
                self.head[self.filled..][..taken].copy_from_slice(front);
                (self.filled, bytes) = (self.filled + taken, rest);
                if self.filled < HEAD {
                    return;
                }
                let [a, b, c, ..] = self.head;
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
            }
            let taken = bytes.len().min(self.left);
            (self.left, bytes) = (self.left - taken, &bytes[taken..]);
            if self.filled == HEAD {
                seen(self.passed());
            }
            if self.left == 0 {
                self.filled = 0;
            }
        }
    }

    fn passed(&self) -> Passed {
        let [_, _, _, kind, flags, a, b, c, d] = self.head;
        let stream = u32::from_be_bytes([a, b, c, d]) & (u32::MAX >> 1);
        Passed { stream, kind, flags, whole: self.left == 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let mut bytes = (payload as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.resize(HEAD + payload, b'x');
        bytes
    }

    /// What is seen of `bytes` in pieces of `size`.
    fn seen(mut frames: Frames, bytes: &[u8], size: usize) -> Vec<Passed> {
        let mut all = Vec::new();
        bytes.chunks(size).for_each(|piece| frames.pass(piece, |passed| all.push(passed)));
        all
    }

    #[test]
    fn a_body_ends_with_the_last_byte_of_its_last_frame() {
        let bytes = [frame(1, 4, 1, 20), frame(DATA, 0, 1, 5), frame(DATA, END_STREAM, 1, 7)].concat();
        let but_one = &bytes[..bytes.len() - 1];
        assert!(!seen(Frames::default(), but_one, 4096).iter().any(|passed| passed.ends_body()));
        let all = seen(Frames::default(), &bytes, 4096);
        assert_eq!(all.iter().map(|passed| passed.ends_body()).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(all.iter().filter(|passed| passed.is_data()).count(), 2);
        // The end of a head without a body, and settings that are acknowledged, have the same flag.
        let others = [frame(1, END_STREAM, 3, 9), frame(4, 1, 0, 0)].concat();
        assert!(!seen(Frames::default(), &others, 4096).iter().any(|passed| passed.ends_body()));
        let empty = seen(Frames::default(), &frame(DATA, END_STREAM, 5, 0), 4096);
        assert!(empty.len() == 1 && empty[0].ends_body() && empty[0].stream == 5);
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_changes_nothing(
            frames in prop::collection::vec((0..10u8, 0..6u8, any::<u32>(), 0..300usize), 1..20),
            size in 1..400usize,
        ) {
            let mut bytes = PREFACE.to_vec();
            for (kind, flags, stream, payload) in frames {
                bytes.extend(frame(kind, flags, stream, payload));
            }
            let whole = |size| {
                let mut all = seen(Frames::after_preface(), &bytes, size);
                all.retain(|passed| passed.whole);
                all
            };
            prop_assert_eq!(whole(size), whole(usize::MAX));
        }
    }
}
