//! How long it takes to load a schedule: text in, checked entries out.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use downbeat::config::load;
use downbeat::text::{duration, instant};
use downbeat::tzdata::Tzdata;
use downbeat::worker::Queues;
use downbeat_time::interval::Interval;
use downbeat_time::{Instants, UnixMs, Zone};

const ENTRIES: usize = 10_000;

fn yaml() -> String {
    let mut text = String::from("timezone: Asia/Seoul\ndefaults: {queue: reports}\nentries:\n");
    for n in 0..ENTRIES {
        let (minute, hour, job) = (n % 60, n % 24, n % 100);
        let _ = write!(
            text,
            "  entry-{n}:\n    task: shop.tasks.job_{job}\n    cron: \"{minute} {hour} * * mon-fri\"\n    \
             args: [daily, {n}]\n    kwargs: {{tenant: {n}}}\n    expires: next\n"
        );
    }
    text
}

fn json() -> String {
    let mut text = String::from("{\"timezone\": \"Asia/Seoul\", \"entries\": {");
    for n in 0..ENTRIES {
        let (comma, minute, hour, job) = (if n > 0 { "," } else { "" }, n % 60, n % 24, n % 100);
        let _ = write!(
            text,
            "{comma}\n\"entry-{n}\": {{\"task\": \"shop.tasks.job_{job}\", \
             \"cron\": \"{minute} {hour} * * mon-fri\", \"args\": [\"daily\", {n}], \
             \"kwargs\": {{\"tenant\": {n}}}, \"queue\": \"reports\", \"expires\": \"next\"}}"
        );
    }
    text + "}}\n"
}

/// Entries that have nothing but a timing.
fn bare(timing: fn(usize) -> String) -> String {
    let mut text = String::from("entries:\n");
    for n in 0..ENTRIES {
        let _ = writeln!(text, "  entry-{n}: {{task: shop.tasks.job, {}}}", timing(n));
    }
    text
}

fn cron(n: usize) -> String {
    format!("cron: {} {} * * mon-fri", n % 60, n % 24)
}

fn solar(n: usize) -> String {
    format!("solar: {{event: dusk_civil, latitude: {}.25, longitude: -{}.5}}", n % 90, n % 180)
}

fn at(n: usize) -> String {
    format!("at: [2031-01-01 {:02}:{:02}, 2030-07-01 12:00, 2030-01-01 00:00]", n % 24, n % 60)
}

fn loading(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (tzdata, queues) = (Tzdata::load(), Queues::default());
    let texts = [
        ("yaml", yaml()),
        ("json", json()),
        ("cron.yaml", bare(cron)),
        ("solar.yaml", bare(solar)),
        ("at.yaml", bare(at)),
    ];
    for (kind, text) in texts {
        let path = directory.path().join(format!("schedule.{kind}"));
        fs::write(&path, text).expect("the temporary directory can be written to");
        let paths = [path];
        c.bench_function(&format!("load/{kind}/{ENTRIES}"), |b| {
            b.iter(|| {
                let schedule = load(black_box(&paths), &queues, &tzdata).schedule;
                assert_eq!(schedule.map(|schedule| schedule.entries.len()), Some(ENTRIES));
            });
        });
    }
}

/// A thousand instants, against `jiff`'s parser.
fn instants(c: &mut Criterion) {
    let zone = Zone::utc();
    let texts: Vec<String> =
        (0..1000).map(|n| UnixMs::from_secs(1_735_689_600 + n * 63_072).to_string()).collect();
    let ours = || {
        let instants = texts.iter().map(|text| instant::parse(text, &zone).ok());
        instants.collect::<Option<Vec<_>>>().and_then(Instants::new)
    };
    let theirs = || {
        let instants = texts.iter().map(|text| text.parse::<jiff::Timestamp>().ok());
        let mut instants = instants.collect::<Option<Vec<_>>>()?;
        instants.sort_unstable();
        Some(instants)
    };
    let (instants, timestamps) = (ours().expect("all valid"), theirs().expect("all valid"));
    let same = |(ours, theirs): (&UnixMs, &jiff::Timestamp)| *ours == UnixMs::from(*theirs);
    assert!(instants.as_slice().iter().zip(&timestamps).all(same));
    c.bench_function("at/parse/1000/downbeat", |b| b.iter(ours));
    c.bench_function("at/parse/1000/jiff", |b| b.iter(theirs));
}

fn length(c: &mut Criterion) {
    let parse = || {
        let period = duration::parse(black_box("1h30m")).ok()?;
        Interval::new(period, Duration::from_secs(60), None).ok()
    };
    assert_eq!(parse().map(|interval| interval.period()), Some(Duration::from_secs(5400)));
    c.bench_function("every/parse/downbeat", |b| b.iter(parse));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = loading, instants, length
}
criterion_main!(benches);
