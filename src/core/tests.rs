//! The leader's work, step by step, over a store and a carrier in memory.

mod carriers;
mod pauses;
mod rig;
mod timing_out;

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use self::rig::{Fault, GRACE, Rig, START, answer};
use crate::address::Address;
use crate::carrier::memory::Fault as CarrierFault;
use crate::schedule::sample::every;
use crate::schedule::{CatchUp, Entry};
use crate::store::contract::{HistoryQuery, MAX_CHANGES, MAX_FOLDED, Store as _};
use crate::store::memory::Damage;
use crate::worker::{AmqpQueue, CeleryQueue, Queue, Worker};

const SECOND: Duration = Duration::from_secs(1);

fn secondly(name: &str) -> Entry {
    Entry { catch_up: CatchUp::All, ..every(name, 1) }
}

/// A sent slot in seconds after the start.
fn seconds((_, slot): &(String, UnixMs)) -> u64 {
    slot.since(START).as_secs()
}

/// The entry `a` has been sent each second for five seconds; then the leader left, and nobody has led for three
/// more seconds.
fn damaged_rig(damage: Damage) -> Rig {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 5);
    rig.depose(&mut leader);
    rig.store.damage(damage);
    rig.pass(&mut leader, 3);
    rig
}

fn on_queue(queue: &Arc<Queue>, mut entry: Entry) -> Entry {
    entry.message.queue = Arc::clone(queue);
    entry
}

fn carried(name: &str) -> Entry {
    carried_on("carried", name)
}

fn carried_on(queue: &str, name: &str) -> Entry {
    let Ok(Address::Amqp(url)) = Address::parse("amqp://rabbit") else { panic!("no address") };
    let amqp = Some(AmqpQueue::on(Arc::new(url)));
    let worker = Worker::Celery(CeleryQueue::default());
    on_queue(
        &Arc::new(Queue { name: queue.into(), worker, amqp, catch_up_rate: None }),
        secondly(name),
    )
}

#[test]
fn every_slot_is_sent_once_and_counted_by_the_store() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a"), secondly("b")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 30);
    rig.assert_every_second("celery", "a", 1, 30);
    rig.assert_every_second("celery", "b", 1, 30);
    assert_eq!(rig.counted("celery", "scheduled"), 60);
    assert_eq!(leader.slots("dispatched"), 60);
    // A replica that never sent anything knows as much.
    let mut follower = rig.replica([secondly("a"), secondly("b")]);
    rig.watch(&mut follower);
    assert_eq!(follower.slots("dispatched"), 60);
}

#[test]
fn a_slot_that_never_reached_the_store_is_not_reported_whatever_is_edited_meanwhile() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    leader.fail_next([Fault::LostRequest]);
    rig.pass(&mut leader, 1);
    let hourly = every("a", 3600);
    leader.reload([hourly]);
    rig.pass(&mut leader, 5);
    rig.assert_every_second("celery", "a", 1, 2);
    assert_eq!(rig.logged(&["dispatched"]), 2, "{}", rig.log());
    assert_eq!(rig.counted("celery", "scheduled"), 2);
    // That one, and the one that came due before the new timing was written.
    assert_eq!(rig.counted("celery", "retimed"), 2, "{}", rig.log());
    assert_eq!(rig.logged(&["skipped", "retimed", "count=2"]), 1, "{}", rig.log());
}

#[test]
fn slots_whose_answer_was_lost_are_reported_once_as_recovered() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a"), secondly("b")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    leader.fail_next([Fault::LostReply]);
    rig.pass(&mut leader, 6);
    rig.assert_every_second("celery", "a", 1, 8);
    rig.assert_every_second("celery", "b", 1, 8);
    assert_eq!(rig.logged(&["dispatched", "recovered=true"]), 2, "{}", rig.log());
    assert_eq!(rig.logged(&["dispatched"]), 16, "{}", rig.log());
    assert_eq!(leader.slots("dispatched"), 16);
}

#[test]
fn a_slot_whose_answer_and_record_were_lost_is_sent_again_marked() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    leader.fail_next([Fault::LostReply]);
    rig.pass(&mut leader, 1);
    rig.store.damage(Damage::JournalDeleted);
    rig.pass(&mut leader, 3);
    assert_eq!(rig.sent("celery").len(), 7, "{}", rig.log());
    assert_eq!(rig.counted("celery", "resent"), 1, "{}", rig.log());
}

