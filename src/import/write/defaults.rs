//! What most jobs share.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::import::Job;

/// Keys that `defaults` may hold and that jobs tend to share.
const SHARED: [&str; 6] = ["queue", "priority", "expires", "within", "exchange", "routing_key"];
/// A default pays from this many entries on that then need not say it.
const WORTH: usize = 3;
/// The queue of an entry that names none.
const DEFAULT_QUEUE: &str = "celery";

/// What need not be said by each entry.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// The zone of the file.
    pub(super) timezone: Option<String>,
    pub(super) defaults: Map<String, Value>,
}

impl Common {
    pub(super) fn of<'j>(zone: Option<&str>, jobs: impl Iterator<Item = &'j Job>) -> Common {
        let jobs: Vec<&Job> = jobs.collect();
        let is_said_by_all = jobs.iter().all(|job| job.keys.contains_key("timezone"));
        let of_jobs = || most_common("timezone", &jobs)?.0.as_str().map(str::to_owned);
        let timezone = if is_said_by_all { of_jobs() } else { zone.map(str::to_owned) };
        let mut defaults = Map::new();
        for key in SHARED {
            // An entry that does not say it would take the default, too.
            if jobs.iter().all(|job| job.keys.contains_key(key))
                && let Some((value, count)) = most_common(key, &jobs)
                && count >= WORTH
                && 2 * count >= jobs.len()
                && value != DEFAULT_QUEUE
            {
                defaults.insert(key.to_owned(), value.clone());
            }
        }
        Common { timezone, defaults }
    }

    /// The keys that an entry has to say itself.
    pub(super) fn own_keys(&self, job: &Job) -> Map<String, Value> {
        let zone = self.timezone.as_deref().unwrap_or("UTC");
        let is_implied = |key: &str, value: &Value| match (key, self.defaults.get(key)) {
            ("timezone", _) => value == zone,
            (_, Some(default)) => value == default,
            ("queue", None) => value == DEFAULT_QUEUE,
            (_, None) => false,
        };
        let own = job.keys.iter().filter(|(key, value)| !is_implied(key, value));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// The value that most jobs have, the first of several, and how many have it.
fn most_common<'j>(key: &str, jobs: &[&'j Job]) -> Option<(&'j Value, usize)> {
    let mut counts: HashMap<String, (usize, &Value, usize)> = HashMap::new();
    for (place, value) in jobs.iter().filter_map(|job| job.keys.get(key)).enumerate() {
        counts.entry(value.to_string()).or_insert((place, value, 0)).2 += 1;
    }
    let best = counts.into_values().max_by_key(|(place, _, count)| (*count, usize::MAX - place))?;
    Some((best.1, best.2))
}
