//! The history as people read it: what became of slots, when, and how late.

use std::collections::HashMap;
use std::collections::hash_map::Entry::Vacant;
use std::sync::Arc;

use chrono_tz::Tz;
use downbeat_time::{UnixMs, Zone};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::escape::shorten;
use crate::refused::{self, Refused};
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::{Schedule, TaskIds};
use crate::store::contract::{History, HistoryQuery, PastEvent, StoreError};
use crate::text::instant;

/// Default number of lines.
pub const DEFAULT_COUNT: usize = 50;
/// Maximum number of lines.
pub const MAX_COUNT: usize = 10_000;
/// Maximum number of slots that are searched for those whose local time matches.
const MAX_READ: usize = 160_000;
/// Maximum bytes of a text from a store; names have at most 255.
const MAX_TEXT: usize = 300;

/// Why no history is shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A time is invalid, or nothing is known of the entry.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store does not answer.
    #[error("the history cannot be read: {0}")]
    Store(StoreError),
}

/// Which part of the history to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The entry; `None` means all.
    pub entry: Option<String>,
    /// The earliest slot: RFC 3339, or local time in the entry's zone.
    pub from: Option<String>,
    /// Only slots before this time.
    pub to: Option<String>,
    /// Show the newest ones up to this number; at most [`MAX_COUNT`].
    pub count: usize,
}

/// Part of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// In the order in which they were recorded.
    pub events: Vec<PastSlot>,
    /// Whether there are older slots than these.
    pub more: bool,
}

/// The outcome of one slot, or of several skipped in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSlot {
    /// The entry's name.
    pub entry: String,
    /// The slot, RFC 3339 in the entry's zone; of several, the newest.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: UnixMs,
    /// When it was due, in the entry's zone; `None` for a manual message.
    pub due: Option<String>,
    /// The same in UTC.
    pub due_utc: Option<UnixMs>,
    /// When this was recorded (and, if sent, when it was sent), by the store's clock, in the entry's
    /// zone.
    pub recorded: String,
    /// The same in UTC.
    pub recorded_utc: UnixMs,
    /// The recorded time minus the due time.
    pub lateness_ms: Option<i64>,
    /// The kind of a sent message, or the reason of a skip.
    pub outcome: String,
    /// Why it was sent, if it was.
    pub kind: Option<String>,
    /// Why it was not sent, if it was not.
    pub reason: Option<String>,
    /// How many slots this stands for; 10,000 means "or more".
    pub count: u64,
    /// The queue it was or would have been sent to; `None` if no longer known.
    pub queue: Option<String>,
    /// The task id of a sent message; `None` if no longer known.
    pub task_id: Option<Uuid>,
    /// The term of the leader that recorded it; `None` if no longer known.
    pub term: Option<u64>,
    /// Who requested the message, or paused the entry.
    pub by: Option<String>,
    /// Why the entry was paused.
    pub note: Option<String>,
}

impl PastSlot {
    fn new(event: &PastEvent, zone: &Zone, ids: &TaskIds) -> PastSlot {
        let PastEvent { at, term, queue, line } = event;
        let Line { entry, slot, outcome, count, first: _, delay, task_id, by, note } = line;
        let text = |text: &str| shorten(text, MAX_TEXT).into_owned();
        let local = |at: UnixMs| zone.to_rfc3339(at);
        let due = outcome.is_scheduled().then(|| *slot + *delay);
        let derived = || due.map(|_| ids.id(entry, *slot));
        let (kind, reason, task_id) = match outcome {
            Outcome::Dispatched(kind) => {
                (Some(kind.as_str().to_owned()), None, task_id.or_else(derived))
            }
            Outcome::Skipped(reason) => (None, Some(reason.as_str().to_owned()), None),
        };
        PastSlot {
            entry: text(entry),
            slot: local(*slot),
            slot_utc: *slot,
            due: due.map(local),
            due_utc: due,
            recorded: local(*at),
            recorded_utc: *at,
            lateness_ms: due.map(|due| at.0.saturating_sub(due.0)),
            outcome: outcome.as_str().to_owned(),
            kind,
            reason,
            count: *count,
            queue: queue.as_deref().map(text),
            task_id,
            term: *term,
            by: by.as_deref().map(text),
            note: note.as_deref().map(text),
        }
    }
}

