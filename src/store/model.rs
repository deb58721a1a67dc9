//! The logic of a store, on plain maps: each request is decided on the current state, which yields a [`Change`],
//! and the change is applied. Time is an argument; messages go through [`Queues`].
//!
//! A store that keeps a log writes the change to it before applying it, so that it reads back the same state.

mod history;
mod lease;
mod pauses;
mod requests;
mod unreadable;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use serde_json::Value;
use uuid::Uuid;

use self::lease::LeaseKey;
use super::Outgoing;
use super::contract::{
    Announced, Announcement, Counters, MAX_ANNOUNCEMENT, MAX_COUNTED_QUEUES, MAX_REPLICAS,
    OTHER_QUEUES, PausesMark, Remembered, RunOf, Snapshot,
};
use super::journal::{Record, RecordId};
use super::open_backfills::OpenBackfills;
use crate::schedule::TaskIds;
use crate::schedule::outcome::Line;
use crate::schedule::progress::{Completeness, Progress};
use crate::schedule::registration::Registration;
use crate::worker::Queue;

pub(crate) use self::history::Selection;
pub(crate) use self::requests::Decision;
pub(crate) use self::unreadable::{Field, Unreadable};

/// How long the last place of a run of manual messages is remembered.
pub(crate) const RUN_TTL: Duration = Duration::from_secs(24 * 3600);

/// The queues that messages go to.
pub(crate) trait Queues {
    /// Adds messages to one queue: all of them, or none.
    fn push(&mut self, queue: &Arc<Queue>, messages: &[&Outgoing]) -> Result<(), QueueError>;

    /// The number of messages in the queue, those just added included.
    fn count_waiting(&mut self, queue: &Queue) -> Result<u64, QueueError>;

    /// Whether a task of the queue may still be running; `None`: no task is known.
    fn still_runs(&mut self, queue: &Queue, task_id: Option<Uuid>) -> Result<bool, QueueError>;
}

/// Why a queue takes no messages or cannot be looked at, as an [`Exception::Refused`] says it.
///
/// [`Exception::Refused`]: super::contract::Exception::Refused
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct QueueError(pub(crate) String);

/// A task that may keep the next one of its entry from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// When its message was sent.
    pub(crate) sent_at: UnixMs,
    /// Its id.
    pub(crate) task_id: Uuid,
}

/// The newest record of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its id.
    pub(crate) id: RecordId,
    /// The number of slots in the chain.
    pub(crate) total: u64,
}

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewRecord {
    /// Its id.
    pub(crate) id: RecordId,
    /// The term of the leader that writes it; `None` for a manual message.
    pub(crate) term: Option<u64>,
    /// The queue that its lines are counted under.
    pub(crate) queue: Arc<str>,
    /// What became of slots.
    pub(crate) lines: Vec<Line>,
}

/// The progress of a run of manual messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunPlace {
    /// The place that was sent last.
    pub(crate) place: u64,
    /// What all its messages have in common.
    pub(crate) of: RunOf,
    /// When it is forgotten.
    pub(crate) until: UnixMs,
}

/// The changes that one request makes; `None` removes the value of a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) sequence: Option<u64>,
    pub(crate) term: Option<u64>,
    /// Whether the records are complete from now on.
    pub(crate) is_marked: bool,
    pub(crate) registrations: Vec<(Box<str>, Option<Registration>)>,
    /// Progress, written before the records are applied.
    pub(crate) progress: Vec<(Box<str>, Option<Progress>)>,
    pub(crate) records: Vec<NewRecord>,
    /// What is counted but not journalled, by queue.
    pub(crate) counted: Vec<(Arc<str>, Line)>,
    pub(crate) intents: Vec<(Box<str>, Option<UnixMs>)>,
    pub(crate) running: Vec<(Box<str>, Option<Running>)>,
    pub(crate) run: Option<(Uuid, RunPlace)>,
    pub(crate) backfills: Option<(Uuid, OpenBackfills)>,
    /// Entries whose kept outcomes are forgotten.
    pub(crate) forgotten: Vec<Box<str>>,
    pub(crate) fold: Option<Folding>,
    pub(crate) pauses_mark: Option<PausesMark>,
    /// By subject, the text from `pause::write`.
    pub(crate) pauses: Vec<(Box<str>, Option<Box<str>>)>,
}

/// How a change moves `folded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Folding {
    /// Up to this record.
    Through(RecordId),
    /// A new chain begins with this record. If nobody remembers the old one, the records count as damaged until
    /// marked.
    Anew(NewRecord, Remembered),
}

