//! A table in shards: every route in one of them, and all routes of a host in the same one.
//!
//! A Skipper that is given several `-routes-urls` asks for each by itself, with an ETag of its own. So with the shards of a
//! table behind as many URLs, a change of one route costs it one shard, and not the table. In: a table, how many shards, and
//! the shards of an earlier table. Out: a table for each shard, the same bytes on each replica; one that did not change is
//! the earlier one. What can go wrong: memory has damaged the table; then there are none.
//!
//! Routes whose `Host` predicates read the same are together, so what a Skipper has for a host is of one table, never of
//! two. A route without any is of all hosts and of none: it goes by its id. Skipper joins the routes of all its URLs by id,
//! and an id is in one shard only.

use std::sync::Arc;

use sha2::Digest as _;

use super::difference::Definitions;
use super::{Digest, Packer, Table};

/// The most shards. A Skipper polls each of them.
pub const MOST_SHARDS: u16 = 64;

/// The shards of one table.
#[derive(Debug)]
pub struct Sharded {
    table: Digest,
    shards: Vec<Arc<Table>>,
}

impl Sharded {
    /// Cuts `table` into `number` shards. What did not change since `before` is taken from there. Long work for a large table.
    /// None where memory has damaged it.
    pub fn of(table: &Table, number: u16, before: Option<&Self>) -> Option<Self> {
        let before = before.filter(|before| before.shards.len() == usize::from(number));
        let earlier = |shard: usize| before.map(|before| &before.shards[shard]);
        let mut packers: Vec<_> = (0..usize::from(number))
            .map(|shard| (Packer::new(earlier(shard).map(|table| table.packed())), 0))
            .collect();
        let blocks = 0..table.packed().held().blocks.len();
        let mut definitions = Definitions::of(table.packed(), blocks.collect())?;
        while let Some(definition) = definitions.current() {
            let (packer, routes) = &mut packers[shard_of(definition, number)];
            if *routes > 0 {
                packer.push(b"\n");
            }
            packer.push(definition);
            *routes += 1;
            definitions.advance()?;
        }
        let shards = packers.into_iter().enumerate().map(|(shard, (mut packer, mut routes))| {
            if routes == 0 {
                packer.push(harmless(shard, number).as_bytes());
                routes = 1;
            }
            let packed = packer.finish();
            match earlier(shard).filter(|earlier| earlier.digest() == packed.digest()) {
                Some(earlier) => Arc::clone(earlier),
                None => Arc::new(Table::new(packed, routes, table.modified_secs())),
            }
        });
        Some(Self { table: table.digest(), shards: shards.collect() })
    }

    /// The table that they are the shards of.
    pub const fn table(&self) -> Digest {
        self.table
    }

    /// One of them.
    pub fn shard(&self, shard: u16) -> Option<&Arc<Table>> {
        self.shards.get(usize::from(shard))
    }

    /// The digests of all.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.shards.iter().map(|shard| shard.digest())
    }
}

/// What an empty shard has: no client is ever handed an empty document, which nobody could tell from one that was lost. It
/// matches no request.
fn harmless(shard: usize, number: u16) -> String {
    format!("bellwether_shard_{shard}_of_{number}: False() -> <shunt>;")
}

/// Which of `number` shards a route belongs to.
fn shard_of(definition: &[u8], number: u16) -> usize {
    let (id, predicates) = split(definition);
    let mut hosts: Vec<_> = Calls(predicates)
        .filter(|call| call.starts_with(b"Host(") || call.starts_with(b"HostAny("))
        .collect();
    if hosts.is_empty() {
        hosts.push(id);
    }
    hosts.sort_unstable();
    let mut hash = sha2::Sha256::new();
    for host in hosts {
        hash.update(host);
        hash.update([0]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let first = hash[..8].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    (first % u64::from(number)) as usize
}

/// The id, which holds no colon, and what follows it.
fn split(definition: &[u8]) -> (&[u8], &[u8]) {
    match definition.windows(2).position(|end| end == b": ") {
        Some(end) => (&definition[..end], &definition[end + 2..]),
        None => (definition, b""),
    }
}

/// The predicates that a route begins with, as the printer writes them: `Name(arguments)`, ` && ` between them.
struct Calls<'a>(&'a [u8]);

impl<'a> Iterator for Calls<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = call(self.0)?;
        let (call, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b" && ").unwrap_or_default();
        Some(call)
    }
}

/// Where the call ends that `text` begins with, if it begins with one. A parenthesis in a string or a pattern is none.
fn call(text: &[u8]) -> Option<usize> {
    let open = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
    if open == 0 || text[open] != b'(' {
        return None;
    }
    let (mut quote, mut at) = (None, open + 1);
    loop {
        match (quote, *text.get(at)?) {
            (Some(_), b'\\') => at += 1,
            (Some(end), byte) if byte == end => quote = None,
            (None, byte @ (b'"' | b'/')) => quote = Some(byte),
            (None, b')') => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests;
