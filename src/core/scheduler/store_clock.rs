//! The store's clock: what is planned by it, and what is repaired once it has gone back.

use std::time::Duration;

use downbeat_time::UnixMs;

use super::{Scheduler, Stage};
use crate::core::log::Log;
use crate::core::{Now, Request, RequestId};
use crate::leader::lease::Reading as ClockReading;
use crate::schedule::planner::Repair;
use crate::store::contract::{History, HistoryQuery};

/// The maximum number of slots settled ahead of the clock that are looked up after it went back.
const MAX_AHEAD: usize = 50_000;
/// The maximum time to plan ahead of the store's clock; the store refuses slots more than 1 s ahead.
const MAX_AHEAD_OF_STORE: Duration = Duration::from_millis(900);

impl Scheduler {
    /// Notes the store's clock. A store that only one process uses has no clock but ours.
    pub(super) fn read_store_clock(&mut self, shown: UnixMs, now: Now) {
        if self.settings.capabilities.shared {
            self.store_clock = Some(ClockReading { shown, at: now.since_boot });
        }
    }

    /// The instant to plan for: the machine's clock, but never far ahead of the store's.
    #[must_use]
    pub fn planning_time(&self, now: Now) -> UnixMs {
        match self.store_clock {
            Some(reading) => now.wall.min(reading.now(now.since_boot) + MAX_AHEAD_OF_STORE),
            None => now.wall,
        }
    }

    /// What the machine's clock shows when planning time is `instant`.
    pub(in crate::core) fn on_wall_clock(&self, instant: UnixMs, now: Now) -> UnixMs {
        instant + now.wall.since(self.planning_time(now))
    }

    /// The store's clock, or ours until that has been read.
    #[must_use]
    pub fn store_now(&self, now: Now) -> UnixMs {
        self.store_clock.map_or(now.wall, |clock| clock.now(now.since_boot))
    }

    /// Checks whether the store's clock has gone back against a monotonic one. If so, records made ahead of it
    /// are repaired: they would silence their entries.
    pub(in crate::core) fn look_at_clock(&mut self, now: Now) {
        let (shown, at) = (self.store_now(now), now.since_boot);
        let before = self.clock_seen.replace(ClockReading { shown, at });
        let back = before.map_or(Duration::ZERO, |before| before.now(at).since(shown));
        if back > self.settings.grace {
            self.log(Log::ClockWentBack(back));
            self.went_back = true;
        }
    }

    pub(super) fn begin_repairing(&mut self, now: Now) {
        self.went_back = false;
        let shown = self.store_now(now);
        let history = self.ask_history(shown - self.settings.grace);
        self.stage = Stage::Repairing { history, shown };
    }

    pub(super) fn repair_ahead(&mut self, shown: UnixMs, history: &History) {
        self.stage = Stage::Leading;
        let Some(planner) = &mut self.planner else { return };
        let lines: Vec<_> = history.events.iter().map(|event| event.line.clone()).collect();
        let Repair { changes, repaired } = planner.repair(shown, &lines);
        if changes.is_empty() {
            return;
        }
        self.note_repaired(repaired);
        self.begin_repair(changes);
    }

    /// Asks what was recorded of slots from `from` on; if there are very many, of the newest.
    pub(in crate::core) fn ask_history(&mut self, from: UnixMs) -> RequestId {
        let from = Some(from);
        let query = HistoryQuery { from, limit: MAX_AHEAD, ..HistoryQuery::default() };
        self.ask(Request::History(query))
    }
}
