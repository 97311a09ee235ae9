//! Bodies that lie in memory, or are unpacked piece by piece as they are sent: nothing else is copied, and the length is known
//! before the first byte. What can go wrong: memory has damaged a table; then its body is cut.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::snapshot::Packed;

/// A body in one piece or several, shared with the table that they come from.
#[derive(Clone, Debug, Default)]
pub struct Pieces(VecDeque<Piece>);

/// A part of a body.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// As it is.
    Whole(Bytes),
    /// Part of a text that is unpacked when its turn comes.
    Packed(Packed, Range<usize>),
}

/// A text that memory has damaged.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("memory has damaged the table")]
pub struct Damaged;

impl Piece {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Packed(_, range) => range.len(),
        }
    }

    /// The same piece without what is left out before and behind `span`.
    pub(super) fn slice(&self, span: Range<usize>) -> Self {
        match self {
            Self::Whole(bytes) => Self::Whole(bytes.slice(span)),
            Self::Packed(packed, range) => {
                Self::Packed(packed.clone(), range.start + span.start..range.start + span.end)
            }
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<&Packed> for Piece {
    fn from(text: &Packed) -> Self {
        Self::Packed(text.clone(), 0..text.len())
    }
}

impl Pieces {
    /// How many bytes it still has.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes.
    fn next(&mut self) -> Option<Result<Bytes, Damaged>> {
        let (packed, range) = match self.0.pop_front()? {
            Piece::Whole(bytes) => return Some(Ok(bytes)),
            Piece::Packed(packed, range) => (packed, range),
        };
        let Some(mut bytes) = packed.piece(range.start) else {
            self.0.clear();
            return Some(Err(Damaged));
        };
        bytes.truncate(range.len());
        let rest = range.start + bytes.len()..range.end;
        if !rest.is_empty() {
            self.0.push_front(Piece::Packed(packed, rest));
        }
        Some(Ok(bytes))
    }
}

impl From<Piece> for Pieces {
    fn from(piece: Piece) -> Self {
        Self::from(vec![piece])
    }
}

impl From<Bytes> for Pieces {
    fn from(piece: Bytes) -> Self {
        Self::from(Piece::Whole(piece))
    }
}

impl From<&Packed> for Pieces {
    fn from(text: &Packed) -> Self {
        Self::from(Piece::from(text))
    }
}

impl From<&'static str> for Pieces {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl From<Vec<Piece>> for Pieces {
    fn from(mut pieces: Vec<Piece>) -> Self {
        pieces.retain(|piece| piece.len() > 0);
        Self(pieces.into())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Damaged;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Damaged>>> {
        Poll::Ready(self.next().map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_come_in_order_and_the_length_is_exact() {
        let pieces = Pieces::from(["ab", "", "c"].map(|text| Piece::from(Bytes::from(text))).to_vec());
        assert_eq!(pieces.size_hint().exact(), Some(3));
        assert_eq!(pieces.collect().await.expect("sound").to_bytes(), "abc");
        assert!(Pieces::from(Bytes::new()).is_end_stream());
    }

    #[tokio::test]
    async fn a_text_is_unpacked_as_it_goes_and_cut_where_memory_has_damaged_it() {
        let text = "a: * -> <shunt>;\n".repeat(90_000);
        let packed = Packed::from(text.clone());
        let pieces = Pieces::from(&packed);
        assert_eq!(pieces.len(), text.len() as u64);
        assert_eq!(pieces.collect().await.expect("sound").to_bytes(), text);
        let part = Pieces::from(Piece::from(&packed).slice(7..1_000_007));
        assert_eq!(part.collect().await.expect("sound").to_bytes(), text[7..1_000_007]);
        assert!(Pieces::from(&packed.damaged_for_tests(3)).collect().await.is_err());
    }
}
