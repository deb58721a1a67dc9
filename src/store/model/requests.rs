//! Decides what each request changes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::{Change, Folding, Model, NewRecord, QueueError, Queues, RUN_TTL, RunPlace, Running};
use crate::schedule::Guards;
use crate::schedule::outcome::{Line, Outcome, SkipReason};
use crate::schedule::registration::{Registration, RegistrationChange};
use crate::store::contract::{
    BackfillNote, Batch, Exception, Fold, FoldedThrough, INTENT_TTL, Intend, ManualMessage,
    ManualNote, ManualStep, Noted, OpenBackfill, Register, Reply, RunOf, Sent, Settle, Write,
};
use crate::store::{Fence, Outgoing};
use crate::worker::Queue;

/// How far a slot may be ahead of the store's clock, in milliseconds.
const MAX_AHEAD_MS: u128 = 1_000;

/// What a fenced request changes, and the exceptions to it.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) change: Change,
    pub(crate) exceptions: Vec<(usize, Exception)>,
}

/// The slots of one queue in a batch.
#[derive(Debug, Default)]
struct Part<'a> {
    /// The lines to record, with their index in the request.
    lines: Vec<(usize, Line)>,
    messages: Vec<&'a Outgoing>,
    running: Vec<(Box<str>, Option<Running>)>,
    exceptions: Vec<(usize, Exception)>,
}

impl Model {
    /// Applies a decision and returns the reply to its request.
    pub(crate) fn carry_out(&mut self, now: UnixMs, decided: Result<Decision, Reply>) -> Reply {
        match decided {
            Ok(Decision { change, exceptions }) => {
                self.apply(change);
                self.written(now, exceptions)
            }
            Err(reply) => reply,
        }
    }

    /// The reply to a request that was carried out.
    pub(crate) fn written(&self, now: UnixMs, exceptions: Vec<(usize, Exception)>) -> Reply {
        let head = self.head.map(|head| head.id);
        Reply::Written { now, sequence: self.sequence, head, exceptions }
    }

    fn check(&self, now: UnixMs, fence: &Fence) -> Result<Change, Reply> {
        if !self.holds(now, &fence.lease) {
            return Err(Reply::Fenced);
        }
        if self.sequence != fence.sequence {
            return Err(Reply::Stale);
        }
        Ok(Change { sequence: Some(fence.next), ..Change::default() })
    }

    fn check_journal(&self) -> Result<(), Reply> {
        if self.is_lost() { Err(Reply::Lost) } else { Ok(()) }
    }

    /// Makes records of these lines, one per queue, sorted by queue name.
    fn records(
        &self,
        now: UnixMs,
        fence: &Fence,
        lines: impl IntoIterator<Item = (Arc<str>, Line)>,
    ) -> Vec<NewRecord> {
        let mut by_queue: BTreeMap<Arc<str>, Vec<Line>> = BTreeMap::new();
        for (queue, line) in lines {
            by_queue.entry(queue).or_default().push(line);
        }
        let (mut id, term) = (self.next_id(now), term_of(&fence.lease));
        let record = |(queue, lines)| {
            let record = NewRecord { id, term, queue, lines };
            id = super::after(id);
            record
        };
        by_queue.into_iter().map(record).collect()
    }

    pub(crate) fn decide_register(
        &self,
        now: UnixMs,
        request: &Register,
    ) -> Result<Decision, Reply> {
        let mut change = self.check(now, &request.fence)?;
        self.check_journal()?;
        for wanted in request.changes.iter().cloned() {
            match wanted {
                RegistrationChange::Begin { entry, timing, since, progress } => {
                    let registration = Registration { timing: Some(timing), since };
                    change.registrations.push((entry.clone(), Some(registration)));
                    change.intents.push((entry.clone(), None));
                    change.progress.push((entry, progress));
                }
                RegistrationChange::Retire { entry, at, progress } => {
                    let registration = Registration { timing: None, since: at };
                    change.registrations.push((entry.clone(), Some(registration)));
                    if progress.is_some() {
                        change.progress.push((entry, progress));
                    }
                }
                RegistrationChange::Forget { entry } => {
                    change.registrations.push((entry.clone(), None));
                    change.progress.push((entry.clone(), None));
                    change.intents.push((entry.clone(), None));
                    change.running.push((entry.clone(), None));
                    change.forgotten.push(entry);
                }
            }
        }
        change.records = self.records(now, &request.fence, request.ended.iter().cloned());
        change.is_marked = request.last;
        Ok(Decision { change, exceptions: Vec::new() })
    }

