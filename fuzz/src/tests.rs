//! Every body on stable: over its seeds, and over mutations of them that are the same in every run.

use std::path::PathBuf;

use crate::TARGETS;

const MUTATIONS: usize = 1000;

/// Pieces of the formats that mutations insert.
const PIECES: &[&[u8]] = &[
    b"&",
    b"=",
    b"%",
    b"%00",
    b"%2",
    b"+",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b":",
    b",",
    b".",
    b"..",
    b"\n",
    b" ",
    b"\0",
    b"\xff",
    b"#",
    b"?",
    b"/",
    b"@",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e99",
    b"state=st-1",
    b"code=a",
    b"iss=https%3A%2F%2Fas.example",
    b"http://127.0.0.1",
    b"Bearer ",
    b"Basic ",
    b"client_id=app-1",
];

pub(crate) fn seeds_and_mutations(name: &str, body: fn(&[u8])) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "no seeds for {name}");
    for seed in &seeds {
        shown_on_panic(name, seed, body);
    }
    let mut random = Random::of(name);
    for _ in 0..MUTATIONS {
        let mut data = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut data, &seeds, &mut random);
        }
        shown_on_panic(name, &data, body);
    }
}

fn mutate(data: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let from = random.below(data.len() + 1);
    let to = from + random.below((data.len() - from).min(64) + 1);
    match random.below(7) {
        0 => drop(data.drain(from..to)),
        1 => data.extend_from_within(from..to),
        2 => drop(data.splice(from..to, PIECES[random.below(PIECES.len())].iter().copied())),
        3 => drop(data.splice(from..from, PIECES[random.below(PIECES.len())].iter().copied())),
        4 if from < data.len() => data[from] ^= 1 << random.below(8),
        5 if from < data.len() => data[from] = u8::try_from(random.below(256)).unwrap(),
        _ => {
            let other = &seeds[random.below(seeds.len())];
            let start = random.below(other.len() + 1);
            data.truncate(from);
            data.extend_from_slice(&other[start..]);
        }
    }
}

/// Prints the input that a body panics on, as it can be written into a test.
fn shown_on_panic(name: &str, data: &[u8], body: fn(&[u8])) {
    struct Shown<'a>(&'a str, &'a [u8]);

    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{}(b\"{}\")", self.0, self.1.escape_ascii());
            }
        }
    }

    let _shown = Shown(name, data);
    body(data);
}

/// SplitMix64, from a fixed start.
struct Random(u64);

impl Random {
    fn of(name: &str) -> Self {
        Self(name.bytes().fold(7, |state: u64, byte| state.wrapping_mul(31).wrapping_add(byte.into())))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }
}

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[expect(clippy::disallowed_methods, reason = "seeds are files")]
fn names(path: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(path)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[expect(clippy::disallowed_methods, reason = "seeds are files")]
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = format!("seeds/{name}");
    names(&folder).iter().map(|file| std::fs::read(self::folder(&folder).join(file)).unwrap()).collect()
}

#[test]
fn every_target_has_a_binary_seeds_and_a_place_in_the_readme() {
    let mut targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    targets.sort();
    let files: Vec<_> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names("fuzz_targets"), files);
    assert_eq!(names("seeds"), targets);
    let readme = include_str!("../README.md");
    for name in &targets {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in README.md");
    }
}
