//! What one changed route costs a leader and a follower, for the table of a given number of routes: bytes and
//! processor time. Prints what docs/numbers.md has.

use std::env;
use std::io::Write;
use std::time::Duration;

use bellwether::snapshot::{Delta, Digest, Packed, Table};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::time::{ClockId, clock_gettime};

/// The table: routes of about 500 bytes, each different, and one in the middle that says `word`.
fn text(routes: usize, word: &str) -> String {
    let line = |n: usize| {
        let hash = Digest::of(&n.to_le_bytes()).to_string();
        let word = if n == routes / 2 { word } else { "same" };
        format!(
            "kube_team__app_{n:06}__{}: Host(/^({}[.]example[.]org[.]?(:[0-9]+)?)$/) && PathSubtree(\"/{}\") \
             && Traffic(0.5) -> ratelimit(20, \"1m\") -> setRequestHeader(\"X-App\", \"{word}\") \
             -> setResponseHeader(\"Strict-Transport-Security\", \"max-age=31536000; includeSubDomains\") \
             -> compress(\"text/html\", \"text/css\", \"text/plain\", \"application/json\") \
             -> oauthTokeninfoAnyScope(\"uid\", \"{}\") \
             -> <roundRobin, \"http://10.2.{}.{}:8080\", \"http://10.3.{}.{}:8080\", \"http://10.4.{}.{}:8080\">;\n",
            &hash[..8],
            &hash[8..20],
            &hash[20..32],
            &hash[32..48],
            n % 251,
            n % 239,
            n % 233,
            n % 229,
            n % 227,
            n % 223,
        )
    };
    (0..routes).map(line).collect()
}

/// The processor's time for `work`, and what it gives.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
    };
    let start = now();
    let result = work();
    (now() - start, result)
}

fn main() {
    let routes = env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(20_000);
    let row = |what: &str, time: Duration, bytes: usize| {
        println!("{what:44} {:8.1} ms {bytes:10} bytes", time.as_secs_f64() * 1e3);
    };
    let (old, new) = (text(routes, "old"), text(routes, "new"));
    let (time, base) = timed(|| Table::new(old, routes as u64, 1));
    println!("{routes} routes, {} bytes", base.length());
    row("whole: digest and compress", time, base.gzip().len());
    let (time, stream) = timed(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(&base.plain()).and_then(|()| encoder.finish()).expect("memory does not fail")
    });
    row("  compressed as one stream, to compare", time, stream.len());
    let (time, target) =
        timed(|| Table::new(Packed::of(new.as_bytes(), Some(base.packed())), routes as u64, 1));
    row("one route changed: digest and compress", time, target.gzip().len());
    let (length, digest) = (target.length(), target.digest());
    let gzip = target.gzip().clone();
    let (time, _) = timed(|| Table::from_gzip(gzip, length, digest, 1, 1).expect("it is sound"));
    row("whole, at a follower: unpack and verify", time, target.gzip().len());
    let (time, delta) = timed(|| Delta::between(&base, &target).expect("it is smaller"));
    row("delta, at the leader", time, delta.frame.len());
    let (time, _) = timed(|| Table::from_delta(&base, &delta, length, digest, 1, 1).expect("it is sound"));
    row("delta, at a follower: to verified tables", time, delta.frame.len());
    // What a follower that got its base whole has to do once.
    let foreign = Table::from_gzip(base.gzip().clone(), base.length(), base.digest(), 1, 1);
    let foreign = foreign.expect("it is sound");
    let (time, _) = timed(|| Table::from_delta(&foreign, &delta, length, digest, 1, 1).expect("it is sound"));
    row("delta, on a base that came whole", time, delta.frame.len());
}
