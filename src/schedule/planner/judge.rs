//! Judges an entry's due slots: on time, missed or too late.

use std::time::Duration;

use downbeat_time::UnixMs;

use super::track::{INSTANT, Open};
use super::{Action, COUNT_CAP, Item};
use crate::schedule::entry::{CatchUp, Entry};
use crate::schedule::kind::Kind;
use crate::schedule::outcome::SkipReason;
use crate::schedule::pause::Paused;
use crate::schedule::progress::Run;

/// What is said of a run of slots: those after the previous judgement, up to `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement<V = Finding> {
    pub(super) through: UnixMs,
    pub(super) says: V,
}

/// How slots were when they were first looked at. This never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    OnTime,
    Missed,
    /// They were dispatched, or may have been.
    Resent,
    /// Their outcome is not remembered.
    Unknown,
}

/// What to do with slots, by their entry's policy and the current pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send(Kind),
    Skip(SkipReason),
}

/// Everything due of one entry, judged.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) findings: Vec<Judgement>,
    pub(super) verdicts: Vec<Judgement<Verdict>>,
}

impl Judgement {
    pub(super) fn new(through: UnixMs, says: Finding) -> Judgement {
        Judgement { through, says }
    }

    /// Whether the judgement is independent of time: uncertain slots stay uncertain.
    pub(super) fn is_resent(&self) -> bool {
        self.says == Finding::Resent
    }
}

/// Judges slots that came due since the last judgement on time or missed; earlier judgements stay. Slots due
/// before `on_time_from` are missed.
pub(super) fn find_due(
    entry: &Entry,
    cursor: UnixMs,
    findings: &mut Vec<Judgement>,
    now: UnixMs,
    on_time_from: UnixMs,
) {
    let from = findings.last().map_or(cursor, |last| last.through.max(cursor));
    // From here on, the instants between their due times tell slots apart.
    let due = entry.due_through(from, now);
    let Some(first) = entry.next_slot(from).filter(|slot| *slot <= due) else { return };
    let missed = entry.due_through(from, on_time_from - INSTANT);
    if first <= missed {
        push_judgement(findings, missed, Finding::Missed);
    }
    if first > missed || entry.next_slot(missed).is_some_and(|slot| slot <= due) {
        push_judgement(findings, due, Finding::OnTime);
    }
}

/// Decides what to do with slots by how they were found. `paused` slots are skipped in any case: the newest
/// missed slot is then an earlier one.
pub(super) fn judge(
    entry: &Entry,
    cursor: UnixMs,
    findings: &[Judgement],
    now: UnixMs,
    grace: Duration,
    paused: &[Run],
    verdicts: &mut Vec<Judgement<Verdict>>,
) {
    let mut from = cursor;
    for Judgement { through, says } in findings.iter().filter(|found| found.through > cursor) {
        let verdict = match says {
            Finding::OnTime => Verdict::Send(Kind::Scheduled),
            Finding::Resent => Verdict::Send(Kind::Resent),
            Finding::Unknown => Verdict::Skip(SkipReason::Unknown),
            Finding::Missed => {
                judge_missed(entry, verdicts, (from, *through), now, grace, paused);
                from = *through;
                continue;
            }
        };
        push_judgement(verdicts, *through, verdict);
        from = *through;
    }
}

/// Decides on missed slots: those after the first instant, up to the second.
fn judge_missed(
    entry: &Entry,
    verdicts: &mut Vec<Judgement<Verdict>>,
    (from, through): (UnixMs, UnixMs),
    now: UnixMs,
    grace: Duration,
    paused: &[Run],
) {
    let (too_late, superseded) =
        (Verdict::Skip(SkipReason::TooLate), Verdict::Skip(SkipReason::Superseded));
    let is_any = |from, through| entry.next_slot(from).is_some_and(|first| first <= through);
    let too_old = entry.due_through(from, now - window(entry, grace) - INSTANT).min(through);
    if is_any(from, too_old) {
        push_judgement(verdicts, too_old, too_late);
    }
    let from = from.max(too_old);
    if !is_any(from, through) {
        return;
    }
    match entry.catch_up {
        CatchUp::All => push_judgement(verdicts, through, Verdict::Send(Kind::CatchUp)),
        CatchUp::None => push_judgement(verdicts, through, too_late),
        CatchUp::Latest => {
            let (open, due) = (Open { entry, passed: paused }, entry.due_through(from, now));
            // Another due slot is sent instead.
            let goes_on = open.next(through).is_some_and(|slot| slot <= due);
            if let Some(newest) = open.last(from, through).filter(|_| !goes_on) {
                push_judgement(verdicts, newest - INSTANT, superseded);
                push_judgement(verdicts, newest, Verdict::Send(Kind::CatchUp));
            }
            push_judgement(verdicts, through, superseded);
        }
    }
}

/// The greatest age at which a slot of the entry is still sent.
fn window(entry: &Entry, grace: Duration) -> Duration {
    match entry.catch_up {
        CatchUp::None => grace,
        CatchUp::Latest | CatchUp::All => entry.within,
    }
}

pub(super) fn push_judgement<V: PartialEq>(
    judgements: &mut Vec<Judgement<V>>,
    through: UnixMs,
    says: V,
) {
    match judgements.last_mut() {
        Some(last) if last.says == says => last.through = through,
        _ => judgements.push(Judgement { through, says }),
    }
}