/// A range of slots, excluding its end.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: Option<UnixMs>,
    to: Option<UnixMs>,
}

impl Range {
    /// The requested range as local times in a zone.
    fn by(zone: &Zone, asked: &HistoryRequest) -> Result<Range, Refused> {
        let time = |flag: &str, text: &Option<String>| {
            let parsed = text.as_ref().map(|text| instant::parse_with_date(text, zone)).transpose();
            parsed.map_err(|error| {
                Refused::Invalid(format!("{flag}: {error}; {}", instant::HINT_WITH_DATE))
            })
        };
        Ok(Range { from: time("--from", &asked.from)?, to: time("--to", &asked.to)? })
    }

    fn holds(self, slot: UnixMs) -> bool {
        self.from.is_none_or(|from| slot >= from) && self.to.is_none_or(|to| slot < to)
    }
}

/// The zones of entries. Entries that have left the schedule are shown in UTC.
struct Zones<'a> {
    schedule: &'a Schedule,
    utc: Zone,
}

impl Zones<'_> {
    fn of(&self, entry: &str) -> &Zone {
        self.schedule.get(entry).map_or(&self.utc, |entry| &entry.zone)
    }

    /// The requested range in the zone of the named entry, or in each entry's zone.
    fn ranges(&self, asked: &HistoryRequest) -> Result<HashMap<Tz, Range>, Refused> {
        let mut ranges = HashMap::new();
        let mut add = |zone: &Zone| -> Result<(), Refused> {
            if let Vacant(place) = ranges.entry(zone.iana()) {
                place.insert(Range::by(zone, asked)?);
            }
            Ok(())
        };
        match &asked.entry {
            Some(entry) => add(self.of(entry))?,
            None => {
                add(&self.utc)?;
                self.schedule.entries.iter().try_for_each(|entry| add(&entry.zone))?;
            }
        }
        Ok(ranges)
    }
}

