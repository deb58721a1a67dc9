//! Entries are edited while nobody leads: every slot between two registrations is counted.

use downbeat::store::contract::OTHER_QUEUES;

use super::{EACH, NEVER, QUEUE, STEP, schedule, wait_for_more};
use crate::support::cluster::time_of;
use crate::support::redis::{Options, RedisServer};
use crate::support::replica::{Replica, finish, slots_of};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

/// `x` is edited and `y` removed; `other` stays as it is.
fn before() -> String {
    schedule(&[("x", EACH), ("y", EACH), ("other", EACH)])
}

fn after() -> String {
    schedule(&[("x", NEVER), ("other", EACH)])
}

/// Waits until so many seconds have passed in which slots were due.
fn wait_past(slots: i64) {
    let until = wall_clock().0 + slots * 1_000;
    eventually(SOON, "slots are due", || (wall_clock().0 > until).then_some(()));
}

/// What was due of `x` and `y` since they were last sent, until an instant between the two, is retimed.
#[track_caller]
fn assert_retimed(
    server: &RedisServer,
    replicas: &mut [&mut Replica],
    (edited_at, led_at): (i64, i64),
) {
    // Once the journal is folded, nobody knows any more where a removed entry's slots went.
    let account = finish(server, &[QUEUE, OTHER_QUEUES], replicas);
    account.assert_no_gap("other", STEP);
    let mut all = 0;
    for entry in ["x", "y"] {
        let last = *slots_of(&account.sent, entry).last().unwrap();
        let retimed: u64 = replicas.iter().map(|replica| replica.skipped(entry, "retimed")).sum();
        let due = (edited_at - last) / STEP..=(led_at - last) / STEP + 1;
        assert!(due.contains(&(retimed as i64)), "{entry}: {retimed} of {due:?}");
        all += retimed;
    }
    assert_eq!(account.skipped(), [("retimed", all)].into());
}

#[test]
fn slots_of_an_entry_edited_while_redis_hung_are_counted() {
    needs!(Redis);
    let mut server = RedisServer::start();
    let mut replica = Replica::start(&server.url(), &before());
    replica.downbeat.wait_for_dispatches("x", 0, 2);
    let from = replica.mark();
    server.process().pause();
    replica.downbeat.wait_for_log_from(from, "lost the broker");
    wait_past(1);
    replica.reload(&after());
    let edited_at = wall_clock().0;
    wait_past(1);
    server.process().resume();
    replica.wait_until_it_leads(from);
    let led_at = wall_clock().0;
    wait_for_more(&server, "other");
    assert_retimed(&server, &mut [&mut replica], (edited_at, led_at));
}

#[test]
fn slots_of_an_entry_edited_on_the_standby_first_are_counted_when_the_leader_is_killed() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut old = Replica::start(&server.url(), &before());
    old.downbeat.wait_for_dispatches("x", 0, 2);
    let mut new = Replica::start(&server.url(), &after());
    new.downbeat.wait_for_log("became follower");
    old.downbeat.process().kill();
    let killed_at = wall_clock().0;
    let after = new.wait_until_it_leads(0);
    let led_at = wall_clock().0;
    // On a machine so busy that the old leader got no turn for a lease, the new one led before the kill.
    let killed_at = killed_at.min(time_of(&new.downbeat.log()[after - 1]).0);
    wait_for_more(&server, "other");
    assert_retimed(&server, &mut [&mut old, &mut new], (killed_at, led_at));
}

#[test]
fn slots_of_an_entry_edited_twice_while_redis_was_down_are_counted_once() {
    needs!(Redis);
    let options = Options { appendonly: true, ..Options::default() };
    let mut server = RedisServer::start_with(options);
    let mut replica = Replica::start(&server.url(), &before());
    replica.downbeat.wait_for_dispatches("x", 0, 2);
    let from = replica.mark();
    server.kill();
    replica.downbeat.wait_for_log_from(from, "lost the broker");
    wait_past(1);
    replica.reload(&schedule(&[("x", "every: 300ms"), ("y", "every: 300ms"), ("other", EACH)]));
    wait_past(1);
    replica.reload(&after());
    let edited_at = wall_clock().0;
    server.start_again();
    replica.wait_until_it_leads(from);
    let led_at = wall_clock().0;
    wait_for_more(&server, "other");
    assert_retimed(&server, &mut [&mut replica], (edited_at, led_at));
}

#[test]
fn slots_of_an_entry_disabled_while_the_service_was_stopped_are_counted() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut replica = Replica::start(&server.url(), &before());
    replica.downbeat.wait_for_dispatches("x", 0, 2);
    replica.stop();
    let disabled = format!("{EACH}, enabled: false");
    replica.edit(&schedule(&[("x", NEVER), ("y", &disabled), ("other", EACH)]));
    wait_past(1);
    let edited_at = wall_clock().0;
    replica.start_again();
    replica.wait_until_it_leads(0);
    let led_at = wall_clock().0;
    wait_for_more(&server, "other");
    assert_retimed(&server, &mut [&mut replica], (edited_at, led_at));
}
