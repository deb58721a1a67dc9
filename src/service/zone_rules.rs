//! A reload that finds new zone rules: what they change.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use downbeat_time::UnixMs;
use tracing::info;

use crate::schedule::{Entry, Schedule};

/// The maximum number of zones or entries that a line names.
const MAX_NAMED: usize = 10;

/// New zone rules, and what they change in a schedule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ZoneRulesChange {
    /// The rules, as `status` names them.
    tzdata: String,
    was: String,
    /// Zones with entries whose clocks will show something else, and from when on.
    zones: Vec<String>,
    /// The entries whose next slots moved, and these slots.
    moved: Vec<String>,
}

impl ZoneRulesChange {
    /// Compares the rules of two schedules from `now` on; `None` if they are the same.
    pub(super) fn between(
        (was, old): (&str, &Schedule),
        (tzdata, new): (&str, &Schedule),
        now: UnixMs,
    ) -> Option<ZoneRulesChange> {
        let mut zones: HashMap<&str, Option<UnixMs>> = HashMap::new();
        let mut moved = Vec::new();
        for new in &new.entries {
            let is_other = |old: &&Entry| {
                old.zone.name() == new.zone.name() && !Arc::ptr_eq(&old.zone, &new.zone)
            };
            let Some(old) = old.get(&new.name).filter(is_other) else { continue };
            let from = zones.entry(new.zone.name());
            let from = from.or_insert_with(|| new.zone.differs_from(&old.zone, now));
            if from.is_some() && new.enabled {
                moved.extend(moved_slot(old, new, now));
            }
        }
        let from =
            zones.iter().filter_map(|(name, from)| Some(format!("{name} from {}", (*from)?)));
        let mut zones: Vec<String> = from.collect();
        zones.sort_unstable();
        let (was, tzdata) = (was.to_owned(), tzdata.to_owned());
        let is_change = was != tzdata || !zones.is_empty();
        is_change.then_some(ZoneRulesChange { tzdata, was, zones, moved })
    }

    /// The rules, as `status` names them.
    pub(super) fn tzdata(&self) -> &str {
        &self.tzdata
    }

    pub(super) fn log(&self) {
        info!(
            tzdata = %self.tzdata,
            was = %self.was,
            zones = first_few(&self.zones),
            moved = self.moved.len(),
            slots = first_few(&self.moved),
            "zone rules changed"
        );
    }
}

/// Whether the entry has the same zone with other rules.
pub(super) fn has_new_rules(old: &Entry, new: &Entry) -> bool {
    old.zone.name() == new.zone.name() && !Arc::ptr_eq(&old.zone, &new.zone) && old.zone != new.zone
}

/// `nine 2026-12-01T14:00:00Z → 2026-12-01T13:00:00Z`
fn moved_slot(old: &Entry, new: &Entry, now: UnixMs) -> Option<String> {
    let slots = [old, new].map(|entry| entry.next_slot(now));
    let [was, is] = slots.map(|slot| slot.map_or("never".to_owned(), |slot| slot.to_string()));
    (was != is).then(|| format!("{} {was} → {is}", new.name))
}

/// The first few, and the number of the others; `None` if there are none.
pub(super) fn first_few<S: Borrow<str>>(names: &[S]) -> Option<String> {
    let shown = names[..names.len().min(MAX_NAMED)].join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 if names.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

impl fmt::Display for ZoneRulesChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone rules are now {}", self.tzdata)?;
        match (first_few(&self.zones), first_few(&self.moved)) {
            (None, _) => f.write_str(", which changes no entry"),
            (Some(zones), None) => write!(f, ", which changes {zones}, but no next slot"),
            (Some(zones), Some(moved)) => {
                write!(f, ", which changes {zones}; next slots moved: {moved}")
            }
        }
    }
}
