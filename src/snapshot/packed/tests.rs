//! Whoever packs a text, from whatever came before, gets the same bytes; and what memory has damaged goes nowhere.

use proptest::prelude::*;

use super::*;
use crate::snapshot::Reader;

/// So many lines, long enough for several blocks, each different.
fn lines(count: usize) -> Vec<String> {
    let line =
        |n: usize| format!("route_{n}: Path(\"/{}\") -> \"http://10.0.0.1:80\";", "x".repeat(n * 7919 % 997));
    (0..count).map(line).collect()
}

fn fresh(text: &str) -> Packed {
    Packed::of(text.as_bytes(), None)
}

fn same(packed: &Packed, text: &str) {
    let fresh = fresh(text);
    assert_eq!(packed.gzip(), fresh.gzip());
    assert_eq!(
        (packed.digest(), packed.gzip_digest()),
        (Digest::of(text.as_bytes()), Digest::of(packed.gzip()))
    );
    assert_eq!(packed.text().expect("sound"), text);
    let found = Packed::from_gzip(packed.gzip().clone(), text.len() as u64).expect("it is gzip");
    assert!(found.held().is_ours);
    let places = |of: &Packed| {
        of.held().blocks.iter().map(|it| (it.plain.clone(), it.packed.clone())).collect::<Vec<_>>()
    };
    assert_eq!(places(&found), places(&fresh));
    assert_eq!(places(packed), places(&fresh));
    let hashes = |of: &Packed| {
        let hash = |block: &Block| sha2::Digest::finalize(block.hash.clone());
        of.held().blocks.iter().map(hash).collect::<Vec<_>>()
    };
    assert_eq!((hashes(&found), hashes(packed)), (hashes(&fresh), hashes(&fresh)));
    assert_eq!((found.digest(), found.gzip_digest()), (packed.digest(), packed.gzip_digest()));
}

#[test]
fn nothing_and_little_are_gzip_too() {
    for text in ["", "a", "a\n", "\n\n"] {
        same(&Packed::of(text.as_bytes(), Some(&fresh("b"))), text);
    }
}

#[test]
fn a_change_moves_no_cut_but_those_beside_it() {
    let before = lines(4000);
    let old = fresh(&before.join("\n"));
    assert!(old.held().blocks.len() > 8);
    let mut after = before.clone();
    after.insert(1999, "another: * -> <shunt>;".to_owned());
    let (before, after) = (before.join("\n"), after.join("\n"));
    let new = Packed::of(after.as_bytes(), Some(&old));
    same(&new, &after);
    let texts = |of: &Packed, text: &str| -> Vec<String> {
        of.held().blocks.iter().map(|it| text[it.plain.clone()].to_owned()).collect()
    };
    let known = texts(&old, &before);
    assert!(texts(&new, &after).iter().filter(|text| !known.contains(text)).count() <= 2);
}

#[test]
fn any_gzip_file_is_read_and_one_that_is_cut_otherwise_is_never_taken_from() {
    use std::io::Write;
    let text = lines(2000).join("\n");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(text.as_bytes()).expect("memory");
    let stream = Bytes::from(encoder.finish().expect("memory"));
    let other = Packed::from_gzip(stream.clone(), text.len() as u64).expect("it is gzip");
    assert!(!other.held().is_ours);
    assert_eq!((other.gzip(), other.text().expect("sound")), (&stream, Bytes::from(text.clone())));
    let mut packer = Packer::new(Some(&other));
    packer.take(&other, 0..text.len()).expect("sound");
    same(&packer.finish(), &text);
}

#[test]
fn wrong_lengths_and_broken_files_are_refused() {
    let gzip = fresh("text").gzip().clone();
    assert!(Packed::from_gzip(gzip.clone(), 4).is_ok());
    assert!(Packed::from_gzip(gzip.clone(), 3).is_err() && Packed::from_gzip(gzip.clone(), 5).is_err());
    for end in 0..gzip.len() {
        assert!(Packed::from_gzip(gzip.slice(..end), 4).is_err());
    }
    for bit in 0..8 * gzip.len() {
        let mut flipped = gzip.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // The level and the system are anybody's.
        let read = Packed::from_gzip(flipped.into(), 4);
        assert!(read.is_err() || read.is_ok_and(|it| it.text().expect("sound") == "text"), "{bit}");
    }
}

#[test]
fn one_flipped_bit_is_found_and_mended_wherever_it_is() {
    let packed = fresh("a: * -> <shunt>;\nb: Path(\"/b\") -> \"http://10.0.0.1:80\"");
    for bit in 0..8 * packed.gzip().len() {
        let mut bytes = packed.gzip().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let damaged = packed.with_bytes(bytes.into());
        assert!(!damaged.is_sound());
        assert_eq!(damaged.mended().expect("one bit").gzip(), packed.gzip());
    }
    assert!(packed.damaged_for_tests(2).mended().is_none());
}

#[test]
fn damage_is_not_taken_over() {
    let text = lines(4000).join("\n");
    let old = fresh(&text);
    let damaged = old.damaged_for_tests(1);
    let mut packer = Packer::new(Some(&damaged));
    assert!(packer.take(&damaged, 0..text.len()).is_none());
    assert_eq!(damaged.text(), None);
    assert!(Reader::new(&damaged).read(text.len() - 3..text.len()).is_empty());
    same(&Packed::of(text.as_bytes(), Some(&damaged)), &text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whoever_has_another_text_packs_to_the_same_bytes(
        count in 0usize..2000,
        removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        added in proptest::collection::vec((any::<prop::sample::Index>(), "[a-z:;\n ]{0,40}"), 0..4),
    ) {
        let before = lines(count);
        let mut after = before.clone();
        for (at, line) in added {
            after.insert(at.index(after.len() + 1), line);
        }
        for at in removed {
            if !after.is_empty() {
                after.remove(at.index(after.len()));
            }
        }
        let after = after.join("\n");
        same(&Packed::of(after.as_bytes(), Some(&fresh(&before.join("\n")))), &after);
    }

    #[test]
    fn a_text_put_together_of_an_earlier_one_is_packed_like_any_other(
        count in 0usize..3000,
        parts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[a-z:\n]{0,9}"), 0..5),
        in_order in any::<bool>(),
    ) {
        let before = lines(count).join("\n");
        let old = fresh(&before);
        let mut cuts: Vec<_> = parts.iter().flat_map(|(a, b, _)| [a.index(before.len() + 1), b.index(before.len() + 1)]).collect();
        if in_order {
            cuts.sort_unstable();
        }
        let (mut packer, mut text, mut reader) = (Packer::new(Some(&old)), String::new(), Reader::new(&old));
        for (pair, (_, _, word)) in cuts.chunks(2).zip(&parts) {
            let range = pair[0].min(pair[1])..pair[0].max(pair[1]);
            packer.take(&old, range.clone()).expect("sound");
            packer.push(word.as_bytes());
            prop_assert_eq!(reader.read(range.clone()), before[range.clone()].as_bytes());
            text += &before[range];
            text += word;
            prop_assert_eq!(packer.len(), text.len());
        }
        same(&packer.finish(), &text);
    }
}
