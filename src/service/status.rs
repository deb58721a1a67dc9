//! What the service reports about itself in `status`, `list` and the log.

mod entry;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};

use super::campaign::Reports;
use super::heartbeat::Heartbeat;
use crate::clock::{Now, SinceBoot};
use crate::core::{BadRecord, Counters, Lateness, QueueStatus, RefusedWrites};
use crate::leader::Peer;
use crate::leader::lease::Reading;
use crate::pausing::PauseStatus;
use crate::store::contract;
use crate::text::duration;

pub use self::entry::{EntryStatus, entry_status, pause_of, pauses_in_force, progress_in};
pub use self::schedule::{ReloadStatus, ScheduleStatus};

/// The state of one replica.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The version of downbeat.
    pub version: String,
    /// The process id; `None` if the broker was asked instead of a service.
    pub pid: Option<u32>,
    /// Its name among the replicas; `None` on a spool, which has only one, and if the broker was asked.
    pub replica: Option<String>,
    /// [`LEADER`] or [`FOLLOWER`]; `None` if the broker was asked.
    pub role: Option<String>,
    /// When the process started; `None` if the broker was asked.
    pub started_at: Option<UnixMs>,
    /// When the loop last made progress.
    pub last_tick: Option<UnixMs>,
    /// `"<term> <holder>"` of the leader.
    pub leader: Option<String>,
    /// The namespace of this scheduler.
    pub namespace: String,
    /// Whether it is a shadow run, which sends nothing: what it counts as sent is only recorded.
    pub shadow: bool,
    /// Its URL without secrets.
    pub broker: String,
    /// Why the broker is unavailable, or refuses requests.
    pub broker_error: Option<String>,
    /// Whether the broker answers, but refuses requests.
    pub broker_refuses: bool,
    /// Until when nobody leads, as the namespace is new or was flushed: a running replica may still
    /// remember what was sent.
    pub waits_until: Option<UnixMs>,
    /// Whether the replica has just started and the broker has not answered yet.
    pub is_starting: bool,
    /// Failed calls to the broker since the start.
    pub broker_errors: u64,
    /// Batches that the broker refused as a whole since the start.
    pub refused_writes: RefusedWrites,
    /// What is wrong with the lease, if nobody can acquire it because of that.
    pub lease_error: Option<String>,
    /// The replicas; of more than a hundred, a selection.
    pub replicas: Vec<Peer>,
    /// The number of all replicas.
    pub replica_count: usize,
    /// The loaded schedule.
    pub schedule: Option<ScheduleStatus>,
    /// Slots of the namespace by outcome, as counted in the store: `dispatched` (including `catch_up`
    /// and `resent`), skipped by reason, and manual messages.
    pub slots: BTreeMap<String, u64>,
    /// The same by queue.
    pub queues: BTreeMap<String, QueueStatus>,
    /// Lateness of the slots that this process sent on time.
    pub lateness: Lateness,
    /// Queues that refuse messages, with their error.
    pub refusing: BTreeMap<String, String>,
    /// Unreadable or implausible records that the leader found and repaired since it took over: nothing is left
    /// to do. A selection.
    pub bad_records: Vec<BadRecord>,
    /// The number of all bad records.
    pub bad_record_count: usize,
    /// A selection of the pauses in force.
    pub pauses: Vec<PauseStatus>,
    /// The number of all pauses in force.
    pub pause_count: usize,
    /// Unreadable pauses, which have no effect: a selection, each with its subject.
    pub bad_pauses: Vec<BadRecord>,
    /// Entries with `overlap: skip` whose slots are skipped again and again, though no result of their tasks was
    /// ever seen.
    pub without_results: Vec<String>,
    /// Entries that have reached their limit; only the leader knows.
    pub done: Option<usize>,
    /// The next due slot and its entry.
    pub next: Option<NextSlot>,
}