/// What comes before everything missed, if anything of it is to be sent.
pub(super) fn on_time(verdicts: &[Judgement<Verdict>]) -> Option<&[Judgement<Verdict>]> {
    let caught_up = Verdict::Send(Kind::CatchUp);
    let on_time = verdicts.split(|judgement| judgement.says == caught_up).next()?;
    on_time.iter().any(|judgement| matches!(judgement.says, Verdict::Send(_))).then_some(on_time)
}

/// Whether something before everything missed is to be sent, apart from pauses.
pub(super) fn is_on_time(entry: &Entry, findings: impl IntoIterator<Item = Judgement>) -> bool {
    let waits = |found: &Judgement| entry.catch_up == CatchUp::All && found.says == Finding::Missed;
    let first = findings.into_iter().take_while(|found| !waits(found));
    let goes = |found: Judgement| matches!(found.says, Finding::OnTime | Finding::Resent);
    first.into_iter().any(goes)
}

/// Limits the judgements to slots up to `until`.
pub(super) fn cut(judgements: &mut Vec<Judgement>, until: UnixMs) {
    let whole = judgements.partition_point(|judgement| judgement.through < until);
    judgements.truncate(whole + 1);
    if let Some(last) = judgements.last_mut() {
        last.through = last.through.min(until);
    }
}

/// One entry while it is planned.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) index: u32,
    pub(super) open: Open<'a>,
    /// Dispatched slots whose records are lost.
    pub(super) forgotten: &'a [Run],
    pub(super) paused: &'a Paused,
    pub(super) cursor: UnixMs,
    pub(super) now: UnixMs,
    pub(super) grace: Duration,
}

impl Planned<'_> {
    /// Turns verdicts into items, oldest slot first, at most `max` of them.
    ///
    /// A slot that has become too old since it was judged is skipped. One that is not due any more is left for
    /// later: the clock was set back.
    pub(super) fn unroll(
        &self,
        verdicts: &[Judgement<Verdict>],
        max: usize,
        items: &mut Vec<Item>,
    ) {
        let entry = self.open.entry;
        let full = items.len() + max;
        let due = match self.paused.until {
            Some(until) => entry.due_through(self.cursor, self.now.min(until - INSTANT)),
            None => entry.due_through(self.cursor, self.now),
        };
        let mut from = self.cursor;
        for judgement in verdicts.iter().filter(|judgement| judgement.through > self.cursor) {
            let through = judgement.through.min(due);
            while from < through && items.len() < full {
                let run = self.paused.runs.iter().find(|run| run.last > from);
                from = match run.filter(|run| run.first <= from + INSTANT) {
                    Some(run) => {
                        let last = run.last.min(through);
                        self.skip_run(from, last, SkipReason::Paused, items);
                        last
                    }
                    None => {
                        let last = run.map_or(through, |run| through.min(run.first - INSTANT));
                        self.carry_out(judgement.says, from, last, full, items);
                        last
                    }
                };
            }
            if items.len() >= full {
                return;
            }
        }
    }

    /// Turns one verdict on the slots after `from`, up to `through`, into items, until there are `full`.
    fn carry_out(
        &self,
        verdict: Verdict,
        mut from: UnixMs,
        through: UnixMs,
        full: usize,
        items: &mut Vec<Item>,
    ) {
        let entry = self.open.entry;
        let kind = match verdict {
            Verdict::Skip(reason) => return self.skip_run(from, through, reason, items),
            Verdict::Send(kind) => kind,
        };
        let window = match kind {
            Kind::Resent => entry.within,
            _ => window(entry, self.grace),
        };
        let too_old = entry.due_through(from, self.now - window - INSTANT).min(through);
        self.skip_run(from, too_old, SkipReason::TooLate, items);
        from = from.max(too_old);
        while let Some(slot) = self.open.next(from).filter(|slot| *slot <= through) {
            if items.len() >= full {
                return;
            }
            self.send(slot, kind, items);
            from = slot;
        }
    }

    fn send(&self, slot: UnixMs, kind: Kind, items: &mut Vec<Item>) {
        if self.open.entry.expires_at(slot).is_some_and(|until| until <= self.now) {
            return self.skip(slot, SkipReason::Expired, 1, items);
        }
        let is_forgotten = self.forgotten.iter().any(|run| run.contains(slot));
        let kind = if is_forgotten { Kind::Resent } else { kind };
        items.push(Item { entry: self.index, slot, action: Action::Send(kind) });
    }

    fn skip_run(&self, from: UnixMs, through: UnixMs, reason: SkipReason, items: &mut Vec<Item>) {
        if through <= from {
            return;
        }
        if let Some(slot) = self.open.last(from, through) {
            let count = self.open.count(from, slot, COUNT_CAP);
            self.skip(slot, reason, count, items);
        }
    }

    /// Extends the run of skipped slots at the end of the list, or starts one.
    fn skip(&self, slot: UnixMs, why: SkipReason, slots: u64, items: &mut Vec<Item>) {
        match items.last_mut() {
            Some(Item { entry: last, slot: newest, action: Action::Skip { reason, count } })
                if *last == self.index && *reason == why =>
            {
                *newest = slot;
                *count = count.saturating_add(slots).min(COUNT_CAP);
            }
            _ => {
                let action = Action::Skip { reason: why, count: slots };
                items.push(Item { entry: self.index, slot, action });
            }
        }
    }
}
