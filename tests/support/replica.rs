//! One replica, by default with the shortest lease and grace, and the outcomes of the slots of its
//! schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use downbeat::schedule::Kind;
use downbeat::schedule::outcome::SkipReason;
use downbeat_time::UnixMs;
use redis::Commands as _;
use serde_json::Value;

use super::cluster::field;
use super::downbeat::{Dispatch, Downbeat, Finished, Place};
use super::redis::RedisServer;
use super::sent::{Sent, instant};
use super::wait::{SOON, eventually};

/// Entries that fill a journal within a second, so that it is folded at once, and are then done.
pub(crate) fn filling(queue: &str) -> String {
    let timing = "every: 100ms, limit: 10";
    let entry = |n| format!("  many-{n:03}: {{task: t, {timing}, queue: {queue}}}\n");
    (0..110).map(entry).collect()
}

/// The lease's TTL and the grace: the shortest possible ones, and longer ones for a slow Redis.
pub(crate) const SHORT: [&str; 2] = ["1s", "3s"];
pub(crate) const LONG: [&str; 2] = ["6s", "15s"];

/// One replica, as on its own machine.
#[derive(Debug)]
pub(crate) struct Replica {
    place: Place,
    /// The running binary.
    pub(crate) downbeat: Downbeat,
    /// The log of its earlier runs.
    past: Vec<String>,
    namespace: String,
}

/// A `skipped` line of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Skip {
    pub(crate) entry: String,
    /// The newest slot.
    pub(crate) slot: i64,
    pub(crate) reason: String,
    pub(crate) count: u64,
}

impl Replica {
    pub(crate) fn start(url: &str, schedule: &str) -> Replica {
        Replica::start_in("downbeat", url, SHORT, "{}", schedule)
    }

    /// The same in another namespace and with a configuration.
    pub(crate) fn start_in(
        namespace: &str,
        url: &str,
        [ttl, grace]: [&str; 2],
        config: &str,
        schedule: &str,
    ) -> Replica {
        let place = Place::new().env("DOWNBEAT_CONFIG", "downbeat.yaml");
        fs::write(place.path().join("downbeat.yaml"), config).unwrap();
        let place = place
            .env("DOWNBEAT_NAMESPACE", namespace)
            .env("DOWNBEAT_BROKER", url)
            .env("DOWNBEAT_LEADER_TTL", ttl)
            .env("DOWNBEAT_GRACE", grace);
        place.write_schedule("all.yaml", schedule);
        let downbeat = place.start(&["run"]);
        let (past, namespace) = (Vec::new(), namespace.to_owned());
        Replica { place, downbeat, past, namespace }
    }

    /// Starts it again in the same place.
    pub(crate) fn start_again(&mut self) {
        assert!(self.downbeat.process().exited().is_some(), "still running");
        // Once its end was waited for, all of it has been read.
        self.downbeat.wait(SOON);
        self.past.extend(self.downbeat.log());
        self.downbeat = self.place.start(&["run"]);
    }

    /// Kills it and starts it again.
    pub(crate) fn crash(&mut self) {
        self.downbeat.process().kill();
        self.start_again();
    }

    /// The log since its first start.
    pub(crate) fn log(&self) -> Vec<String> {
        [self.past.clone(), self.downbeat.log()].concat()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.downbeat.process().exited().is_none()
    }

    pub(crate) fn stop(&mut self) {
        self.downbeat.process().terminate();
        assert_eq!(self.downbeat.wait(SOON).code(), Some(0), "{:?}", self.downbeat.log());
    }

    pub(crate) fn edit(&self, schedule: &str) {
        self.place.write_schedule("all.yaml", schedule);
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.place.run(args)
    }

    /// The number of the next line of its log since its last start.
    pub(crate) fn mark(&self) -> usize {
        self.downbeat.log().len()
    }

    /// Waits until it leads; returns the number of the next line of its log.
    pub(crate) fn wait_until_it_leads(&self, from: usize) -> usize {
        self.downbeat.wait_for_log_from(from, "became leader").0 + 1
    }

    /// Edits the schedule, and waits until it is active.
    pub(crate) fn reload(&self, schedule: &str) {
        let from = self.mark();
        self.edit(schedule);
        self.downbeat.wait_for_log_from(from, "reloaded");
    }

    /// Its status, with or without troubles.
    pub(crate) fn status(&self) -> Value {
        let said = self.run(&["status", "--json"]);
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }

    /// Waits until `look` finds what it wants in `status`.
    pub(crate) fn wait_for_status<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        eventually(SOON, what, || look(&self.status()))
    }

    /// Slots by entry that were logged as dispatched.
    pub(crate) fn dispatched(&self) -> Vec<(String, i64)> {
        let log = self.log();
        let dispatches = log.iter().filter_map(|line| Dispatch::read(line));
        dispatches.map(|sent| (sent.entry, sent.slot_ms)).collect()
    }

    pub(crate) fn skips(&self) -> Vec<Skip> {
        let log = self.log();
        let lines = log.iter().filter(|line| line.contains(" skipped entry="));
        let skip = |line: &String| Skip {
            entry: field(line, "entry").trim_matches('"').to_owned(),
            slot: instant(field(line, "slot")).0,
            reason: field(line, "reason").trim_matches('"').to_owned(),
            count: field(line, "count").parse().unwrap(),
        };
        lines.map(skip).collect()
    }

    /// How many slots of the entry were logged as skipped for this reason.
    pub(crate) fn skipped(&self, entry: &str, reason: &str) -> u64 {
        let skips = self.skips().into_iter();
        let meant = skips.filter(|skip| skip.entry == entry && skip.reason == reason);
        meant.map(|skip| skip.count).sum()
    }

    /// How many lines of its log contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().iter().filter(|line| line.contains(text)).count()
    }
}

