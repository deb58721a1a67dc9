//! `history`: shows the outcomes of slots.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use super::{Exit, Failure, block_on, configuration, load, look, named_broker, show, times};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Broker, Caller, Loaded, ServiceConfig};
use crate::control::Question;
use crate::schedule::planner::COUNT_CAP;
use crate::schedule::{Schedule, TaskIds};
use crate::service::history::{self, HistoryError, HistoryRequest, MAX_COUNT, Past, PastSlot};
use crate::store::contract::{HistoryQuery, Store as _};
use crate::store::redis::RedisStore;
use crate::store::spool::SpoolStore;
use crate::text::duration;

/// A store that takes longer counts as unavailable.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn history(flags: ServiceFlags, asked: &cli::History) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let now = clock::wall();
    let time = |text: &Option<String>| text.as_deref().map(|text| times::ago(text, now));
    let question = HistoryRequest {
        entry: asked.entry.clone(),
        from: time(&asked.from),
        to: time(&asked.to),
        count: asked.count,
    };
    let past: Past = look::ask(&service, Question::History(question))?;
    if asked.output.json {
        show::json(&past)?;
    } else {
        print(&past.events, asked.entry.is_some())?;
        if past.events.is_empty() {
            show::complain("downbeat: no slots found");
        }
    }
    if past.more {
        let more = asked.count.saturating_mul(10).min(MAX_COUNT);
        let count = if more > asked.count { format!("--count {more}, or ") } else { String::new() };
        show::complain(&format!(
            "downbeat: there are older slots; to see them, use {count}an earlier --to"
        ));
    }
    Ok(Exit::Fine)
}

/// Reads the history from the store.
pub(super) fn look(
    service: &ServiceConfig,
    asked: &HistoryRequest,
    schedule: &Schedule,
) -> Result<Past, Failure> {
    let ids = TaskIds::new(&service.namespace);
    let past = match named_broker(service)? {
        Broker::Redis(address) => {
            let mut store = RedisStore::new(&address, &service.tls, &service.namespace, TIMEOUT);
            let read = async |query: HistoryQuery| store.history(query).await;
            block_on(history::past(asked, schedule, &ids, read))?
        }
        Broker::Spool(path) => {
            let read = async |query: HistoryQuery| Ok(SpoolStore::peek_history(&path, &query)?);
            block_on(history::past(asked, schedule, &ids, read))?
        }
    };
    Ok(past?)
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Failure {
        match error {
            HistoryError::Refused(refused) => refused.into(),
            HistoryError::Store(ref why) => Failure::of_store(why, &error),
        }
    }
}

/// The schedule of the local files, without a running service. Times of entries that are not in it are
/// shown in UTC.
pub(super) fn schedule(service: &ServiceConfig) -> Schedule {
    let Loaded { schedule, files, .. } = load(service);
    schedule.unwrap_or_else(|| {
        let why = if files.is_empty() { "no readable schedule files" } else { "invalid schedule" };
        show::complain(&format!("downbeat: {why}, so times are in UTC; see `downbeat check`"));
        Schedule::default()
    })
}

/// How the columns fit a terminal; a task id is recognized by its first characters.
const COLUMNS: [show::Column; 12] = [
    show::Column::whole("SLOT"),
    show::Column::whole("OUTCOME"),
    show::Column::whole("LATE").or(NOTHING),
    show::Column::whole("RECORDED").spare(6),
    show::Column::cut("ENTRY", 12),
    show::Column::whole("SLOTS").or("1"),
    show::Column::whole("DUE").or(NOTHING).spare(5),
    show::Column::cut("QUEUE", 6).or(NOTHING).spare(1),
    show::Column::cut("TASK ID", 9).or(NOTHING).spare(4),
    show::Column::whole("TERM").or(NOTHING).spare(7),
    show::Column::cut("BY", 8).or(NOTHING).spare(3),
    show::Column::cut("NOTE", 12).or(NOTHING).spare(2),
];
const SLOT: usize = 0;
const ENTRY: usize = 4;
const NOTHING: &str = "-";

/// Prints a table; on a terminal, without the name of the entry that was asked for, and with slots to the
/// second.
fn print(events: &[PastSlot], of_one_entry: bool) -> Result<(), Failure> {
    let mut rows: Vec<Vec<String>> = events.iter().map(row).collect();
    let mut columns = COLUMNS.to_vec();
    if io::stdout().is_terminal() {
        rows.iter_mut().for_each(|row| row[SLOT] = to_the_second(&row[SLOT]));
        if of_one_entry {
            columns.remove(ENTRY);
            rows.iter_mut().for_each(|row| drop(row.remove(ENTRY)));
        }
    }
    show::table(&columns, &rows)
}

