//! What the service says of itself to `status`, `list` and the log.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::heartbeat::Heartbeat;
use crate::clock::{self, SinceBoot};
use crate::config::duration;
use crate::core::{BadRecord, Counters, Lateness, QueueStatus, RefusedWrites};
use crate::leader::Peer;
use crate::leader::campaign::Reports;
use crate::leader::lease::Reading;
use crate::pausing::PauseStatus;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::pause::{Pause, Pauses, Subject};
use crate::schedule::progress::{Progress, State};
use crate::schedule::{Entry, Schedule, UnixMs};
use crate::store::contract;

/// The state of one replica.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Of downbeat.
    pub version: String,
    /// The process; none when the broker was asked instead of a service.
    pub pid: Option<u32>,
    /// Its name among the replicas; none on a spool, which has only one, and when the broker was
    /// asked.
    pub replica: Option<String>,
    /// [`LEADER`] or [`FOLLOWER`]; none when the broker was asked.
    pub role: Option<String>,
    /// When the loop last got on with its work.
    pub last_tick: Option<UnixMs>,
    /// `"<term> <holder>"` of whoever leads.
    pub leader: Option<String>,
    /// Keeps this scheduler apart from others.
    pub namespace: String,
    /// Its URL without secrets.
    pub broker: String,
    /// Why the broker is unavailable.
    pub broker_error: Option<String>,
    /// The namespace is new or was flushed: nobody leads before then, in case a replica that runs
    /// remembers what was sent.
    pub waits_until: Option<UnixMs>,
    /// Calls of the broker that failed since the start.
    pub broker_errors: u64,
    /// Writes that the broker refused as a whole since the start.
    pub refused_writes: RefusedWrites,
    /// What is wrong with the lease, while nobody can have it for that.
    pub lease_error: Option<String>,
    /// The replicas; of more than a hundred, some.
    pub replicas: Vec<Peer>,
    /// How many there are in all.
    pub replica_count: usize,
    /// The loaded schedule.
    pub schedule: Option<ScheduleStatus>,
    /// Slots of the namespace by outcome, as the store counts them: `dispatched` ones (among them
    /// `catch_up` and `resent`), those skipped by reason, and manual messages.
    pub slots: BTreeMap<String, u64>,
    /// The same by queue.
    pub queues: BTreeMap<String, QueueStatus>,
    /// Of the slots that this process has sent in time.
    pub lateness: Lateness,
    /// Queues that refuse messages, and their words.
    pub refusing: BTreeMap<String, String>,
    /// Records that could not be read or were implausible, and were mended; of the leader since it took
    /// over. A few of them.
    pub bad_records: Vec<BadRecord>,
    /// How many there were in all.
    pub bad_record_count: usize,
    /// Pauses that are in force, a few of them.
    pub pauses: Vec<PauseStatus>,
    /// How many there are in all.
    pub pause_count: usize,
    /// Pauses that cannot be read: they keep nothing from going. A few of them, each with its subject.
    pub bad_pauses: Vec<BadRecord>,
    /// Entries that have reached their limit; known to the leader only.
    pub done: Option<usize>,
    /// The next due slot and its entry.
    pub next: Option<NextSlot>,
}

impl Status {
    /// The same with what is wrong in words, as it is printed and served.
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

    /// Everything that somebody should do something about.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = self.blockages();
        troubles.extend(self.schedule.as_ref().and_then(ScheduleStatus::trouble));
        if let Some(BadRecord { entry, what }) = self.bad_records.first() {
            troubles.push(match self.bad_record_count {
                1 => format!("a record of `{entry}` could not be used and was repaired: {what}"),
                count => format!(
                    "{count} records could not be used and were repaired, such as one of `{entry}`: \
                     {what}"
                ),
            });
        }
        let bad_pauses = self.bad_pauses.iter().map(|BadRecord { entry, what }| {
            format!("the pause of `{entry}` cannot be read and keeps nothing from going: {what}")
        });
        add_few(&mut troubles, bad_pauses, "pauses");
        if self.schedules() > 1 {
            troubles.push("replicas have different schedules".to_owned());
        }
        let skewed = self.living().filter(|replica| replica.is_skewed());
        let said = skewed.map(|replica| {
            format!("the clock of {} is off by {} ms", replica.holder, replica.skew_ms)
        });
        add_few(&mut troubles, said, "clocks");
        troubles
    }

    /// What keeps slots from going.
    #[must_use]
    pub fn blockages(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.leader.is_none() && self.broker_error.is_none() {
            troubles.push(match self.waits_until {
                Some(until) => format!(
                    "nothing is sent before {until}: this namespace is new to the broker, so downbeat \
                     first waits in case a running replica remembers what was sent"
                ),
                None => "nobody leads: nothing is sent".to_owned(),
            });
        }
        if let Some(error) = &self.broker_error {
            troubles.push(format!("the broker is unavailable: {error}"));
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

    /// On one line: what is wrong, the role, what comes next.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = self.troubles();
        parts.extend(self.role.clone());
        if let Some(next) = &self.next {
            let overdue = next.overdue().map_or(String::new(), |overdue| format!(", {overdue}"));
            parts.push(format!("next is {} at {}{overdue}", next.entry, next.slot));
        }
        parts.join("; ")
    }
}