#[test]
fn what_another_leader_recorded_is_never_reported_as_sent_by_us() {
    let mut rig = Rig::new();
    let mut first = rig.replica([secondly("a")]);
    rig.elect(&mut first, false);
    rig.pass(&mut first, 2);
    // The request is lost, and the other replica sends the same slot.
    first.fail_next([Fault::LostRequest]);
    rig.pass(&mut first, 1);
    rig.depose(&mut first);
    let mut second = rig.replica([secondly("a")]);
    rig.elect(&mut second, false);
    rig.pass(&mut second, 3);
    rig.depose(&mut second);
    let before = rig.logged(&["dispatched"]);
    rig.elect(&mut first, false);
    assert_eq!(rig.logged(&["dispatched"]), before, "{}", rig.log());
    assert_eq!(rig.logged(&["read slots that another leader recorded", "slots=4"]), 1);
    rig.pass(&mut first, 2);
    rig.assert_every_second("celery", "a", 1, 8);
    assert_eq!(rig.logged(&["dispatched"]), 8, "{}", rig.log());
    assert_eq!(first.slots("dispatched"), 8);
}

#[test]
fn a_leader_whose_lease_has_expired_sends_nothing() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    rig.distrust(&mut leader);
    rig.pass(&mut leader, 3);
    rig.assert_every_second("celery", "a", 1, 2);
    // Nobody has led since: it continues from there.
    rig.elect(&mut leader, true);
    rig.pass(&mut leader, 1);
    rig.assert_every_second("celery", "a", 1, 6);
}

#[test]
fn a_store_that_wrote_nothing_is_not_read_again() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    leader.fail_next([Fault::Unavailable; 3]);
    rig.pass(&mut leader, 10);
    rig.assert_every_second("celery", "a", 1, 12);
    assert_eq!(leader.wire.reads, 1);
    assert_eq!(leader.scheduler.troubles().store_errors, 3);
    assert_eq!(leader.scheduler.troubles().error, None);
}

#[test]
fn a_queue_that_refuses_delays_no_other_and_no_clock_prolongs_its_hold() {
    let mut rig = Rig::new();
    // The machine's clock is a minute ahead of the store's, and then set.
    rig.clock.set(START + SECOND * 60);
    let fragile = Queue::unconfigured("fragile");
    let entries = [secondly("a"), on_queue(&fragile, secondly("b"))];
    let mut leader = rig.replica(entries);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    rig.store.set_refusal("fragile", Some("WRONGTYPE"));
    rig.pass(&mut leader, 2);
    assert_eq!(leader.scheduler.troubles().refusing()["fragile"], "WRONGTYPE");
    rig.clock.set(rig.clock.now() - SECOND * 30);
    rig.store.set_refusal("fragile", None);
    let waited = rig.since_boot();
    while !leader.scheduler.troubles().refusing().is_empty() {
        rig.pass(&mut leader, 1);
        assert!(rig.since_boot().since(waited) < SECOND * 10, "it is held for too long");
    }
    rig.pass(&mut leader, 1);
    let last = u32::try_from(rig.store_clock.now().since(START).as_secs()).unwrap();
    rig.assert_every_second("celery", "a", 1, last);
    rig.assert_every_second("fragile", "b", 1, last);
    assert_eq!(rig.logged(&["queue refused messages"]), 1);
    assert_eq!(rig.logged(&["queue accepted messages again"]), 1);
}

#[test]
fn nothing_is_sent_early_by_the_stores_clock_and_nothing_is_lost() {
    let mut rig = Rig::new();
    // More than fit in one batch.
    let names: Vec<String> = (0..70).map(|n| format!("e{n:02}")).collect();
    let mut leader = rig.replica(names.iter().map(|name| every(name, 1)));
    rig.elect(&mut leader, false);
    // Both clocks were ahead when they were read; the store's is right again. By the reading, the first slots
    // are missed.
    let shown = START + SECOND * 20;
    rig.clock.set(shown);
    rig.store_clock.set(shown);
    rig.read_clock(&mut leader);
    rig.store_clock.set(START);
    leader.run();
    let sent = rig.sent("celery");
    assert!(sent.iter().all(|(_, slot)| *slot <= START + SECOND), "{sent:?}");
    rig.pass(&mut leader, 5);
    for name in &names {
        rig.assert_every_second("celery", name, 1, 5);
    }
    assert_eq!(rig.logged(&["skipped"]), 0, "{}", rig.log());
}

