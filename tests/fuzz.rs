//! Mutated inputs for everything that reads text from outside: nothing panics, nothing hangs, and
//! memory stays in proportion to the input.
//!
//! Each target runs for `DOWNBEAT_FUZZ_SECONDS` (a fraction of a second unless told) and prints its
//! seed; `DOWNBEAT_SEED` repeats a run. Alone and for long:
//!
//!     DOWNBEAT_FUZZ_SECONDS=3600 cargo test --release --test tests fuzz::cron -- --nocapture

#![allow(clippy::disallowed_methods, reason = "a run is as long as it was told, by the real clock")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use downbeat::config;
use downbeat::envelope::celery;
use downbeat::queue::Queues;
use downbeat::schedule::cron::{Cron, CronError, Line, Quartz};
use downbeat::schedule::template::{self, Piece};
use downbeat::schedule::{UnixMs, Zone};
use downbeat::tzdata::Tzdata;
use fastrand::Rng;
use uuid::Uuid;

/// Inputs are not grown beyond this.
const LONGEST: usize = 256 * 1024;
/// Far more than any input of that length takes, even unoptimized on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Resident bytes that the process may hold for each byte of the longest input.
const MOST_GROWTH: usize = 400;

/// Pieces that matter to one parser or another.
const TOKENS: [&str; 64] = [
    "*",
    "/",
    "-",
    ",",
    "?",
    "L",
    "LW",
    "15W",
    "H",
    "H(",
    ")",
    "#",
    "fri#2",
    "5L",
    "@daily",
    "mon",
    "jan",
    "7",
    "59",
    "4294967296",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\u{feff}",
    "\0",
    "\u{2028}",
    "가",
    "{{",
    "}}",
    "{{ slot }}",
    "| date",
    "format(\"%Y\")",
    "\\",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "--- ",
    "...",
    "|\n",
    ">-\n",
    "? ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "# ",
    "entries:",
    "cron: ",
    "every: ",
    "at: ",
    "FREQ=",
    "BYDAY=-1FR",
    ";COUNT=9",
    "DTSTART:20260101T000000",
    "9999-12-31 23:59",
    "2026-02-30",
    "1e999",
    "-9223372036854775808",
];

fn seconds() -> f64 {
    let told = std::env::var("DOWNBEAT_FUZZ_SECONDS").ok();
    told.map_or(0.3, |told| told.parse().expect("DOWNBEAT_FUZZ_SECONDS is a number"))
}

/// Feeds mutated seeds to `check` until time is up.
fn fuzz(name: &str, seeds: &[Vec<u8>], check: impl Fn(&[u8])) {
    let told = std::env::var("DOWNBEAT_SEED").ok();
    let seed = told.map_or_else(|| fastrand::u64(..), |told| told.parse().expect("a number"));
    let mut rng = Rng::with_seed(seed);
    let until = Instant::now() + Duration::from_secs_f64(seconds());
    let (mut runs, mut slowest) = (0_u64, Duration::ZERO);
    while Instant::now() < until {
        let mut input = rng.choice(seeds).cloned().unwrap_or_default();
        for _ in 0..rng.usize(1..8) {
            mutate(&mut input, seeds, &mut rng);
        }
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
        let took = started.elapsed();
        let shown = || String::from_utf8_lossy(&input[..input.len().min(4000)]).into_owned();
        assert!(outcome.is_ok(), "{name} panicked (seed {seed}, run {runs}) at {:?}", shown());
        assert!(took < PATIENCE, "{name} took {took:?} (seed {seed}, run {runs}): {:?}", shown());
        (runs, slowest) = (runs + 1, slowest.max(took));
    }
    let peak = peak_resident();
    println!("{name}: seed {seed}, {runs} inputs, slowest {slowest:?}, peak {peak} bytes resident");
    if seconds() > 60.0 {
        // Only then the process has nothing else to do.
        assert!(peak < MOST_GROWTH * LONGEST, "{name}: {peak} bytes at the peak");
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(0..=input.len());
    let end = rng.usize(at..=input.len().min(at + 64));
    match rng.u8(0..8) {
        0 => drop(input.drain(at..end)),
        1 => input.truncate(at),
        2 => {
            let token = rng.choice(TOKENS).unwrap_or_default();
            input.splice(at..at, token.bytes());
        }
        3 => {
            let token = rng.choice(TOKENS).unwrap_or_default();
            input.splice(at..end, token.bytes());
        }
        4 if at < input.len() => input[at] ^= 1 << rng.u8(0..8),
        5 => {
            let other = rng.choice(seeds).cloned().unwrap_or_default();
            let from = rng.usize(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        6 => {
            // The same again and again, now and then very often: what is not linear shows.
            let piece = input[at..end].to_vec();
            let most = if rng.u8(0..32) == 0 { LONGEST / piece.len().max(1) } else { 40 };
            let times = rng.usize(0..=most);
            input.splice(end..end, piece.repeat(times));
        }
        _ => input.insert(at, rng.u8(..)),
    }
    input.truncate(LONGEST);
}

/// The most bytes that this process has held so far.
fn peak_resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0_usize) * 1024
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name));
    text.unwrap().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// All schedule files of the repository, good and bad.
