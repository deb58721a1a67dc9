//! The result for people and for programs.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use crate::commands::{Failure, history, show};
use crate::compare::{Counts, Instant, SAME_WITHIN, Span, Verdict};
use crate::schedule::Schedule;

/// What was found.
pub(super) struct Report {
    pub(super) namespace: String,
    pub(super) span: Span,
    pub(super) instants: Vec<Instant>,
    /// What limits the comparison.
    pub(super) notes: Vec<String>,
}

const NOTHING: &str = "-";
const NONE: &str = "0";

/// The columns of instants that are not the same.
const DIFFERENCES: [show::Column; 5] = [
    show::Column::whole("FOUND"),
    show::Column::cut("ENTRY", 12).or(NOTHING),
    show::Column::whole("HERE").or(NOTHING),
    show::Column::whole("THERE").or(NOTHING),
    show::Column::cut("TASK", 12).spare(1),
];

/// The columns of entries.
const SUMMARY: [show::Column; 9] = [
    show::Column::cut("ENTRY", 12).or(NOTHING),
    show::Column::whole("SAME"),
    show::Column::whole("EARLY").or(NONE),
    show::Column::whole("LATE").or(NONE),
    show::Column::whole("ONLY THERE").or(NONE),
    show::Column::whole("ONLY HERE").or(NONE),
    show::Column::whole("NO TIME").or(NONE),
    show::Column::whole("NOT JUDGED").or(NONE),
    show::Column::cut("TASK", 12).spare(1),
];

impl Report {
    pub(super) fn counts(&self) -> Counts {
        Counts::of(&self.instants)
    }

    /// Prints each instant that is not the same, and a table of all entries.
    pub(super) fn print(&self, schedule: &Schedule) -> Result<(), Failure> {
        self.notes.iter().for_each(|note| show::complain(&format!("downbeat: {note}")));
        let differences = self.instants.iter().filter_map(|instant| difference(instant, schedule));
        show::table(&DIFFERENCES, &differences.collect::<Vec<_>>())?;
        let rows: Vec<_> = Counts::by_entry(&self.instants).into_iter().map(summary).collect();
        show::table(&SUMMARY, &rows)?;
        let (from, to) = (self.span.judged.start, self.span.judged.end);
        show::complain(&format!("downbeat: {from} to {to}: {}", in_words(&self.counts())));
        Ok(())
    }

    pub(super) fn print_json(&self, schedule: &Schedule) -> Result<(), Failure> {
        let ms =
            |length: std::time::Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let entries =
            Counts::by_entry(&self.instants).into_iter().map(|((entry, task), counts)| {
                let mut members = Map::from_iter([("entry".to_owned(), json!(entry))]);
                members.insert("task".to_owned(), json!(task));
                members.extend(counted(&counts));
                Value::Object(members)
            });
        let instants = self.instants.iter().map(|instant| {
            let Instant { entry, task, there, here, verdict } = instant;
            let zone = zone(instant, schedule);
            let local = |at: &Option<UnixMs>| at.map(|at| zone.to_rfc3339(at));
            json!({
                "entry": entry, "task": task, "verdict": verdict.as_str(),
                "here": local(here), "here_utc": here, "there": local(there), "there_utc": there,
                "difference_ms": instant.difference_ms(),
            })
        });
        show::json(&json!({
            "namespace": self.namespace,
            "from_utc": self.span.judged.start,
            "to_utc": self.span.judged.end,
            "tolerance_ms": ms(self.span.tolerance),
            "same_within_ms": ms(SAME_WITHIN.min(self.span.tolerance)),
            "counts": counted(&self.counts()),
            "entries": entries.collect::<Vec<_>>(),
            "instants": instants.collect::<Vec<_>>(),
            "notes": self.notes,
        }))
    }
}

/// The zone of an entry, or UTC if it is not known here.
fn zone(instant: &Instant, schedule: &Schedule) -> Zone {
    let entry = instant.entry.as_deref().and_then(|name| schedule.get(name));
    entry.map_or_else(Zone::utc, |entry| Zone::clone(&entry.zone))
}

/// The row of an instant, unless both sides agree or it is not judged.
fn difference(instant: &Instant, schedule: &Schedule) -> Option<Vec<String>> {
    let by = || history::late(instant.difference_ms().unwrap_or_default().saturating_abs());
    let found = match instant.verdict {
        Verdict::Early => format!("early there by {}", by()),
        Verdict::Late => format!("late there by {}", by()),
        Verdict::OnlyThere => "only there".to_owned(),
        Verdict::OnlyHere => "only here".to_owned(),
        Verdict::Same | Verdict::NoTime | Verdict::NotJudged => return None,
    };
    let zone = zone(instant, schedule);
    let time = |at: Option<UnixMs>| at.map_or_else(|| NOTHING.to_owned(), |at| zone.to_rfc3339(at));
    let entry = instant.entry.clone().unwrap_or_else(|| NOTHING.to_owned());
    let (here, there) = (time(instant.here), time(instant.there));
    Some(vec![found, entry, here, there, instant.task.clone()])
}

fn summary(((entry, task), counts): ((Option<&str>, &str), Counts)) -> Vec<String> {
    let mut row = vec![entry.unwrap_or(NOTHING).to_owned()];
    row.extend(Verdict::ALL.map(|verdict| counts.get(verdict).to_string()));
    row.push(task.to_owned());
    row
}

/// The counts by the words for programs.
fn counted(counts: &Counts) -> Map<String, Value> {
    let number = |verdict: Verdict| (verdict.as_str().to_owned(), json!(counts.get(verdict)));
    Verdict::ALL.map(number).into_iter().collect()
}

/// `12 same, 1 only there, 2 not judged`.
fn in_words(counts: &Counts) -> String {
    let some = Verdict::ALL.into_iter().filter(|verdict| counts.get(*verdict) > 0);
    let number = |verdict: Verdict| {
        format!("{} {}", counts.get(verdict), verdict.as_str().replace('_', " "))
    };
    let words: Vec<_> = some.map(number).collect();
    if words.is_empty() {
        "nothing was sent on either side, so nothing is compared".to_owned()
    } else {
        words.join(", ")
    }
}
