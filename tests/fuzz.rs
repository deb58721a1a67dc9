//! Mutated inputs for everything that parses foreign text: nothing panics or hangs, and memory stays in
//! proportion to the input.
//!
//! Each target runs for `DOWNBEAT_FUZZ_SECONDS` (default: a fraction of a second) and prints its seed;
//! `DOWNBEAT_SEED` repeats a run. Inputs are timed in CPU time, so that load on the machine does not
//! count as a hang. To run one alone for long:
//!
//!     DOWNBEAT_FUZZ_SECONDS=3600 cargo test --test tests -- --exact fuzz::cron --nocapture

#![allow(clippy::disallowed_types, reason = "a run is as long as it was told, by the real clock")]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use downbeat::address::Address;
use downbeat::config;
use downbeat::config::language::reference;
use downbeat::leader::Peer;
use downbeat::schedule::pause;
use downbeat::schedule::planner::Planner;
use downbeat::schedule::progress::{Completeness, MAX_RUNS};
use downbeat::schedule::template::{self, Piece};
use downbeat::store::contract::{Announcement, Snapshot};
use downbeat::store::journal::{
    MAX_UNREADABLE, Record, RecordId, read_instant, read_line, read_lines, shortened, write_line,
};
use downbeat::store::{last_outcomes, text};
use downbeat::tzdata::Tzdata;
use downbeat::worker::rq::Serializer;
use downbeat::worker::{self, CeleryQueue, Queue, Queues, RqQueue, TaskResult, Worker};
use downbeat_time::cron::{Cron, Line, ParsedQuartz, Quartz};
use downbeat_time::rrule::Rrule;
use downbeat_time::{UnixMs, Zone};
use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use crate::support::random::seed;

/// Inputs are not grown beyond this.
const LONGEST: usize = 256 * 1024;
/// Far more of a processor's time than any input of that length takes, even unoptimized.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Resident bytes that the process may hold for each byte of the longest input.
const MAX_GROWTH: usize = 400;

/// Pieces that matter to one parser or another.
const TOKENS: &[&str] = &[
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
    "FREQ=SECONDLY",
    "FREQ=YEARLY",
    "BYDAY=-1FR",
    ";INTERVAL=7",
    ";BYSETPOS=-1",
    ";BYYEARDAY=366",
    ";BYWEEKNO=53",
    ";COUNT=9",
    ";UNTIL=99991231",
    "DTSTART:20260101T000000",
    " EXDATE:19700101",
    "9999-12-31 23:59",
    "2026-02-30",
    "1e999",
    "-9223372036854775808",
    "redis://",
    "spool:",
    "@",
    "%40",
    "?db=",
    "&password=",
    "+",
    "entry ",
    "registration ",
    "progress ",
    "record ",
    "line ",
    "\tsuperseded",
    "\tn=10000",
    " a=1-2,",
    "18446744073709551615-18446744073709551615",
    "999999999999999",
];

fn seconds() -> f64 {
    let output = std::env::var("DOWNBEAT_FUZZ_SECONDS").ok();
    output.map_or(0.3, |output| output.parse().expect("DOWNBEAT_FUZZ_SECONDS is a number"))
}

