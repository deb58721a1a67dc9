//! Replicas crash, stall, exit and are cut off; Redis disappears, loses data, is full and refuses:
//! every slot is still sent once.
//!
//! It runs the real binary and real servers, with the shortest lease. A test lets real time pass only
//! if a lease or a deadline has to run out.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use redis::Commands as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::cluster::{
    Cluster, QUEUE, Replica, STEP, TAKEOVER, TTL, assert_no_gap, bursting_schedule, busy_schedule,
    by_entry, field, slot_of, time_of, used_before, wait_for_slot, wait_until_all_advance,
};
use crate::support::downbeat::{Downbeat, Place};
use crate::support::proxy::Proxy;
use crate::support::random::seed;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::sent::Sent;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

fn server() -> RedisServer {
    used_before(RedisServer::start())
}

#[test]
fn a_killed_leader_is_followed_within_its_ttl_and_two_seconds() {
    needs!(Redis);
    let server = server();
    let mut cluster = Cluster::start(&server, 2);
    let mut leader = 0;
    for _ in 0..3 {
        wait_until_all_advance(&server);
        cluster.replica(leader).downbeat().process().kill();
        let killed_at = wall_clock();
        let heir = cluster.wait_for_leader_after(leader);
        let (line, _) = cluster.replica(heir).downbeat().wait_for_log_from(0, "became leader");
        let (_, first) = cluster.replica(heir).downbeat().wait_for_log_from(line, " dispatched ");
        let silence = time_of(&first).since(killed_at);
        println!("the next message came {silence:?} after the kill");
        assert!(silence <= TAKEOVER, "{silence:?}");
        cluster.replica(leader).start_again();
        cluster.replica(leader).downbeat().wait_for_log("became follower");
        leader = heir;
    }
    cluster.finish(&server);
}

#[test]
fn a_leader_stopped_past_its_lease_wakes_up_as_a_follower() {
    needs!(Redis);
    let server = server();
    let mut cluster = Cluster::start(&server, 2);
    wait_until_all_advance(&server);
    cluster.replica(0).downbeat().process().pause();
    assert_eq!(cluster.wait_for_leader_after(0), 1);
    wait_until_all_advance(&server);
    let before = cluster.replica(0).downbeat().log().len();
    cluster.replica(0).downbeat().process().resume();
    cluster.replica(0).downbeat().wait_for_log_from(before, "became follower");
    cluster.finish(&server);
    assert_eq!(cluster.replica(1).logged("became leader"), 1, "it still leads");
}

#[test]
fn a_leader_that_resigns_or_stops_hands_over_at_once() {
    needs!(Redis);
    let server = server();
    let mut cluster = Cluster::start(&server, 2);
    let mut silences = Vec::new();
    let mut leader = 0;
    for stops in [false, true, false, true] {
        wait_until_all_advance(&server);
        let heir = 1 - leader;
        let before = cluster.replica(heir).downbeat().log().len();
        let old = cluster.replica(leader);
        let old_before = old.downbeat().log().len();
        if stops {
            old.stop();
        } else {
            let resigned = old.command(&["resign"]);
            assert_eq!(resigned.code, Some(0), "{resigned:?}");
        }
        let (_, resigned) = old.downbeat().wait_for_log_from(old_before, " resigned ");
        let (_, led_from) =
            cluster.replica(heir).downbeat().wait_for_log_from(before, "became leader");
        silences.push(time_of(&led_from).since(time_of(&resigned)));
        let old = cluster.replica(leader);
        if stops {
            old.start_again();
        }
        let from = if stops { 0 } else { old_before };
        old.downbeat().wait_for_log_from(from, "became follower");
        leader = heir;
    }
    cluster.finish(&server);
    println!("handed over within {silences:?}");
    silences.sort();
    // Other tests share the machine, and any of them can hold up one hand-over.
    assert!(silences[0] < Duration::from_millis(200), "{silences:?}");
}

