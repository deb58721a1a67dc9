//! A day's outage with a slow store: slots on time never wait for missed ones.

use std::time::Duration;

use super::{SECOND, World};
use crate::schedule::outcome::Outcome;
use crate::schedule::sample::{DAY, every};
use crate::schedule::{CatchUp, Entry, Kind};

/// The number of entries that each miss a day's slots.
const MINUTELY: u64 = 100;
/// The entries that are never caught up.
const TICKS: [&str; 2] = ["tick", "tock"];
/// How long the store takes for a batch, one at a time: it needs about seven minutes for everything missed.
const EACH_BATCH: Duration = Duration::from_millis(200);
/// The time that all batches in flight take, and some more.
const MAX_LATENESS: Duration = Duration::from_secs(4);
/// By then the ticks have sent all slots that were still within their grace, the oldest first.
const UP_TO_DATE_AFTER: Duration = Duration::from_secs(100);

#[test]
fn no_entry_on_time_waits_for_a_backlog() {
    let minutely = (0..MINUTELY).map(|n| {
        let (catch_up, within) = (CatchUp::All, DAY * 2);
        Entry { catch_up, within, ..every(&format!("m{n:02}"), 60) }
    });
    let ticks = TICKS.map(|name| Entry { catch_up: CatchUp::None, ..every(name, 1) });
    for seed in 0..3 {
        let mut world = World::with(seed, |_| minutely.clone().chain(ticks.clone()).collect());
        world.due.clear();
        let start = world.start;
        world.run_until(start + SECOND * 300);
        world.stay_away(DAY);
        world.run_until(start + DAY);
        world.each_batch_takes = EACH_BATCH;
        world.run_until(world.store_back_at + SECOND * 600);
        let back_at = world.store_back_at;
        let sent = |event: &&super::ledger::Event, kind| {
            event.line.outcome == Outcome::Dispatched(kind) && event.line.slot > start
        };
        let events = &world.ledger.events;
        let caught_up = events.iter().filter(|event| sent(event, Kind::CatchUp)).count() as u64;
        assert!(caught_up >= MINUTELY * 1_430, "{caught_up}");
        // Within an entry the oldest slot goes first, so one with a backlog is late.
        let is_tick = |event: &&super::ledger::Event| TICKS.contains(&&*event.line.entry);
        let on_time = events.iter().filter(is_tick).filter(|event| sent(event, Kind::Scheduled));
        let after = on_time.filter(|event| event.line.slot > back_at + UP_TO_DATE_AFTER);
        let latest = after.clone().map(|event| event.at.since(event.line.slot)).max().unwrap();
        assert!(latest <= MAX_LATENESS, "{latest:?}");
        assert!(after.count() > 300);
        let last_caught_up = events.iter().rfind(|event| sent(event, Kind::CatchUp)).unwrap();
        let caught_up_after = last_caught_up.at.since(back_at);
        println!("latest {latest:?}, last caught up {caught_up_after:?}");
        assert!(caught_up_after > UP_TO_DATE_AFTER * 2, "{caught_up_after:?}");
    }
}
