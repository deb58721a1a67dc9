//! Templates of slots that were not sent in time.

use redis::Commands as _;
use serde_json::json;

use crate::support::downbeat::Place;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, wall_clock};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_missed_slot_that_is_caught_up_is_filled_in_from_its_own_time() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    // Half an hour late, so far from any grace; the next one is as far.
    let missed = wall_clock().0 - HOUR_MS / 2;
    let schedule = format!(
        "entries:\n  hourly:\n    task: t\n    every: 1h\n    phase: {}ms\n    \
         args: ['{{{{ slot | unix }}}}', '{{{{ previous_slot | unix }}}}']\n",
        missed.rem_euclid(HOUR_MS)
    );
    place.write_schedule("all.yaml", &schedule);
    let run = || {
        let downbeat = place.start(&["run", "--namespace", "shop", "--leader-ttl", "1s"]);
        downbeat.wait_for_log("became leader");
        downbeat
    };
    let mut first = run();
    first.process().terminate();
    assert_eq!(first.wait(SOON).code(), Some(0));
    // It is made to believe that the entry has been live for hours.
    let mut connection = server.connect();
    let known: String = connection.hget("shop:registrations", "hourly").unwrap();
    let (_, timing) = known.split_once('\t').unwrap();
    let known = format!("{}\t{timing}", missed - 3 * HOUR_MS);
    connection.hset::<_, _, _, ()>("shop:registrations", "hourly", known).unwrap();

    run().wait_for_log("kind=\"catch_up\"");
    let [sent] = &server.queue("celery")[..] else { panic!("not one message") };
    assert_eq!((sent.kind.as_str(), sent.slot_ms()), ("catch_up", missed));
    let seconds = missed.div_euclid(1000);
    assert_eq!(sent.args, json!([seconds, seconds - 3600]));
}
