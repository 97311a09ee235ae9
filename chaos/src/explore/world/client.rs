//! A client that polls: it sends the ETag of what it holds, and judges what it gets.

/// What a client holds, and the earliest reading of the upstream that it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// The contents; `None` where it has just started.
    pub holds: Option<u8>,
    /// The reading that its table is at least as new as.
    pub low: u8,
}

impl Client {
    pub fn describe(&self) -> String {
        let letter = |content: u8| char::from(b'A' + content);
        self.holds.map_or_else(|| "-".to_owned(), |content| format!("{}>={}", letter(content), self.low))
    }
}