    pub(crate) fn decide_dispatch(
        &self,
        now: UnixMs,
        batch: &Batch,
        queues: &mut impl Queues,
    ) -> Result<Decision, Reply> {
        let mut change = self.check(now, &batch.fence)?;
        self.check_pauses(batch.pauses, batch.records_pauses())?;
        check_not_early(now, batch.writes.iter().map(|write| write.line.slot))?;
        self.check_journal()?;
        let mut exceptions = Vec::new();
        let mut id = self.next_id(now);
        for (queue, writes) in parts(&batch.writes) {
            let mut part = self.decide_part(now, queue, &writes, queues);
            exceptions.append(&mut part.exceptions);
            let pushed = match part.messages.as_slice() {
                [] => Ok(()),
                messages => queues.push(queue, messages),
            };
            match pushed {
                Ok(()) if part.lines.is_empty() => {}
                Ok(()) => {
                    let lines = part.lines.into_iter().map(|(_, line)| line).collect();
                    let (term, queue) = (term_of(&batch.fence.lease), Arc::clone(&queue.name));
                    change.records.push(NewRecord { id, term, queue, lines });
                    change.running.append(&mut part.running);
                    id = super::after(id);
                }
                Err(why) => {
                    let refused = |(index, _)| (index, Exception::Refused(why.to_string()));
                    // Slots that would have been skipped are refused with the rest.
                    let indexes: HashSet<usize> =
                        part.lines.iter().map(|(index, _)| *index).collect();
                    exceptions.retain(|(index, _)| !indexes.contains(index));
                    exceptions.extend(part.lines.into_iter().map(refused));
                }
            }
        }
        exceptions.sort_by_key(|(index, _)| *index);
        Ok(Decision { change, exceptions })
    }

    /// Decides slot by slot, by its guards, what is sent, skipped or refused.
    fn decide_part<'a>(
        &self,
        now: UnixMs,
        queue: &Arc<Queue>,
        writes: &[(usize, &'a Write)],
        queues: &mut impl Queues,
    ) -> Part<'a> {
        let mut part = Part::default();
        let mut stopped: HashMap<&str, QueueError> = HashMap::new();
        let mut runs: HashMap<&str, Result<bool, QueueError>> = HashMap::new();
        let mut waiting = None;
        for (index, Write { line, message, guards, .. }) in writes.iter().copied() {
            let entry = &*line.entry;
            if let Some(why) = stopped.get(entry) {
                part.exceptions.push((index, Exception::Refused(why.to_string())));
                continue;
            }
            let Some(message) = message else {
                part.lines.push((index, line.clone()));
                continue;
            };
            let runs_now = match guards.overlap {
                None => Ok(false),
                Some(_) => runs
                    .entry(entry)
                    .or_insert_with(|| self.still_runs(now, queue, entry, *guards, queues))
                    .clone(),
            };
            let instead = runs_now.and_then(|runs_now| {
                if runs_now {
                    return Ok(Some(SkipReason::StillRunning));
                }
                let Some(most) = guards.max_queued else { return Ok(None) };
                let waiting = waiting.get_or_insert_with(|| queues.count_waiting(queue)).clone()?;
                let is_full = waiting + part.messages.len() as u64 >= u64::from(most.get());
                Ok(is_full.then_some(SkipReason::QueueFull))
            });
            match instead {
                Err(why) => {
                    part.exceptions.push((index, Exception::Refused(why.to_string())));
                    stopped.insert(entry, why);
                }
                Ok(Some(reason)) => {
                    part.exceptions.push((index, Exception::Skipped(reason)));
                    let outcome = Outcome::Skipped(reason);
                    part.lines.push((index, Line { outcome, ..line.clone() }));
                }
                Ok(None) => {
                    part.messages.push(message);
                    part.lines.push((index, line.clone()));
                    if guards.overlap.is_some() {
                        runs.insert(entry, Ok(true));
                        let task_id = line.task_id.unwrap_or_else(|| self.ids.id(entry, line.slot));
                        let running = Running { sent_at: now, task_id };
                        part.running.push((entry.into(), Some(running)));
                    }
                }
            }
        }
        part
    }

    /// Whether the entry's last task keeps the next one from being sent.
    fn still_runs(
        &self,
        now: UnixMs,
        queue: &Queue,
        entry: &str,
        guards: Guards,
        queues: &mut impl Queues,
    ) -> Result<bool, QueueError> {
        let Some(longest) = guards.overlap else { return Ok(false) };
        let last = self.running.get(entry).filter(|last| {
            let is_past = last.sent_at.since(now).as_millis() <= MAX_AHEAD_MS;
            is_past && now.since(last.sent_at).as_millis() < u128::from(longest.get())
        });
        queues.still_runs(queue, last.map(|last| last.task_id))
    }