/// At most so many troubles of one kind are listed one by one.
const MAX_TOLD: usize = 10;

/// Adds troubles of one sort, and how many more there are.
fn add_few(troubles: &mut Vec<String>, mut said: impl Iterator<Item = String>, what: &str) {
    troubles.extend(said.by_ref().take(MAX_TOLD));
    match said.count() {
        0 => {}
        more => troubles.push(format!("the same of {more} more {what}")),
    }
}

/// What to do about a refused schedule.
const MENDED: &str = "mended files are loaded automatically";

/// The loaded schedule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Equal on replicas with equal files.
    pub hash: String,
    /// All entries, disabled ones included.
    pub entries: usize,
    /// Which tzdata is used.
    pub tzdata: String,
    /// When it was loaded.
    pub loaded_at: UnixMs,
    /// The last reload, if there was one.
    pub reload: Option<ReloadStatus>,
    /// The files were invalid when the service started, and have been since: it runs on those that
    /// were accepted before.
    pub started_from_kept: bool,
    /// When the files that are kept were accepted: a start that finds the configured ones invalid runs
    /// on them. Without any, such a start fails.
    pub kept_at: Option<UnixMs>,
    /// Why the files of this schedule are not those that are kept.
    pub not_kept: Option<String>,
}

impl ScheduleStatus {
    /// The files are invalid, what runs instead, and what the next start will do.
    fn trouble(&self) -> Option<String> {
        let reload = self.reload.as_ref().filter(|reload| !reload.accepted)?;
        let first = reload.text.lines().next().unwrap_or_default();
        let refused = if self.started_from_kept {
            format!("the schedule files are invalid ({first})")
        } else {
            format!("the last reload was refused ({first})")
        };
        Some(match (self.kept_at, &self.not_kept) {
            (Some(accepted_at), Some(why)) => format!(
                "{refused}: the schedule from before goes on; the next start will run the one accepted \
                 at {accepted_at}: {why}; {MENDED}"
            ),
            (Some(accepted_at), None) => format!(
                "{refused}: running the schedule accepted at {accepted_at}, and will again after a \
                 restart; {MENDED}"
            ),
            (None, Some(why)) => format!(
                "{refused}: the schedule from before goes on; the next start will fail: {why}; {MENDED}"
            ),
            (None, None) => format!("{refused}: the schedule from before goes on; {MENDED}"),
        })
    }
}

/// The outcome of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// When.
    pub at: UnixMs,
    /// `false`: the old schedule goes on.
    pub accepted: bool,
    /// The difference in words, or the errors found, each as `file:line:column: message`. Nobody who
    /// may ask for the status need be allowed to read the files.
    pub text: String,
}

/// A slot to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NextSlot {
    /// The entry's name.
    pub entry: String,
    /// RFC 3339 in the entry's zone.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: UnixMs,
    /// How late it is by now, if that is more than the grace.
    #[serde(default)]
    pub overdue_ms: Option<u64>,
    /// The clock that decides what is due, as the loop saw it.
    #[serde(skip)]
    pub(super) clock: Option<Reading>,
    /// Up to this late it is on time.
    #[serde(skip)]
    pub(super) grace: Duration,
}

impl NextSlot {
    /// By how much it is overdue, in words.
    #[must_use]
    pub fn overdue(&self) -> Option<String> {
        let late = Duration::from_millis(self.overdue_ms?);
        Some(format!("overdue by {}", duration::in_words(late)))
    }

    /// Looks again whether it is overdue.
    fn age(&mut self, now: SinceBoot) {
        let late = self.clock.map(|clock| clock.now(now).since(self.slot_utc));
        let overdue = late.filter(|late| *late > self.grace);
        self.overdue_ms = overdue.map(|late| u64::try_from(late.as_millis()).unwrap_or(u64::MAX));
    }
}