/// The state of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    ids: TaskIds,
    /// The journal serves as history only: its lines move progress at once.
    folds_itself: bool,
    lease: LeaseKey,
    pub(crate) term: u64,
    pub(crate) is_marked: bool,
    /// Whether the registrations are those that the marker was set with.
    pub(crate) registrations_sealed: bool,
    /// Whether the progress is that which the marker was set with.
    pub(crate) progress_sealed: bool,
    pub(crate) sequence: u64,
    pub(crate) head: Option<Head>,
    pub(crate) folded: Option<RecordId>,
    /// `None`: its place holds something that is not a journal.
    pub(crate) journal: Option<VecDeque<Record>>,
    last_id: RecordId,
    pub(crate) registrations: HashMap<Box<str>, Registration>,
    pub(crate) progress: HashMap<Box<str>, Progress>,
    pub(crate) intents: HashMap<Box<str>, UnixMs>,
    /// Unreadable values of entries.
    pub(crate) unreadable: Unreadable,
    pub(crate) running: HashMap<Box<str>, Running>,
    pub(crate) runs: HashMap<Uuid, RunPlace>,
    /// By entry and who asked.
    pub(crate) backfills: HashMap<Uuid, OpenBackfills>,
    /// Runs that somebody is about to continue, and until when.
    intended_runs: HashMap<Uuid, UnixMs>,
    pub(crate) counters: Counters,
    /// By entry name, the text of the outcomes kept by trimming.
    pub(crate) outcomes: BTreeMap<Arc<str>, String>,
    pub(crate) pauses_mark: PausesMark,
    /// By subject, as text.
    pub(crate) pauses: BTreeMap<Box<str>, Box<str>>,
    replicas: BTreeMap<Arc<str>, (UnixMs, String)>,
}

impl Model {
    /// Creates an empty namespace. One that `folds_itself` keeps no journal here.
    pub(crate) fn new(namespace: &str, folds_itself: bool) -> Model {
        Model {
            ids: TaskIds::new(namespace),
            folds_itself,
            lease: LeaseKey::default(),
            term: 0,
            is_marked: false,
            registrations_sealed: true,
            progress_sealed: true,
            sequence: 0,
            head: None,
            folded: None,
            journal: Some(VecDeque::new()),
            last_id: RecordId::default(),
            registrations: HashMap::new(),
            progress: HashMap::new(),
            intents: HashMap::new(),
            unreadable: Unreadable::default(),
            running: HashMap::new(),
            runs: HashMap::new(),
            backfills: HashMap::new(),
            intended_runs: HashMap::new(),
            counters: Counters::default(),
            outcomes: BTreeMap::new(),
            pauses_mark: PausesMark::default(),
            pauses: BTreeMap::new(),
            replicas: BTreeMap::new(),
        }
    }

    /// The same namespace without contents.
    pub(crate) fn emptied(&self) -> Model {
        Model { ids: self.ids, ..Model::new("", self.folds_itself) }
    }

    /// Reads everything known of the namespace.
    pub(crate) fn read(&self, now: UnixMs) -> Snapshot {
        let is_whole = self.registrations_sealed && self.progress_sealed;
        let completeness = match self.is_marked {
            false => Completeness::Empty,
            true if is_whole => Completeness::Whole,
            true => Completeness::Damaged,
        };
        let journal = self.journal.iter().flatten();
        let after = journal.filter(|record| self.folded.is_none_or(|folded| record.id > folded));
        let mut unreadable = self.unreadable.named();
        if self.journal.is_none() {
            unreadable.push(("".into(), "journal: something else is in its place".to_owned()));
        }
        Snapshot {
            now,
            sequence: self.sequence,
            completeness,
            registrations: pairs(&self.registrations),
            progress: pairs(&self.progress),
            intents: pairs(&self.intents),
            folded: self.folded,
            head: self.head.map(|head| head.id),
            journal: after.cloned().collect(),
            unreadable_count: self.unreadable.0.len() + usize::from(self.journal.is_none()),
            unreadable,
        }
    }

    /// Sets a field to an unreadable value. The previous value is forgotten.
    pub(crate) fn set_unreadable(&mut self, entry: &str, field: Field, raw: Value) {
        match field {
            Field::Registration => drop(self.registrations.remove(entry)),
            Field::Progress => drop(self.progress.remove(entry)),
            Field::Intent => drop(self.intents.remove(entry)),
            Field::Journal => {}
        }
        self.unreadable.0.insert((entry.into(), field), raw);
    }

    /// Sets the newest record.
    pub(crate) fn set_head(&mut self, head: Head) {
        self.head = Some(head);
        self.last_id = self.last_id.max(head.id);
        if self.folds_itself {
            self.folded = Some(head.id);
        }
    }

    /// Whether the newest record differs from the one that `head` names.
    pub(crate) fn is_lost(&self) -> bool {
        if self.folds_itself {
            return false;
        }
        let newest = |journal: &VecDeque<Record>| journal.back().map(|record| record.id);
        self.journal.as_ref().is_none_or(|journal| newest(journal) != self.head.map(|head| head.id))
    }

