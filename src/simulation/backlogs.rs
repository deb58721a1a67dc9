//! A day's outage with a slow store: slots on time never wait for missed ones.

use std::time::Duration;

use super::{SECOND, World};
use crate::schedule::outcome::Outcome;
use crate::schedule::sample::{DAY, every};
use crate::schedule::{CatchUp, Entry, Kind};

/// The number of entries that each miss a day's slots.
const MINUTELY: u64 = 30;
/// The store carries out one batch at a time, each in this time: everything missed takes a minute.
const EACH_BATCH: Duration = Duration::from_millis(100);
/// The time that all batches in flight take, and some more.
const MAX_LATENESS: Duration = Duration::from_secs(2);

#[test]
fn no_entry_on_time_waits_for_a_backlog() {
    let minutely = (0..MINUTELY).map(|n| {
        let (catch_up, within) = (CatchUp::All, DAY * 2);
        Entry { catch_up, within, ..every(&format!("m{n:02}"), 60) }
    });
    let ticks = ["tick", "tock"].map(|name| Entry { catch_up: CatchUp::None, ..every(name, 1) });
    for seed in 0..3 {
        let mut world = World::with(seed, |_| minutely.clone().chain(ticks.clone()).collect());
        world.due.clear();
        let start = world.start;
        world.run_until(start + SECOND * 300);
        world.stay_away(DAY);
        world.run_until(start + DAY);
        world.each_batch_takes = EACH_BATCH;
        world.run_until(world.store_back_at + SECOND * 300);
        let back_at = world.store_back_at;
        let sent = |event: &&super::ledger::Event, kind| {
            event.line.outcome == Outcome::Dispatched(kind) && event.line.slot > start
        };
        let events = &world.ledger.events;
        let caught_up = events.iter().filter(|event| sent(event, Kind::CatchUp)).count() as u64;
        assert!(caught_up >= MINUTELY * 1_430, "{caught_up}");
        let on_time = events.iter().filter(|event| sent(event, Kind::Scheduled));
        let after = on_time.filter(|event| event.line.slot > back_at + SECOND * 60);
        let latest = after.clone().map(|event| event.at.since(event.line.slot)).max().unwrap();
        assert!(latest <= MAX_LATENESS, "{latest:?}");
        assert!(after.count() > 400);
        let last_caught_up = events.iter().rfind(|event| sent(event, Kind::CatchUp)).unwrap();
        println!("latest {latest:?}, last caught up {:?}", last_caught_up.at.since(back_at));
    }
}