#[test]
fn thirty_kills_lose_and_double_nothing() {
    needs!(Redis);
    let mut random = fastrand::Rng::with_seed(seed());
    let server = server();
    let mut cluster = Cluster::start(&server, 3);
    let mut leaders = 0;
    for _ in 0..30 {
        // Any instant will do: in a burst, between two, while nobody leads.
        sleep(Duration::from_millis(random.u64(300..1000)));
        let leader = cluster.leader();
        leaders += usize::from(leader.is_some());
        let victim = cluster.replica(leader.unwrap_or_else(|| random.usize(0..3)));
        victim.downbeat().process().kill();
        victim.start_again();
    }
    println!("{leaders} leaders were among the 30 that were killed");
    cluster.wait_for_leader();
    cluster.finish(&server);
}

#[test]
fn what_falls_due_while_redis_is_away_is_sent_when_it_is_back() {
    needs!(Redis);
    let options = Options { appendonly: true, ..Options::default() };
    let mut server = used_before(RedisServer::start_with(options));
    let mut cluster = Cluster::start(&server, 2);
    wait_until_all_advance(&server);
    let lost = |replica: &Replica| replica.logged("lost the broker");
    let before: Vec<usize> = cluster.replicas().iter().map(lost).collect();
    server.kill();
    for (replica, before) in cluster.replicas().iter().zip(&before) {
        eventually(SOON, "the outage is noticed", || (lost(replica) > *before).then_some(()));
    }
    // Past the lease, so that it has to be won again.
    sleep(TTL);
    for (replica, before) in cluster.replicas().iter().zip(&before) {
        assert_eq!(lost(replica), before + 1, "told once an outage, not once an attempt");
    }
    server.start_again();
    for replica in cluster.replicas() {
        replica.downbeat().wait_for_log("reached the broker again");
    }
    cluster.wait_for_leader();
    cluster.finish(&server);
    for replica in cluster.replicas() {
        // On a busy machine, a Redis that has just started may be silent for a lease again.
        let outages = lost(replica);
        assert_eq!(replica.logged("reached the broker again"), outages);
        assert!(replica.logged("failed to publish") <= outages);
    }
}

#[test]
fn a_leader_goes_on_from_memory_when_redis_has_forgotten_everything() {
    needs!(Redis);
    let mut server = server();
    let mut cluster = Cluster::start(&server, 2);
    wait_until_all_advance(&server);
    server.restart_empty();
    let back_at = wall_clock();
    cluster.replica(0).downbeat().wait_for_log("found all records lost");
    let sent = cluster.finish(&server);
    assert!(slot_of(&sent[0]) < back_at + STEP, "began at {}, back at {back_at}", sent[0].slot);
    let leader = cluster.replica(0);
    assert_eq!(leader.logged("found all records lost"), 1);
    assert_eq!(leader.logged("found no records"), 0);
    for (entry, slots) in leader.dispatched() {
        assert_no_gap(&entry, &slots);
    }
}

#[test]
fn replicas_without_memory_start_anew_one_ttl_after_redis_has_forgotten_everything() {
    needs!(Redis);
    let mut server = server();
    let mut cluster = Cluster::start(&server, 2);
    wait_until_all_advance(&server);
    for replica in cluster.replicas() {
        replica.downbeat().process().kill();
    }
    server.restart_empty();
    for replica in cluster.replicas() {
        replica.start_again();
    }
    let leader = cluster.wait_for_leader();
    let log = cluster.replica(leader).downbeat();
    let waiting_since = time_of(&log.wait_for_log("waiting for replicas that remember it"));
    log.wait_for_log("found no records");
    let led_from = time_of(&log.wait_for_log("became leader"));
    assert!(led_from.since(waiting_since) >= TTL);
    let sent = cluster.finish(&server);
    let first = slot_of(&sent[0]);
    assert!(first >= waiting_since + TTL, "{first} fell due before the entries began to live");
    assert!(sent.iter().all(|message| message.kind == "scheduled"));
}