impl Status {
    /// The status with its troubles in words, as printed and served.
    #[must_use]
    pub fn with_troubles(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct WithTroubles<'a> {
            #[serde(flatten)]
            status: &'a Status,
            troubles: Vec<String>,
        }
        WithTroubles { status: self, troubles: self.troubles() }
    }

    /// Everything that somebody should fix.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = self.blockages();
        troubles.extend(self.schedule.as_ref().and_then(ScheduleStatus::trouble));
        let bad_pauses = self.bad_pauses.iter().map(|BadRecord { entry, what }| {
            format!("the pause of `{entry}` cannot be read and has no effect; resume it to remove it: {what}")
        });
        add_few(&mut troubles, bad_pauses, "pauses");
        let without_results = self.without_results.iter().map(|entry| {
            format!(
                "no result of `{entry}` was ever seen, so its slots are skipped: if its tasks do end, set \
                 `results` and `result_prefix` of the queue to where their workers keep results"
            )
        });
        add_few(&mut troubles, without_results, "entries");
        if self.schedules() > 1 {
            troubles.push(self.different_schedules());
        }
        let skewed = self.living().filter(|replica| replica.is_skewed());
        let said = skewed.map(|replica| {
            format!("the clock of {} is off by {} ms", replica.holder, replica.skew_ms)
        });
        add_few(&mut troubles, said, "clocks");
        troubles
    }

    /// What prevents slots from being sent.
    #[must_use]
    pub fn blockages(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.leader.is_none() && self.broker_error.is_none() && self.wait().is_none() {
            troubles.push("nobody leads: nothing is sent".to_owned());
        }
        if let Some(error) = &self.broker_error {
            let does = if self.broker_refuses { "refuses requests" } else { "is unavailable" };
            troubles.push(format!("the broker {does}: {error}"));
        }
        if let Some(why) = &self.lease_error {
            troubles.push(format!(
                "the lease cannot be used: {why}; it is taken over once it has stood unchanged for a while"
            ));
        }
        let refusing = self.refusing.iter();
        let said =
            refusing.map(|(queue, error)| format!("queue `{queue}` refuses messages: {error}"));
        add_few(&mut troubles, said, "queues");
        if let Some(next) = &self.next
            && let Some(overdue) = next.overdue()
        {
            troubles.push(format!("`{}` is {overdue}", next.entry));
        }
        troubles
    }

    /// What the replica waits for before anybody can lead; it passes by itself.
    #[must_use]
    pub fn wait(&self) -> Option<String> {
        if self.leader.is_some() || self.broker_error.is_some() {
            return None;
        }
        match self.waits_until {
            Some(until) => Some(format!(
                "nothing is sent before {until}: this namespace is new to the broker, so downbeat first waits in \
                 case a running replica remembers what was sent"
            )),
            None if self.is_starting => Some("the broker has not answered yet".to_owned()),
            None => None,
        }
    }

    /// Whether no slot, or not every slot, is sent for now.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.wait().is_some() || !self.blockages().is_empty()
    }

    /// A summary on one line: troubles, role, next slot.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = self.troubles();
        parts.extend(self.shadow.then(|| "shadow run, sends nothing".to_owned()));
        parts.extend(self.wait());
        parts.extend(self.role.clone());
        if let Some(next) = &self.next {
            let overdue = next.overdue().map_or(String::new(), |overdue| format!(", {overdue}"));
            parts.push(format!("next is {} at {}{overdue}", next.entry, next.slot));
        }
        parts.join("; ")
    }
}

/// Maximum number of troubles of one sort that are listed.
const MAX_LISTED: usize = 10;

/// Adds a few troubles of one sort, and the number of the others.
fn add_few(troubles: &mut Vec<String>, mut said: impl Iterator<Item = String>, what: &str) {
    troubles.extend(said.by_ref().take(MAX_LISTED));
    match said.count() {
        0 => {}
        more => troubles.push(format!("the same of {more} more {what}")),
    }
}

/// A future slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NextSlot {
    /// The entry's name.
    pub entry: String,
    /// RFC 3339 in the entry's zone.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: UnixMs,
    /// Its current lateness, if more than the grace.
    #[serde(default)]
    pub overdue_ms: Option<u64>,
    /// The clock that determines what is due, as the loop read it.
    #[serde(skip)]
    pub(super) clock: Option<Reading>,
    /// Up to this lateness, a slot is on time.
    #[serde(skip)]
    pub(super) grace: Duration,
}

impl NextSlot {
    /// How overdue it is, in words.
    #[must_use]
    pub fn overdue(&self) -> Option<String> {
        let late = Duration::from_millis(self.overdue_ms?);
        Some(format!("overdue by {}", duration::in_words(late)))
    }