/// How many slots the status counts under this word.
pub(crate) fn counted(status: &Value, what: &str) -> u64 {
    status["slots"][what].as_u64().unwrap_or(0)
}

/// The slots of an entry, in the order in which they were sent.
pub(crate) fn slots_of(sent: &[Sent], entry: &str) -> Vec<i64> {
    sent.iter().filter(|sent| sent.entry == entry).map(Sent::slot_ms).collect()
}

/// Asserts that no slot was sent twice.
#[track_caller]
pub(crate) fn assert_no_doubles(sent: &[Sent]) {
    let mut seen = BTreeMap::new();
    for sent in sent {
        let before = seen.insert((&sent.entry, sent.slot_ms()), sent);
        assert!(before.is_none(), "twice: {} {} as {}", sent.entry, sent.slot, sent.kind);
    }
}

/// The outcomes of slots, once all replicas are stopped.
#[derive(Debug)]
pub(crate) struct Account {
    /// The messages of all queues.
    pub(crate) sent: Vec<Sent>,
    /// The store's counters, by queue and outcome, separated by a tab.
    pub(crate) counters: BTreeMap<String, u64>,
    /// Slots by entry that were logged as dispatched.
    pub(crate) logged: BTreeSet<(String, i64)>,
    /// Slots that were logged as skipped.
    pub(crate) skips: Vec<Skip>,
}

/// Stops the replicas and collects what was sent to `queues`. Asserts that no slot was sent twice, that
/// everything logged as sent was sent, and that as many slots were sent and skipped as the store
/// counts.
#[track_caller]
pub(crate) fn finish(
    server: &RedisServer,
    queues: &[&str],
    replicas: &mut [&mut Replica],
) -> Account {
    let account = gather(server, queues, replicas);
    account.assert_counted(queues);
    account
}

/// The same without comparing the store's counters.
#[track_caller]
pub(crate) fn gather(
    server: &RedisServer,
    queues: &[&str],
    replicas: &mut [&mut Replica],
) -> Account {
    for replica in replicas.iter_mut() {
        if replica.is_running() {
            replica.stop();
        }
    }
    let sent = queues.iter().flat_map(|queue| server.queue(queue)).collect();
    let counters = format!("{}:counters", replicas[0].namespace);
    let counters = server.connect().hgetall(counters).unwrap_or_default();
    let logged = replicas.iter().flat_map(|replica| replica.dispatched()).collect();
    let skips = replicas.iter().flat_map(|replica| replica.skips()).collect();
    let account = Account { sent, counters, logged, skips };
    account.assert_true();
    account
}

impl Account {
    #[track_caller]
    fn assert_true(&self) {
        assert_no_doubles(&self.sent);
        let sent = self.slots();
        let never_sent: Vec<_> = self.logged.difference(&sent).collect();
        assert!(never_sent.is_empty(), "logged as dispatched and never sent: {never_sent:?}");
    }

    #[track_caller]
    fn assert_counted(&self, queues: &[&str]) {
        let of = |word: &str| -> u64 {
            queues.iter().filter_map(|queue| self.counters.get(&format!("{queue}\t{word}"))).sum()
        };
        for kind in Kind::ALL.map(Kind::as_str) {
            let sent = self.sent.iter().filter(|sent| sent.kind == kind).count();
            assert_eq!(of(kind), sent as u64, "{kind}: {:?}", self.counters);
        }
        let skipped = self.skipped();
        for reason in SkipReason::ALL.map(SkipReason::as_str) {
            let skipped = skipped.get(reason).copied().unwrap_or(0);
            assert_eq!(of(reason), skipped, "{reason}: {:?}", self.counters);
        }
    }

    /// How many slots were logged as skipped, by reason.
    pub(crate) fn skipped(&self) -> BTreeMap<&str, u64> {
        let mut skipped = BTreeMap::new();
        for skip in &self.skips {
            *skipped.entry(&*skip.reason).or_default() += skip.count;
        }
        skipped
    }

    pub(crate) fn slots(&self) -> BTreeSet<(String, i64)> {
        self.sent.iter().map(|sent| (sent.entry.clone(), sent.slot_ms())).collect()
    }

    /// Asserts that every message was logged by its sender.
    #[track_caller]
    pub(crate) fn assert_all_logged(&self) {
        let sent = self.slots();
        let never_logged: Vec<_> = sent.difference(&self.logged).collect();
        assert!(never_logged.is_empty(), "sent and never logged: {never_logged:?}");
    }

    /// Asserts that the slots of an entry follow each other without a gap, this many milliseconds
    /// apart, in the order in which they were sent.
    #[track_caller]
    pub(crate) fn assert_no_gap(&self, entry: &str, step: i64) {
        let slots = slots_of(&self.sent, entry);
        assert_adjacent(entry, &slots, step);
    }

    /// The same in any order.
    #[track_caller]
    pub(crate) fn assert_none_missing(&self, entry: &str, step: i64) {
        let mut slots = slots_of(&self.sent, entry);
        slots.sort_unstable();
        assert_adjacent(entry, &slots, step);
    }
}

#[track_caller]
fn assert_adjacent(entry: &str, slots: &[i64], step: i64) {
    assert!(!slots.is_empty(), "{entry}: nothing was sent");
    for pair in slots.windows(2) {
        assert_eq!(pair[1], pair[0] + step, "{entry}: after {}", UnixMs(pair[0]));
    }
}
