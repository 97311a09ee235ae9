//! How long each of the paths that cost takes: `cargo bench -p chaos`. Nothing fails on times; what fails on its costs is
//! `chaos instructions`.

use chaos::paths::PATHS;

fn main() {
    divan::main();
}

#[divan::bench(args = PATHS.map(|(name, _)| name))]
fn path(bencher: divan::Bencher<'_, '_>, name: &str) {
    bencher.bench_local(chaos::paths::prepared(name).expect("a path of the list can be prepared"));
}
