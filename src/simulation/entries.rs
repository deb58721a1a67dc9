//! The entries that a simulation schedules.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Bounds, Timing, UnixMs};

use crate::address::Address;
use crate::schedule::delay::Delay;
use crate::schedule::sample::{HOUR, cron, entry, every, schedule, zone};
use crate::schedule::{CatchUp, Entry, Guards, Schedule};
use crate::worker::{AmqpQueue, Queue};

/// The entries that are edited.
pub(super) const EDITED: [&str; 3] = ["edited all", "edited latest", "edited none"];
/// Their periods in the files, in seconds; 0: not in the files.
pub(super) const PERIODS: [u64; 4] = [3600, 2520, 4800, 0];
const CATCH_UPS: [CatchUp; 3] = [CatchUp::All, CatchUp::Latest, CatchUp::None];

/// The schedule with these periods.
pub(super) fn files(fixed: &[Entry], periods: [u64; 3]) -> Arc<Schedule> {
    let edited = periods.into_iter().zip(EDITED).zip(CATCH_UPS);
    let edited = edited.filter(|((period, _), _)| *period > 0).map(|((period, name), catch_up)| {
        let mut entry = Entry { catch_up, ..every(name, period) };
        // So that slots are open when the entries are edited.
        if catch_up == CatchUp::All {
            entry.message.queue = Queue::unconfigured("fragile");
        }
        entry
    });
    schedule(fixed.iter().cloned().chain(edited))
}

/// The entries that are never edited.
pub(super) fn fixed(start: UnixMs) -> Vec<Entry> {
    let new_york = Arc::new(zone("America/New_York"));
    let in_new_york = |line: &str, catch_up| {
        let zone = Arc::clone(&new_york);
        Entry { zone, catch_up, ..cron(line, line) }
    };
    let [all, latest, none] = CATCH_UPS;
    let mut entries = vec![
        in_new_york("30 2 * * *", all),
        in_new_york("*/20 1-3 * * *", latest),
        in_new_york("15 * * * 1-5", none),
        Entry { catch_up: all, ..cron("*/30 * * * *", "*/30 * * * *") },
        Entry { catch_up: all, ..entry("once", Timing::At((start + HOUR * 12).into())) },
        bounded(start),
        in_queue("fragile", all, 2520, Guards::default()),
        in_queue("celery", latest, 3600, Guards::default()),
        in_queue("celery", none, 7200, Guards::default()),
        carried(all, 1800),
        carried(latest, 2520),
    ];
    let number = NonZeroU32::new;
    let (limit, max_queued) = (number(10), number(4));
    // One of three slots is sent.
    let overlap = number(160 * 60_000);
    let none = Guards::default();
    entries.extend((0..90u64).map(|n| {
        let catch_up = CATCH_UPS[usize::try_from(n % 3).unwrap()];
        Entry { catch_up, ..every(&format!("seldom {n:02}"), 3600 * (3 + n % 7)) }
    }));
    entries.extend([
        in_queue("celery", all, 3600, Guards { limit, ..none }),
        in_queue("celery", latest, 3600, Guards { limit, ..none }),
        in_queue("small", all, 3600, Guards { max_queued, ..none }),
        in_queue("fragile", all, 3600, Guards { overlap, ..none }),
    ]);
    entries
}

fn in_queue(queue: &str, catch_up: CatchUp, period: u64, guards: Guards) -> Entry {
    let name = format!("{queue} {catch_up:?} {period} {guards:?}");
    let mut entry = Entry { catch_up, guards, ..every(&name, period) };
    entry.message.queue = Queue::unconfigured(queue);
    entry
}

/// An entry of a queue on a carrier.
fn carried(catch_up: CatchUp, period: u64) -> Entry {
    let Ok(Address::Amqp(url)) = Address::parse("amqp://rabbit") else { panic!("no address") };
    let mut entry = in_queue("carried", catch_up, period, Guards::default());
    let amqp = Some(AmqpQueue::on(Arc::new(url)));
    entry.message.queue = Arc::new(Queue { amqp, ..Queue::clone(&entry.message.queue) });
    entry
}

/// An entry whose messages are up to ten minutes late, and which skips some days.
fn bounded(start: UnixMs) -> Entry {
    let (first, end) = (Some(start + HOUR * 4), Some(start + HOUR * 18));
    let bounds = Bounds { start: first, end, ..Bounds::default() };
    let delay = Delay::jitter(Duration::from_secs(600));
    let (bounds, delay) = (Some(Box::new(bounds)), Some(Box::new(delay)));
    Entry { bounds, delay, catch_up: CatchUp::All, ..every("bounded", 1800) }
}
