//! The switch from celery beat to downbeat and back, as docs/celery-beat.md describes it, under load.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use downbeat_time::UnixMs;

use super::section;
use crate::support::celery::{CeleryWorker, Run};
use crate::support::downbeat::Place;
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::sent::instant;
use crate::support::tools::{needs, python};
use crate::support::wait::{SOON, eventually, wall_clock};

/// Entries that fire every second, and one that fires every minute.
const ENTRIES: usize = 40;
const STEP: Duration = Duration::from_secs(1);

fn application(broker: &str) -> String {
    format!(
        "from celery import Celery\n\
         from celery.schedules import crontab\n\
         app = Celery('shop', broker='{broker}')\n\
         app.conf.beat_schedule = {{f'entry-{{n:02}}': {{'task': 'demo.echo', 'schedule': 1.0, 'args': (f'entry-{{n:02}}',)}} \
         for n in range({ENTRIES})}}\n\
         app.conf.beat_schedule['minute'] = {{'task': 'demo.echo', 'schedule': crontab(), 'args': ('minute',)}}\n"
    )
}

/// The guide's commands, with the broker of the test.
struct Guide {
    lines: Vec<String>,
}

impl Guide {
    fn read(broker: &str) -> Guide {
        let section = section("celery-beat.md", "The switch");
        let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
        let here = |line: &str| line.replace("redis://127.0.0.1:6379/0", broker);
        Guide { lines: lines.map(here).collect() }
    }

    /// The variables that it exports.
    fn variables(&self) -> Vec<(&str, &str)> {
        self.args("export", 0).into_iter().map(|word| word.split_once('=').unwrap()).collect()
    }

    /// The words of the `nth` line that begins with these, without the program.
    fn args(&self, start: &str, nth: usize) -> Vec<&str> {
        let line = self.lines.iter().filter(|line| line.starts_with(start)).nth(nth);
        let line = line.unwrap_or_else(|| panic!("no {start} in {:?}", self.lines));
        line.split_whitespace().skip(1).collect()
    }
}

fn start_beat(place: &Place, args: &[&str]) -> Process {
    let log =
        File::options().create(true).append(true).open(place.path().join("beat.log")).unwrap();
    let mut command = Command::new(python().with_file_name("celery"));
    command.args(args).current_dir(place.path());
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Process::spawn("celery beat", &mut command)
}

/// What somebody sent of an entry: the slots of downbeat, or when a worker took those of beat.
fn by_entry(runs: &[Run], is_wanted: impl Fn(&Run) -> Option<i64>) -> BTreeMap<String, Vec<i64>> {
    let mut entries: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for run in runs {
        if let Some(at) = is_wanted(run) {
            entries.entry(run.args[0].as_str().unwrap().to_owned()).or_default().push(at);
        }
    }
    entries
}

fn of_downbeat(run: &Run) -> Option<i64> {
    run.headers["downbeat_slot"].as_str().map(|slot| instant(slot).0)
}

#[expect(clippy::cast_possible_truncation, reason = "a time of this century")]
fn of_beat(run: &Run) -> Option<i64> {
    run.headers["downbeat_slot"].is_null().then_some((run.received * 1000.0) as i64)
}

/// Waits until each entry of every second has run so often since then.
fn wait_for_each(
    worker: &mut CeleryWorker,
    times: usize,
    since: UnixMs,
    who: fn(&Run) -> Option<i64>,
) {
    eventually(2 * SOON, "runs of every entry", || {
        let runs = worker.runs();
        let counted = by_entry(&runs, |run| who(run).filter(|at| *at > since.0));
        let enough = counted.iter().filter(|(entry, at)| *entry != "minute" && at.len() >= times);
        (enough.count() == ENTRIES).then_some(())
    });
}

/// Imports once more, so that intervals keep beat's rhythm.
fn go_on_from_last_runs(place: &Place, guide: &Guide) {
    place.run(&guide.args("downbeat import", 1)).ok();
    let file = place.path().join("moved/schedules/celery-beat.yaml");
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.matches("    anchor: ").count(), ENTRIES, "{text}");
    place.run(&guide.args("downbeat reload", 0)).ok();
}

