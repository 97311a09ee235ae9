//! The rules that can be broken, one at a time, to see that each is needed.

use clap::ValueEnum;

/// A rule of the protocol (docs/protocol.md). Breaking one changes the world around the cores, not the cores: messages
/// that say more than was granted, clocks that do not run, a lease that forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// Nothing is accepted under an older epoch than one that was seen.
    Fence,
    /// A leader acts only while its term is valid.
    Term,
    /// A grant ends.
    GrantEnds,
    /// A grant is given only to who knows of the newest version.
    GrantKnows,
    /// A newer epoch ends the grants of older ones.
    NewerEpoch,
    /// A publication waits for everyone in touch.
    Wait,
    /// A term that was not taken after expiry waits for the grants of the term before.
    Inherited,
    /// Nobody is current before a table that was read in this term is active.
    ReadInTerm,
    /// What is read in a term was asked for in that term.
    FreshRead,
    /// No replica activates a table that was read before its active one.
    Origin,
    /// A replica that knows of something newer moves nobody.
    KnowsNewer,
    /// A replica that is not current gives no client another table than the client's own.
    Answer,
    /// Acknowledgements belong to one process and one stream.
    Streams,
    /// Only activated tables are written to the disk.
    Disk,
    /// An epoch exceeds every version that the store has ever had, also after a deletion.
    Epoch,
}
