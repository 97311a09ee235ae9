//! Which differences are known, and the row of `docs/compatibility.md` that gives each its reason.

use super::answer::{Aspect, Difference};
use super::requests::Request;

/// A row's first cell, and the differences that it explains.
type Entry = (&'static str, fn(&Request, &Difference) -> bool);

const ALLOWED: [Entry; 10] = [
    ("`X-Table-Version`", |_, it| it.on("x-table-version") && it.peers.is_empty()),
    ("`/routes` before the first table", |request, it| match &it.aspect {
        Aspect::Status => request.asks_for_a_table() && it.is("404", "503"),
        Aspect::Header(name) => match name.as_str() {
            "content-type" => it.is("", "text/plain; charset=utf-8"),
            "x-content-type-options" => it.is("", "nosniff"),
            "content-length" => it.is("0", "22"),
            _ => false,
        },
        Aspect::Body => it.is("", "no verified table yet\n"),
        Aspect::Reason => false,
    }),
    ("`Content-Length`", |_, it| {
        let length = it.on("content-length") && it.peers.is_empty() && it.ours.parse::<u64>().is_ok();
        length || (it.on("transfer-encoding") && it.is("chunked", ""))
    }),
    ("Bytes of gzip", |request, it| {
        let numbers = it.on("content-length") || it.on("content-range");
        let piece = request.header("Range").is_some() && it.aspect == Aspect::Body;
        let gzip = |(name, value): &(&str, String)| *name == "Accept-Encoding" && value.contains("gzip");
        request.headers.iter().any(gzip) && !it.peers.is_empty() && !it.ours.is_empty() && (numbers || piece)
    }),
    ("Boundary between several ranges", |_, it| {
        let boundary = "multipart/byteranges; boundary=";
        it.on("content-type") && it.peers.starts_with(boundary) && it.ours.starts_with(boundary)
    }),
    ("Reason phrases", |_, it| {
        let known = ["Requested Range Not Satisfiable", "Bad Request: missing required Host header"];
        it.aspect == Aspect::Reason && known.contains(&it.peers.as_str())
    }),
    ("400 for what is no HTTP", |request, it| {
        let malformed =
            request.version.is_empty() || request.path.contains("/%zz") || request.path.ends_with("/%");
        malformed && matches!(it.aspect, Aspect::Header(_) | Aspect::Body) && it.ours.is_empty()
    }),
    ("`HTTP/1.2` and `HTTP/2.0` in plain text", |request, it| {
        matches!(request.version, "1.2" | "2.0") && (it.aspect != Aspect::Status || it.ours == "400")
    }),
    ("`#` in a target", |request, _| request.path.contains('#')),
    ("HTTP dates in odd notations", |request, _| {
        let odd = |date: &str| date.contains(",  ") || date.contains(":60 ") || date.ends_with(" CET");
        let dated = ["If-Modified-Since", "If-Unmodified-Since", "If-Range"];
        dated.iter().any(|name| request.header(name).is_some_and(odd))
    }),
];

/// The row that explains `difference`.
pub(super) fn row(request: &Request, difference: &Difference) -> Option<&'static str> {
    ALLOWED.iter().find(|(_, explains)| explains(request, difference)).map(|(row, _)| *row)
}

impl Difference {
    fn on(&self, header: &str) -> bool {
        matches!(&self.aspect, Aspect::Header(name) if name == header)
    }

    fn is(&self, peers: &str, ours: &str) -> bool {
        self.peers == peers && self.ours == ours
    }
}

impl Request {
    fn asks_for_a_table(&self) -> bool {
        self.path == "/routes" || self.path.starts_with("/routes/")
    }
}

#[cfg(test)]
mod tests {
    use super::super::requests;
    use super::*;

    #[test]
    fn every_entry_has_its_row() {
        let page = include_str!("../../../docs/compatibility.md");
        for (row, _) in ALLOWED {
            assert!(page.contains(&format!("\n| {row} |")), "docs/compatibility.md has no row {row}");
        }
    }

    #[test]
    fn a_lost_route_and_a_wrong_status_are_explained_by_nothing() {
        let difference = |aspect, peers: &str, ours: &str| Difference {
            aspect,
            peers: peers.to_owned(),
            ours: ours.to_owned(),
        };
        let request = &requests::before_the_first_table()[0];
        assert_eq!(row(request, &difference(Aspect::Body, "a: * -> <shunt>", "")), None);
        assert_eq!(row(request, &difference(Aspect::Status, "200", "503")), None);
        assert_eq!(row(request, &difference(Aspect::Header("etag".to_owned()), "\"a\"", "\"b\"")), None);
    }
}