#[test]
fn slots_whose_records_were_rolled_back_are_sent_again_and_marked() {
    needs!(Redis);
    let mut server = server();
    let mut cluster = Cluster::start(&server, 1);
    wait_until_all_advance(&server);
    let kept = server.queue(QUEUE).len();
    let snapshot = server.snapshot();
    wait_until_all_advance(&server);
    let logged_before = cluster.replica(0).dispatched().remove("entry-0000").unwrap();
    server.restore(&snapshot);
    cluster.replica(0).downbeat().wait_for_log("found records lost");
    let sent = cluster.finish(&server);
    assert_eq!(cluster.replica(0).logged("found records lost"), 1);
    for (entry, messages) in by_entry(&sent) {
        let is_resent = |sent: &&Sent| sent.kind == "resent";
        let first = messages.iter().position(&is_resent);
        let first = first.unwrap_or_else(|| panic!("{entry}: nothing was sent again"));
        let count = messages.iter().filter(|sent| is_resent(sent)).count();
        assert!(messages[first..first + count].iter().all(is_resent), "{entry}");
        let others = messages.iter().filter(|sent| !is_resent(sent));
        assert!(others.into_iter().all(|sent| sent.kind == "scheduled"), "{entry}");
    }
    let seconds = |sent: &Sent| json!([sent.slot_ms().div_euclid(1000)]);
    assert!(sent.iter().all(|sent| sent.args == seconds(sent)), "filled in from another slot");
    // What was in the snapshot's queue stands at its front, untouched.
    assert!(sent[..kept].iter().all(|sent| sent.kind == "scheduled"));
    let last_before = logged_before.iter().max().unwrap();
    let again =
        sent.iter().find(|sent| sent.entry == "entry-0000" && slot_of(sent) == *last_before);
    assert_eq!(again.map(|sent| &*sent.kind), Some("resent"));
}

#[test]
fn a_queue_that_refuses_holds_up_no_other_and_gets_everything_when_it_is_mended() {
    needs!(Redis);
    let server = server();
    let mut schedule = busy_schedule();
    for name in ["first", "second"] {
        schedule += &format!("  {name}: {{task: demo.echo, every: 1s, queue: broken}}\n");
    }
    server.connect().set::<_, _, ()>("broken", "not a list").unwrap();
    let mut cluster = Cluster::start_with(&[server.url()], &schedule);
    let leader = cluster.replica(0);
    let status = eventually(SOON, "status names the queue", || {
        let answer = leader.command(&["status", "--json"]);
        let status: Value = serde_json::from_str(&answer.stdout).unwrap();
        status["refusing"].get("broken").cloned()
    });
    assert!(status.as_str().unwrap().contains("WRONGTYPE"), "{status}");
    wait_until_all_advance(&server);
    server.connect().del::<_, ()>("broken").unwrap();
    leader.downbeat().wait_for_log("queue accepted messages again");
    let mended_at = wall_clock();
    let sent = cluster.finish(&server);
    let leader = cluster.replica(0);
    assert_eq!(leader.logged("queue refused messages"), 1);
    assert_eq!(leader.logged("queue accepted messages again"), 1);
    let log = leader.downbeat().log();
    let others = log.iter().filter(|line| line.contains(&format!("queue=\"{QUEUE}\"")));
    let latest = others.map(|line| field(line, "lateness_ms").parse::<u64>().unwrap()).max();
    assert!(latest.unwrap() < 1000, "another queue's message came {latest:?} ms late");
    let mended = server.queue("broken");
    for (entry, messages) in by_entry(&mended) {
        let slots: Vec<_> = messages.iter().map(|sent| slot_of(sent)).collect();
        assert!(slots[0] < slot_of(&sent[0]) + STEP, "{entry} began at {}", slots[0]);
        assert!(slots[slots.len() - 1] + STEP > mended_at, "{entry} stopped");
        assert_no_gap(entry, &slots);
    }
    assert_eq!(by_entry(&mended).len(), 2);
}

