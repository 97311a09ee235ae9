//! What a table differs in from another one: a zstd frame (RFC 8878) that has the other's text as its prefix.
//!
//! In: two tables; or one, and the delta to another. Out: a frame; or text that is not yet verified, no longer than it
//! was announced to be. What can go wrong: the frame is broken, or was made for another prefix.

use std::io;

use bytes::Bytes;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, get_error_name, get_frame_content_size};

use super::{Digest, Table};

/// Long matches are found by the search over the whole prefix; between them a fast level is enough.
const LEVEL: i32 = 1;

/// The window that a decoder allows: any. It reads from the prefix and its own output, and allocates none.
const ANY_WINDOW: u32 = 31;

/// The longest text that a window reaches over.
const MOST_BYTES: u64 = 1 << ANY_WINDOW;

/// The way from one table to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The digest of the table to start from.
    pub base: Digest,
    /// The SHA-256 of the target's gzip bytes, which a replica makes itself: those of all replicas are equal.
    pub gzip: Digest,
    /// The frame.
    pub frame: Bytes,
}

impl Delta {
    /// The delta from `base` to `target`; `None` where it is no smaller than the compressed target.
    pub fn between(base: &Table, target: &Table) -> Option<Self> {
        let (prefix, text) = (base.plain(), target.plain());
        let mut frame = Vec::with_capacity(target.gzip().len());
        let mut encoder = CCtx::create();
        let parameters = [
            CParameter::CompressionLevel(LEVEL),
            CParameter::EnableLongDistanceMatching(true),
            // As far as from the end of the text to the beginning of the prefix's same place.
            CParameter::WindowLog(bits(prefix.len().max(text.len())).clamp(10, ANY_WINDOW)),
        ];
        for parameter in parameters {
            encoder.set_parameter(parameter).ok()?;
        }
        encoder.ref_prefix(prefix).ok()?;
        // No room for more is how it fails where it is not smaller.
        encoder.compress2(&mut frame, text).ok()?;
        let smaller = frame.len() < target.gzip().len();
        smaller.then(|| Self { base: base.digest(), gzip: target.gzip_digest(), frame: frame.into() })
    }

    /// The text that it leads to from `prefix`, which must have `length` bytes.
    ///
    /// # Errors
    ///
    /// Where the frame is broken, or its text has another length.
    pub(super) fn apply(&self, prefix: &[u8], length: u64) -> io::Result<Bytes> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let size = get_frame_content_size(&self.frame).map_err(|error| invalid(error.to_string()))?;
        if size != Some(length) || length > MOST_BYTES {
            return Err(invalid(format!("it leads to {size:?} bytes instead of {length}")));
        }
        let mut text: Vec<u8> = Vec::new();
        let length = usize::try_from(length).map_err(|_| invalid("it leads to too many bytes".to_owned()))?;
        text.try_reserve_exact(length)?;
        let mut decoder = DCtx::create();
        let named = |code| invalid(get_error_name(code).to_owned());
        decoder.set_parameter(DParameter::WindowLogMax(ANY_WINDOW)).map_err(named)?;
        decoder.ref_prefix(prefix).map_err(named)?;
        decoder.decompress(&mut text, &self.frame).map_err(named)?;
        Ok(text.into())
    }
}

/// How many bits `number` has.
const fn bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}