    /// Updates whether it is overdue.
    fn age(&mut self, now: SinceBoot) {
        let late = self.clock.map(|clock| clock.now(now).since(self.slot_utc));
        let overdue = late.filter(|late| *late > self.grace);
        self.overdue_ms = overdue.map(|late| u64::try_from(late.as_millis()).unwrap_or(u64::MAX));
    }
}

impl Status {
    /// Sets the store's counters.
    pub fn count(&mut self, stored: contract::Counters) {
        let mut counters = Counters::default();
        counters.read(stored);
        (self.slots, self.queues) = (counters.slots(), counters.queues());
    }
}

/// The role that dispatches slots.
pub const LEADER: &str = "leader";
/// The role that waits.
pub const FOLLOWER: &str = "follower";

impl Status {
    /// Adds what is known outside the loop.
    pub(super) fn report(&mut self, reports: &Reports, heartbeat: &Heartbeat, now: Now) {
        let lease = reports.leadership.borrow().clone();
        if !lease.is_some_and(|lease| lease.is_trusted(now.since_boot)) {
            (self.role, self.next) = (Some(FOLLOWER.to_owned()), None);
        }
        self.replica.clone_from(&reports.identity);
        let campaign = reports.status.borrow().clone();
        self.leader = campaign.leader.map(|leader| leader.to_string());
        (self.waits_until, self.is_starting) = (campaign.waits_until, campaign.is_starting);
        (self.replicas, self.replica_count) = (campaign.peers, campaign.peer_count);
        self.lease_error = campaign.lease_trouble;
        if let Some(error) = campaign.trouble {
            (self.broker_error, self.broker_refuses) =
                (Some(error.to_string()), error.is_refusal());
        }
        self.broker_errors += campaign.errors;
        self.last_tick = Some(now.wall - heartbeat.age());
        if let Some(next) = &mut self.next {
            next.age(now.since_boot);
        }
    }