#[test]
fn the_switch_from_beat_and_back_doubles_nothing_and_loses_what_the_guide_says() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let guide = Guide::read(&server.url());
    let place = Place::new().env("VIRTUAL_ENV", &environment());
    let place =
        guide.variables().into_iter().fold(place, |place, (name, value)| place.env(name, value));
    fs::write(place.path().join("shop.py"), application(&server.celery_url())).unwrap();
    let mut worker = CeleryWorker::start(&server.celery_url(), &["celery"]);
    let mut beat = start_beat(&place, &guide.args("celery -A shop beat", 0));
    wait_for_each(&mut worker, 3, UnixMs(0), of_beat);

    let imported = place.run(&guide.args("downbeat import", 0)).ok();
    assert!(imported.contains("minute\tsame\t200 of 200\t"), "{imported}");
    place.run(&guide.args("downbeat check", 0)).ok();
    place.run(&guide.args("downbeat pause", 0)).ok();
    let mut downbeat = place.start(&guide.args("downbeat run", 0));
    downbeat.wait_for_log("became leader");
    let kill = guide.lines.iter().find(|line| line.starts_with("kill")).unwrap();
    let killed = Command::new("sh").args(["-c", kill]).current_dir(place.path()).status().unwrap();
    assert!(killed.success());
    let stopping_at = wall_clock();
    eventually(SOON, "beat is gone", || {
        (!place.path().join("celerybeat.pid").exists()).then_some(())
    });
    beat.wait(SOON);
    let gone_at = wall_clock();
    go_on_from_last_runs(&place, &guide);
    place.run(&guide.args("downbeat resume", 0)).ok();
    let resumed_at = wall_clock();
    wait_for_each(&mut worker, 5, resumed_at, of_downbeat);

    place.run(&guide.args("downbeat pause", 1)).ok();
    let paused_at = wall_clock();
    let remove = guide.lines.iter().find(|line| line.starts_with("rm ")).unwrap();
    assert!(
        Command::new("sh")
            .args(["-c", remove])
            .current_dir(place.path())
            .status()
            .unwrap()
            .success()
    );
    let back_at = wall_clock();
    let mut beat = start_beat(&place, &guide.args("celery -A shop beat", 0));
    wait_for_each(&mut worker, 3, back_at, of_beat);
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    beat.terminate();
    beat.wait(SOON);

    let runs = worker.runs();
    let ours = by_entry(&runs, of_downbeat);
    assert_eq!(ours.keys().filter(|entry| *entry != "minute").count(), ENTRIES);
    for (entry, slots) in ours.iter().filter(|(entry, _)| *entry != "minute") {
        assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == 1000), "{entry}: {slots:?}");
        let (first, last) = (UnixMs(slots[0]), UnixMs(slots[slots.len() - 1]));
        assert!(
            first > gone_at && first <= resumed_at + STEP,
            "{entry} began at {first}, resumed at {resumed_at}"
        );
        assert!(
            last <= paused_at && last + STEP > paused_at - STEP,
            "{entry} ended at {last}, paused at {paused_at}"
        );
    }
    let theirs = by_entry(&runs, of_beat);
    // What beat sent before it was gone may have waited for the worker.
    let is_between = |at: &i64| *at > gone_at.0 + 3_000 && *at < back_at.0;
    assert!(
        theirs.values().flatten().all(|at| !is_between(at)),
        "beat and downbeat sent at the same time"
    );
    // Of the entry of every minute, a slot may be missing only where nobody was to send.
    let minutes =
        by_entry(&runs, |run| Some(of_downbeat(run).or_else(|| of_beat(run))?.div_euclid(60_000)));
    if let Some(minutes) = minutes.get("minute") {
        for pair in minutes.windows(2) {
            let skipped = UnixMs((pair[0] + 1) * 60_000);
            let nobody = |from: UnixMs, to: UnixMs| from <= skipped && skipped <= to;
            let is_lost = pair[1] == pair[0] + 2
                && (nobody(stopping_at, resumed_at) || nobody(paused_at, back_at + 5 * STEP));
            assert!(pair[1] == pair[0] + 1 || is_lost, "minutes {minutes:?}");
        }
    }
}

/// The virtual environment of the tests, as if it were active.
fn environment() -> String {
    python().parent().unwrap().parent().unwrap().display().to_string()
}