/// Selects the requested part of the history; `read` reads it from the store.
///
/// # Errors
/// If a time is invalid, or nothing is known of the named entry; or if `read` fails.
pub async fn past(
    asked: &HistoryRequest,
    schedule: &Schedule,
    ids: &TaskIds,
    mut read: impl AsyncFnMut(HistoryQuery) -> Result<History, StoreError>,
) -> Result<Past, HistoryError> {
    let zones = Zones { schedule, utc: Zone::utc() };
    let ranges = zones.ranges(asked)?;
    let is_asked_for = |event: &PastEvent| {
        let range = ranges.get(&zones.of(&event.line.entry).iana());
        range.is_none_or(|range| range.holds(event.line.slot))
    };
    let count = asked.count.min(MAX_COUNT);
    let entry: Option<Arc<str>> = asked.entry.as_deref().map(Arc::from);
    let mut query = HistoryQuery {
        entry: entry.clone(),
        // The union of all ranges.
        from: ranges.values().map(|range| range.from).min().flatten(),
        to: ranges.values().map(|range| range.to).max().flatten(),
        limit: count,
    };
    let (events, more) = loop {
        let History { mut events, more } =
            read(query.clone()).await.map_err(HistoryError::Store)?;
        events.retain(is_asked_for);
        if !more || events.len() >= count || query.limit >= MAX_READ {
            let first = events.len().saturating_sub(count);
            break (events.split_off(first), more || first > 0);
        }
        query.limit *= 4;
    };
    if let Some(name) = &asked.entry
        && events.is_empty()
        && let Err(no_such_entry) = refused::find(schedule, name)
    {
        let anything = HistoryQuery { entry, limit: 1, ..HistoryQuery::default() };
        if read(anything).await.map_err(HistoryError::Store)?.events.is_empty() {
            return Err(no_such_entry.into());
        }
    }
    let shown = |event: &PastEvent| PastSlot::new(event, zones.of(&event.line.entry), ids);
    Ok(Past { events: events.iter().map(shown).collect(), more })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::Kind;
    use crate::schedule::outcome::SkipReason;
    use crate::schedule::sample::{every, zone};
    use crate::store::model::Selection;

    const SENT: Outcome = Outcome::Dispatched(Kind::Scheduled);
    const HOUR_MS: i64 = 3_600_000;

    fn event(entry: &str, slot: i64, outcome: Outcome) -> PastEvent {
        let line = Line::new(entry.into(), UnixMs(slot), outcome);
        PastEvent {
            at: UnixMs(slot.saturating_add(12)),
            term: Some(7),
            queue: Some("q".into()),
            line,
        }
    }

    /// Three entries: in UTC, in Seoul (9 h ahead), in Los Angeles (8 h behind).
    fn schedule() -> Schedule {
        let of = |name, zone| {
            let mut entry = every(name, 60);
            entry.zone = Arc::new(zone);
            entry
        };
        let entries = vec![
            of("greenwich", Zone::utc()),
            of("la", zone("America/Los_Angeles")),
            of("seoul", zone("Asia/Seoul")),
        ];
        Schedule { entries, ..Schedule::default() }
    }

    fn asked(
        entry: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
        count: usize,
    ) -> HistoryRequest {
        let text = |text: Option<&str>| text.map(str::to_owned);
        HistoryRequest { entry: text(entry), from: text(from), to: text(to), count }
    }

    fn past_of(asked: &HistoryRequest, events: &[PastEvent]) -> Result<Past, HistoryError> {
        let read = async |query: HistoryQuery| {
            let mut selection = Selection::new(&query);
            events.iter().cloned().for_each(|event| selection.add(event));
            Ok(selection.finish())
        };
        let (schedule, ids) = (schedule(), TaskIds::new("downbeat"));
        let done = past(asked, &schedule, &ids, read);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(done)
    }

    #[test]
    fn a_slot_is_shown_with_its_due_time_its_lateness_and_its_task_id() {
        let mut sent = event("seoul", 1_798_761_600_000, SENT);
        sent.line.delay = Duration::from_secs(90);
        sent.at = UnixMs(1_798_761_690_007);
        let shown = past_of(&asked(None, None, None, 50), &[sent]).unwrap();
        assert!(!shown.more);
        let json = serde_json::to_value(&shown.events[0]).unwrap();
        let id = TaskIds::new("downbeat").id("seoul", UnixMs(1_798_761_600_000));
        let expected = serde_json::json!({
            "entry": "seoul",
            "slot": "2027-01-01T09:00:00+09:00", "slot_utc": "2027-01-01T00:00:00Z",
            "due": "2027-01-01T09:01:30+09:00", "due_utc": "2027-01-01T00:01:30Z",
            "recorded": "2027-01-01T09:01:30.007+09:00",
            "recorded_utc": "2027-01-01T00:01:30.007Z",
            "lateness_ms": 7, "outcome": "scheduled", "kind": "scheduled", "reason": null,
            "count": 1, "queue": "q", "task_id": id.to_string(), "term": 7, "by": null, "note": null,
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<PastSlot>(json).unwrap(), shown.events[0]);
    }

    #[test]
    fn a_skipped_slot_has_a_reason_and_no_task_id() {
        let mut skipped = event("greenwich", 0, Outcome::Skipped(SkipReason::TooLate));
        skipped.line.count = 12;
        let shown = past_of(&asked(None, None, None, 50), &[skipped]).unwrap().events.remove(0);
        assert_eq!((&*shown.outcome, shown.reason.as_deref()), ("too_late", Some("too_late")));
        assert_eq!((shown.kind, shown.task_id, shown.count), (None, None, 12));
        assert_eq!(shown.lateness_ms, Some(12));
    }

    #[test]
    fn a_manual_message_has_its_own_id_and_is_never_late() {
        let mut manual = event("greenwich", 0, Outcome::Dispatched(Kind::Manual));
        manual.line.task_id = Some(Uuid::from_u128(7));
        manual.line.by = Some("ann@host".into());
        let forgotten = event("greenwich", 0, Outcome::Dispatched(Kind::Backfill));
        let shown = past_of(&asked(None, None, None, 50), &[manual, forgotten]).unwrap().events;
        assert_eq!(shown[0].task_id, Some(Uuid::from_u128(7)));
        assert_eq!(shown[0].by.as_deref(), Some("ann@host"));
        assert_eq!((shown[0].due.as_deref(), shown[0].lateness_ms), (None, None));
        // Its id is not derived from the slot, so none is computed.
        assert_eq!(shown[1].task_id, None);
    }

    #[test]
    fn the_newest_are_shown_oldest_first_with_a_flag_for_more() {
        let events: Vec<_> = (0..6).map(|n| event("greenwich", n * HOUR_MS, SENT)).collect();
        let slots = |asked: &HistoryRequest| {
            let past = past_of(asked, &events).unwrap();
            let hours = past.events.iter().map(|event| event.slot_utc.0 / HOUR_MS);
            (hours.collect::<Vec<_>>(), past.more)
        };
        assert_eq!(slots(&asked(None, None, None, 2)), (vec![4, 5], true));
        assert_eq!(slots(&asked(None, None, None, 6)), (vec![0, 1, 2, 3, 4, 5], false));
        let (from, to) = (Some("1970-01-01T01:00Z"), Some("1970-01-01T04:00Z"));
        assert_eq!(slots(&asked(None, from, to, 2)), (vec![2, 3], true));
        assert_eq!(slots(&asked(Some("greenwich"), from, to, 9)), (vec![1, 2, 3], false));
        assert_eq!(slots(&asked(Some("seoul"), from, to, 9)), (vec![], false));
    }

    #[test]
    fn wall_time_is_read_by_each_entrys_own_clock() {
        let names = ["gone", "greenwich", "la", "seoul"];
        let mut events = Vec::new();
        for hour in 0..240 {
            events.extend(names.map(|name| event(name, hour * HOUR_MS, SENT)));
        }
        let (from, to) = (Some("1970-01-05 12:00"), Some("1970-01-05 13:00"));
        let hours = |asked: &HistoryRequest| {
            let past = past_of(asked, &events).unwrap();
            let hour = |event: PastSlot| (event.entry, event.slot_utc.0 / HOUR_MS);
            (past.events.into_iter().map(hour).collect::<Vec<_>>(), past.more)
        };
        let shown = |found: [(&str, i64); 4]| found.map(|(name, hour)| (name.to_owned(), hour));
        let noon = 4 * 24 + 12;
        let all =
            shown([("seoul", noon - 9), ("gone", noon), ("greenwich", noon), ("la", noon + 8)]);
        // The requested number does not limit what is searched: slots outside the range do not count.
        assert_eq!(hours(&asked(None, from, to, 50)), (all.to_vec(), false));
        assert_eq!(hours(&asked(None, from, to, 4)), (all.to_vec(), false));
        assert_eq!(hours(&asked(None, from, to, 3)), (all[1..].to_vec(), true));
        assert_eq!(hours(&asked(Some("la"), from, to, 50)), (all[3..].to_vec(), false));
    }

    #[test]
    fn an_unknown_name_is_distinguished_from_an_empty_history() {
        let events = [event("gone", 0, SENT)];
        let refused = |asked: &HistoryRequest| past_of(asked, &events).unwrap_err().to_string();
        assert_eq!(past_of(&asked(Some("gone"), None, None, 9), &events).unwrap().events.len(), 1);
        let later = Some("2027-01-01T00:00Z");
        for nothing in [asked(Some("gone"), later, None, 9), asked(Some("seoul"), None, None, 9)] {
            assert_eq!(past_of(&nothing, &events).unwrap(), Past::default());
        }
        let near = refused(&asked(Some("seol"), None, None, 9));
        assert_eq!(near, "no entry is named `seol`; did you mean `seoul`?");
        let noon = refused(&asked(None, Some("noon"), None, 9));
        assert!(noon.starts_with("--from: `noon` is not a date and time; write "), "{noon}");
        assert!(refused(&asked(None, None, Some("noon"), 9)).starts_with("--to: "));
    }

    #[test]
    fn texts_of_a_store_are_bounded() {
        let long = "x".repeat(5_000);
        let mut hostile = event(&long, i64::MAX, Outcome::Dispatched(Kind::Manual));
        hostile.at = UnixMs::MIN;
        (hostile.queue, hostile.line.by) = (Some(long.as_str().into()), Some(long.as_str().into()));
        let mut late = event("seoul", i64::MIN, SENT);
        (late.at, late.line.delay) = (UnixMs::MAX, Duration::MAX);
        let shown = past_of(&asked(None, None, None, 50), &[hostile, late]).unwrap();
        assert!(serde_json::to_string(&shown).unwrap().len() < 3_000);
        assert_eq!(shown.events[1].lateness_ms, Some(i64::MAX));
    }
}
