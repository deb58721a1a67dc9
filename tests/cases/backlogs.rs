//! After an outage, slots on time are sent on time, whatever was missed.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Commands as _;

use crate::support::downbeat::Dispatch;
use crate::support::redis::{Options, RedisServer};
use crate::support::replica::{Account, Replica, SHORT, finish, slots_of};
use crate::support::tools::needs;
use crate::support::wait::{START, eventually, wall_clock};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
/// That of [`SHORT`].
const GRACE_MS: i64 = 3 * SECOND_MS;

/// A schedule that nobody led for a while.
struct Outage {
    server: RedisServer,
    /// Led before it, and is stopped.
    before: Replica,
    config: &'static str,
    schedule: String,
}

impl Outage {
    /// Entries live by Redis' clock, which is so far behind until the first leader has stopped.
    fn of(length: Duration, config: &'static str, schedule: String) -> Outage {
        let server =
            RedisServer::start_with(Options { settable_clock: true, ..Options::default() });
        let behind_ms = i64::try_from(length.as_millis()).unwrap();
        server.set_clock(-behind_ms);
        let mut before = start(&server, config, &schedule);
        before.downbeat.wait_for_dispatches("live", 0, 1);
        before.stop();
        server.set_clock(0);
        Outage { server, before, config, schedule }
    }

    /// Another replica takes over; gives it and when it did.
    fn take_over(&self) -> (Replica, i64) {
        let replica = start(&self.server, self.config, &self.schedule);
        replica.wait_until_it_leads(0);
        (replica, wall_clock().0)
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        self.server.connect().hgetall("downbeat:counters").unwrap()
    }

    /// Since when the entry is live.
    fn registered_at(&self, entry: &str) -> i64 {
        let registration: String =
            self.server.connect().hget("downbeat:registrations", entry).unwrap();
        registration.split('\t').next().unwrap().parse().unwrap()
    }

    /// Waits until as many slots of all entries of a queue are sent to it or counted as were due at `until`.
    fn wait_until_settled(&self, queue: &str, entries: &[(&[String], i64)], until: i64) {
        let of = |(entries, step): &(&[String], i64)| -> i64 {
            let due = |entry: &String| until / step - self.registered_at(entry) / step;
            entries.iter().map(due).sum()
        };
        let due: i64 = entries.iter().map(of).sum();
        eventually(START, "everything missed is sent or counted", || {
            let prefix = format!("{queue}\t");
            let of_queue = self.counters().into_iter().filter(|(key, _)| key.starts_with(&prefix));
            let settled: u64 = of_queue.map(|(_, count)| count).sum();
            (settled as i64 >= due).then_some(())
        });
    }

    /// Every slot of the entry, from its registration on, was sent once or counted.
    #[track_caller]
    fn assert_nothing_lost(&self, account: &Account, entry: &str, step: i64) {
        let mut slots = slots_of(&account.sent, entry);
        slots.sort_unstable();
        let last = *slots.last().unwrap();
        let skips = account.skips.iter().filter(|skip| skip.entry == entry);
        let skipped: u64 = skips.map(|skip| skip.count).sum();
        let due = last / step - self.registered_at(entry) / step;
        assert_eq!(slots.len() as i64 + skipped as i64, due, "{entry}");
    }
}

fn start(server: &RedisServer, config: &str, schedule: &str) -> Replica {
    Replica::start_in("downbeat", &server.url(), SHORT, config, schedule)
}

fn live() -> [String; 1] {
    ["live".to_owned()]
}

fn names(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number:04}")).collect()
}

fn lines(names: &[String], timing: &str) -> String {
    names.iter().map(|name| format!("  {name}: {{task: t, {timing}}}\n")).collect()
}

/// No slot of the entry that was on time at the takeover, or came due later, was missed or late by more than
/// the grace.
#[track_caller]
fn assert_on_time(account: &Account, replica: &Replica, entry: &str, led_at: i64) {
    let log = replica.log();
    let sent = log.iter().filter_map(|line| Dispatch::read(line));
    let sent = sent.filter(|sent| sent.entry == entry && sent.kind.is_none());
    let sent: Vec<_> = sent.map(|sent| (sent.slot_ms, sent.lateness_ms.unwrap())).collect();
    assert!(sent.len() >= 3, "{entry}: {sent:?}");
    let first = sent[0].0;
    assert!(
        first <= led_at - GRACE_MS + 2 * SECOND_MS,
        "{entry}: {first} is the first after {led_at}"
    );
    for (number, (slot, lateness_ms)) in (0..).zip(&sent) {
        assert_eq!(*slot, first + number * SECOND_MS, "{entry}: {sent:?}");
        let most = if *slot < led_at { GRACE_MS } else { SECOND_MS };
        assert!(*lateness_ms <= most + SECOND_MS, "{entry}: {sent:?}");
    }
    let skips: Vec<_> = account.skips.iter().filter(|skip| skip.entry == entry).collect();
    assert_eq!(skips.last().map(|skip| skip.slot), Some(first - SECOND_MS), "{entry}: {skips:?}");
}

/// The number of messages that the log shows as sent in each second.
fn by_second<'a>(sent: impl Iterator<Item = &'a Dispatch>) -> BTreeMap<i64, usize> {
    let mut seconds = BTreeMap::new();
    for sent in sent {
        *seconds.entry((sent.slot_ms + sent.lateness_ms.unwrap()) / SECOND_MS).or_default() += 1;
    }
    seconds
}