fn row(event: &PastSlot) -> Vec<String> {
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let due = event.due.as_ref().filter(|due| **due != event.slot);
    vec![
        event.slot.clone(),
        outcome(event),
        or_nothing(event.lateness_ms.map(late)),
        beside(&event.slot, &event.recorded),
        event.entry.clone(),
        count(event.count),
        or_nothing(due.map(|due| beside(&event.slot, due))),
        or_nothing(event.queue.clone()),
        or_nothing(event.task_id.map(|id| id.to_string())),
        or_nothing(event.term.map(|term| term.to_string())),
        or_nothing(event.by.clone()),
        or_nothing(event.note.clone()),
    ]
}

/// Whether the slot was sent, and why.
pub(super) fn outcome(event: &PastSlot) -> String {
    match (event.kind.as_deref(), event.reason.as_deref()) {
        (Some("scheduled"), _) => "sent".to_owned(),
        (Some(kind), _) => format!("sent ({kind})"),
        (None, Some(reason)) => format!("skipped ({reason})"),
        (None, None) => event.outcome.clone(),
    }
}

/// A capped count ends in a plus.
pub(super) fn count(slots: u64) -> String {
    if slots >= COUNT_CAP { format!("{COUNT_CAP}+") } else { slots.to_string() }
}

/// A lateness, as precise as people need it.
pub(super) fn late(lateness_ms: i64) -> String {
    let length = Duration::from_millis(lateness_ms.unsigned_abs());
    let words = match length.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{:.1} s", length.as_secs_f64()),
        _ => duration::in_words(length),
    };
    if lateness_ms < 0 { format!("-{words}") } else { words }
}

/// A time without parts of a second, as a manual message has them.
fn to_the_second(time: &str) -> String {
    let (second, rest) = time.split_once('.').unwrap_or((time, ""));
    let offset = rest.find(['Z', '+', '-']).map_or("", |at| &rest[at..]);
    show::short_time(&format!("{second}{offset}"))
}

/// A time that is shown next to another: of the same day, only the time of day.
pub(super) fn beside(first: &str, second: &str) -> String {
    let parts = |time: &'_ str| -> Option<(String, String, String)> {
        let (day, time) = time.split_once('T')?;
        let (clock, offset) = time.split_at(time.find(['+', '-'])?);
        Some((day.to_owned(), clock.to_owned(), offset.to_owned()))
    };
    match (parts(first), parts(second)) {
        (Some((day, _, offset)), Some((same_day, clock, same_offset)))
            if day == same_day && offset == same_offset =>
        {
            clock
        }
        _ => second.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_shown_as_precisely_as_people_need_it() {
        for (ms, words) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (-1_234, "-1.2 s"),
            (10_000, "10 s"),
            (3_723_000, "1 h 2 min"),
            (i64::MIN, "-106751991167 d 7 h"),
        ] {
            assert_eq!(late(ms), words);
        }
    }

    #[test]
    fn a_manual_slot_is_shown_to_the_second() {
        for (time, shown) in [
            ("2027-10-31T02:30:07.123+02:00", "2027-10-31 02:30:07+02:00"),
            ("2027-10-31T02:30:00+02:00", "2027-10-31 02:30+02:00"),
            ("2027-10-31T02:30:07.5Z", "2027-10-31 02:30:07Z"),
        ] {
            assert_eq!(to_the_second(time), shown);
        }
    }

    #[test]
    fn a_time_of_the_same_day_is_shown_without_the_date() {
        let slot = "2027-10-31T02:30:00+02:00";
        for (time, shown) in [
            (slot, "02:30:00"),
            ("2027-10-31T02:30:00.012+02:00", "02:30:00.012"),
            ("2027-11-01T02:30:00+02:00", "2027-11-01T02:30:00+02:00"),
            ("2027-10-31T02:30:00+01:00", "2027-10-31T02:30:00+01:00"),
            ("soon", "soon"),
        ] {
            assert_eq!(beside(slot, time), shown);
        }
        assert_eq!(beside("-009999-01-02T01:59:59+00:00", "x"), "x");
    }
}