#[test]
fn a_lost_journal_is_begun_anew_from_memory() {
    for damage in [Damage::JournalDeleted, Damage::JournalReplaced, Damage::HeadDeleted] {
        let mut rig = Rig::new();
        // An entry without a slot between the loss and the next leader.
        let rare = || Entry { catch_up: CatchUp::All, ..every("rare", 5) };
        let mut leader = rig.replica([secondly("a"), secondly("b"), rare()]);
        rig.elect(&mut leader, false);
        rig.pass(&mut leader, 5);
        rig.store.damage(damage);
        rig.pass(&mut leader, 2);
        assert_eq!(rig.logged(&["lost the journal and its history"]), 1, "{damage:?}");
        rig.depose(&mut leader);
        // A successor without memory continues where it stopped.
        let mut heir = rig.replica([secondly("a"), secondly("b"), rare()]);
        rig.elect(&mut heir, false);
        rig.pass(&mut heir, 3);
        rig.assert_every_second("celery", "a", 1, 10);
        rig.assert_every_second("celery", "b", 1, 10);
        let sent = rig.sent("celery");
        let rare = sent.iter().filter(|(name, _)| name == "rare").map(seconds);
        assert_eq!(rare.collect::<Vec<_>>(), [5, 10], "{damage:?}");
        assert_eq!(rig.counted("celery", "unknown"), 0, "{damage:?}");
    }
}

#[test]
fn records_that_nobody_remembers_cost_counted_slots_and_send_none_twice() {
    let all = [
        Damage::JournalDeleted,
        Damage::JournalReplaced,
        Damage::OldestRecordsDeleted(1),
        Damage::NewestRecordDeleted,
        Damage::HeadDeleted,
        Damage::RegistrationsDeleted,
        Damage::ProgressDeleted,
    ];
    for damage in all {
        let mut rig = damaged_rig(damage);
        let mut heir = rig.replica([secondly("a")]);
        rig.elect(&mut heir, false);
        rig.pass(&mut heir, 20);
        let mut slots: Vec<UnixMs> = rig.sent("celery").into_iter().map(|sent| sent.1).collect();
        let count = slots.len();
        slots.dedup();
        assert_eq!(slots.len(), count, "{damage:?} doubled a slot");
        assert_eq!(slots.last(), Some(&(START + SECOND * 28)), "{damage:?}\n{}", rig.log());
        assert_eq!(rig.logged(&["found records missing"]), 1, "{damage:?}\n{}", rig.log());
        // And the next one finds everything in order.
        rig.depose(&mut heir);
        let mut third = rig.replica([secondly("a")]);
        rig.elect(&mut third, false);
        rig.pass(&mut third, 2);
        assert_eq!(rig.logged(&["found records missing"]), 1, "{damage:?}\n{}", rig.log());
        assert_eq!(rig.sent("celery").len(), count + 2, "{damage:?}\n{}", rig.log());
    }
}

#[test]
fn slots_of_lost_records_are_counted_whichever_write_of_a_takeover_fails() {
    // Each damage, with the last slot that still has a record.
    let all = [
        (Damage::JournalDeleted, 0),
        (Damage::JournalReplaced, 0),
        (Damage::OldestRecordsDeleted(1), 5),
        (Damage::NewestRecordDeleted, 4),
        (Damage::HeadDeleted, 5),
        (Damage::RegistrationsDeleted, 5),
        (Damage::ProgressDeleted, 5),
    ];
    for (damage, left) in all {
        for faults in [
            vec![Fault::LostReply],
            vec![Fault::None, Fault::LostRequest],
            vec![Fault::None, Fault::LostReply],
        ] {
            let mut rig = damaged_rig(damage);
            let mut heir = rig.replica([secondly("a")]);
            heir.fail_next(faults.clone());
            rig.elect(&mut heir, false);
            rig.pass(&mut heir, 5);
            let what = format!("{damage:?}, {faults:?}\n{}", rig.log());
            assert!(heir.wire.faults.is_empty(), "{what}");
            let slots: Vec<u64> = rig.sent("celery").iter().map(seconds).collect();
            let (before, after) = slots.split_at(5);
            assert_eq!(before, [1, 2, 3, 4, 5], "{what}");
            assert!(after.first() > Some(&8), "{what}");
            assert!(after.iter().copied().eq(after[0]..=13), "{what}");
            assert_eq!(rig.counted("celery", "unknown"), after[0] - 1 - left, "{what}");
        }
    }
}

