//! Replicas agree on what is sent and when, though each reads its own copy of the files.

use std::iter::successors;

use downbeat_time::arbitrary;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::schedule::{Schedule, TaskIds};

/// The keys that determine when an entry fires.
fn when() -> impl Strategy<Value = Value> {
    const FIELDS: [&str; 5] = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"];
    let named = |fields: [Option<String>; 5]| -> Value {
        let written = FIELDS.into_iter().zip(fields);
        written.filter_map(|(name, field)| Some((name.to_owned(), json!(field?)))).collect()
    };
    let mapping =
        arbitrary::mapping().prop_filter("a field at least", |f| f.iter().any(Option::is_some));
    let at = |instants: Vec<UnixMs>| instants.iter().map(ToString::to_string).collect::<Value>();
    let places = (-90.0..90.0, -180.0..180.0);
    prop_oneof![
        2 => arbitrary::cron_line().prop_map(|line| json!({"cron": line})),
        1 => mapping.prop_map(move |fields| json!({"cron": named(fields)})),
        1 => arbitrary::quartz_line().prop_map(|line| json!({"cron": {"quartz": line}})),
        1 => (1000..9_000_000, 0..1000)
            .prop_map(|(every, phase)| json!({"every": format!("{every}ms"), "phase": format!("{phase}ms")})),
        1 => prop::collection::vec(arbitrary::instant(), 1..9).prop_map(move |all| json!({"at": at(all)})),
        1 => arbitrary::rrule_text().prop_map(|rrule| json!({"rrule": rrule})),
        1 => places.prop_map(|(latitude, longitude)| {
            json!({"solar": {"event": "sunset", "latitude": latitude, "longitude": longitude}})
        }),
    ]
}

/// An entry with some of the keys that move slots or messages.
fn entry() -> impl Strategy<Value = Value> {
    let extras = prop::sample::subsequence(
        vec![
            ("jitter", json!("10m")),
            ("tags", json!(["spread-out"])),
            ("except", json!(["sat-sun", "closed"])),
            ("timezone", json!("America/New_York")),
            ("start", json!("2026-02-01 00:00")),
        ],
        0..5,
    );
    (when(), extras).prop_map(|(mut entry, extras)| {
        entry["task"] = json!("t");
        extras.into_iter().for_each(|(key, value)| entry[key] = value);
        entry
    })
}

/// A file with some of the entries; one file of a schedule has what all of them share.
fn file<'a>(entries: impl IntoIterator<Item = &'a (String, Value)>, shared: bool) -> String {
    let entries: Map<String, Value> = entries.into_iter().cloned().collect();
    let mut file = json!({"timezone": "Europe/Berlin", "entries": entries});
    if shared {
        file["calendars"] = json!({"closed": ["12-25", "2026-03-01..2026-03-09"]});
        file["spread"] = json!({"spread-out": "30m"});
    }
    file.to_string()
}

fn load_files(files: [String; 2]) -> Option<Schedule> {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in ["a.json", "b.yaml"].into_iter().zip(files) {
        fs::write(folder.path().join(name), file).unwrap();
    }
    load(&[folder.path().to_owned()], &Queues::default(), &Tzdata::bundled()).schedule
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn replicas_agree_on_every_instant_and_task_id_however_their_files_are_laid_out(
        entries in prop::collection::vec(entry(), 2..8), from in arbitrary::instant(), cut in 0.0..1.0,
    ) {
        let named = (0..).zip(entries).map(|(n, entry): (u32, Value)| (format!("entry-{n}"), entry));
        // Some never have a slot, and would be refused.
        let loads = |entry: &(String, Value)| load_files([file([entry], true), file([], false)]).is_some();
        let entries: Vec<_> = named.filter(loads).collect();
        let (first, rest) = entries.split_at((entries.len() as f64 * cut) as usize);
        let one = load_files([file(first, true), file(rest, false)]).unwrap();
        let other = [file(rest.iter().rev(), false), file(first.iter().rev(), true)];
        let other = load_files(other).unwrap();
        prop_assert_eq!(one.entries.len(), entries.len());
        let seen = |entry: &Entry| {
            let slots = successors(entry.next_slot(from), |slot| entry.next_slot(*slot)).take(20);
            let id = |slot| TaskIds::new("shop").id(&entry.name, slot);
            slots.map(|slot| (slot, entry.due(slot), id(slot))).collect::<Vec<_>>()
        };
        for (one, other) in one.entries.iter().zip(&other.entries) {
            prop_assert_eq!(seen(one), seen(other), "{}", one.name);
            prop_assert_eq!(one, other);
        }
    }
}