    /// Whether the replica leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role.as_deref() == Some(LEADER)
    }

    /// How far this machine's clock is ahead of the broker's, if known.
    #[must_use]
    pub fn skew_ms(&self) -> Option<i64> {
        let myself = self.replica.as_ref()?;
        let peer = self.replicas.iter().find(|peer| peer.holder == *myself)?;
        Some(peer.skew_ms)
    }

    /// How many different schedules the replicas have.
    #[must_use]
    pub fn schedules(&self) -> usize {
        let hashes: BTreeSet<_> = self.living().map(|replica| &replica.schedule).collect();
        hashes.len()
    }

    /// Which replicas have which schedule: for each, their number and the name of one.
    fn different_schedules(&self) -> String {
        let mut holders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for replica in self.living() {
            holders.entry(&replica.schedule).or_default().push(&replica.holder);
        }
        let of = |(hash, holders): (&str, Vec<&str>)| match holders.as_slice() {
            [one] => format!("{hash} on {one}"),
            many => format!("{hash} on {} replicas such as {}", many.len(), many[0]),
        };
        let all: Vec<_> = holders.into_iter().take(MAX_LISTED).map(of).collect();
        format!("replicas have different schedule files: {}", all.join(", "))
    }

    /// The replicas that reported within the last TTL.
    fn living(&self) -> impl Iterator<Item = &Peer> {
        self.replicas.iter().filter(|replica| !replica.dead)
    }

    /// How many replicas are not known to be dead.
    #[must_use]
    pub fn living_count(&self) -> usize {
        let dead = self.replicas.iter().filter(|replica| replica.dead).count();
        self.replica_count.saturating_sub(dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(due: i64, shown: i64) -> NextSlot {
        let at = SinceBoot(Duration::from_secs(1_000));
        NextSlot {
            entry: "tick".to_owned(),
            slot: UnixMs(due).to_string(),
            slot_utc: UnixMs(due),
            overdue_ms: None,
            clock: Some(Reading { shown: UnixMs(shown), at }),
            grace: Duration::from_secs(15),
        }
    }

    #[test]
    fn a_slot_is_overdue_once_it_is_later_than_the_grace_however_old_the_status_is() {
        for (due, shown, later, overdue) in [
            (60_000, 0, 0, None),
            (0, 15_000, 0, None),
            (0, 15_001, 0, Some(15_001)),
            (60_000, 0, 75, None),
            (60_000, 0, 76, Some(16_000)),
        ] {
            let mut next = next(due, shown);
            next.age(SinceBoot(Duration::from_secs(1_000 + later)));
            assert_eq!(next.overdue_ms, overdue, "{due} {shown} {later}");
        }
    }

    #[test]
    fn only_what_prevents_slots_from_being_sent_is_a_blockage() {
        let leader = Some("7 a:1:00000000".to_owned());
        let led = || Status { leader: leader.clone(), ..Status::default() };
        assert_eq!(led().troubles(), [""; 0]);
        let refused =
            ReloadStatus { text: "a.yaml:1:1: bad".to_owned(), ..ReloadStatus::default() };
        let schedule = ScheduleStatus { reload: Some(refused), ..ScheduleStatus::default() };
        let warned = Status { schedule: Some(schedule), ..led() };
        assert_eq!((warned.troubles().len(), warned.blockages().len()), (1, 0));
        let words = || "no".to_owned();
        let overdue = NextSlot { overdue_ms: Some(72_000), ..next(0, 0) };
        for (status, blockage) in [
            (Status::default(), "nobody leads: nothing is sent"),
            (Status { broker_error: Some(words()), ..led() }, "the broker is unavailable: no"),
            (
                Status { broker_error: Some(words()), broker_refuses: true, ..led() },
                "the broker refuses requests: no",
            ),
            (
                Status { refusing: [("q".to_owned(), words())].into(), ..led() },
                "queue `q` refuses messages: no",
            ),
            (Status { next: Some(overdue), ..led() }, "`tick` is overdue by 1 min 12 s"),
        ] {
            assert_eq!(status.blockages(), [blockage]);
            let json = serde_json::to_value(status.with_troubles()).unwrap();
            assert_eq!(json["troubles"], serde_json::json!([blockage]));
            assert_eq!(json["broker"], "", "beside all else");
        }
    }

    #[test]
    fn what_passes_by_itself_or_is_repaired_is_no_trouble() {
        let bad_records = vec![BadRecord::default()];
        for (status, wait) in [
            (Status { is_starting: true, ..Status::default() }, "the broker has not answered yet"),
            (
                Status { waits_until: Some(UnixMs(0)), ..Status::default() },
                "nothing is sent before",
            ),
            (Status { leader: Some("7 a".to_owned()), bad_records, ..Status::default() }, ""),
        ] {
            assert_eq!(status.troubles(), [""; 0]);
            assert!(status.wait().unwrap_or_default().starts_with(wait), "{status:?}");
        }
    }

    #[test]
    fn of_many_troubles_of_one_sort_a_few_are_listed_and_the_rest_counted() {
        let queue = |n: usize| (format!("q{n:02}"), "no".to_owned());
        let refusing = |count: usize| {
            let leader = Some("7 a:1:00000000".to_owned());
            Status { leader, refusing: (0..count).map(queue).collect(), ..Status::default() }
        };
        assert_eq!(refusing(10).blockages().len(), 10);
        let many = refusing(300).blockages();
        assert_eq!(many.len(), 11);
        assert_eq!(many[9..], ["queue `q09` refuses messages: no", "the same of 290 more queues"]);
    }

    #[test]
    fn a_refused_reload_is_reported_with_what_the_next_start_will_run() {
        let reload = ReloadStatus { text: "a.yaml:1:1: bad".to_owned(), ..ReloadStatus::default() };
        let trouble = |kept_at, not_kept: Option<&str>| {
            let not_kept = not_kept.map(str::to_owned);
            let reload = Some(reload.clone());
            ScheduleStatus { reload, kept_at, not_kept, ..ScheduleStatus::default() }.trouble()
        };
        let (at, full) = (Some(UnixMs(0)), Some("the files are not kept: disk full"));
        for (kept_at, not_kept, said) in [
            (at, None, "running the schedule accepted at 1970-01-01T00:00:00Z, and will again"),
            (at, full, "the next start will run the one accepted at 1970-01-01T00:00:00Z: the"),
            (None, full, "the next start will fail: the files are not kept: disk full"),
            (None, None, "keeping the previous schedule"),
        ] {
            let trouble = trouble(kept_at, not_kept).unwrap();
            assert!(trouble.starts_with("the last reload failed (a.yaml:1:1: bad): "));
            assert!(trouble.contains(said), "{trouble}");
        }
    }
}
