//! A publish hangs while its entry changes: only a record of that very slot means that it was sent.

use super::{EACH, NEVER, QUEUE, STEP, schedule, wait_for_more};
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::replica::{Replica, finish, slots_of};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

/// A leader of the entries `x` and `other` behind a proxy, which has sent some of both.
fn start() -> (RedisServer, Proxy, Replica) {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let replica = Replica::start(&proxy.url(), &schedule(&[("x", EACH), ("other", EACH)]));
    replica.downbeat.wait_for_dispatches("x", 0, 2);
    (server, proxy, replica)
}

/// Cuts the network while a publish of `x` is on its way, edits the schedule, mends the network and lets
/// the replica go on. Gives when it was edited and when the replica led again.
fn edit_while_a_publish_hangs(
    (server, proxy, replica): &(RedisServer, Proxy, Replica),
    schedule: &str,
) -> (i64, i64) {
    let from = replica.mark();
    proxy.lose_everything();
    eventually(SOON, "a publish is lost", || (proxy.lost("\"x\"") > 0).then_some(()));
    replica.reload(schedule);
    let edited_at = wall_clock().0;
    proxy.mend();
    replica.wait_until_it_leads(from);
    let led_at = wall_clock().0;
    wait_for_more(server, "other");
    (edited_at, led_at)
}

/// As in the fault that gave rise to the rule: what was due and not sent is `retimed`, all of it.
#[track_caller]
fn assert_the_end_is_counted(edited: &str) {
    let mut rig = start();
    let (edited_at, led_at) = edit_while_a_publish_hangs(&rig, edited);
    let (server, _proxy, replica) = &mut rig;
    let account = finish(server, &[QUEUE], &mut [replica]);
    account.assert_all_logged();
    account.assert_no_gap("other", STEP);
    let last = *slots_of(&account.sent, "x").last().unwrap();
    let retimed = replica.skipped("x", "retimed");
    let due = (edited_at - last) / STEP..=(led_at - last) / STEP + 1;
    assert!(due.contains(&(retimed as i64)), "{retimed} of {due:?}");
    assert_eq!(account.skipped(), [("retimed", retimed)].into());
}

#[test]
fn a_slot_that_never_reached_redis_is_not_dispatched_because_its_entry_was_retimed() {
    needs!(Redis);
    assert_the_end_is_counted(&schedule(&[("x", NEVER), ("other", EACH)]));
}

#[test]
fn a_slot_that_never_reached_redis_is_not_dispatched_because_its_entry_was_removed() {
    needs!(Redis);
    assert_the_end_is_counted(&schedule(&[("other", EACH)]));
}

#[test]
fn a_slot_whose_queue_was_changed_while_its_publish_hung_goes_to_the_new_queue_once() {
    needs!(Redis);
    let mut rig = start();
    let elsewhere = format!("{EACH}, queue: elsewhere");
    edit_while_a_publish_hangs(&rig, &schedule(&[("x", &elsewhere), ("other", EACH)]));
    rig.0.wait_for_queue("elsewhere", 3);
    let (server, _proxy, replica) = &mut rig;
    let account = finish(server, &[QUEUE, "elsewhere"], &mut [replica]);
    account.assert_all_logged();
    account.assert_no_gap("x", STEP);
    account.assert_no_gap("other", STEP);
    assert_eq!(replica.skips(), []);
}

#[test]
fn a_slot_that_reached_redis_is_dispatched_although_the_reply_was_lost_and_its_entry_retimed() {
    needs!(Redis);
    let (server, proxy, mut replica) = start();
    let (from, before) = (replica.mark(), slots_of(&server.queue(QUEUE), "x").len());
    proxy.lose_answers();
    eventually(SOON, "a batch is carried out", || {
        (slots_of(&server.queue(QUEUE), "x").len() > before).then_some(())
    });
    replica.reload(&schedule(&[("x", NEVER), ("other", EACH)]));
    proxy.mend();
    replica.wait_until_it_leads(from);
    wait_for_more(&server, "other");
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    account.assert_all_logged();
    account.assert_no_gap("other", STEP);
    let log = replica.downbeat.log();
    let recovered = log.iter().filter(|line| line.contains("recovered=true"));
    assert!(recovered.filter(|line| line.contains("entry=\"x\"")).count() > 0, "{log:#?}");
}