impl Status {
    /// Shows what the store has counted.
    pub fn count(&mut self, stored: contract::Counters) {
        let mut counters = Counters::default();
        counters.read(stored);
        (self.slots, self.queues) = (counters.slots(), counters.queues());
    }
}

/// The role of whoever sends.
pub const LEADER: &str = "leader";
/// The role of those who wait.
pub const FOLLOWER: &str = "follower";

impl Status {
    /// Adds what others than the loop know by now.
    pub(super) fn report(&mut self, reports: &Reports, heartbeat: &Heartbeat) {
        let lease = reports.leadership.borrow().clone();
        if !lease.is_some_and(|lease| lease.is_trusted(SinceBoot::now())) {
            (self.role, self.next) = (Some(FOLLOWER.to_owned()), None);
        }
        self.replica.clone_from(&reports.identity);
        let campaign = reports.status.borrow().clone();
        self.leader = campaign.leader.map(|leader| leader.to_string());
        self.waits_until = campaign.waits_until;
        (self.replicas, self.replica_count) = (campaign.peers, campaign.peer_count);
        self.lease_error = campaign.lease_trouble;
        self.broker_error = campaign.trouble.or(self.broker_error.take());
        self.broker_errors += campaign.errors;
        self.last_tick = Some(clock::wall() - heartbeat.age());
        if let Some(next) = &mut self.next {
            next.age(SinceBoot::now());
        }
    }

    /// Whether the replica leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role.as_deref() == Some(LEADER)
    }

    /// How far this machine's clock is ahead of the broker's, as far as it has a clock that is known.
    #[must_use]
    pub fn skew_ms(&self) -> Option<i64> {
        let myself = self.replica.as_ref()?;
        let peer = self.replicas.iter().find(|peer| peer.holder == *myself)?;
        Some(peer.skew_ms)
    }

    /// How many schedules the replicas have that differ.
    #[must_use]
    pub fn schedules(&self) -> usize {
        let hashes: BTreeSet<_> = self.living().map(|replica| &replica.schedule).collect();
        hashes.len()
    }

    /// The replicas that have said something within the last TTL.
    fn living(&self) -> impl Iterator<Item = &Peer> {
        self.replicas.iter().filter(|replica| !replica.dead)
    }

    /// How many of all replicas are not known to be dead.
    #[must_use]
    pub fn living_count(&self) -> usize {
        let dead = self.replicas.iter().filter(|replica| replica.dead).count();
        self.replica_count.saturating_sub(dead)
    }
}

/// One line of `list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryStatus {
    /// The entry's name.
    pub entry: String,
    /// The task's registered name.
    pub task: String,
    /// Where its messages go.
    pub queue: String,
    /// The timing in words.
    pub timing: String,
    /// IANA name.
    pub timezone: String,
    /// `false`: never sent.
    pub enabled: bool,
    /// So many slots of one registration are dispatched.
    pub limit: Option<u32>,
    /// Slots dispatched in this registration, of an entry with a limit.
    pub sent: Option<u64>,
    /// The last slot settled, RFC 3339 in the entry's zone.
    pub last: Option<String>,
    /// The same in UTC.
    pub last_utc: Option<String>,
    /// What became of it, where that is known: the kind of what was sent, or the reason why it was not.
    #[serde(default)]
    pub last_outcome: Option<String>,
    /// The last slot sent, RFC 3339 in the entry's zone; that of an earlier timing, too.
    #[serde(default)]
    pub last_sent: Option<String>,
    /// The same in UTC.
    #[serde(default)]
    pub last_sent_utc: Option<String>,
    /// The next slot, RFC 3339 in the entry's zone.
    pub next: Option<String>,
    /// The same in UTC.
    pub next_utc: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The pause that keeps it from being sent; of several, the one that ends last.
    #[serde(default)]
    pub paused: Option<PauseStatus>,
}

impl EntryStatus {
    /// Why its last slot was not sent, if that is so.
    #[must_use]
    pub fn last_skipped(&self) -> Option<&str> {
        let outcome = self.last_outcome.as_deref()?;
        SkipReason::ALL.iter().any(|reason| reason.as_str() == outcome).then_some(outcome)
    }

    /// The limit, if it is reached: there are no more slots.
    #[must_use]
    pub fn reached_limit(&self) -> Option<u32> {
        self.limit.filter(|limit| self.sent.is_some_and(|sent| sent >= u64::from(*limit)))
    }
}

