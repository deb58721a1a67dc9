//! No content of Redis stops any entry except the one it concerns, or makes a slot be sent twice.
//! `status` names what is unusable, and memory stays bounded.

mod floods;
mod keys;
mod values;

use std::collections::BTreeSet;

use redis::{Commands as _, Connection};

use crate::support::redis::RedisServer;
use crate::support::replica::{Account, Replica, SHORT, Skip, filling, gather, slots_of};
use crate::support::sent::Sent;
use crate::support::wait::{SOON, eventually, wall_clock};

/// The period of the entries, in milliseconds.
const STEP: i64 = 200;

/// All keys, but for those of single runs.
const KEYS: [&str; 14] = [
    "counters",
    "folded",
    "head",
    "intents",
    "journal",
    "lease",
    "marker",
    "outcomes",
    "progress",
    "registrations",
    "replicas",
    "running",
    "sequence",
    "term",
];

/// What must go on whatever becomes of `bad`.
const OTHERS: [&str; 2] = ["a", "z"];
const ALL: [&str; 3] = ["a", "bad", "z"];

/// A replica in a namespace of its own, to which things happen. Its entries are sent five times a second;
/// one of them, `alone`, does not overlap with itself.
struct Victim<'s> {
    server: &'s RedisServer,
    redis: Connection,
    namespace: String,
    replica: Replica,
}

impl<'s> Victim<'s> {
    /// It leads, and has folded its journal.
    fn start(server: &'s RedisServer, namespace: &str) -> Victim<'s> {
        Victim::start_with(server, namespace, SHORT)
    }

    /// The same with another lease and grace.
    fn start_with(server: &'s RedisServer, namespace: &str, times: [&str; 2]) -> Victim<'s> {
        let config = format!(
            "queues: {{{namespace}-alone: {{options: {{results: '{}'}}}}}}\n",
            server.url()
        );
        let schedule = format!(
            "defaults: {{queue: {namespace}, catch_up: all}}\nentries:\n  \
             a: {{task: t, every: 200ms}}\n  bad: {{task: t, every: 200ms}}\n  \
             z: {{task: t, every: 200ms}}\n  \
             alone: {{task: t, every: 200ms, phase: 30ms, queue: {namespace}-alone, overlap: skip}}\n"
        ) + &filling(&format!("{namespace}-many"));
        let replica = Replica::start_in(namespace, &server.url(), times, &config, &schedule);
        let (redis, namespace) = (server.connect(), namespace.to_owned());
        let mut victim = Victim { server, redis, namespace, replica };
        let folded = victim.key("folded");
        eventually(SOON, "the journal is folded", || {
            victim.redis.exists::<_, bool>(&folded).unwrap().then_some(())
        });
        victim
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.namespace)
    }

    fn queue(&self) -> Vec<Sent> {
        self.server.queue(&self.namespace)
    }

    /// Waits until each of the entries has been sent for a slot later than now.
    #[track_caller]
    fn wait_for_more(&self, entries: &[&str], after: &str) {
        let now = wall_clock().0;
        let mut waiting = entries.to_vec();
        eventually(SOON, &format!("slots of {entries:?} after {after}"), || {
            let sent = self.queue();
            waiting.retain(|entry| slots_of(&sent, entry).last().is_none_or(|slot| *slot <= now));
            waiting.is_empty().then_some(())
        });
        let mut seen = BTreeSet::new();
        for sent in self.queue() {
            let slot = (sent.entry.clone(), sent.slot_ms());
            assert!(seen.insert(slot), "twice after {after}: {} {}", sent.entry, sent.slot);
        }
    }

    /// Waits until `status` names what is wrong with an entry's record, or with a key where the entry is
    /// ''.
    #[track_caller]
    fn wait_until_named(&self, entry: &str, what: &str) {
        let is_named = |record: &serde_json::Value| {
            let said = record["what"].as_str().unwrap_or_default();
            record["entry"] == entry && said.contains(what)
        };
        self.replica.wait_for_status(&format!("{what} of `{entry}` is named"), |status| {
            status["bad_records"].as_array()?.iter().any(is_named).then_some(())
        });
    }

    /// Stops the replica, does something, and starts it again.
    fn restart(&mut self, meanwhile: impl FnOnce(&mut Victim<'_>)) {
        self.replica.stop();
        meanwhile(self);
        self.replica.start_again();
    }

    /// No slot was sent twice, and none is logged that was not sent.
    #[track_caller]
    fn finish(mut self) -> Account {
        let [alone, many] = ["alone", "many"].map(|name| format!("{}-{name}", self.namespace));
        gather(self.server, &[&self.namespace, &alone, &many], &mut [&mut self.replica])
    }
}

/// Every slot that is not in the queue was counted. Where nothing is known of an entry any more, one
/// count stands for however many there were. What was counted although it was sent is `unknown`: its
/// record was lost.
#[track_caller]
fn assert_all_accounted_for(account: &Account, entry: &str) {
    let sent: BTreeSet<i64> = slots_of(&account.sent, entry).into_iter().collect();
    let skips: Vec<&Skip> = account.skips.iter().filter(|skip| skip.entry == entry).collect();
    // A skip at a time that is no slot of the entry was counted at a takeover. So was one at a time at which
    // `alone` has one too, since their slots differ.
    let alone = account.skips.iter().filter(|skip| skip.entry == "alone" && skip.count == 1);
    let takeovers: BTreeSet<i64> = alone.map(|skip| skip.slot).collect();
    let mut counted: BTreeSet<i64> = BTreeSet::new();
    for skip in &skips {
        let is_takeover = skip.slot % STEP != 0 || takeovers.contains(&skip.slot);
        let is_open = skip.reason == "unknown" && skip.count == 1 && is_takeover;
        let first = match sent.range(..skip.slot).next_back() {
            Some(before) if is_open => before + STEP,
            _ => skip.slot - (skip.count as i64 - 1) * STEP,
        };
        let slots: BTreeSet<i64> = (first..=skip.slot).step_by(STEP as usize).collect();
        let is_known = skip.reason != "unknown";
        assert!(!is_known || sent.is_disjoint(&slots), "{entry}: sent and skipped: {skip:?}");
        counted.extend(slots);
    }
    let (first, last) = (*sent.first().unwrap(), *sent.last().unwrap());
    for slot in (first..last).step_by(STEP as usize) {
        let is_there = sent.contains(&slot) || counted.contains(&slot);
        assert!(is_there, "{entry}: neither sent nor counted: {slot}; {skips:?}");
    }
}