/// Feeds mutated seeds to `check`, which says whether it was accepted, until time is up.
fn fuzz(name: &str, seeds: &[Vec<u8>], check: impl Fn(&[u8]) -> bool) {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let until = Instant::now() + Duration::from_secs_f64(seconds());
    let (mut runs, mut accepted, mut slowest) = (0_u64, 0_u64, (Duration::ZERO, String::new()));
    while Instant::now() < until {
        let mut input = rng.choice(seeds).cloned().unwrap_or_default();
        // Mostly one: what is refused at the first place hides the others.
        for _ in 0..1 << rng.u8(0..8).saturating_sub(4) {
            mutate(&mut input, seeds, &mut rng);
        }
        let started = spent();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
        let took = spent().saturating_sub(started);
        let shown = |most| String::from_utf8_lossy(&input[..input.len().min(most)]).into_owned();
        let which = || format!("seed {seed}, run {runs}: {:?}", shown(4000));
        let Ok(outcome) = outcome else { panic!("{name} panicked ({})", which()) };
        assert!(took < TIMEOUT, "{name} took {took:?} ({})", which());
        runs += 1;
        accepted += u64::from(outcome);
        if took > slowest.0 {
            slowest = (took, format!("{} bytes: {:?}", input.len(), shown(80)));
        }
    }
    let (peak, (took, slowest)) = (peak_resident(), slowest);
    println!("{name}: seed {seed}, {runs} inputs, {accepted} accepted, {peak} bytes at the peak");
    println!("{name}: the slowest took {took:?}, {slowest}");
    // What is always refused at the first byte is not looked at.
    assert!(accepted * 100 > runs, "{name}: {accepted} of {runs} accepted");
    if seconds() > 60.0 {
        // Only then the process has nothing else to do.
        assert!(peak < MAX_GROWTH * LONGEST, "{name}: {peak} bytes at the peak");
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(0..=input.len());
    let end = rng.usize(at..=input.len().min(at + 64));
    match rng.u8(0..8) {
        0 => drop(input.drain(at..end)),
        1 => input.truncate(at),
        2 => {
            let token = rng.choice(TOKENS.iter().copied()).unwrap_or_default();
            input.splice(at..at, token.bytes());
        }
        3 => {
            let token = rng.choice(TOKENS.iter().copied()).unwrap_or_default();
            input.splice(at..end, token.bytes());
        }
        4 if at < input.len() && input[at].is_ascii_digit() => input[at] = rng.digit(10) as u8,
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

/// The processor's time that this thread has had.
fn spent() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
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

/// All schedule files of the repository, good and bad, and an example of each key.
fn files() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["schedules", "src/config/fixtures"].map(|folder| root.join(folder));
    let listed = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = listed.map(|file| file.unwrap().path());
    let schedule =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "json");
    let files = paths.filter(schedule).map(|path| fs::read(path).unwrap());
    let examples = reference::examples().into_iter().map(|(_, file)| file.into_bytes());
    files.chain(examples).collect()
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
        paths.iter().fold(false, |accepted, path| {
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
                assert_eq!(worker::check(&message), Ok(()), "{entry:?}");
            }
            accepted | loaded.schedule.is_some()
        })
    });
}

/// One whose clock never changes, one where it does, and one that has skipped a day.
fn zones() -> [Arc<Zone>; 3] {
    let tzdata = Tzdata::bundled();
    let names = ["UTC", "America/New_York", "Pacific/Apia"];
    names.map(|name| tzdata.zone(name.parse().unwrap()).unwrap())
}

/// What an error says fits on a line, and points into the text.
fn check_error(error: &impl Error, span: &Range<usize>, text: &str) {
    assert!(text.get(span.clone()).is_some(), "{error:?}");
    let said = error.to_string();
    assert!(!said.is_empty() && !said.contains('\n'), "{error:?}");
}

#[test]
fn quartz() {
    let zones = zones();
    fuzz("quartz", &corpus("quartz"), |input| {
        let text = String::from_utf8_lossy(input);
        let parsed = Quartz::parse(&text);
        match &parsed {
            Ok(ParsedQuartz { quartz, .. }) => {
                // What is accepted comes, and can be told in words.
                assert!(zones.iter().all(|zone| quartz.next(zone, UnixMs(-1)).is_some()), "{text}");
                assert!(!quartz.describe().is_empty());
            }
            Err(error) => check_error(error, &error.span, &text),
        }
        parsed.is_ok()
    });
}

#[test]
fn cron() {
    let zones = zones();
    fuzz("cron", &corpus("cron"), |input| {
        let text = String::from_utf8_lossy(input);
        let parsed = Cron::parse(Line { entry: Some("a"), ..(&*text).into() });
        match &parsed {
            Ok(parsed) => {
                let slots = |zone: &Zone| parsed.cron.next(zone, UnixMs::from_secs(1_700_000_000));
                // What is accepted comes, and can be told in words.
                assert!(zones.iter().all(|zone| slots(zone).is_some()), "{text}");
                assert!(!parsed.cron.describe().is_empty());
            }
            Err(error) => check_error(error, &error.span, &text),
        }
        parsed.is_ok()
    });
}

#[test]
fn rrule() {
    let zones = zones();
    let start = UnixMs::from_secs(1_700_000_000);
    fuzz("rrule", &corpus("rrule"), |input| {
        let text = String::from_utf8_lossy(input);
        zones.iter().fold(false, |accepted, zone| match Rrule::parse(&text, zone, Some(start)) {
            Ok(parsed) => {
                let next = parsed.rrule.next(zone, start);
                assert!(next.is_none_or(|next| next > start), "{text}");
                assert!(!parsed.rrule.describe().is_empty());
                true
            }
            Err(error) => {
                check_error(&error, &error.span, &text);
                accepted
            }
        })
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
        !refused
    });
}

/// Stands for a password in the corpus. No host that is shown has its capitals.
const MARKER: &str = "M4RK3R";