    pub(crate) fn decide_intend(
        &self,
        now: UnixMs,
        request: &Intend,
        queues: &mut impl Queues,
    ) -> Result<Decision, Reply> {
        let mut change = self.check(now, &request.fence)?;
        self.check_pauses(request.pauses, false)?;
        check_not_early(now, request.slots.iter().map(|intent| intent.slot))?;
        self.check_journal()?;
        let (mut exceptions, mut recorded) = (Vec::new(), Vec::new());
        for (index, intent) in request.slots.iter().enumerate() {
            // An uncertain slot passed the guards before, and may have been published.
            let is_in_doubt = self.intents.get(&*intent.entry) == Some(&intent.slot);
            let runs = match is_in_doubt {
                true => Ok(false),
                false => self.still_runs(now, &intent.queue, &intent.entry, intent.guards, queues),
            };
            match runs {
                Ok(false) => change.intents.push(((&*intent.entry).into(), Some(intent.slot))),
                Ok(true) => {
                    let reason = SkipReason::StillRunning;
                    let entry = Arc::clone(&intent.entry);
                    let line = Line::new(entry, intent.slot, Outcome::Skipped(reason));
                    recorded.push((Arc::clone(&intent.queue.name), line));
                    exceptions.push((index, Exception::Skipped(reason)));
                }
                Err(why) => exceptions.push((index, Exception::Refused(why.to_string()))),
            }
        }
        change.records = self.records(now, &request.fence, recorded);
        Ok(Decision { change, exceptions })
    }

    pub(crate) fn decide_settle(&self, now: UnixMs, request: &Settle) -> Result<Decision, Reply> {
        let mut change = self.check(now, &request.fence)?;
        self.check_journal()?;
        let mut recorded = Vec::new();
        for settled in &request.slots {
            let entry: Box<str> = (&*settled.entry).into();
            change.intents.push((entry.clone(), None));
            let Some(line) = &settled.line else { continue };
            recorded.push((Arc::clone(&settled.queue.name), line.clone()));
            let is_sent = matches!(line.outcome, Outcome::Dispatched(_));
            if is_sent && settled.guards.overlap.is_some() {
                let running = Running { sent_at: now, task_id: settled.task_id };
                change.running.push((entry, Some(running)));
            }
        }
        change.records = self.records(now, &request.fence, recorded);
        Ok(Decision { change, exceptions: Vec::new() })
    }

    /// The first record of a chain, without slots.
    fn first_record(&self, now: UnixMs, fence: &Fence) -> NewRecord {
        let (id, term) = (self.next_id(now), term_of(&fence.lease));
        NewRecord { id, term, queue: "".into(), lines: Vec::new() }
    }

    pub(crate) fn decide_fold(&self, now: UnixMs, request: &Fold) -> Result<Decision, Reply> {
        let mut change = self.check(now, &request.fence)?;
        change.fold = match request.through {
            FoldedThrough::Unchanged => None,
            FoldedThrough::Record(id) => {
                self.check_journal()?;
                Some(Folding::Through(id))
            }
            FoldedThrough::Anew(remembered) => {
                Some(Folding::Anew(self.first_record(now, &request.fence), remembered))
            }
        };
        let owned =
            |(entry, progress): &(Arc<str>, _)| ((&**entry).into(), Some(Clone::clone(progress)));
        change.progress = request.progress.iter().map(owned).collect();
        Ok(Decision { change, exceptions: Vec::new() })
    }

    /// Decides a manual message: the change once it is sent, or the answer if it is not. A lost journal is left
    /// alone, because the leader must notice.
    pub(crate) fn decide_send(
        &self,
        now: UnixMs,
        request: &ManualMessage,
        queues: &mut impl Queues,
    ) -> Result<Change, Sent> {
        let queue = &request.message.queue;
        let (run, place) = request.run;
        match self.run(now, run) {
            Some(before) if !before.of.is(&request.line, queue) => {
                return Err(Sent::Other(before.of.clone()));
            }
            Some(before) if before.place >= place => return Err(Sent::Already),
            Some(_) | None => {}
        }
        let pushed = queues.push(queue, &[&request.message]);
        pushed.map_err(|error| Sent::Refused(error.to_string()))?;
        Ok(self.record_manual(now, &queue.name, &request.line, request.run))
    }