fn files() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["schedules", "src/config/fixtures"].map(|folder| root.join(folder));
    let listed = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = listed.map(|file| file.unwrap().path());
    let schedule =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "json");
    paths.filter(schedule).map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn loader() {
    let tzdata = Tzdata::bundled();
    let folder =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "." });
    let folder = folder.unwrap();
    let paths = ["a.yaml", "a.json"].map(|name| folder.path().join(name));
    fuzz("loader", &files(), |input| {
        // A mutated brace does not make JSON of YAML, but both readers see both.
        for path in &paths {
            fs::write(path, input).unwrap();
            let loaded = config::load(std::slice::from_ref(path), &Queues::default(), &tzdata);
            let now = UnixMs::from_secs(1_800_000_000);
            drop(config::warnings(&loaded, now));
            loaded.problems.iter().for_each(|problem| drop(problem.render(true)));
            for entry in loaded.schedule.iter().flat_map(|schedule| &schedule.entries) {
                let next = entry.next_slot(now);
                assert!(next.is_none_or(|next| next > now), "{entry:?}");
                assert!(next.is_none_or(|next| entry.due(next) >= next), "{entry:?}");
                let message = entry.message_of(next.unwrap_or(now), Uuid::nil());
                assert_eq!(celery::check(&message), Ok(()), "{entry:?}");
            }
        }
    });
}

/// One whose clock never changes, one where it does, and one that has skipped a day.
fn zones() -> [Arc<Zone>; 3] {
    let tzdata = Tzdata::bundled();
    let names = ["UTC", "America/New_York", "Pacific/Apia"];
    names.map(|name| tzdata.zone(name.parse().unwrap()).unwrap())
}

/// What an error says fits on a line, and points into the text.
fn check_error(error: &CronError, text: &str) {
    assert!(text.get(error.span.clone()).is_some(), "{error:?}");
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn quartz() {
    let zones = zones();
    fuzz("quartz", &corpus("quartz"), |input| {
        let text = String::from_utf8_lossy(input);
        match Quartz::parse(&text) {
            Ok(quartz) => {
                // What is accepted comes, and can be told in words.
                assert!(zones.iter().all(|zone| quartz.next(zone, UnixMs(-1)).is_some()), "{text}");
                assert!(!quartz.describe().is_empty());
            }
            Err(error) => check_error(&error, &text),
        }
    });
}

#[test]
fn cron() {
    let zones = zones();
    fuzz("cron", &corpus("cron"), |input| {
        let text = String::from_utf8_lossy(input);
        match Cron::parse(Line { entry: Some("a"), ..(&*text).into() }) {
            Ok(parsed) => {
                let slots = |zone: &Zone| parsed.cron.next(zone, UnixMs::from_secs(1_700_000_000));
                // What is accepted comes, and can be told in words.
                assert!(zones.iter().all(|zone| slots(zone).is_some()), "{text}");
                assert!(!parsed.cron.describe().is_empty());
            }
            Err(error) => check_error(&error, &text),
        }
    });
}

#[test]
fn template() {
    fuzz("template", &corpus("template"), |input| {
        let text = String::from_utf8_lossy(input);
        let (mut taken, mut refused) = (String::new(), false);
        for piece in template::pieces(&text) {
            match piece {
                Ok(Piece::Plain(source) | Piece::Template(source, _)) => taken += source,
                Err(error) => {
                    refused = true;
                    assert!(text.get(error.span.clone()).is_some(), "{error:?}");
                    assert!(!error.to_string().is_empty() && !error.problem.hint().is_empty());
                }
            }
        }
        assert!(refused || taken == text, "{text}");
    });
}
