//! What a server answered for one of its tables.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use sha2::{Digest, Sha256};

use super::expected::Expected;
use crate::differential::tables;
use crate::http::Call;

/// An answer, as far as clients look at it.
#[derive(Debug, PartialEq)]
pub(super) struct Served {
    status: u16,
    etag: String,
    count: String,
    media: String,
    table: String,
}

impl Served {
    /// What `server` serves in a zone, or without one.
    pub(super) async fn by(server: SocketAddr, zone: Option<&str>) -> Result<Self> {
        let path = zone.map_or("/routes".to_owned(), |zone| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let encode = |byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
            format!("/routes/{}", zone.bytes().map(encode).collect::<String>())
        });
        let (_, reply) = Call::get(server, &path).send().await.map_err(|failure| anyhow!(failure.cause))?;
        let header = |name: &str| reply.header(name).to_owned();
        Ok(Self {
            status: reply.status.as_u16(),
            etag: header("etag"),
            count: header("x-count"),
            media: header("content-type"),
            table: String::from_utf8_lossy(&reply.body).into_owned(),
        })
    }

    /// What is not as it should be, in a few lines. Without a table the statuses of the two servers differ, by a row of
    /// their own.
    pub(super) fn differs_from(&self, expected: &Expected, zone: Option<&str>) -> String {
        let tables = match expected {
            Expected::Anything => return String::new(),
            Expected::Nothing if [404, 503].contains(&self.status) => return String::new(),
            Expected::Nothing => return format!("    {} instead of no table\n", self.status),
            Expected::Tables(tables) => tables,
        };
        let (table, count) = tables.of(zone);
        let should = Self {
            status: 200,
            etag: format!("\"{}\"", hex::encode(Sha256::digest(table))),
            count: count.to_string(),
            media: "text/plain; charset=utf-8".to_owned(),
            table: table.to_owned(),
        };
        self.differs(&should)
    }

    /// What is not as with `other`, in a few lines.
    pub(super) fn differs(&self, other: &Self) -> String {
        let mut out = String::new();
        let (ours, theirs) = (self.head(), other.head());
        if ours != theirs {
            out += &format!("    {ours:?} instead of {theirs:?}\n");
        }
        if self.table != other.table {
            out += &tables::tables_differ(&self.table, &[&other.table], &[].into());
        }
        out
    }

    fn head(&self) -> (u16, [&str; 3]) {
        (self.status, [&self.etag, &self.count, &self.media])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_answer_counts() {
        let one = || Served {
            status: 200,
            etag: "\"a\"".to_owned(),
            count: "1".to_owned(),
            media: "text/plain".to_owned(),
            table: "kube_a: * -> <shunt>;".to_owned(),
        };
        assert_eq!(one().differs(&one()), "");
        let others = [
            Served { status: 503, ..one() },
            Served { etag: String::new(), ..one() },
            Served { count: "2".to_owned(), ..one() },
            Served { media: String::new(), ..one() },
            Served { table: String::new(), ..one() },
        ];
        for other in others {
            assert_ne!(one().differs(&other), "", "{other:?}");
        }
    }
}
