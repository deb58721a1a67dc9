//! A leader that can renew its lease and cannot publish makes way for one that can.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Commands as _;
use tokio::time::Instant;

use super::{EACH, QUEUE, STEP, schedule, wait_for_more};
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::replica::{Replica, finish};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const MADE_WAY: &str = "resigning because batches time out here";

/// Five entries, each of whose messages is larger than a packet may be.
fn large() -> String {
    let padding = "x".repeat(2_000);
    let timing = format!("{EACH}, args: [{padding}]");
    let names = ["a", "b", "c", "d", "e"];
    schedule(&names.map(|name| (name, timing.as_str())))
}

/// A leader that sends, and one that follows it, on their ways to the same server.
fn leader_and_follower(server: &RedisServer, urls: [String; 2], schedule: &str) -> [Replica; 2] {
    let [to_leader, to_follower] = urls;
    let leader = Replica::start(&to_leader, schedule);
    leader.wait_until_it_leads(0);
    let follower = Replica::start(&to_follower, schedule);
    follower.downbeat.wait_for_log("became follower");
    wait_for_more(server, "a");
    [leader, follower]
}

#[test]
fn a_leader_whose_large_packets_are_lost_makes_way_and_no_slot_is_lost() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let urls = [proxy.url(), server.url()];
    let [mut one, mut other] = leader_and_follower(&server, urls, &large());
    proxy.lose_large_packets();
    let lost_at = Instant::now();
    other.wait_until_it_leads(0);
    // The lease is never lost: it would have been renewed for ever.
    assert_eq!((one.logged(MADE_WAY), one.logged("stepped down")), (1, 0));
    assert!(lost_at.elapsed() < SOON / 2, "{:?}", lost_at.elapsed());
    wait_for_more(&server, "a");
    proxy.mend();
    let account = finish(&server, &[QUEUE], &mut [&mut one, &mut other]);
    for entry in ["a", "b", "c", "d", "e"] {
        account.assert_no_gap(entry, STEP);
    }
}

#[test]
fn a_leader_that_cannot_publish_stays_where_nobody_else_can() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let urls = [proxy.url(), proxy.url()];
    let [mut one, mut other] = leader_and_follower(&server, urls, &large());
    proxy.lose_large_packets();
    let status = one.wait_for_status("nothing gets through", |status| {
        let replicas = status["replicas"].as_array()?;
        let stuck = replicas.iter().any(|replica| replica["stuck"] == true);
        (stuck && !status["broker_error"].is_null()).then(|| status.clone())
    });
    let errors = |replica: &Replica| replica.status()["broker_errors"].as_u64().unwrap();
    let before = errors(&one);
    eventually(SOON, "three more time-outs", || (errors(&one) >= before + 3).then_some(()));
    assert_eq!(one.status()["leader"], status["leader"]);
    assert_eq!((one.logged(MADE_WAY), other.logged("became leader")), (0, 0));
    proxy.mend();
    wait_for_more(&server, "a");
    let account = finish(&server, &[QUEUE], &mut [&mut one, &mut other]);
    account.assert_no_gap("a", STEP);
}

#[test]
fn a_leader_stays_whatever_the_store_itself_refuses() {
    needs!(Redis);
    let server = RedisServer::start();
    let urls = [server.url(), server.url()];
    let schedule = schedule(&[("a", EACH)]);
    let [mut one, mut other] = leader_and_follower(&server, urls, &schedule);
    let mut redis = server.connect();
    let set = |redis: &mut redis::Connection, name: &str, value: &str| {
        let _: () = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query(redis).unwrap();
    };
    set(&mut redis, "maxmemory-policy", "noeviction");
    let lease: String = redis.get("downbeat:lease").unwrap();
    set(&mut redis, "maxmemory", "1");
    one.downbeat.wait_for_log("failed to publish");
    let errors = |replica: &Replica| replica.status()["broker_errors"].as_u64().unwrap();
    let before = errors(&one);
    eventually(SOON, "five more refusals", || (errors(&one) >= before + 5).then_some(()));
    let now: String = redis.get("downbeat:lease").unwrap();
    assert_eq!((now, one.logged(MADE_WAY)), (lease, 0));
    set(&mut redis, "maxmemory", "0");
    wait_for_more(&server, "a");
    finish(&server, &[QUEUE], &mut [&mut one, &mut other]).assert_no_gap("a", STEP);
}

#[test]
fn batches_shrink_until_they_get_through_a_slow_network() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let timing = format!("every: 10s, catch_up: all, args: [{}]", "x".repeat(1_000));
    let names: Vec<String> = (0..200).map(|n| format!("e{n}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), timing.as_str())).collect();
    let schedule = schedule(&entries);
    let mut one = Replica::start_in("downbeat", &proxy.url(), ["1s", "60s"], "{}", &schedule);
    one.wait_until_it_leads(0);
    // All slots of an instant, in the largest batches, would take three seconds.
    proxy.slow_down_to(150_000);
    one.downbeat.wait_for_log("failed to publish");
    eventually(Duration::from_secs(60), "two slots of each entry are sent", || {
        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        one.dispatched().into_iter().for_each(|(entry, _)| *sent.entry(entry).or_default() += 1);
        (sent.len() == names.len() && sent.values().all(|count| *count >= 2)).then_some(())
    });
    proxy.slow_down_to(0);
    let account = finish(&server, &[QUEUE], &mut [&mut one]);
    names.iter().for_each(|name| account.assert_no_gap(name, 10_000));
}
