//! Whole keys that are deleted, of another type, or swapped.

use redis::Commands as _;

use super::{ALL, KEYS, OTHERS, STEP, Victim, assert_all_accounted_for};
use crate::support::redis::RedisServer;
use crate::support::tools::needs;

/// Puts a value of another type than any of ours in the place of a key.
fn replace(victim: &mut Victim<'_>, key: &str) {
    let name = victim.key(key);
    // In one step, as the leader goes on writing.
    let replaced = redis::pipe().atomic().del(&name).sadd(&name, "garbage").exec(&mut victim.redis);
    replaced.unwrap();
}

fn delete(victim: &mut Victim<'_>, key: &str) {
    let () = victim.redis.del(victim.key(key)).unwrap();
}

/// Puts each of two keys in the place of the other.
fn swap(victim: &mut Victim<'_>, (one, other): (&str, &str)) {
    let [one, other, aside] = [one, other, "aside"].map(|key| victim.key(key));
    for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
        if victim.redis.exists(from).unwrap() {
            let () = victim.redis.rename(from, to).unwrap();
        }
    }
}

/// Keys with others of the same type, and with others of another. (A number in the place of the marker
/// says that a newer version was here.)
const SWAPPED: [(&str, &str); 10] = [
    ("progress", "registrations"),
    ("counters", "progress"),
    ("replicas", "registrations"),
    ("outcomes", "running"),
    ("head", "folded"),
    ("sequence", "term"),
    ("marker", "head"),
    ("journal", "progress"),
    ("lease", "folded"),
    ("journal", "marker"),
];

/// Does it to a running leader, again and again: no slot of any entry is lost.
fn assert_no_slot_is_lost<T: Copy + std::fmt::Debug>(
    all: &[T],
    damage: impl Fn(&mut Victim<'_>, T),
) {
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "keys");
    for key in all {
        damage(&mut victim, *key);
        victim.wait_for_more(&ALL, &format!("{key:?}"));
    }
    let account = victim.finish();
    ALL.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

/// Does it while nobody leads, again and again: all entries go on, and what was lost is counted.
fn assert_what_is_lost_is_counted<T: Copy + std::fmt::Debug>(
    all: &[T],
    damage: impl Fn(&mut Victim<'_>, T),
) {
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "keys");
    for key in all {
        victim.restart(|victim| damage(victim, *key));
        victim.wait_for_more(&ALL, &format!("{key:?}"));
    }
    let account = victim.finish();
    ALL.iter().for_each(|entry| assert_all_accounted_for(&account, entry));
}

#[test]
fn a_key_deleted_under_a_leader_costs_no_slot() {
    needs!(Redis);
    assert_no_slot_is_lost(&KEYS, delete);
}

#[test]
fn a_key_of_another_type_under_a_leader_costs_no_slot() {
    needs!(Redis);
    assert_no_slot_is_lost(&KEYS, replace);
}

#[test]
fn keys_swapped_under_a_leader_cost_no_slot() {
    needs!(Redis);
    assert_no_slot_is_lost(&SWAPPED, swap);
}

#[test]
fn a_key_deleted_while_nobody_leads_costs_no_slot_that_is_not_counted() {
    needs!(Redis);
    assert_what_is_lost_is_counted(&KEYS, delete);
}

#[test]
fn a_key_of_another_type_while_nobody_leads_costs_no_slot_that_is_not_counted() {
    needs!(Redis);
    assert_what_is_lost_is_counted(&KEYS, replace);
}

#[test]
fn keys_swapped_while_nobody_leads_cost_no_slot_that_is_not_counted() {
    needs!(Redis);
    assert_what_is_lost_is_counted(&SWAPPED, swap);
}

#[test]
fn registrations_that_were_lost_are_told_of_and_made_anew() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "keys");
    victim.restart(|victim| delete(victim, "registrations"));
    victim.wait_for_more(&ALL, "registrations");
    assert_eq!(victim.replica.logged("found records missing"), 1);
    // Once is enough.
    victim.restart(|_| ());
    victim.wait_for_more(&OTHERS, "a restart");
    assert_eq!(victim.replica.logged("found records missing"), 1);
    drop(victim.finish());
}