#[test]
fn an_idle_leader_folds_what_is_old_in_bounded_steps() {
    let mut rig = Rig::new();
    let entries: Vec<Entry> = (0..1_500).map(|n| every(&format!("e{n:04}"), 60)).collect();
    let mut leader = rig.replica(entries);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 75);
    assert_eq!(rig.sent("celery").len(), 1_500);
    let folds = leader.wire.folds.clone();
    assert!(folds.iter().all(|size| *size <= MAX_FOLDED), "{folds:?}");
    assert_eq!(folds.iter().sum::<usize>(), 1_500, "{folds:?}");
    let snapshot = rig.read();
    assert!(snapshot.journal.is_empty() && snapshot.head == snapshot.folded);
    assert_eq!(snapshot.progress.len(), 1_500);
}

#[test]
fn what_a_predecessor_left_unfolded_is_folded() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 5);
    rig.depose(&mut leader);
    assert_eq!(rig.read().journal.len(), 5);
    let mut heir = rig.replica([every("a", 1), every("b", 3600)]);
    rig.elect(&mut heir, false);
    heir.reload([every("b", 3600)]);
    rig.pass(&mut heir, 12);
    let snapshot = rig.read();
    assert!(snapshot.journal.is_empty(), "{:?}", snapshot.journal);
    assert_eq!(snapshot.head, snapshot.folded);
}

#[test]
fn a_leader_that_is_never_idle_trims_what_it_records() {
    const ENTRIES: usize = 500;
    let mut rig = Rig::new();
    let mut leader = rig.replica((0..ENTRIES).map(|n| secondly(&format!("e{n:03}"))));
    leader.scheduler.settings.history.slots = 1_000;
    rig.elect(&mut leader, false);
    let backlog = SECOND * 200;
    rig.clock.set(START + backlog);
    rig.store_clock.set(START + backlog);
    rig.advance(backlog);
    rig.renew(&mut leader);
    let (mut sent, mut journalled) = (0, 0);
    while sent < ENTRIES * 200 {
        for _ in 0..100 {
            leader.step();
        }
        sent = rig.store.messages("celery").len();
        let query = HistoryQuery { limit: usize::MAX, ..HistoryQuery::default() };
        let history = rig.history(query);
        let in_journal = history.events.iter().filter(|event| event.term.is_some());
        journalled = journalled.max(in_journal.count());
    }
    assert!((50_000..65_000).contains(&journalled), "{journalled} of {sent}");
}

#[test]
fn what_is_due_first_is_sent_before_the_rest_is_planned() {
    let mut rig = Rig::new();
    let entries: Vec<Entry> = (0..1_200).map(|n| every(&format!("e{n:04}"), 60)).collect();
    let mut leader = rig.replica(entries);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 60);
    assert_eq!(leader.wire.batches, [50, 125, 125, 125, 125, 125, 125, 125, 125, 125, 25]);
}

#[test]
fn slots_for_which_a_request_has_no_room_go_with_the_next_and_none_goes_twice() {
    let mut rig = Rig::new();
    let large = |name| {
        let mut entry = secondly(name);
        entry.message.args = format!("[\"{}\"]", "x".repeat(1 << 20)).into();
        entry
    };
    let mut leader = rig.replica([large("a"), large("b")]);
    rig.elect(&mut leader, false);
    for clock in [&rig.clock, &rig.store_clock] {
        clock.set(START + SECOND * 12);
    }
    rig.advance(SECOND * 12);
    rig.renew(&mut leader);
    leader.run();
    rig.assert_every_second("celery", "a", 1, 12);
    rig.assert_every_second("celery", "b", 1, 12);
    let batches = &leader.wire.batches;
    assert!(batches.iter().all(|slots| *slots < 6) && batches.len() > 5, "{batches:?}");
}

