//! Manual messages whose answer is lost, besides what `trigger` and `backfill` say of it: whoever is
//! asked, a repeat is recognised, and the schedule is never held up.

use std::thread;

use super::{EACH, QUEUE, STEP, schedule, wait_for_more};
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::replica::{Replica, counted, finish, slots_of};
use crate::support::tools::needs;

/// The id under which a trigger may have been sent, by what it says.
fn id(said: &str) -> String {
    let (_, id) = said.split_once("may have been sent as ").unwrap_or_else(|| panic!("{said}"));
    id.split(':').next().unwrap().to_owned()
}

/// The run of the command that goes on.
fn run_in(said: &str) -> &str {
    let (_, run) = said.split_once("--run ").unwrap_or_else(|| panic!("{said}"));
    run.split([' ', '`']).next().unwrap()
}

/// Messages of the kind.
fn of_kind(server: &RedisServer, kind: &str) -> usize {
    server.queue(QUEUE).iter().filter(|sent| sent.kind == kind).count()
}

/// The leader reaches Redis through the proxy.
fn leader_and_follower(proxy: &Proxy, server: &RedisServer) -> (Replica, Replica) {
    let leader = Replica::start(&proxy.url(), &schedule(&[("x", EACH)]));
    leader.wait_until_it_leads(0);
    let follower = Replica::start(&server.url(), &schedule(&[("x", EACH)]));
    follower.downbeat.wait_for_log("became follower");
    (leader, follower)
}

#[test]
fn a_trigger_without_an_answer_is_recognised_by_the_next_leader() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let (mut a, mut b) = leader_and_follower(&proxy, &server);
    proxy.lose_the_reply_to(&["\tmanual\t"]);
    let id = id(&a.run(&["trigger", "x"]).refused(3));
    a.downbeat.process().kill();
    b.wait_until_it_leads(0);
    let said = b.run(&["trigger", "x", "--id", &id]).ok();
    assert!(said.starts_with("already sent: "), "{said}");
    assert_eq!(of_kind(&server, "manual"), 1);
    wait_for_more(&server, "x");
    assert_eq!(counted(&b.status(), "manual"), 1);
    finish_with_manual(&server, &mut [&mut a, &mut b]);
}

#[test]
fn a_run_that_two_replicas_repeat_at_once_sends_each_slot_once() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let (mut a, mut b) = leader_and_follower(&proxy, &server);
    let segment = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:10Z"];
    let backfill = [&["backfill", "x"], &segment[..]].concat();
    proxy.lose_the_reply_to(&["\tbackfill\t"]);
    let said = a.run(&backfill).refused(3);
    let repeat = [&backfill, &["--run", run_in(&said)][..]].concat();
    thread::scope(|scope| {
        for replica in [&a, &b] {
            scope.spawn(|| replica.run(&repeat).ok());
        }
    });
    assert_eq!(of_kind(&server, "backfill"), 50);
    finish_with_manual(&server, &mut [&mut a, &mut b]);
}

#[test]
fn a_backfill_without_an_answer_is_not_doubled_by_repeating_it_at_another_replica() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let (mut a, mut b) = leader_and_follower(&proxy, &server);
    let segment = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:10Z"];
    let backfill = [&["backfill", "x"], &segment[..]].concat();
    // The third slot.
    proxy.lose_the_reply_to(&["\t1767225600400\tbackfill\t"]);
    a.run(&backfill).refused(3);
    a.downbeat.process().kill();
    b.wait_until_it_leads(0);
    let from_it = ["--from", "2026-01-01T00:00:00.400Z", "--to", "2026-01-01T00:00:10Z"];
    for repeat in [&backfill, &[&["backfill", "x"], &from_it[..]].concat()] {
        let refused = b.run(repeat).refused(1);
        assert!(
            refused.contains(" has not ended and may have sent some of these slots; "),
            "{refused}"
        );
    }
    assert_eq!(of_kind(&server, "backfill"), 3);
    let refused = b.run(&backfill).refused(1);
    b.run(&[&backfill[..], &["--run", run_in(&refused)]].concat()).ok();
    assert_eq!(of_kind(&server, "backfill"), 50);
    finish_with_manual(&server, &mut [&mut a, &mut b]);
}

#[test]
fn manual_messages_cost_the_leader_neither_slots_nor_its_place() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut leader = Replica::start(&server.url(), &schedule(&[("x", EACH)]));
    leader.wait_until_it_leads(0);
    let mut other = Replica::start(&server.url(), &schedule(&[("x", EACH)]));
    other.downbeat.wait_for_log("became follower");
    let segment = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:01:00Z"];
    other.run(&[&["backfill", "x"], &segment[..]].concat()).ok();
    leader.run(&["trigger", "x"]).ok();
    wait_for_more(&server, "x");
    assert_eq!(leader.logged("broker rejected a write"), 0);
    assert_eq!(leader.logged("became leader"), 1);
    finish_with_manual(&server, &mut [&mut leader, &mut other]);
}

/// The schedule's own messages are complete, and all that was sent is counted.
#[track_caller]
fn finish_with_manual(server: &RedisServer, replicas: &mut [&mut Replica]) {
    let account = finish(server, &[QUEUE], replicas);
    let own: Vec<_> = account.sent.into_iter().filter(|sent| sent.kind == "scheduled").collect();
    let slots = slots_of(&own, "x");
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + STEP), "{slots:?}");
}