/// Whether the marker stands only where a password does: users, hosts and paths are shown.
fn is_secret(text: &str) -> bool {
    let mut places = text
        .match_indices(MARKER)
        .map(|(at, found)| (&text[..at], &text[at + found.len()..], text[..at].contains('?')));
    places.all(|(before, after, is_parameter)| match is_parameter {
        true => ["password=", "pass="].iter().any(|name| before.ends_with(name)),
        false => before.ends_with(':') && after.starts_with('@'),
    })
}

#[test]
fn addresses() {
    fuzz("addresses", &corpus("addresses"), |input| {
        let text = String::from_utf8_lossy(input);
        match Address::parse(&text) {
            Ok(address) => {
                let shown = address.to_string();
                if is_secret(&text) {
                    let all = format!("{shown} {address:?}");
                    assert!(!all.contains(MARKER), "{text} is shown as {shown}");
                }
                // What is shown has the same parts, but for the passwords.
                let again = Address::parse(&shown).unwrap_or_else(|error| {
                    panic!("{text} is shown as {shown}, which is refused: {error}")
                });
                assert_eq!(again.to_string(), shown, "{text}");
                assert!(!shown.contains(char::is_control), "{shown:?}");
                true
            }
            Err(error) => {
                let all = format!("{error} {} {error:?}", error.hint());
                assert!(!all.contains(MARKER) && !all.contains('\n'), "{text}: {all}");
                false
            }
        }
    });
}

/// What a store might hold, from lines that each say what they are; see the corpus.
fn snapshot(text: &[u8]) -> Snapshot {
    let mut snapshot = Snapshot { completeness: Completeness::Whole, ..Snapshot::default() };
    let mut entry: Box<str> = "a".into();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let (word, raw) = (&line[..space], &line[space + 1..]);
        let text = String::from_utf8_lossy(raw);
        match word {
            b"now" => snapshot.now = read_instant(&text).unwrap_or_default(),
            b"sequence" => snapshot.sequence = text::read_sequence(&text),
            b"folded" => snapshot.folded = text.parse().ok(),
            b"head" => snapshot.head = text.parse().ok(),
            b"entry" => entry = (&*text).into(),
            b"registration" => {
                let read = text::read_registration(&text).map(|read| (entry.clone(), read));
                snapshot.registrations.extend(read);
            }
            b"progress" => {
                let read = text::read_progress(&text).map(|read| (entry.clone(), read));
                snapshot.progress.extend(read);
            }
            b"intent" => {
                snapshot.intents.extend(read_instant(&text).map(|slot| (entry.clone(), slot)));
            }
            b"record" => {
                let mut words = text.split(' ');
                let mut id = || words.next().and_then(|id| id.parse::<RecordId>().ok());
                let (id, before) = (id().unwrap_or_default(), id());
                let term = words.next().and_then(|term| term.parse().ok());
                let queue = "q".into();
                let (lines, unreadable) = (Vec::new(), Vec::new());
                let total = snapshot.journal.len() as u64;
                snapshot.journal.push(Record { id, before, term, queue, total, lines, unreadable });
            }
            b"line" => {
                if let Some(record) = snapshot.journal.last_mut() {
                    let (lines, unreadable) = read_lines(raw);
                    record.lines.extend(lines);
                    record.unreadable.extend(unreadable);
                }
            }
            _ => {}
        }
    }
    snapshot
}

/// Whatever is read is written as it was, and read as the same again.
fn check_texts(text: &str) -> bool {
    let mut accepted = false;
    if let Some(read) = text::read_progress(text) {
        assert!(read.ahead.len() <= MAX_RUNS, "{text}");
        assert_eq!(text::read_progress(&text::progress(&read)), Some(read), "{text}");
        accepted = true;
    }
    if let Some(read) = pause::read(text) {
        assert!(read.len() <= pause::MAX_KEPT, "{text}");
        assert_eq!(pause::read(&pause::write(&read)), Some(read), "{text}");
        accepted = true;
    }
    if let Some(read) = text::read_registration(text) {
        let written = text::registration(read.since, read.timing.as_deref());
        assert_eq!(text::read_registration(&written), Some(read), "{text}");
        accepted = true;
    }
    if let Some(line) = read_line(text) {
        let mut written = String::new();
        write_line(&line, &mut written);
        let again = read_line(&written).unwrap();
        assert_eq!((again.slot, again.outcome, again.count), (line.slot, line.outcome, line.count));
        accepted = true;
    }
    let (entry, name): (Arc<str>, &str) = ("a".into(), text.split('\t').next().unwrap_or_default());
    for past in last_outcomes::read(&entry, text) {
        let again = last_outcomes::add(text, [(past.at, &past.line)], 20);
        assert!(again.len() <= last_outcomes::MAX_TEXT, "{text}");
        accepted = true;
    }
    if let Ok(id) = text.parse::<RecordId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        let _ = id.at();
        accepted = true;
    }
    let (replica, said) = (name.to_owned(), text.to_owned());
    let announcement = Announcement { replica, said, age: Duration::from_secs(1) };
    if let Some(peer) = Peer::read(&announcement, Duration::from_secs(6)) {
        let _ = (peer.is_skewed(), peer.leads(Some(text)));
        accepted = true;
    }
    let shown = shortened(text.as_bytes());
    assert!(shown.len() <= 600 && !shown.contains(char::is_control), "{shown:?}");
    accepted
}