    /// Decides a step of a manual message for a carrier: the change once it is recorded, or the answer if
    /// nothing is. An `Intended` step is not recorded: after a crash nobody is sending.
    pub(crate) fn decide_note(&mut self, now: UnixMs, note: &ManualNote) -> Result<Change, Noted> {
        self.forget_runs(now);
        let (run, place) = note.run;
        match self.run(now, run) {
            Some(before)
                if note.step == ManualStep::Intended && !before.of.is(&note.line, &note.queue) =>
            {
                return Err(Noted::Other(before.of.clone()));
            }
            Some(before) if before.place >= place => return Err(Noted::Already),
            Some(_) | None => {}
        }
        match note.step {
            ManualStep::Intended if self.intended_runs.contains_key(&run) => Err(Noted::Busy),
            ManualStep::Intended => {
                self.intended_runs.insert(run, now + INTENT_TTL);
                Err(Noted::Now)
            }
            ManualStep::Published => {
                self.intended_runs.remove(&run);
                Ok(self.record_manual(now, &note.queue.name, &note.line, note.run))
            }
            ManualStep::NotPublished => {
                self.intended_runs.remove(&run);
                Err(Noted::Now)
            }
        }
    }

    /// Decides a step of a backfill; `Err`: another one that it overlaps.
    pub(crate) fn decide_backfill(
        &mut self,
        now: UnixMs,
        note: &BackfillNote,
    ) -> Result<Change, OpenBackfill> {
        self.forget_runs(now);
        let before = self.backfills.get(&note.scope).cloned().unwrap_or_default();
        let backfills = Some((note.scope, before.noting(now, note)?));
        Ok(Change { backfills, ..Change::default() })
    }

    /// The progress of a run.
    fn run(&self, now: UnixMs, run: Uuid) -> Option<&RunPlace> {
        self.runs.get(&run).filter(|before| before.until > now)
    }

    fn record_manual(
        &self,
        now: UnixMs,
        queue: &Arc<str>,
        line: &Line,
        (run, place): (Uuid, u64),
    ) -> Change {
        let of = RunOf { entry: Arc::clone(&line.entry), queue: Arc::clone(queue) };
        let place = RunPlace { place, of, until: now + RUN_TTL };
        let mut change = Change { run: Some((run, place)), ..Change::default() };
        let (queue, line) = (Arc::clone(queue), line.clone());
        if self.is_lost() {
            change.counted.push((queue, line));
        } else {
            let (id, lines) = (self.next_id(now), vec![line]);
            change.records.push(NewRecord { id, term: None, queue, lines });
        }
        change
    }

    /// Forgets runs that ended long ago.
    pub(crate) fn forget_runs(&mut self, now: UnixMs) {
        self.runs.retain(|_, place| place.until > now);
        self.intended_runs.retain(|_, until| *until > now);
        self.backfills.retain(|_, open| {
            open.forget_old(now);
            !open.is_empty()
        });
    }
}

impl RunOf {
    fn is(&self, line: &Line, queue: &Queue) -> bool {
        self.entry == line.entry && self.queue == queue.name
    }
}

/// The tenure's term; `None` if the lease does not name one.
pub(super) fn term_of(lease: &str) -> Option<u64> {
    lease.split(' ').next()?.parse().ok()
}

fn check_not_early(now: UnixMs, slots: impl Iterator<Item = UnixMs>) -> Result<(), Reply> {
    let newest = slots.max().unwrap_or(UnixMs::MIN);
    if newest.since(now).as_millis() > MAX_AHEAD_MS { Err(Reply::Early { now }) } else { Ok(()) }
}

/// Writes with their indexes in the batch.
type Placed<'a> = Vec<(usize, &'a Write)>;

/// Groups the writes by queue, with their indexes in the batch, in the order in which the queues first appear.
/// Guarded writes are grouped separately.
fn parts(writes: &[Write]) -> Vec<(&Arc<Queue>, Placed<'_>)> {
    let mut parts: Vec<(&Arc<Queue>, Placed<'_>)> = Vec::new();
    let mut found: HashMap<(&str, bool), usize> = HashMap::new();
    let mut index = 0;
    for run in writes.chunk_by(|a, b| a.line.entry == b.line.entry && a.queue == b.queue) {
        let is_guarded = run.iter().any(is_guarded);
        let queue = &run[0].queue;
        let part = *found.entry((&queue.name, is_guarded)).or_insert(parts.len());
        if part == parts.len() {
            parts.push((queue, Vec::new()));
        }
        parts[part].1.extend((index..).zip(run));
        index += run.len();
    }
    parts
}

fn is_guarded(write: &Write) -> bool {
    let guards = write.guards;
    write.message.is_some() && (guards.max_queued.is_some() || guards.overlap.is_some())
}
