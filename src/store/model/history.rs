//! The history of slots, as far as it is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use downbeat_time::UnixMs;

use super::{Model, NewRecord};
use crate::schedule::outcome::Line;
use crate::store::contract::{History, HistoryQuery, MAX_TRIMMED, PastEvent, Trim, Trimmed};
use crate::store::journal::{Record, RecordId};
use crate::store::last_outcomes;

impl Model {
    /// Drops records that the history need not keep, but never the newest or unfolded ones.
    pub(crate) fn trim(&mut self, now: UnixMs, request: &Trim) -> Trimmed {
        let mut trimmed = Trimmed { slots: 0, more: false };
        if !self.holds(now, &request.lease) || self.is_lost() {
            return trimmed;
        }
        let (Some(folded), Some(journal)) = (self.folded, &mut self.journal) else {
            return trimmed;
        };
        let mut left: u64 = journal.iter().map(slots_of).sum();
        let mut dropped: HashMap<Arc<str>, Vec<(UnixMs, Line)>> = HashMap::new();
        while let Some(oldest) = journal.front() {
            let without = left - slots_of(oldest);
            let is_old = now.since(oldest.id.at()) > request.keep || without >= request.slots;
            if !is_old || oldest.id > folded || journal.len() == 1 {
                break;
            }
            if trimmed.slots >= MAX_TRIMMED {
                trimmed.more = true;
                break;
            }
            trimmed.slots += left - without;
            left = without;
            let Some(record) = journal.pop_front() else { break };
            let at = record.id.at();
            for line in record.lines {
                dropped.entry(Arc::clone(&line.entry)).or_default().push((at, line));
            }
        }
        for (entry, lines) in dropped {
            let before = self.outcomes.get(&entry).map_or("", |text| text.as_str());
            let lines = lines.iter().map(|(at, line)| (*at, line));
            let kept = last_outcomes::add(before, lines, request.outcomes);
            self.outcomes.insert(entry, kept);
        }
        trimmed
    }

    /// Reads the history from the journal and the kept outcomes, oldest first.
    pub(crate) fn history(&self, query: &HistoryQuery) -> History {
        let kept = self.outcomes.iter();
        let kept = kept.flat_map(|(entry, text)| last_outcomes::read(entry, text));
        let mut kept: Vec<PastEvent> = kept.collect();
        kept.sort_by_key(|event| event.at);
        let mut selection = Selection::new(query);
        kept.into_iter().for_each(|event| selection.add(event));
        for Record { id, term, queue, lines, .. } in self.journal.iter().flatten() {
            events(*id, *term, queue, lines).for_each(|event| selection.add(event));
        }
        selection.finish()
    }
}

fn slots_of(record: &Record) -> u64 {
    record.lines.iter().map(|line| line.count).sum()
}

/// The events of a record, one per line.
fn events<'a>(
    id: RecordId,
    term: Option<u64>,
    queue: &'a Arc<str>,
    lines: &'a [Line],
) -> impl Iterator<Item = PastEvent> + 'a {
    let queue = move || Some(Arc::clone(queue));
    lines.iter().map(move |line| PastEvent {
        at: id.at(),
        term,
        queue: queue(),
        line: line.clone(),
    })
}

impl NewRecord {
    /// The events of the record.
    pub(crate) fn events(&self) -> impl Iterator<Item = PastEvent> + '_ {
        events(self.id, self.term, &self.queue, &self.lines)
    }
}

/// Selects the events of a query from events added in order.
#[derive(Debug)]
pub(crate) struct Selection<'q> {
    query: &'q HistoryQuery,
    newest: VecDeque<PastEvent>,
    more: bool,
}

impl<'q> Selection<'q> {
    /// Creates a selection without events.
    pub(crate) fn new(query: &'q HistoryQuery) -> Selection<'q> {
        Selection { query, newest: VecDeque::new(), more: false }
    }

    /// Adds an event if the query asks for it.
    pub(crate) fn add(&mut self, event: PastEvent) {
        let HistoryQuery { entry, from, to, limit } = self.query;
        let is_asked_for = entry.as_ref().is_none_or(|entry| *entry == event.line.entry)
            && from.is_none_or(|from| event.line.slot >= from)
            && to.is_none_or(|to| event.line.slot < to);
        if !is_asked_for {
            return;
        }
        self.newest.push_back(event);
        if self.newest.len() > *limit {
            self.newest.pop_front();
            self.more = true;
        }
    }

    /// Returns the selected events.
    pub(crate) fn finish(self) -> History {
        History { events: self.newest.into(), more: self.more }
    }
}