/// What workers leave of their tasks, and what else may stand in its place or in that of a message: one
/// reply a line.
#[test]
fn answers() {
    let text =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/answers")).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut seeds: Vec<_> = text.split("\n\n").map(|part| part.as_bytes().to_vec()).collect();
    seeds.push(
        b"\x80\x05\x95\x1f\0\0\0\0\0\0\0}\x94(\x8c\x06status\x94\x8c\x07FAILURE\x94u.".to_vec(),
    );
    let json = RqQueue { serializer: Serializer::Json };
    let workers =
        [Worker::Celery(CeleryQueue::default()), Worker::Rq(RqQueue::default()), Worker::Rq(json)];
    let queues =
        workers.map(|worker| Queue { name: "q".into(), worker, amqp: None, catch_up_rate: None });
    fuzz("answers", &seeds, |input| {
        let lines = input.split(|byte| *byte == b'\n');
        let replies: Vec<_> =
            lines.map(|line| Some(line.to_vec()).filter(|line| !line.is_empty())).collect();
        let mut accepted = false;
        for queue in &queues {
            let _ = queue.worker.protocol().decode(input, &replies);
            match queue.worker.protocol().read_result(&replies) {
                TaskResult::Pending(words) | TaskResult::Failed(words) => {
                    let is_short = words.chars().count() <= 1_000;
                    assert!(is_short && !words.contains('\n'), "{words:?}");
                }
                TaskResult::Succeeded(_) => accepted = true,
            }
        }
        accepted
    });
}

#[test]
fn store() {
    let tzdata = Tzdata::bundled();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let schedule = "entries:\n  a: {task: t, every: 1s, catch_up: all}\n  \
                    b: {task: t, every: 1m, limit: 5}\n  \
                    c: {task: t, cron: '* * * * *', catch_up: none}\n  \
                    d: {task: t, every: 1s, start: 2026-12-31T00:00:00Z}\n";
    fs::write(&path, schedule).unwrap();
    let schedule = config::load(&[path], &Queues::default(), &tzdata).schedule.unwrap();
    let schedule = Arc::new(schedule);
    let find_zone = |name: &str| tzdata.zone(name.parse().ok()?);
    let grace = Duration::from_secs(15);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/store"));
    let seeds: Vec<_> = text.unwrap().split("\n\n").map(|part| part.as_bytes().to_vec()).collect();
    fuzz("store", &seeds, |input| {
        let mut accepted = false;
        for line in input.split(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            accepted |= check_texts(text.split_once(' ').map_or(&text, |(_, text)| text));
        }
        let (lines, unreadable) = read_lines(input);
        assert!(lines.len() + unreadable.len() <= input.len() + 1);
        let mut snapshot = snapshot(input);
        let _ = snapshot.recorded_in(7);
        let state = snapshot.take_state(grace);
        assert!(state.unreadable.len() <= MAX_UNREADABLE);
        // Whoever takes over from that plans nothing that is not due, and no slot twice.
        let takeover = Planner::take_over(Arc::clone(&schedule), grace, &state, None, &find_zone);
        let mut planner = takeover.planner;
        let now = state.now;
        let plan = planner.plan(now, 1_000, 100);
        assert!(plan.items.len() <= 1_000);
        let mut seen = BTreeSet::new();
        for item in &plan.items {
            assert!(item.slot <= now, "{item:?} at {now}");
            assert!(seen.insert((item.entry, item.slot)), "{item:?} twice");
            let name = &planner.entry(item.entry).name;
            let progress = state.progress.get(&**name);
            let is_settled = progress.is_some_and(|progress| progress.is_settled(item.slot));
            assert!(!is_settled, "{item:?} was settled");
            planner.settle(item);
        }
        accepted
    });
}
