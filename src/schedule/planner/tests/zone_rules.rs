//! Zone rules that change while the planner plans.

use downbeat_time::Zone;
use jiff::tz::{Offset, TimeZone};

use super::*;

/// An entry in Havana, whose clock is this many hours behind UTC.
fn in_havana(line: &str, behind: i8) -> Entry {
    let rules = TimeZone::fixed(Offset::constant(-behind));
    let havana = Zone::from_jiff("America/Havana".parse().unwrap(), &rules);
    Entry { zone: Arc::new(havana), ..cron("a", line) }
}

/// A planner by the old rules up to `now`, which then goes on by the new ones.
fn replaced(line: &str, (old, new): (i8, i8), now: u64) -> Planner {
    let mut planner = at_noon([in_havana(line, old)]);
    settle_all(&mut planner, at(now));
    let takeover = planner.replace(schedule([in_havana(line, new)]), at(now));
    assert_eq!((&takeover.changes[..], &takeover.ended[..]), (&[][..], &[][..]));
    takeover.planner
}

#[test]
fn a_reading_that_was_sent_and_comes_again_is_not_sent_again() {
    // Half past nine is at 12:30 by the old rules, at 13:30 by the new.
    let mut planner = replaced("30 9 * * *", (3, 4), 1800);
    let state = state_of(&planner, at(1800));
    assert_eq!(settle_all(&mut planner, at(5400)), []);
    assert_eq!(settle_all(&mut planner, at(5400 + 86_400)), [send(5400 + 86_400)]);
    // Nor by the next leader.
    let next = [in_havana("30 9 * * *", 4)];
    let mut next = take_over(next, &State { now: at(2000), ..state }, None).planner;
    assert_eq!(settle_all(&mut next, at(5400)), []);
}

#[test]
fn a_reading_that_was_not_sent_comes_by_the_new_rules() {
    let mut planner = replaced("30 9 * * *", (3, 4), 1799);
    assert_eq!(settle_all(&mut planner, at(1800)), []);
    assert_eq!(settle_all(&mut planner, at(5400)), [send(5400)]);
}

#[test]
fn a_reading_that_the_new_rules_move_to_the_past_is_missed() {
    let mut planner = replaced("30 9 * * *", (4, 3), 2000);
    assert_eq!(settle_all(&mut planner, at(2000)), [caught_up(1800)]);
    assert_eq!(settle_all(&mut planner, at(5400)), []);
}

#[test]
fn what_follows_real_time_goes_on_every_hour() {
    let mut planner = replaced("0 * * * *", (3, 4), 3600);
    assert_eq!(settle_all(&mut planner, at(7200)), [send(7200)]);
    let mut planner = replaced("0 * * * *", (4, 3), 3600);
    assert_eq!(settle_all(&mut planner, at(7200)), [send(7200)]);
}