/// How far the store says that an entry has come with its present timing.
#[must_use]
pub fn progress_in(state: &State, entry: &Entry) -> Option<Progress> {
    let progress = state.progress.get(&*entry.name)?.clone();
    let timing = state.registrations.get(&*entry.name)?.timing.as_deref();
    let is_counted = timing == Some(&*entry.canonical_timing());
    Some(Progress { count: if is_counted { progress.count } else { 0 }, ..progress })
}

fn is_slot(entry: &Entry, instant: UnixMs) -> bool {
    entry.next_slot(instant - Duration::from_millis(1)) == Some(instant)
}

/// What there is to say of an entry, given how far it has come.
#[must_use]
pub fn entry_status(entry: &Entry, progress: Option<&Progress>, now: UnixMs) -> EntryStatus {
    let through = progress.map(|progress| progress.through);
    let sent = progress.map_or(0, |progress| progress.count);
    let live = entry.enabled && entry.guards.remaining(sent) > 0;
    let next = live.then(|| entry.next_slot(now.max(through.unwrap_or(now)))).flatten();
    let outcome = progress.and_then(|progress| progress.outcome);
    let last_sent = progress.and_then(|progress| progress.dispatched);
    // What is settled may end at any instant: where the entry was edited, or a clock went back.
    let last = match outcome {
        Some(Outcome::Dispatched(_)) => last_sent.or(through),
        Some(Outcome::Skipped(_)) | None => through.filter(|at| is_slot(entry, *at)),
    };
    let outcome = outcome.filter(|_| last.is_some());
    let local = |slot: UnixMs| entry.zone.to_rfc3339(slot);
    let utc = |slot: UnixMs| slot.to_string();
    EntryStatus {
        entry: entry.name.to_string(),
        task: entry.message.task.to_string(),
        queue: entry.message.queue.name.to_string(),
        timing: entry.timing.describe(&entry.zone),
        timezone: entry.zone.name().to_owned(),
        enabled: entry.enabled,
        limit: entry.guards.limit.map(NonZeroU32::get),
        sent: entry.guards.limit.map(|_| sent),
        last: last.map(local),
        last_utc: last.map(utc),
        last_outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
        last_sent: last_sent.map(local),
        last_sent_utc: last_sent.map(utc),
        next: next.map(local),
        next_utc: next.map(utc),
        description: entry
            .about
            .as_ref()
            .and_then(|about| about.description.as_deref())
            .map(str::to_owned),
        paused: None,
    }
}

/// So many pauses are shown.
const MAX_PAUSES: usize = 100;

impl EntryStatus {
    /// The same with the pause of the entry, if there is one.
    #[must_use]
    pub fn with_pauses(self, entry: &Entry, pauses: &Pauses, now: UnixMs) -> EntryStatus {
        EntryStatus { paused: pause_of(entry, pauses, now), ..self }
    }
}

/// The pause that keeps an entry from being sent.
#[must_use]
pub fn pause_of(entry: &Entry, pauses: &Pauses, now: UnixMs) -> Option<PauseStatus> {
    let (subject, pause) = pauses.pause_of(entry, now)?;
    Some(PauseStatus::new(subject, pause, Some(&entry.zone)))
}

/// Pauses as they are shown: those in force, a few of them, and how many there are.
#[must_use]
pub fn pauses_in_force(
    pauses: &Pauses,
    schedule: Option<&Schedule>,
    now: UnixMs,
) -> (Vec<PauseStatus>, usize) {
    let in_force = pauses.in_force(now);
    let shown = |(subject, pause): &(&Subject, &Pause)| {
        let entry = match subject {
            Subject::Entry(name) => schedule.and_then(|schedule| schedule.get(name)),
            Subject::Tag(_) | Subject::All => None,
        };
        PauseStatus::new(subject, pause, entry.map(|entry| &*entry.zone))
    };
    (in_force.iter().take(MAX_PAUSES).map(shown).collect(), in_force.len())
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
    fn only_what_keeps_slots_from_going_is_a_blockage() {
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
    fn of_many_troubles_of_one_sort_a_few_are_told_and_the_rest_counted() {
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
    fn a_refused_reload_is_told_with_what_the_next_start_will_run() {
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
            (None, None, "the schedule from before goes on"),
        ] {
            let trouble = trouble(kept_at, not_kept).unwrap();
            assert!(trouble.starts_with("the last reload was refused (a.yaml:1:1: bad): "));
            assert!(trouble.contains(said), "{trouble}");
        }
    }
}