#[test]
fn a_full_redis_takes_everything_once_it_has_room() {
    needs!(Redis);
    let server = server();
    let limit_memory = |bytes: u64| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        command.query::<()>(&mut server.connect()).unwrap();
    };
    let mut cluster = Cluster::start(&server, 2);
    wait_until_all_advance(&server);
    limit_memory(1);
    let refused = cluster.replica(0).downbeat().wait_for_log("failed to publish");
    assert!(refused.contains("OOM"), "{refused}");
    // Long enough for several attempts and for the follower to look.
    sleep(2 * TTL);
    limit_memory(0);
    cluster.replica(0).downbeat().wait_for_log("resumed publishing");
    cluster.finish(&server);
    let [leader, follower] = cluster.replicas() else { panic!("two replicas") };
    assert_eq!(leader.logged("failed to publish"), 1);
    assert_eq!(leader.logged("resumed publishing"), 1);
    for replica in [leader, follower] {
        assert_eq!(replica.logged("lost the broker"), 0, "it can still be asked");
        assert_eq!(replica.logged("reached the broker again"), 0);
    }
}

#[test]
fn a_lost_reply_neither_loses_nor_doubles_its_slots() {
    needs!(Redis);
    let server = server();
    let proxy = Proxy::start(&server);
    // Several batches each second, of which two are on their way at once.
    let mut cluster = Cluster::start_with(&[proxy.url()], &bursting_schedule(500));
    for lost in 1..=3 {
        wait_until_all_advance(&server);
        proxy.lose_a_reply();
        eventually(SOON, "a reply is lost", || (proxy.replies_lost() == lost).then_some(()));
    }
    cluster.finish(&server);
    let leader = cluster.replica(0);
    assert!(leader.logged("recovered=true") >= 3);
    for (entry, slots) in leader.dispatched() {
        assert_no_gap(&entry, &slots);
    }
}

#[test]
fn a_connection_that_falls_silent_is_given_up_for_a_new_one() {
    needs!(Redis);
    let server = server();
    let proxy = Proxy::start(&server);
    let mut cluster = Cluster::start_with(&[proxy.url()], &busy_schedule());
    wait_until_all_advance(&server);
    proxy.cut();
    cluster.replica(0).downbeat().wait_for_log("lost the broker");
    cluster.replica(0).downbeat().wait_for_log("stepped down");
    // Past every deadline, so that new connections fall silent, too.
    sleep(2 * TTL);
    proxy.mend();
    cluster.replica(0).downbeat().wait_for_log("reached the broker again");
    cluster.finish(&server);
    assert_eq!(cluster.replica(0).logged("lost the broker"), 1);
    assert_eq!(cluster.replica(0).logged("reached the broker again"), 1);
}

#[test]
fn a_leader_that_writes_to_another_server_than_renews_its_lease_says_so_and_finds_the_right_one() {
    needs!(Redis);
    let (server, other) = (server(), server());
    let proxy = Proxy::start(&server);
    let mut cluster = Cluster::start_with(&[proxy.url()], &busy_schedule());
    wait_until_all_advance(&server);
    // Its next connection is the one that it writes to.
    proxy.lead_to(&other);
    proxy.lose_a_reply();
    let leader = cluster.replica(0);
    leader.downbeat().wait_for_log("the broker's address leads to several servers");
    let status: Value =
        serde_json::from_str(&leader.command(&["status", "--json"]).stdout).unwrap();
    assert!(status["refused_writes"]["fenced"].as_u64().unwrap() > 0, "{status}");
    assert!(other.queue(QUEUE).is_empty());
    proxy.lead_to(&server);
    leader.downbeat().wait_for_log("resumed publishing");
    cluster.finish(&server);
    let leader = cluster.replica(0);
    assert_eq!(leader.logged("leads to several servers"), 1);
    for (entry, slots) in leader.dispatched() {
        assert_no_gap(&entry, &slots);
    }
}

