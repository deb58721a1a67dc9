//! Slots of queues on carriers.

use super::rig::{Fault, Rig};
use super::{SECOND, carried, carried_on, secondly};
use crate::carrier::memory::Fault as CarrierFault;
use crate::schedule::Entry;
use crate::schedule::sample::every;

#[test]
fn slots_of_a_carrier_are_intended_published_and_settled() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([carried("a"), secondly("b")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 5);
    assert_eq!(rig.carrier.messages("carried").len(), 5);
    assert_eq!(rig.counted("carried", "scheduled"), 5);
    rig.assert_every_second("celery", "b", 1, 5);
    // Refused: it is tried again, and nothing is left uncertain.
    rig.carrier.set_fault("carried", Some(CarrierFault::Refuse));
    rig.pass(&mut leader, 1);
    assert_eq!(leader.scheduler.troubles().refusing()["carried"], "the queue refuses");
    assert!(rig.read().intents.is_empty());
    rig.carrier.set_fault("carried", None);
    rig.pass(&mut leader, 5);
    assert_eq!(rig.carrier.messages("carried").len(), 11);
    assert_eq!(rig.counted("carried", "scheduled"), 11);
    assert_eq!(rig.counted("carried", "resent"), 0);
}

#[test]
fn a_carriers_slot_whose_record_is_not_answered_is_recorded_once() {
    for fault in [Fault::LostReply, Fault::LostRequest] {
        let mut rig = Rig::new();
        let mut leader = rig.replica([carried("a")]);
        rig.elect(&mut leader, false);
        // The intent is answered.
        leader.fail_next([Fault::None, fault]);
        rig.pass(&mut leader, 10);
        assert_eq!(rig.carrier.messages("carried").len(), 10);
        assert_eq!(rig.counted("carried", "scheduled"), 10, "{fault:?}");
        assert_eq!(leader.slots("dispatched"), 10, "{fault:?}");
        assert_eq!(rig.logged(&["dispatched"]), 10, "{fault:?}");
    }
}

#[test]
fn a_carriers_slot_that_another_leader_settled_meanwhile_is_not_recorded_again() {
    for fault in [None, Some(CarrierFault::LoseAnswer)] {
        let mut rig = Rig::new();
        let mut leader = rig.replica([carried("a")]);
        rig.elect(&mut leader, false);
        leader.publishes_slowly = true;
        rig.carrier.set_fault("carried", fault);
        rig.pass(&mut leader, 1);
        rig.carrier.set_fault("carried", None);
        rig.depose(&mut leader);
        let mut other = rig.replica([carried("a")]);
        rig.elect(&mut other, false);
        rig.pass(&mut other, 2);
        rig.depose(&mut other);
        rig.elect(&mut leader, false);
        leader.answer_publishes();
        rig.pass(&mut leader, 2);
        assert_eq!(rig.carrier.messages("carried").len(), 6, "{}", rig.log());
        assert_eq!(rig.counted("carried", "resent"), 1);
        assert_eq!(rig.counted("carried", "scheduled"), 4, "{}", rig.log());
        assert_eq!(leader.slots("dispatched"), 5);
    }
}

#[test]
fn a_message_that_was_on_its_way_when_another_was_refused_ends_the_hold_of_their_queue() {
    let mut rig = Rig::new();
    let [two, three] = [("two", 2), ("three", 3)]
        .map(|(name, seconds)| Entry { message: carried(name).message, ..every(name, seconds) });
    let mut leader = rig.replica([two, three]);
    rig.elect(&mut leader, false);
    leader.publishes_slowly = true;
    rig.carrier.set_fault("carried", Some(CarrierFault::Refuse));
    rig.pass(&mut leader, 2);
    rig.carrier.set_fault("carried", None);
    rig.pass(&mut leader, 1);
    leader.answer_publishes();
    rig.pass(&mut leader, 57);
    assert_eq!(rig.carrier.messages("carried").len(), 50, "{}", rig.log());
}

#[test]
fn slots_before_one_that_is_with_a_carrier_are_sent_again_if_the_store_forgets_them() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([carried("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 1);
    let checkpoint = rig.store.checkpoint();
    rig.pass(&mut leader, 3);
    leader.publishes_slowly = true;
    rig.pass(&mut leader, 1);
    rig.store.roll_back(&checkpoint);
    rig.elect(&mut leader, false);
    leader.answer_publishes();
    rig.pass(&mut leader, 2);
    assert_eq!(rig.counted("carried", "resent"), 4, "{}", rig.log());
    assert_eq!(rig.counted("carried", "scheduled"), 3, "{}", rig.log());
}

#[test]
fn a_slot_that_a_carrier_took_while_the_clock_was_ahead_silences_no_entry() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([carried("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 1);
    let ahead = SECOND * 7_200;
    rig.move_clocks(|at| at + ahead);
    leader.publishes_slowly = true;
    rig.pass(&mut leader, 1);
    rig.move_clocks(|at| at - ahead);
    rig.pass(&mut leader, 2);
    leader.answer_publishes();
    let before = rig.carrier.messages("carried").len();
    rig.pass(&mut leader, 10);
    assert!(rig.carrier.messages("carried").len() >= before + 10, "{}", rig.log());
}

#[test]
fn an_edit_counts_no_slot_that_a_carrier_is_about_to_send() {
    for edited in [None, Some(Entry { message: carried("a").message, ..every("a", 3600) })] {
        let mut rig = Rig::new();
        let other = Entry { message: carried_on("other", "c").message, ..every("c", 2) };
        let others = || [secondly("b"), other.clone()];
        let mut leader = rig.replica(others().into_iter().chain([carried("a")]));
        rig.elect(&mut leader, false);
        leader.publishes_slowly = true;
        rig.pass(&mut leader, 1);
        leader.reload(others().into_iter().chain(edited));
        rig.pass(&mut leader, 2);
        rig.assert_every_second("celery", "b", 1, 3);
        // The edit might wait for ever.
        assert!(rig.carrier.messages("other").is_empty(), "{}", rig.log());
        leader.answer_publishes();
        rig.pass(&mut leader, 2);
        assert_eq!(rig.carrier.messages("carried").len(), 1, "{}", rig.log());
        assert_eq!(rig.counted("carried", "scheduled"), 1, "{}", rig.log());
        assert_eq!(rig.counted("carried", "retimed"), 2, "{}", rig.log());
        assert_eq!(rig.counted("other", "scheduled"), 2, "{}", rig.log());
        rig.assert_every_second("celery", "b", 1, 5);
    }
}

#[test]
fn an_uncertain_slot_is_sent_again_with_the_same_id_and_counted_once() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([carried("a")]);
    rig.elect(&mut leader, false);
    rig.carrier.set_fault("carried", Some(CarrierFault::LoseAnswer));
    rig.pass(&mut leader, 1);
    assert_eq!(rig.carrier.messages("carried").len(), 1);
    rig.depose(&mut leader);
    rig.carrier.set_fault("carried", None);
    let mut heir = rig.replica([carried("a")]);
    rig.elect(&mut heir, false);
    let messages = rig.carrier.messages("carried");
    assert_eq!(messages.len(), 2, "{}", rig.log());
    assert_eq!(messages[0].correlation_id, messages[1].correlation_id);
    assert_eq!(rig.counted("carried", "resent"), 1);
    assert_eq!(rig.counted("carried", "scheduled"), 0);
}