#[test]
fn registrations_are_written_in_parts_of_which_the_last_is_marked() {
    let mut rig = Rig::new();
    let entries: Vec<Entry> = (0..1_200).map(|n| every(&format!("e{n:04}"), 60)).collect();
    let mut leader = rig.replica(entries.clone());
    // The leader dies after the first part.
    leader.fail_next([Fault::None, Fault::LostRequest]);
    rig.elect(&mut leader, false);
    rig.depose(&mut leader);
    let mut heir = rig.replica(entries);
    rig.elect(&mut heir, false);
    let parts = heir.wire.registers.clone();
    assert_eq!(parts, [(MAX_CHANGES, false), (MAX_CHANGES, false), (200, true)]);
    rig.pass(&mut heir, 60);
    assert_eq!(rig.sent("celery").len(), 1_200);
}

#[test]
fn the_counters_of_a_namespace_continue_under_the_next_leader() {
    let mut rig = Rig::new();
    let mut first = rig.replica([secondly("a")]);
    rig.elect(&mut first, false);
    rig.pass(&mut first, 5);
    rig.depose(&mut first);
    let mut second = rig.replica([secondly("a")]);
    rig.give_lease(&mut second, false);
    while !second.scheduler.leads() {
        second.step();
    }
    assert_eq!(second.slots("dispatched"), 5, "at once");
    second.run();
    rig.pass(&mut second, 5);
    assert_eq!(second.slots("dispatched"), 10);
    // What a process has shown, it keeps showing, even if the store has lost its counters.
    rig.store.damage(Damage::Flushed);
    rig.elect(&mut second, true);
    rig.pass(&mut second, 2);
    assert!(second.slots("dispatched") >= 12);
}

#[test]
fn a_clock_that_was_ahead_silences_no_entry_once_it_is_set_right() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([every("a", 1)]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 3);
    let ahead = SECOND * 7_200;
    rig.move_clocks(|at| at + ahead);
    rig.pass(&mut leader, 5);
    rig.move_clocks(|at| at - ahead);
    let before = rig.sent("celery").len();
    rig.pass(&mut leader, 10);
    // Slots skipped while the clock was ahead are sent, too: they are still on time.
    assert_eq!(rig.sent("celery").len(), before + 15, "{}", rig.log());
    assert_eq!(rig.logged(&["clock went back"]), 1, "{}", rig.log());
    assert_eq!(leader.scheduler.troubles().bad_records().0[0].entry, "a");
    // The next leader finds nothing to repair.
    rig.depose(&mut leader);
    let mut heir = rig.replica([every("a", 1)]);
    rig.elect(&mut heir, false);
    rig.pass(&mut heir, 2);
    assert_eq!(rig.sent("celery").len(), before + 17, "{}", rig.log());
    assert!(GRACE < ahead && heir.scheduler.troubles().bad_records().0.is_empty(), "{}", rig.log());
}

#[test]
fn entries_that_began_while_only_the_stores_clock_was_ahead_continue_once_it_is_right() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 3);
    rig.store_clock.set(rig.store_clock.now() + SECOND * 3_600);
    rig.pass(&mut leader, 1);
    leader.reload([secondly("a"), secondly("added")]);
    rig.pass(&mut leader, 1);
    rig.store_clock.set(rig.store_clock.now() - SECOND * 3_600);
    rig.pass(&mut leader, 5);
    rig.assert_every_second("celery", "a", 1, 10);
    rig.assert_every_second("celery", "added", 7, 10);
    let bad_records = leader.scheduler.troubles().bad_records().0;
    assert!(bad_records.iter().any(|record| record.entry == "added"), "{bad_records:?}");
}

#[test]
fn what_a_predecessor_sent_while_the_clock_was_ahead_is_not_sent_again() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([every("a", 1)]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 3);
    let ahead = SECOND * 100;
    rig.move_clocks(|at| at + ahead);
    rig.pass(&mut leader, 15);
    // Now it has time to fold.
    rig.advance(SECOND * 10);
    leader.run();
    assert!(rig.read().journal.is_empty());
    rig.depose(&mut leader);
    rig.move_clocks(|at| at - ahead);
    let mut heir = rig.replica([every("a", 1)]);
    rig.elect(&mut heir, false);
    rig.pass(&mut heir, 110);
    let mut slots: Vec<u64> = rig.sent("celery").iter().map(seconds).collect();
    slots.sort_unstable();
    assert_eq!(slots, (1..=3).chain(19..=128).collect::<Vec<_>>(), "{}", rig.log());
}

