//! Properties of every entry, of any kind, with or without bounds and a delay.

use std::iter::successors;
use std::time::Duration;

use downbeat_time::{UnixMs, arbitrary};
use proptest::prelude::*;

use super::planner::{Action, Planner};
use super::progress::State;
use super::sample::{any, schedule};
use super::{CatchUp, Entry, Kind};

/// The maximum number of slots in a range.
const MAX_SLOTS: usize = 100;
const INSTANT: Duration = Duration::from_millis(1);

fn slots(entry: &Entry, after: UnixMs) -> impl Iterator<Item = UnixMs> {
    successors(entry.next_slot(after), |slot| entry.next_slot(*slot))
}

/// The end of a range from `after` on. It is a month or more long, or has the maximum number of slots.
fn end_of_range(entry: &Entry, after: UnixMs, days: u64) -> UnixMs {
    let until = after + Duration::from_secs(days * 86_400);
    match slots(entry, after).nth(MAX_SLOTS - 1) {
        Some(last) if last <= until => last - INSTANT,
        _ => until,
    }
}

proptest! {
    #[test]
    fn a_leader_that_plans_now_and_then_sends_every_due_slot_once_and_in_order(
        entries in prop::collection::vec(any::entry(), 1..4), after in arbitrary::instant(),
        days in 1..100_u64, cuts in arbitrary::cuts(),
    ) {
        let entries = (0..).zip(entries).map(|(index, entry): (u32, Entry)| Entry {
            name: index.to_string().into(),
            catch_up: CatchUp::All,
            within: Duration::MAX,
            ..entry
        });
        let schedule = schedule(entries);
        let ends = schedule.entries.iter().map(|entry| end_of_range(entry, after, days));
        let until = ends.min().unwrap();
        let state = State { now: after, ..State::default() };
        let grace = Duration::from_secs(15);
        let mut planner =
            Planner::take_over(schedule.clone(), grace, &state, None, &|_| None).planner;
        let mut sent = vec![Vec::new(); schedule.entries.len()];
        for (_, now) in arbitrary::pieces(after, until, &cuts) {
            let mut plan = planner.plan(now, 7, 3);
            while !plan.items.is_empty() {
                for item in &plan.items {
                    let is_sent = matches!(item.action, Action::Send(Kind::Scheduled | Kind::CatchUp));
                    prop_assert!(is_sent, "{:?}", item);
                    sent[item.entry as usize].push(item.slot);
                    planner.settle(item);
                }
                plan = planner.plan(now, 7, 3);
            }
            prop_assert!(plan.wake_at > now);
        }
        for (entry, sent) in schedule.entries.iter().zip(sent) {
            let due: Vec<UnixMs> = slots(entry, after)
                .take_while(|slot| *slot <= until)
                .filter(|slot| entry.due(*slot) <= until)
                .collect();
            prop_assert_eq!(sent, due);
        }
    }

    #[test]
    fn messages_are_due_between_their_slot_and_the_next_one(
        entry in any::entry(), after in arbitrary::instant(), ahead in 0.0..1.0,
    ) {
        for slot in slots(&entry, after).take(6) {
            let (due, next) = (entry.due(slot), entry.next_slot(slot));
            prop_assert!(slot <= due && next.is_none_or(|next| due < next), "{} {}", slot, due);
            // At any time, an instant separates what is due from what is not.
            let now = arbitrary::at_fraction(slot, next.unwrap_or(due + INSTANT), ahead);
            let through = entry.due_through(after, now);
            prop_assert_eq!(slot <= through, due <= now);
            prop_assert!(next.is_none_or(|next| next > through));
        }
    }
}