#[test]
fn a_leader_that_is_cut_off_makes_way_and_doubles_nothing_when_it_is_back() {
    needs!(Redis);
    let server = server();
    let proxy = Proxy::start(&server);
    let schedule = bursting_schedule(600);
    let mut cluster = Cluster::start_with(&[proxy.url(), server.url()], &schedule);
    wait_until_all_advance(&server);
    proxy.cut();
    let cut_at = Instant::now();
    assert_eq!(cluster.wait_for_leader_after(0), 1);
    assert!(cut_at.elapsed() <= TAKEOVER, "{:?}", cut_at.elapsed());
    cluster.replica(0).downbeat().wait_for_log("stepped down");
    let before = cluster.replica(0).downbeat().log().len();
    wait_until_all_advance(&server);
    // What it sent before it stepped down arrives now, and must be refused.
    proxy.mend();
    let old = cluster.replica(0);
    old.downbeat().wait_for_log_from(before, "became follower");
    let status: Value = serde_json::from_str(&old.command(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["broker_error"], Value::Null, "it is over");
    // In office again, it does not claim what the other has sent.
    assert_eq!(cluster.replica(1).command(&["resign"]).code, Some(0));
    cluster.wait_for_leader_after(1);
    cluster.finish(&server);
    let mut claims = cluster.replica(0).dispatched();
    for (entry, slots) in cluster.replica(1).dispatched() {
        claims.entry(entry).or_default().extend(slots);
    }
    for (entry, slots) in claims {
        let distinct: BTreeSet<_> = slots.iter().collect();
        assert_eq!(distinct.len(), slots.len(), "{entry}");
    }
}

/// Starts `run` and waits until it takes SIGTERM for a wish and not for its end.
fn start_and_catch_term(place: &Place) -> Downbeat {
    const TERM: u32 = 15;
    let mut downbeat = place.start(&["run", "--schedules", "schedules"]);
    let status = format!("/proc/{}/status", downbeat.process().id());
    eventually(SOON, "SIGTERM is caught", || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        (caught & (1 << (TERM - 1)) != 0).then_some(())
    });
    downbeat
}

#[test]
fn a_stop_while_it_starts_is_obeyed_though_redis_cannot_be_reached() {
    needs!(Redis);
    let server = RedisServer::start();
    let silent = Proxy::start(&server);
    silent.cut();
    let nobody = format!("redis://127.0.0.1:{}/0", free_port());
    for (url, within) in [(nobody, 2), (silent.url(), 5)] {
        let place = Place::new().env("DOWNBEAT_BROKER", &url);
        place.write_schedule("all.yaml", &busy_schedule());
        let mut downbeat = start_and_catch_term(&place);
        let asked_at = Instant::now();
        downbeat.process().terminate();
        assert_eq!(downbeat.wait(SOON).code(), Some(0), "{:?}", downbeat.log());
        let took = asked_at.elapsed();
        println!("stopped after {took:?}");
        assert!(took < Duration::from_secs(within), "{took:?}");
    }
}

#[test]
fn the_second_term_ends_it_at_once() {
    needs!(Redis);
    let server = RedisServer::start();
    let silent = Proxy::start(&server);
    silent.cut();
    let place = Place::new().env("DOWNBEAT_BROKER", &silent.url());
    place.write_schedule("all.yaml", &busy_schedule());
    let mut downbeat = start_and_catch_term(&place);
    downbeat.process().terminate();
    // It has begun to leave, and waits for a broker that does not answer.
    downbeat.wait_for_log("stopped");
    let asked_at = Instant::now();
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(128 + 15));
    assert!(asked_at.elapsed() < Duration::from_secs(1), "{:?}", asked_at.elapsed());
}

#[test]
fn a_leader_stops_in_time_though_its_broker_has_fallen_silent() {
    needs!(Redis);
    let server = server();
    let proxy = Proxy::start(&server);
    let place = Place::new().env("DOWNBEAT_BROKER", &proxy.url());
    place.write_schedule("all.yaml", &busy_schedule());
    let mut downbeat = place.start(&["run", "--schedules", "schedules"]);
    wait_for_slot(&server, wall_clock());
    proxy.cut();
    // Slots fall due every 10 ms: by now a batch is on its way, and its answer will not come.
    sleep(STEP / 2);
    let asked_at = Instant::now();
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0), "{:?}", downbeat.log());
    println!("stopped after {:?}", asked_at.elapsed());
    assert!(asked_at.elapsed() < Duration::from_secs(7), "{:?}", asked_at.elapsed());
}
