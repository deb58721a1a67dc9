//! What became of slots, as far as it is kept.

use std::collections::HashMap;
use std::sync::Arc;

use super::Model;
use crate::schedule::UnixMs;
use crate::schedule::outcome::Line;
use crate::store::contract::{History, HistoryQuery, PastEvent, Trim, Trimmed};
use crate::store::journal::Record;
use crate::store::last_outcomes;

/// One call drops about so many slots.
const TRIMMED_AT_ONCE: u64 = 1_000;

impl Model {
    /// Drops records that the history need not keep; the newest record, and what is not folded, stay.
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
            if trimmed.slots >= TRIMMED_AT_ONCE {
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

    /// What the journal and the kept outcomes say, oldest first.
    pub(crate) fn history(&self, query: &HistoryQuery) -> History {
        let kept = self.outcomes.iter();
        let kept = kept.flat_map(|(entry, text)| last_outcomes::read(entry, text));
        let mut kept: Vec<PastEvent> = kept.collect();
        kept.sort_by_key(|event| event.at);
        let journal = self.journal.iter().flatten();
        select(kept.into_iter().chain(journal.flat_map(events)), query)
    }
}

fn slots_of(record: &Record) -> u64 {
    record.lines.iter().map(|line| line.count).sum()
}

/// What a record says.
pub(crate) fn events(record: &Record) -> impl Iterator<Item = PastEvent> + '_ {
    record.lines.iter().map(|line| PastEvent {
        at: record.id.at(),
        term: record.term,
        queue: Some(Arc::clone(&record.queue)),
        line: line.clone(),
    })
}

/// Those events that are asked for.
pub(crate) fn select(events: impl Iterator<Item = PastEvent>, query: &HistoryQuery) -> History {
    let is_asked_for = |event: &PastEvent| {
        query.entry.as_ref().is_none_or(|entry| *entry == event.line.entry)
            && query.from.is_none_or(|from| event.line.slot >= from)
            && query.to.is_none_or(|to| event.line.slot < to)
    };
    let mut newest = std::collections::VecDeque::new();
    let mut more = false;
    for event in events.filter(is_asked_for) {
        newest.push_back(event);
        if newest.len() > query.limit {
            newest.pop_front();
            more = true;
        }
    }
    History { events: newest.into(), more }
}
