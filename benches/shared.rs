//! Code shared by several benches: the service with its own Redis, schedules of any size, and medians.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use redis::Connection;
use rustix::time::{ClockId, clock_gettime};

use crate::support::downbeat::Place;
use crate::support::process::Process;
use crate::support::redis::{Options, RedisServer};
use crate::support::wait::{START, eventually};

/// Entries of one file, which stays below the size that the loader accepts.
const PER_FILE: usize = 100_000;

/// The language of schedule files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Language {
    Json,
    Yaml,
}

impl Language {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Language::Json => "json",
            Language::Yaml => "yaml",
        }
    }
}

/// When an entry is due: the keys that say so, with their values as JSON.
pub(crate) type When = Vec<(&'static str, String)>;

/// Writes a schedule in as many files as it takes; `entry` gives the queue and the timing of each entry.
/// Gives how many bytes of its text the service has to keep.
pub(crate) fn write_schedule(
    place: &Place,
    language: Language,
    entries: usize,
    entry: impl Fn(usize) -> (&'static str, When),
) -> usize {
    let mut kept = 0;
    for first in (0..entries).step_by(PER_FILE) {
        let mut text = String::from(match language {
            Language::Json => "{\"entries\": {",
            Language::Yaml => "entries:",
        });
        for n in first..entries.min(first + PER_FILE) {
            let (queue, when) = entry(n);
            let (name, task, args) =
                (format!("entry-{n}"), "shop.tasks.job", format!("[\"daily\", {n}]"));
            kept += name.len() + task.len() + args.len();
            let mut keys = vec![("queue", format!("{queue:?}")), ("args", args)];
            keys.extend(when);
            let _ = match language {
                Language::Json => {
                    let comma = if n > first { "," } else { "" };
                    let keys = joined(&keys, |(key, value)| format!(", \"{key}\": {value}"));
                    write!(text, "{comma}\n\"{name}\": {{\"task\": \"{task}\"{keys}}}")
                }
                Language::Yaml => {
                    let keys = joined(&keys, |(key, value)| format!("\n    {key}: {value}"));
                    write!(text, "\n  {name}:\n    task: {task}{keys}")
                }
            };
        }
        text += if language == Language::Json { "}}\n" } else { "\n" };
        place.write_schedule(&format!("{first:07}.{}", language.extension()), &text);
    }
    kept
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect()
}

/// A few entries that are due every second, one after the other, and the rest on leap days.
pub(crate) fn seldom_due(
    busy: usize,
    queue: &'static str,
) -> impl Fn(usize) -> (&'static str, When) {
    move |n| {
        let when = if n < busy {
            vec![("every", "\"1s\"".to_owned()), ("phase", format!("\"{}ms\"", n * 1000 / busy))]
        } else {
            let cron = format!("\"{} {} 29 2 *\"", n % 60, n % 24);
            vec![("cron", cron), ("timezone", "\"Asia/Seoul\"".to_owned())]
        };
        (queue, when)
    }
}

/// A replica of the service: its folders, and its schedule.
pub(crate) struct Replica {
    pub(crate) place: Place,
}

impl Replica {
    pub(crate) fn new() -> Replica {
        Replica { place: Place::new() }
    }

    /// Starts it with further arguments of `run`.
    pub(crate) fn start(&self, server: &RedisServer, args: &[&str]) -> Process {
        let log = File::options().create(true).append(true).open(self.place.state().join("log"));
        let url = server.tcp_url();
        let mut command = self.place.command(&[&["run", "--broker", &url], args].concat());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap());
        Process::spawn("downbeat", &mut command)
    }

    /// Starts it, and waits until it leads.
    pub(crate) fn lead(&self, server: &RedisServer, args: &[&str]) -> Process {
        let terms = || self.logged("became leader");
        let before = terms();
        let mut downbeat = self.start(server, args);
        eventually(START, "it leads", || {
            assert_eq!(downbeat.exited(), None, "see its log in {}", self.place.path().display());
            (terms() > before).then_some(())
        });
        downbeat
    }

    /// How often a text occurs in its log.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let log = fs::read_to_string(self.place.state().join("log")).unwrap_or_default();
        log.matches(text).count()
    }
}

/// A Redis over TCP.
pub(crate) fn redis_server() -> RedisServer {
    RedisServer::start_with(Options { tcp: true, ..Options::default() })
}

/// Stops it gracefully.
pub(crate) fn stop(mut downbeat: Process) {
    downbeat.terminate();
    assert_eq!(downbeat.wait(START).code(), Some(0));
}

/// Waits for the next message of a list and takes it.
pub(crate) fn wait_for_message(connection: &mut Connection, queue: &str) -> Vec<u8> {
    let mut call = redis::cmd("BRPOP");
    let answer: Option<(String, Vec<u8>)> =
        call.arg(queue).arg(START.as_secs_f64()).query(connection).unwrap();
    answer.expect("a message comes").1
}

/// Megabytes that `/proc` shows of a process.
pub(crate) fn megabytes(process: &Process, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024.0 / 1e6
}

/// A number in the server's `INFO`.
pub(crate) fn info(connection: &mut Connection, section: &str, name: &str) -> f64 {
    let info: String = redis::cmd("INFO").arg(section).query(connection).unwrap();
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    fields.find(|field| field.0 == name).unwrap().1.parse().unwrap()
}

/// The records of slots.
pub(crate) const JOURNAL: &str = "downbeat:journal";

/// A record of the journal: its id and its fields.
pub(crate) type JournalRecord = (String, Vec<(String, Vec<u8>)>);

/// Reads the journal with `XRANGE` or `XREVRANGE`.
pub(crate) fn read_journal(
    connection: &mut Connection,
    command: &str,
    from: &str,
    to: &str,
    count: usize,
) -> Vec<JournalRecord> {
    let mut call = redis::cmd(command);
    call.arg(JOURNAL).arg(from).arg(to).arg("COUNT").arg(count).query(connection).unwrap()
}

/// How many slots were recorded up to the first record that `XRANGE` or `XREVRANGE` gives; 0 without one.
pub(crate) fn slots_through(
    connection: &mut Connection,
    command: &str,
    from: &str,
    to: &str,
) -> u64 {
    let records = read_journal(connection, command, from, to, 1);
    let mut fields = records.into_iter().flat_map(|(_, fields)| fields);
    let total = fields.find(|(name, _)| name == "total").map(|(_, total)| total);
    total.map_or(0, |total| String::from_utf8(total).unwrap().parse().unwrap())
}

/// Milliseconds of the wall clock, with fractions.
pub(crate) fn wall_ms() -> f64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

pub(crate) fn ms(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}

/// What was measured, in order.
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    pub(crate) fn new(mut values: Vec<f64>) -> Sorted {
        assert!(!values.is_empty());
        values.sort_by(f64::total_cmp);
        Sorted(values)
    }

    /// The value below which `part` of all lie: 0 is the least, 1 the greatest.
    pub(crate) fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part).round() as usize]
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The least and the greatest, to be printed.
    pub(crate) fn range(&self) -> String {
        format!("{:.1} to {:.1}", self.at(0.0), self.at(1.0))
    }
}
