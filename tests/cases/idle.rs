//! Connections that Redis closes while nothing is due cost no slot, no error and no reading anew.

use std::collections::BTreeSet;

use redis::Commands as _;

use super::{QUEUE, schedule, wait_for_slot_after};
use crate::support::downbeat::Dispatch;
use crate::support::redis::{Options, RedisServer};
use crate::support::replica::{Replica, finish, slots_of};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// So late a slot may come on a busy machine.
const LATEST_MS: i64 = 900;

/// Far enough apart for connections to be closed in between.
const SELDOM: &str = "every: 4s, catch_up: all";

fn closing_server(seconds: u32, options: Options) -> RedisServer {
    let args = vec!["--timeout".to_owned(), seconds.to_string()];
    RedisServer::start_with(Options { args, ..options })
}

#[track_caller]
fn assert_punctual(replica: &Replica) {
    let late = |sent: &Dispatch| sent.lateness_ms > Some(LATEST_MS);
    let late: Vec<_> = replica.downbeat.dispatches().into_iter().filter(late).collect();
    assert!(late.is_empty(), "{late:?}");
}

#[track_caller]
fn assert_no_errors(replica: &Replica) {
    let status = replica.status();
    assert_eq!(status["broker_errors"], 0, "{:#?}", replica.downbeat.log());
    assert_eq!(replica.logged("failed to publish"), 0);
    assert_eq!(replica.logged("lost the broker"), 0);
}

#[test]
fn a_redis_that_closes_idle_connections_after_two_seconds_costs_nothing() {
    needs!(Redis);
    let server = closing_server(2, Options::default());
    let mut replica = Replica::start(&server.url(), &schedule(&[("x", SELDOM)]));
    server.wait_for_queue(QUEUE, 3);
    assert_no_errors(&replica);
    assert_eq!(replica.logged("became leader"), 1);
    finish(&server, &[QUEUE], &mut [&mut replica]).assert_all_logged();
    assert_punctual(&replica);
}

#[test]
fn a_redis_that_closes_idle_connections_after_one_second_costs_neither_leader_nor_follower_anything()
 {
    needs!(Redis);
    let server = closing_server(1, Options::default());
    let mut leader = Replica::start(&server.url(), &schedule(&[("x", SELDOM)]));
    leader.wait_until_it_leads(0);
    let mut follower = Replica::start(&server.url(), &schedule(&[("x", SELDOM)]));
    follower.downbeat.wait_for_log("became follower");
    server.wait_for_queue(QUEUE, 2);
    // What answers these is idle in between.
    leader.run(&["trigger", "x"]).ok();
    follower.run(&["list"]).ok();
    let sent = server.wait_for_queue(QUEUE, 4);
    [&leader, &follower].into_iter().for_each(assert_no_errors);
    // The follower is woken all the same.
    let from = follower.mark();
    leader.run(&["resign"]).ok();
    follower.wait_until_it_leads(from);
    let newest = sent.iter().map(|sent| sent.slot_ms()).max().unwrap();
    wait_for_slot_after(&server, "x", newest);
    finish(&server, &[QUEUE], &mut [&mut leader, &mut follower]).assert_all_logged();
    [&leader, &follower].into_iter().for_each(assert_punctual);
}

#[test]
fn a_redis_that_was_restarted_between_two_slots_costs_no_slot() {
    needs!(Redis);
    let options = Options { appendonly: true, ..Options::default() };
    let mut server = RedisServer::start_with(options);
    let mut replica =
        Replica::start(&server.url(), &schedule(&[("x", "every: 3s, catch_up: all")]));
    for count in 1..=3 {
        server.wait_for_queue(QUEUE, count);
        server.restart_with_data();
    }
    server.wait_for_queue(QUEUE, 4);
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    account.assert_all_logged();
    let slots = slots_of(&account.sent, "x");
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 3_000), "{slots:?}");
    assert_eq!(account.skips, []);
}

#[test]
fn connections_killed_between_two_slots_cost_no_slot() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut replica =
        Replica::start(&server.url(), &schedule(&[("x", "every: 2s, catch_up: all")]));
    let mut redis = server.connect();
    for count in 1..=3 {
        server.wait_for_queue(QUEUE, count);
        let _: usize = redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .query(&mut redis)
            .unwrap();
        let _: usize =
            redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query(&mut redis).unwrap();
    }
    eventually(SOON, "the slots after", || (server.queue(QUEUE).len() >= 5).then_some(()));
    let _: bool = redis.exists(QUEUE).unwrap();
    let account = finish(&server, &[QUEUE], &mut [&mut replica]);
    account.assert_all_logged();
    let slots: BTreeSet<_> = slots_of(&account.sent, "x").into_iter().collect();
    let slots: Vec<_> = slots.into_iter().collect();
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 2_000), "{slots:?}");
    assert_punctual(&replica);
}