#[test]
fn after_a_day_1500_entries_that_catch_up_delay_and_lose_nothing() {
    needs!(Redis);
    let bulk = names("bulk", 1_500);
    let schedule = "entries:\n  live: {task: t, every: 1s, queue: live}\n".to_owned()
        + "  live-none: {task: t, every: 1s, catch_up: none, queue: live}\n"
        + &lines(&bulk, "every: 1m, catch_up: all, within: 1h, queue: bulk");
    let mut outage = Outage::of(Duration::from_secs(86_400), "{}", schedule);
    let (mut replica, led_at) = outage.take_over();
    outage.wait_until_settled("bulk", &[(&bulk, MINUTE_MS)], led_at);
    let until = wall_clock().0 + SECOND_MS;
    replica.downbeat.wait_for_dispatches("live-none", until, 1);
    replica.downbeat.wait_for_dispatches("live", until, 1);
    let account =
        finish(&outage.server, &["live", "bulk"], &mut [&mut outage.before, &mut replica]);
    for entry in ["live", "live-none"] {
        assert_on_time(&account, &replica, entry, led_at);
    }
    bulk.iter().for_each(|entry| outage.assert_nothing_lost(&account, entry, MINUTE_MS));
    let caught_up = account.sent.iter().filter(|sent| sent.kind == "catch_up").count();
    assert!((1_500 * 59..=1_500 * 61 + 1).contains(&caught_up), "{caught_up}");
}

#[test]
fn a_backlog_holds_up_neither_its_own_queue_nor_the_missed_slots_of_others() {
    needs!(Redis);
    let (dense, latest) = (names("a-dense", 100), names("z-latest", 20));
    let schedule = "entries:\n  live: {task: t, every: 1s, queue: q}\n".to_owned()
        + "  other: {task: t, every: 1s, queue: other}\n"
        + &lines(&dense, "every: 1s, catch_up: all, queue: q")
        + &lines(&latest, "every: 1m, queue: q");
    let mut outage = Outage::of(Duration::from_secs(600), "{}", schedule);
    let (mut replica, led_at) = outage.take_over();
    let all = [(&dense[..], SECOND_MS), (&latest, MINUTE_MS), (&live(), SECOND_MS)];
    outage.wait_until_settled("q", &all, led_at);
    for entry in ["live", "other"] {
        replica.downbeat.wait_for_dispatches(entry, led_at + 3 * SECOND_MS, 1);
    }
    let account = finish(&outage.server, &["q", "other"], &mut [&mut outage.before, &mut replica]);
    for entry in ["live", "other"] {
        assert_on_time(&account, &replica, entry, led_at);
        outage.assert_nothing_lost(&account, entry, SECOND_MS);
    }
    dense.iter().for_each(|entry| account.assert_no_gap(entry, SECOND_MS));
    // The slots of the others are newer than most of theirs.
    let place = |entry: &String| {
        account.sent.iter().position(|sent| sent.entry == *entry && sent.kind == "catch_up")
    };
    let total = account.sent.iter().filter(|sent| sent.kind == "catch_up").count();
    for entry in &latest {
        outage.assert_nothing_lost(&account, entry, MINUTE_MS);
        let place = place(entry);
        assert!(place.is_none_or(|place| place < total / 10), "{entry}: {place:?} of {total}");
    }
}

#[test]
fn missed_slots_go_to_a_queue_at_its_rate_and_nothing_else_waits_for_them() {
    needs!(Redis);
    let (slow, fast) = (names("a-slow", 20), names("b-fast", 20));
    let schedule = "entries:\n  live: {task: t, every: 1s, queue: slow}\n".to_owned()
        + &lines(&slow, "every: 10s, catch_up: all, queue: slow")
        + &lines(&fast, "every: 10s, catch_up: all, queue: fast");
    let config = "queues: {slow: {catch_up_rate: 100/s}}";
    let mut outage = Outage::of(Duration::from_secs(300), config, schedule);
    let (mut replica, led_at) = outage.take_over();
    let step = 10 * SECOND_MS;
    outage.wait_until_settled("fast", &[(&fast, step)], led_at);
    outage.wait_until_settled("slow", &[(&slow, step), (&live(), SECOND_MS)], led_at);
    replica.downbeat.wait_for_dispatches("live", wall_clock().0, 1);
    let account =
        finish(&outage.server, &["slow", "fast"], &mut [&mut outage.before, &mut replica]);
    assert_on_time(&account, &replica, "live", led_at);
    slow.iter().chain(&fast).for_each(|entry| account.assert_no_gap(entry, step));
    let sent: Vec<_> = replica.log().iter().filter_map(|line| Dispatch::read(line)).collect();
    let caught_up = |name: &'static str| {
        sent.iter().filter(move |sent| sent.entry.starts_with(name) && sent.kind.is_some())
    };
    let seconds = by_second(caught_up("a-slow"));
    assert!(caught_up("a-slow").count() > 400 && seconds.len() >= 5, "{seconds:?}");
    // What waited in the second before may be recorded in the next.
    assert!(seconds.values().all(|count| *count <= 150), "{seconds:?}");
    assert!(by_second(caught_up("b-fast")).len() <= 3, "{:?}", by_second(caught_up("b-fast")));
}
