//! A queue that refuses is held back for a moment, whatever the clocks show.

use std::time::Duration;

use redis::Commands as _;
use tokio::time::Instant;

use super::{EACH, STEP, schedule};
use crate::support::redis::{Options, RedisServer};
use crate::support::replica::{Replica, finish};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// The longest pause of a queue that has refused for two seconds, and what a busy machine adds.
const HELD: Duration = Duration::from_secs(10);

/// Redis' clock is so far ahead of the machine's. The queues refuse, one after another, for as long as
/// it takes to be noticed twice, and must then be used again.
fn assert_taken_up_again(ahead_ms: i64, queues: &[&str]) {
    let server = RedisServer::start_with(Options { settable_clock: true, ..Options::default() });
    // Entries live by Redis' clock: one that is ahead is set once they do.
    server.set_clock(ahead_ms.min(0));
    let timing = |queue: &&str| format!("{EACH}, queue: {queue}");
    let timings: Vec<_> = queues.iter().map(timing).collect();
    let mut entries = vec![("other", EACH)];
    entries.extend(queues.iter().zip(&timings).map(|(queue, timing)| (*queue, timing.as_str())));
    let mut replica = Replica::start(&server.url(), &schedule(&entries));
    replica.downbeat.wait_for_dispatches("other", 0, 2);
    server.set_clock(ahead_ms);
    let mut redis = server.connect();
    for queue in queues {
        let from = replica.mark();
        let () = redis.rename(queue, format!("{queue}.kept")).unwrap();
        let () = redis.set(queue, "not a list").unwrap();
        replica.downbeat.wait_for_log_from(from, "queue refused messages");
    }
    let latest = replica.dispatched().into_iter().map(|(_, slot)| slot).max().unwrap();
    replica.downbeat.wait_for_dispatches("other", latest + 1, 2);
    for queue in queues {
        let () = redis.rename(format!("{queue}.kept"), queue).unwrap();
    }
    let mended = Instant::now();
    eventually(SOON, "all queues are used again", || {
        (replica.logged("queue accepted messages again") == queues.len()).then_some(())
    });
    assert!(mended.elapsed() < HELD, "held for {:?}", mended.elapsed());
    let all: Vec<_> = queues.iter().copied().chain(["q"]).collect();
    let account = finish(&server, &all, &mut [&mut replica]);
    account.assert_all_logged();
    account.assert_no_gap("other", STEP);
    queues.iter().for_each(|queue| account.assert_no_gap(queue, STEP));
    assert_eq!(replica.skips(), []);
}

#[test]
fn a_refused_queue_is_tried_again_soon_although_redis_is_a_minute_behind() {
    needs!(Redis);
    assert_taken_up_again(-60_000, &["mail"]);
}

#[test]
fn a_refused_queue_is_tried_again_soon_although_redis_is_a_minute_ahead() {
    needs!(Redis);
    assert_taken_up_again(60_000, &["mail"]);
}

#[test]
fn each_of_several_refused_queues_is_tried_again_soon_although_redis_is_an_hour_behind() {
    needs!(Redis);
    assert_taken_up_again(-3_600_000, &["mail", "images", "reports"]);
}
