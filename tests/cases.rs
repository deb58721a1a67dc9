//! Faults of real setups: what the real binary then sends, logs and counts.
//!
//! Each rule is tested on the real binary with a real Redis, the shortest lease and grace, and entries
//! that are due five times a second.

mod backlogs;
mod counts;
mod gray;
mod holds;
mod idle;
mod jumps;
mod manual;
mod reloads;
mod unanswered;
mod unled;

use downbeat_time::UnixMs;

use crate::support::redis::RedisServer;
use crate::support::replica::slots_of;
use crate::support::sent::Sent;
use crate::support::wait::{SOON, eventually, wall_clock};

/// The queue that entries go to unless told.
const QUEUE: &str = "q";
/// The period of most entries, in milliseconds.
const STEP: i64 = 200;
/// Every slot is wanted.
const EACH: &str = "every: 200ms, catch_up: all";
/// Another timing, none of whose slots comes while a test runs.
const NEVER: &str = "every: 5000d, catch_up: all";

/// A schedule of entries by their names and timings, all of which go to [`QUEUE`].
fn schedule(entries: &[(&str, &str)]) -> String {
    let mut text = format!("defaults: {{queue: {QUEUE}}}\nentries:\n");
    for (entry, timing) in entries {
        text += &format!("  {entry}: {{task: t, {timing}}}\n");
    }
    text
}

/// Waits until a message of the entry is in the queue that is later than now.
fn wait_for_more(server: &RedisServer, entry: &str) -> Vec<Sent> {
    wait_for_slot_after(server, entry, wall_clock().0)
}

/// The same with a slot later than `slot`.
fn wait_for_slot_after(server: &RedisServer, entry: &str, slot: i64) -> Vec<Sent> {
    let is_later = |sent: &[Sent]| slots_of(sent, entry).last().is_some_and(|last| *last > slot);
    eventually(SOON, &format!("a message of {entry} after {}", UnixMs(slot)), || {
        Some(server.queue(QUEUE)).filter(|sent| is_later(sent))
    })
}