    /// The id of the next record.
    fn next_id(&self, now: UnixMs) -> RecordId {
        let by_clock = RecordId { ms: u64::try_from(now.0).unwrap_or(0), number: 0 };
        by_clock.max(after(self.last_id))
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, change: Change) {
        self.unreadable.forget_replaced(&change);
        self.sequence = change.sequence.unwrap_or(self.sequence);
        self.term = change.term.unwrap_or(self.term);
        put(&mut self.registrations, change.registrations);
        put(&mut self.progress, change.progress);
        put(&mut self.intents, change.intents);
        put(&mut self.running, change.running);
        for (queue, line) in &change.counted {
            self.count(queue, line);
        }
        for record in change.records {
            self.append(record);
        }
        if change.is_marked {
            self.is_marked = true;
            (self.registrations_sealed, self.progress_sealed) = (true, true);
        }
        if let Some((run, place)) = change.run {
            self.runs.insert(run, place);
        }
        if let Some((scope, open)) = change.backfills {
            self.set_backfills(scope, open);
        }
        for entry in change.forgotten {
            self.outcomes.remove(&*entry);
        }
        self.pauses_mark = change.pauses_mark.unwrap_or(self.pauses_mark);
        for (subject, text) in change.pauses {
            match text {
                Some(text) => drop(self.pauses.insert(subject, text)),
                None => drop(self.pauses.remove(&subject)),
            }
        }
        match change.fold {
            // A store that folds itself has folded everything.
            Some(_) if self.folds_itself => {}
            Some(Folding::Through(id)) => self.folded = Some(id),
            Some(Folding::Anew(first, remembered)) => {
                self.begin_chain(first);
                self.progress_sealed &= remembered == Remembered::All;
            }
            None => {}
        }
    }

    pub(crate) fn set_backfills(&mut self, scope: Uuid, open: OpenBackfills) {
        match open.is_empty() {
            true => drop(self.backfills.remove(&scope)),
            false => drop(self.backfills.insert(scope, open)),
        }
    }

    fn append(&mut self, record: NewRecord) {
        let NewRecord { queue, lines, .. } = &record;
        for line in lines {
            self.count(queue, line);
            if self.folds_itself && line.outcome.is_scheduled() {
                self.progress.entry((&*line.entry).into()).or_default().apply(line);
            }
        }
        self.append_behind(self.head.map(|head| head.id), record);
    }

    fn append_behind(&mut self, before: Option<RecordId>, record: NewRecord) {
        let NewRecord { id, term, queue, lines } = record;
        let slots: u64 = lines.iter().map(|line| line.count).sum();
        let total = self.head.map_or(0, |head| head.total).saturating_add(slots);
        self.head = Some(Head { id, total });
        self.last_id = self.last_id.max(id);
        if self.folds_itself {
            self.folded = Some(id);
        } else if let Some(journal) = &mut self.journal {
            let unreadable = Vec::new();
            journal.push_back(Record { id, before, term, queue, total, lines, unreadable });
        }
    }

    /// Begins a new chain after the existing records.
    fn begin_chain(&mut self, first: NewRecord) {
        let id = first.id;
        self.journal.get_or_insert_default();
        self.append_behind(None, first);
        self.folded = Some(id);
    }

    fn count(&mut self, queue: &Arc<str>, line: &Line) {
        let counters = &mut self.counters.0;
        let word = line.outcome.as_str();
        if let Some(count) = counters.get_mut(&(Arc::clone(queue), word)) {
            *count = count.saturating_add(line.count);
            return;
        }
        let mut names: Vec<&str> = counters.keys().map(|(queue, _)| &**queue).collect();
        names.dedup();
        let is_known = names.iter().any(|name| **name == **queue);
        let has_room = names.iter().filter(|name| **name != OTHER_QUEUES).count();
        let counts_apart = is_known || has_room < MAX_COUNTED_QUEUES;
        let queue = if counts_apart { Arc::clone(queue) } else { OTHER_QUEUES.into() };
        let count = counters.entry((queue, word)).or_default();
        *count = count.saturating_add(line.count);
    }

    /// Stores a replica's announcement and returns all of them.
    pub(crate) fn announce(
        &mut self,
        now: UnixMs,
        replica: Arc<str>,
        said: String,
        forgotten_after: Duration,
    ) -> Announced {
        if said.is_empty() {
            self.replicas.remove(&replica);
        } else if said.len() <= MAX_ANNOUNCEMENT {
            self.replicas.insert(replica, (now, said));
        }
        let is_fresh = |at: UnixMs| {
            now.since(at) <= forgotten_after && at.since(now) <= Duration::from_secs(1)
        };
        self.replicas.retain(|_, (at, _)| is_fresh(*at));
        let output = |(replica, (at, said)): (&Arc<str>, &(UnixMs, String))| Announcement {
            replica: replica.to_string(),
            said: said.clone(),
            age: now.since(*at),
        };
        let replicas = self.replicas.iter().take(MAX_REPLICAS).map(output).collect();
        Announced { replicas, count: self.replicas.len() }
    }
}

/// The next id.
fn after(id: RecordId) -> RecordId {
    match id.number.checked_add(1) {
        Some(number) => RecordId { number, ..id },
        None => RecordId { ms: id.ms.saturating_add(1), number: 0 },
    }
}

fn pairs<V: Clone>(map: &HashMap<Box<str>, V>) -> Vec<(Box<str>, V)> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn put<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, changes: Vec<(K, Option<V>)>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(map.insert(key, value)),
            None => drop(map.remove(&key)),
        }
    }
}