#[test]
fn slots_that_ended_with_a_write_that_was_not_answered_are_reported_once() {
    // Recorded at a takeover, and by an edit under a leader.
    for first in [Fault::LostRequest, Fault::Unavailable] {
        let mut rig = Rig::new();
        let mut leader = rig.replica([secondly("a")]);
        rig.elect(&mut leader, false);
        rig.pass(&mut leader, 2);
        leader.fail_next([first, Fault::LostReply]);
        rig.pass(&mut leader, 1);
        leader.reload([every("a", 3600)]);
        rig.pass(&mut leader, 5);
        let retimed = rig.counted("celery", "retimed");
        assert!(leader.wire.faults.is_empty() && retimed > 0, "{}", rig.log());
        let count = format!("count={retimed}");
        assert_eq!(rig.logged(&["skipped", "retimed", &count]), 1, "{}", rig.log());
        assert_eq!(rig.logged(&["skipped"]), 1, "{}", rig.log());
        assert_eq!(leader.slots("retimed"), retimed);
    }
}

#[test]
fn slots_of_an_entry_that_was_removed_are_counted_under_its_queue() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a"), secondly("b")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 3);
    rig.depose(&mut leader);
    rig.pass(&mut leader, 3);
    let mut heir = rig.replica([secondly("b")]);
    rig.elect(&mut heir, false);
    assert_eq!(rig.counted("celery", "retimed"), 3, "{}", rig.log());
    assert_eq!(heir.slots("retimed"), 3);
}

#[test]
fn if_records_are_missing_an_old_memory_is_not_believed() {
    let mut rig = Rig::new();
    let mut first = rig.replica([secondly("a")]);
    let mut second = rig.replica([secondly("a")]);
    rig.elect(&mut first, false);
    rig.pass(&mut first, 3);
    rig.depose(&mut first);
    rig.elect(&mut second, false);
    rig.pass(&mut second, 5);
    rig.depose(&mut second);
    rig.store.damage(Damage::ProgressDeleted);
    rig.elect(&mut first, false);
    rig.pass(&mut first, 3);
    let mut slots: Vec<UnixMs> = rig.sent("celery").into_iter().map(|sent| sent.1).collect();
    let count = slots.len();
    slots.dedup();
    assert_eq!(slots.len(), count, "{}", rig.log());
    // Within one tenure, no other leader can have written.
    rig.store.damage(Damage::RegistrationsDeleted);
    first.fail_next([Fault::LostReply]);
    rig.pass(&mut first, 10);
    assert_eq!(rig.logged(&["restoring them from memory"]), 1, "{}", rig.log());
    rig.assert_every_second("celery", "a", 1, 21);
}

#[test]
fn a_lease_renewed_on_another_server_is_noticed_and_the_leader_continues_once_it_finds_that_server()
{
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    let lease = leader.lease().text;
    answer(rig.store.clone().resign(Arc::clone(&lease))).unwrap();
    rig.pass(&mut leader, 3);
    let scheduler = &leader.scheduler;
    assert!(scheduler.refused_writes().fenced > 0 && scheduler.troubles().error.is_none());
    rig.pass(&mut leader, 7);
    let said = leader.scheduler.troubles().error.clone().unwrap().to_string();
    assert!(said.contains("leads to several servers: one renews the lease"), "{said}");
    rig.elect(&mut leader, true);
    rig.pass(&mut leader, 3);
    assert_eq!(leader.scheduler.troubles().error, None);
    rig.assert_every_second("celery", "a", 1, 15);
}

#[test]
fn a_deposed_leader_counts_fenced_writes_and_looks_for_no_other_server() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    answer(rig.store.clone().resign(leader.lease().text)).unwrap();
    rig.pass(&mut leader, 1);
    // It learns of it with the next renewal.
    rig.depose(&mut leader);
    rig.pass(&mut leader, 9);
    let scheduler = &leader.scheduler;
    assert_eq!(scheduler.refused_writes().fenced, 1);
    assert_eq!(scheduler.troubles().error, None);
}
