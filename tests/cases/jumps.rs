//! Redis' clock is set while entries are sent: what was recorded while it was ahead concerns no slot that
//! was not sent, and nothing is sent twice.

use std::collections::BTreeSet;

use redis::Commands as _;

use super::{EACH, QUEUE, STEP, schedule, wait_for_more, wait_for_slot_after};
use crate::support::proxy::Proxy;
use crate::support::redis::{Options, RedisServer};
use crate::support::replica::{Replica, finish, slots_of};
use crate::support::sent::instant;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

const HOUR: i64 = 3_600_000;

fn server() -> RedisServer {
    RedisServer::start_with(Options { settable_clock: true, ..Options::default() })
}

/// Waits until so much of our own time has passed.
fn pass(ms: i64) {
    let until = wall_clock().0 + ms;
    eventually(SOON, "time passes", || (wall_clock().0 > until).then_some(()));
}

fn entries() -> Vec<(&'static str, &'static str)> {
    vec![("x", EACH), ("limited", "every: 200ms, catch_up: all, limit: 1000")]
}

/// The leader has sent two slots.
fn leader_and_follower(server: &RedisServer) -> (Replica, Replica) {
    let leader = Replica::start(&server.url(), &schedule(&entries()));
    leader.downbeat.wait_for_dispatches("x", 0, 2);
    let follower = Replica::start(&server.url(), &schedule(&entries()));
    follower.downbeat.wait_for_log("became follower");
    (leader, follower)
}

#[test]
fn a_clock_that_jumps_ahead_and_back_costs_no_slot_and_doubles_none() {
    needs!(Redis);
    let server = server();
    let (mut a, mut b) = leader_and_follower(&server);
    server.set_clock(HOUR);
    pass(1_500);
    let added = [entries(), vec![("added", EACH)]].concat();
    [&a, &b].iter().for_each(|replica| replica.reload(&schedule(&added)));
    pass(1_500);
    server.set_clock(0);
    wait_for_more(&server, "x");
    // Also one that began to live an hour ahead.
    wait_for_more(&server, "added");
    wait_for_more(&server, "limited");
    let account = finish(&server, &[QUEUE], &mut [&mut a, &mut b]);
    ["x", "limited"].iter().for_each(|entry| account.assert_no_gap(entry, STEP));
    assert_eq!(account.skips, []);
}

#[test]
fn a_clock_that_jumps_back_within_the_grace_holds_slots_up_and_neither_loses_nor_doubles_them() {
    needs!(Redis);
    let server = server();
    let (mut a, mut b) = leader_and_follower(&server);
    server.set_clock(-2_000);
    pass(2_500);
    server.set_clock(0);
    wait_for_more(&server, "x");
    wait_for_more(&server, "limited");
    let account = finish(&server, &[QUEUE], &mut [&mut a, &mut b]);
    ["x", "limited"].iter().for_each(|entry| account.assert_no_gap(entry, STEP));
    assert_eq!(account.skips, []);
}

/// A jump beyond the grace counts as the clock being put right: entries go on from the time it shows.
#[test]
fn a_clock_that_jumps_far_back_and_forth_neither_loses_nor_doubles_slots() {
    needs!(Redis);
    let server = server();
    let (mut a, mut b) = leader_and_follower(&server);
    server.set_clock(-20_000);
    pass(2_500);
    server.set_clock(0);
    wait_for_more(&server, "x");
    wait_for_more(&server, "limited");
    let account = finish(&server, &[QUEUE], &mut [&mut a, &mut b]);
    ["x", "limited"].iter().for_each(|entry| account.assert_none_missing(entry, STEP));
    assert_eq!(account.skips, []);
}

#[test]
fn a_clock_that_jumps_while_a_batch_is_on_its_way_costs_no_slot_and_doubles_none() {
    needs!(Redis);
    let server = server();
    let proxy = Proxy::start(&server);
    let mut replica = Replica::start(&proxy.url(), &schedule(&entries()));
    replica.downbeat.wait_for_dispatches("x", 0, 2);
    for ahead in [HOUR, 0, -20_000, 0] {
        // The batch is sent, and arrives once the clock shows something else.
        proxy.cut();
        pass(1_100);
        server.set_clock(ahead);
        proxy.mend();
        pass(1_500);
    }
    wait_for_more(&server, "x");
    wait_for_more(&server, "limited");
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    ["x", "limited"].iter().for_each(|entry| account.assert_none_missing(entry, STEP));
    assert_eq!(account.skips, []);
}

#[test]
fn entries_first_loaded_while_the_clock_was_ahead_are_sent_once_it_is_right() {
    needs!(Redis);
    let server = server();
    server.set_clock(2 * HOUR);
    let mut replica = Replica::start(&server.url(), &schedule(&entries()));
    replica.wait_until_it_leads(0);
    pass(1_000);
    server.set_clock(0);
    wait_for_more(&server, "x");
    wait_for_more(&server, "limited");
    // Somebody can see that something was wrong.
    let status = replica.status();
    let named = status["bad_records"].as_array().unwrap();
    assert!(named.iter().any(|record| record["entry"] == "x"), "{status}");
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    ["x", "limited"].iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn entries_first_loaded_while_the_clock_was_ahead_are_sent_by_the_next_process() {
    needs!(Redis);
    let server = server();
    server.set_clock(2 * HOUR);
    let mut replica = Replica::start(&server.url(), &schedule(&entries()));
    replica.wait_until_it_leads(0);
    replica.stop();
    server.set_clock(0);
    replica.start_again();
    wait_for_more(&server, "x");
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    account.assert_no_gap("x", STEP);
}

/// An entry that has one record of a slot two hours to come, which `list` must not take for a slot that
/// was sent, and which must not keep it from being sent now.
#[test]
fn a_record_of_the_future_silences_an_entry_neither_before_nor_after_an_edit() {
    needs!(Redis);
    let server = server();
    let mut replica = Replica::start(&server.url(), &schedule(&entries()));
    replica.downbeat.wait_for_dispatches("x", 0, 2);
    replica.stop();
    let ahead = wall_clock().0 / 1_000 * 1_000 + 2 * HOUR;
    let record = format!("{ahead} scheduled s={ahead}");
    let () = server.connect().hset("downbeat:progress", "x", record).unwrap();
    let before = server.queue(QUEUE).len();
    replica.start_again();
    replica.wait_until_it_leads(0);
    let status = replica.wait_for_status("the record is named", |status| {
        let named = status["bad_records"].as_array()?;
        named.iter().any(|record| record["entry"] == "x").then(|| status.clone())
    });
    assert!(status["bad_record_count"].as_u64() >= Some(1), "{status}");
    wait_for_more(&server, "x");
    replica.reload(&schedule(&[("x", "every: 300ms, catch_up: all"), entries()[1]]));
    wait_for_more(&server, "x");
    let listed = replica.run(&["list", "--json"]).json(0);
    let x = listed.as_array().unwrap().iter().find(|entry| entry["entry"] == "x").unwrap();
    let last = instant(x["last_utc"].as_str().unwrap()).0;
    assert!(last <= wall_clock().0, "{x}");
    replica.reload(&schedule(&entries()[1..]));
    replica.reload(&schedule(&entries()));
    let added_at = wall_clock().0;
    wait_for_slot_after(&server, "x", added_at);
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    assert!(account.sent.len() > before);
    let slots: BTreeSet<_> = slots_of(&account.sent, "x").into_iter().collect();
    assert!(slots.iter().all(|slot| *slot <= wall_clock().0), "{slots:?}");
}
