//! What a request target names, with the path cleaning and the redirects of Go's `http.ServeMux`.

/// What the main listener has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `/routes`.
    Routes,
    /// `/routes/{zone}`.
    Zone(String),
    /// `/routes/shards/K/N`: which one, of how many.
    Shard(u16, u16),
    /// `/health`.
    Health,
    /// `/swarm/redis/shards`.
    RedisShards,
    /// `/swarm/valkey/shards`.
    ValkeyShards,
    /// Another spelling of a path; it is at this location.
    Moved(String),
    /// Nothing.
    Nothing,
    /// `*`, which names the server.
    Server,
    /// The path cannot be decoded.
    Malformed,
}

/// The target of an escaped `path` with its `query`.
pub(super) fn target(path: &str, query: Option<&str>) -> Target {
    // The path that nearly every request has.
    if path == "/routes" {
        return Target::Routes;
    }
    if path == "*" {
        return Target::Server;
    }
    let Some(segments) = path.split('/').map(decode).collect::<Option<Vec<_>>>() else {
        return Target::Malformed;
    };
    let cleaned = clean(path);
    if cleaned != path {
        return Target::Moved(match query {
            Some(query) if !query.is_empty() => format!("{cleaned}?{query}"),
            _ => cleaned,
        });
    }
    match segments.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
        [b"", b"routes"] => Target::Routes,
        [b"", b"health"] => Target::Health,
        [b"", b"routes", zone] if !zone.is_empty() => {
            Target::Zone(String::from_utf8_lossy(zone).into_owned())
        }
        [b"", b"routes", b"shards", shard, of] => match (number(shard), number(of)) {
            (Some(shard), Some(of)) => Target::Shard(shard, of),
            _ => Target::Nothing,
        },
        [b"", b"swarm", b"redis", b"shards"] => Target::RedisShards,
        [b"", b"swarm", b"valkey", b"shards"] => Target::ValkeyShards,
        _ => Target::Nothing,
    }
}

/// A number as it is printed.
fn number(segment: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(segment).ok()?;
    text.parse().ok().filter(|number: &u16| number.to_string() == text)
}

/// Without empty segments, `.` and `..`; a slash at the end stays.
fn clean(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// A segment's bytes; `None` where a `%` is not followed by two hex digits.
fn decode(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let mut byte = [0];
            hex::decode_to_slice(tail.get(..2)?, &mut byte).ok()?;
            bytes.extend(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_are_those_of_go() {
        use Target::{Health, Malformed, Nothing, Routes};
        let zone = |name: &str| Target::Zone(name.to_owned());
        let moved = |to: &str| Target::Moved(to.to_owned());
        let cases = [
            ("/routes", Routes),
            ("/%72outes", Routes),
            ("/health", Health),
            ("/routes/zone-1", zone("zone-1")),
            ("/routes/a%2Fb", zone("a/b")),
            ("/routes/a%20b", zone("a b")),
            ("*", Target::Server),
            ("/routes/%", Malformed),
            ("/routes/%zz", Malformed),
            ("/routes/", Nothing),
            ("/routes/a/b", Nothing),
            ("/routes/shards", zone("shards")),
            ("/routes/shards/15/16", Target::Shard(15, 16)),
            ("/routes/shards/16", Nothing),
            ("/routes/shards/+1/16", Nothing),
            ("/routes/shards/01/16", Nothing),
            ("/routes/shards/1/65536", Nothing),
            ("/health/", Nothing),
            ("/", Nothing),
            ("/Routes", Nothing),
            ("/swarm/redis/shards", Target::RedisShards),
            ("/swarm/valkey/shards", Target::ValkeyShards),
            ("/swarm/redis/shards/", Nothing),
            ("//routes", moved("/routes")),
            ("/x/../routes", moved("/routes")),
            ("/./routes", moved("/routes")),
            ("/routes//zone-1", moved("/routes/zone-1")),
            ("/routes/zone-1/..", moved("/routes")),
            ("/routes/.", moved("/routes")),
            ("/routes//", moved("/routes/")),
            ("/../..", moved("/")),
            ("//a%2Fb", moved("/a%2Fb")),
            ("//a(b)", moved("/a(b)")),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path, None), expected, "{path}");
        }
        assert_eq!(target("//routes", Some("a=b")), moved("/routes?a=b"));
        assert_eq!(target("//routes", Some("")), moved("/routes"));
        assert_eq!(target("", None), moved("/"));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(path in "/[a./%]{0,12}") {
            let once = clean(&path);
            prop_assert_eq!(clean(&once), once);
        }
    }
}
