//! Replies are lost, also of what moves progress and of what registers entries: the counts are what is in
//! the queues, whoever leads and whoever is asked.

use redis::Commands as _;

use super::{EACH, QUEUE, STEP, schedule, wait_for_more, wait_for_slot_after};
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::replica::{Account, Replica, counted, filling, finish, slots_of};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

/// Of twenty entries.
fn busy() -> String {
    let names: Vec<_> = (0..20).map(|number| format!("e{number:02}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), EACH)).collect();
    schedule(&entries)
}

/// Every entry went on without a gap.
#[track_caller]
fn assert_complete(account: &Account) {
    (0..20).for_each(|number| account.assert_no_gap(&format!("e{number:02}"), STEP));
}

/// All replicas show the same counts, and these are what is in the queue.
#[track_caller]
fn assert_all_show_what_is_queued(server: &RedisServer, replicas: &[&Replica]) {
    let what = "the status of each replica shows as many as there are messages";
    eventually(SOON, what, || {
        let before = server.queue(QUEUE).len() as u64;
        let shown: Vec<_> =
            replicas.iter().map(|replica| counted(&replica.status(), "dispatched")).collect();
        let after = server.queue(QUEUE).len() as u64;
        shown.iter().all(|shown| (before..=after).contains(shown)).then_some(())
    });
}

/// Answers to the leader are lost until the other one leads; then it is mended and follows.
fn lose_answers_until_the_other_leads(proxy: &Proxy, leader: &Replica, other: &Replica) {
    let (from, before) = (other.mark(), leader.mark());
    proxy.lose_answers();
    other.wait_until_it_leads(from);
    proxy.mend();
    leader.downbeat.wait_for_log_from(before, "became follower");
}

#[test]
fn what_was_sent_and_not_answered_until_another_led_is_counted() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let mut a = Replica::start(&proxy.url(), &busy());
    a.downbeat.wait_for_dispatches("e00", 0, 2);
    let mut b = Replica::start(&server.url(), &busy());
    b.downbeat.wait_for_log("became follower");
    lose_answers_until_the_other_leads(&proxy, &a, &b);
    wait_for_more(&server, "e00");
    assert_all_show_what_is_queued(&server, &[&a, &b]);
    let from = a.mark();
    b.stop();
    a.wait_until_it_leads(from);
    wait_for_more(&server, "e00");
    assert_all_show_what_is_queued(&server, &[&a]);
    assert_complete(&finish(&server, &[QUEUE], &mut [&mut a, &mut b]));
}

#[test]
fn what_two_leaders_sent_by_turns_without_an_answer_is_counted() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxies = [Proxy::start(&server), Proxy::start(&server)];
    let mut a = Replica::start(&proxies[0].url(), &busy());
    a.downbeat.wait_for_dispatches("e00", 0, 1);
    let mut b = Replica::start(&proxies[1].url(), &busy());
    b.downbeat.wait_for_log("became follower");
    for _ in 0..2 {
        lose_answers_until_the_other_leads(&proxies[0], &a, &b);
        wait_for_more(&server, "e00");
        lose_answers_until_the_other_leads(&proxies[1], &b, &a);
        wait_for_more(&server, "e00");
    }
    assert_all_show_what_is_queued(&server, &[&a, &b]);
    assert_complete(&finish(&server, &[QUEUE], &mut [&mut a, &mut b]));
}

#[test]
fn a_fold_that_was_not_answered_neither_doubles_nor_miscounts() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let text = busy() + &filling("many");
    let mut replica = Replica::start(&proxy.url(), &text);
    proxy.lose_the_reply_to(&["downbeat:folded", "downbeat:progress", "downbeat:sequence"]);
    eventually(SOON, "the reply to a fold is lost", || (proxy.replies_lost() == 1).then_some(()));
    let newest = slots_of(&server.queue(QUEUE), "e00").into_iter().max().unwrap();
    wait_for_slot_after(&server, "e00", newest + 1_000);
    let account = finish(&server, &[QUEUE, "many"], &mut [&mut replica]);
    account.assert_all_logged();
    assert_complete(&account);
}

#[test]
fn a_registration_that_was_not_answered_counts_what_it_ended_once() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let held = format!("{EACH}, queue: held");
    let entries = [("ended", held.as_str()), ("x", EACH)];
    let mut replica = Replica::start(&proxy.url(), &schedule(&entries));
    replica.downbeat.wait_for_dispatches("ended", 0, 1);
    // Slots that cannot be sent are due when their entry is removed.
    let mut redis = server.connect();
    let () = redis.rename("held", "kept").unwrap();
    let () = redis.set("held", "not a list").unwrap();
    replica.downbeat.wait_for_log("queue refused messages");
    let until = wall_clock().0 + 1_500;
    wait_for_slot_after(&server, "x", until);
    proxy.lose_the_reply_to(&["downbeat:registrations", "downbeat:running"]);
    replica.edit(&schedule(&[("x", EACH), ("new", EACH)]));
    eventually(SOON, "a reply is lost", || (proxy.replies_lost() == 1).then_some(()));
    wait_for_more(&server, "x");
    wait_for_more(&server, "new");
    let () = redis.rename("kept", "held").unwrap();
    let account = finish(&server, &[QUEUE, "held"], &mut [&mut replica]);
    account.assert_no_gap("x", STEP);
    account.assert_no_gap("new", STEP);
    assert!(replica.skipped("ended", "retimed") >= 2, "{:?}", account.skips);
    let last = *slots_of(&account.sent, "ended").last().unwrap();
    let skips = replica.skips();
    assert_eq!(skips.len(), 1, "{skips:?}");
    assert_eq!(last + skips[0].count as i64 * STEP, skips[0].slot);
}
