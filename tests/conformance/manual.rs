//! Messages that somebody asked for.

use downbeat::store::contract::BackfillStep::{Begins, BeginsAgain, Ends};
use downbeat::store::contract::{BackfillNote, BackfillStep, OpenBackfill, RunOf};

use super::*;

over_every_store! {
    a_manual_message_is_sent_and_recorded_without_moving_the_schedule
    a_run_that_is_repeated_sends_nothing_twice
    a_run_is_of_one_entry_and_one_queue
    a_refused_manual_message_leaves_nothing
    manual_messages_go_whoever_leads
    a_message_that_a_carrier_has_taken_is_recorded_once
    a_message_that_a_carrier_has_not_taken_leaves_nothing
    one_at_a_time_goes_on_with_a_run_over_a_carrier
    a_backfill_is_in_the_way_of_those_that_it_overlaps_until_it_ends
    a_backfill_that_is_repeated_on_purpose_replaces_those_that_it_overlaps
    a_backfill_is_in_the_way_for_an_hour_since_it_last_sent
    the_newest_hundred_backfills_are_remembered
}

const RUN: Uuid = Uuid::from_u128(77);

async fn a_manual_message_is_sent_and_recorded_without_moving_the_schedule<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let (sequence, before) = (leader.sequence, leader.state().await.progress);
    let message = leader.manual("a", "q", (RUN, 1));
    assert_eq!(leader.send(message.clone()).await, Sent::Now);
    let slots = [leader.slot(9), leader.slot(0)].map(|slot| element("a", slot));
    assert_eq!(leader.rig.messages("q"), slots);
    let snapshot = leader.read().await;
    assert_eq!(
        (snapshot.sequence, &snapshot.clone().take_state(GRACE).progress),
        (sequence, &before)
    );
    assert!(snapshot.is_chain_whole());
    assert!(snapshot.head > leader.head, "it is part of the chain");
    let event = leader.history().await.pop().unwrap();
    assert_eq!((event.term, event.queue.as_deref()), (None, Some("q")));
    assert_eq!(event.line, message.line);
    assert_eq!((leader.count("q", "manual").await, leader.count("q", "scheduled").await), (1, 1));
    // The leader need not hear of it.
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    let backfill = Line { outcome: Outcome::Dispatched(Kind::Backfill), ..message.line.clone() };
    let backfill = ManualMessage { line: backfill, run: (RUN, 2), ..message };
    assert_eq!(leader.send(backfill).await, Sent::Now);
    assert_eq!(leader.count("q", "backfill").await, 1);
    leader.fold_all().await;
    assert!(leader.read().await.is_chain_whole());
    assert_eq!(leader.through("a").await, Some(leader.slot(8)));
}

async fn a_run_that_is_repeated_sends_nothing_twice<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    for (place, expected) in [
        (1, Sent::Now),
        (1, Sent::Already),
        (2, Sent::Now),
        (1, Sent::Already),
        (2, Sent::Already),
        (5, Sent::Now),
        (4, Sent::Already),
    ] {
        assert_eq!(leader.send(leader.manual("a", "q", (RUN, place))).await, expected, "{place}");
    }
    let other = leader.manual("a", "q", (Uuid::from_u128(78), 1));
    assert_eq!(leader.send(other).await, Sent::Now, "another run");
    assert_eq!((leader.rig.messages("q").len(), leader.history().await.len()), (4, 4));
    assert_eq!(leader.count("q", "manual").await, 4);
}

async fn a_run_is_of_one_entry_and_one_queue<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    assert_eq!(leader.send(leader.manual("a", "q", (RUN, 1))).await, Sent::Now);
    let of = |entry: &str, queue: &str| RunOf { entry: entry.into(), queue: queue.into() };
    leader.store = leader.rig.reopen(leader.store);
    for place in [1, 2] {
        for (entry, queue) in [("b", "q"), ("a", "r"), ("b", "r")] {
            let sent = leader.send(leader.manual(entry, queue, (RUN, place))).await;
            assert_eq!(sent, Sent::Other(of("a", "q")), "{entry} to {queue}");
        }
        // That goes to the queue `s`.
        let noted = leader.note_manual(ManualStep::Intended, (RUN, place)).await;
        assert_eq!(noted, Noted::Other(of("a", "q")));
    }
    assert_eq!(leader.history().await.len(), 1);
    assert_eq!(leader.send(leader.manual("a", "q", (RUN, 2))).await, Sent::Now);
    assert_eq!(leader.rig.messages("q").len(), 2);
}

async fn a_refused_manual_message_leaves_nothing<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let refusing = leader.rig.refuse();
    let head = leader.read().await.head;
    let refused = leader.send(leader.manual("a", refusing, (RUN, 1))).await;
    assert!(matches!(&refused, Sent::Refused(words) if !words.is_empty()), "{refused:?}");
    assert_eq!(leader.read().await.head, head);
    assert_eq!((leader.history().await.len(), leader.count(refusing, "manual").await), (0, 0));
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    // The place is not taken.
    assert_eq!(leader.send(leader.manual("a", "q", (RUN, 1))).await, Sent::Now);
    if leader.rig.stop_refusing() {
        let other = Uuid::from_u128(78);
        assert_eq!(leader.send(leader.manual("a", refusing, (other, 1))).await, Sent::Now);
    }
}

async fn manual_messages_go_whoever_leads<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    leader.store.resign(Arc::clone(&leader.lease)).await.unwrap();
    let mut other = leader.rig.another(&leader.store);
    let message = leader.manual("a", "q", (RUN, 1));
    assert_eq!(other.send(message).await, Ok(Sent::Now));
    let snapshot = leader.read().await;
    assert!(snapshot.is_chain_whole() && snapshot.head.is_some());
    assert_eq!(leader.rig.messages("q").len(), 1);
}

async fn a_message_that_a_carrier_has_taken_is_recorded_once<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let (sequence, before) = (leader.sequence, leader.state().await.progress);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Now);
    assert_eq!(leader.history().await.len(), 1, "nothing is sent yet");
    assert_eq!(leader.note_manual(ManualStep::Published, (RUN, 1)).await, Noted::Now);
    for step in [ManualStep::Published, ManualStep::Intended] {
        assert_eq!(leader.note_manual(step, (RUN, 1)).await, Noted::Already, "{step:?}");
    }
    let snapshot = leader.read().await;
    assert_eq!(
        (snapshot.sequence, &snapshot.clone().take_state(GRACE).progress),
        (sequence, &before)
    );
    assert!(snapshot.is_chain_whole());
    assert!(snapshot.head > leader.head, "it is part of the chain");
    let [_, event] = &leader.history().await[..] else { panic!("not two") };
    assert_eq!((event.term, event.queue.as_deref()), (None, Some("s")));
    assert_eq!(event.line, leader.manual("a", "s", (RUN, 1)).line);
    assert_eq!(leader.count("s", "manual").await, 1);
    assert!(leader.rig.messages("s").is_empty(), "the carrier has it");
    // The leader need not hear of it, and a process that begins anew knows of it.
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    leader.store = leader.rig.reopen(leader.store);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Already);
    assert_eq!(leader.send(leader.manual("a", "s", (RUN, 1))).await, Sent::Already);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 2)).await, Noted::Now);
}

async fn a_message_that_a_carrier_has_not_taken_leaves_nothing<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let before = leader.everything().await;
    for _ in 0..2 {
        assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Now);
        assert_eq!(leader.note_manual(ManualStep::NotPublished, (RUN, 1)).await, Noted::Now);
    }
    assert_eq!(leader.everything().await, before);
}

async fn one_at_a_time_goes_on_with_a_run_over_a_carrier<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let other = Uuid::from_u128(78);
    for run in [RUN, other] {
        assert_eq!(leader.note_manual(ManualStep::Intended, (run, 1)).await, Noted::Now);
        assert_eq!(leader.note_manual(ManualStep::Intended, (run, 1)).await, Noted::Busy);
    }
    // Whoever intended it may have ended without a word.
    leader.rig.pass(INTENT_TTL - Duration::from_secs(5)).await;
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Busy);
    leader.rig.pass(Duration::from_secs(6)).await;
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Now);
    assert_eq!(leader.note_manual(ManualStep::Published, (RUN, 1)).await, Noted::Now);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 2)).await, Noted::Now);
    // One that comes late is recorded all the same.
    assert_eq!(leader.note_manual(ManualStep::Published, (other, 1)).await, Noted::Now);
    assert_eq!(leader.count("s", "manual").await, 2);
}

/// Of one entry and one person.
const SCOPE: Uuid = Uuid::from_u128(5);

fn backfill(run: u128, from: i64, to: i64) -> OpenBackfill {
    let queue = run.is_multiple_of(2).then(|| "a queue".into());
    OpenBackfill { run: Uuid::from_u128(run), from: UnixMs(from), to: UnixMs(to), queue }
}

impl<R: Rig> Leader<R> {
    /// Gives what is in the way.
    async fn note_backfill(
        &mut self,
        step: BackfillStep,
        backfill: OpenBackfill,
    ) -> Option<OpenBackfill> {
        self.store.note_backfill(BackfillNote { scope: SCOPE, backfill, step }).await.unwrap()
    }
}

async fn a_backfill_is_in_the_way_of_those_that_it_overlaps_until_it_ends<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    assert_eq!(leader.note_backfill(Begins, backfill(1, 1_000, 5_000)).await, None);
    assert_eq!(leader.note_backfill(Begins, backfill(2, 5_000, 6_000)).await, None);
    assert_eq!(leader.note_backfill(Begins, backfill(3, 500, 1_000)).await, None);
    let first = Some(backfill(1, 1_000, 5_000));
    for (from, to) in [(1_000, 5_000), (0, 1_001), (4_999, 9_000), (0, 9_000), (2_000, 2_001)] {
        assert_eq!(
            leader.note_backfill(Begins, backfill(4, from, to)).await,
            first,
            "{from} to {to}"
        );
    }
    // Before 1970.
    assert_eq!(leader.note_backfill(Begins, backfill(6, -9_000, -1_000)).await, None);
    let oldest = Some(backfill(6, -9_000, -1_000));
    assert_eq!(leader.note_backfill(Begins, backfill(7, -1_001, 0)).await, oldest);
    // Going on, it keeps its place; of others nothing is known.
    assert_eq!(leader.note_backfill(Begins, backfill(1, 4_000, 5_000)).await, None);
    let note = BackfillNote { scope: RUN, backfill: backfill(4, 0, 9_000), step: Begins };
    assert_eq!(leader.store.note_backfill(note).await, Ok(None));
    leader.store = leader.rig.reopen(leader.store);
    assert_eq!(leader.note_backfill(Begins, backfill(4, 1_000, 1_001)).await, first);
    assert_eq!(leader.note_backfill(Ends, backfill(1, 4_000, 5_000)).await, None);
    assert_eq!(
        leader.note_backfill(Ends, backfill(77, 0, 9_000)).await,
        None,
        "nothing is known of it"
    );
    assert_eq!(leader.note_backfill(Begins, backfill(4, 1_000, 5_000)).await, None);
    let second = Some(backfill(2, 5_000, 6_000));
    assert_eq!(leader.note_backfill(Begins, backfill(5, 5_999, 6_000)).await, second);
}

async fn a_backfill_that_is_repeated_on_purpose_replaces_those_that_it_overlaps<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    for run in 0..4 {
        let from = 1_000 * i64::try_from(run).unwrap();
        assert_eq!(leader.note_backfill(Begins, backfill(run, from, from + 1_000)).await, None);
    }
    assert_eq!(leader.note_backfill(BeginsAgain, backfill(8, 1_500, 2_500)).await, None);
    for (from, to, run) in [(0, 1_000, Some(0)), (3_000, 4_000, Some(3)), (1_500, 1_501, Some(8))] {
        let other = leader.note_backfill(Begins, backfill(9, from, to)).await;
        assert_eq!(other.map(|other| other.run.as_u128()), run);
    }
    assert_eq!(leader.note_backfill(Begins, backfill(9, 1_000, 1_500)).await, None);
    assert_eq!(leader.note_backfill(Begins, backfill(10, 2_500, 3_000)).await, None);
}

async fn a_backfill_is_in_the_way_for_an_hour_since_it_last_sent<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    let half_an_hour = Duration::from_secs(1_800);
    assert_eq!(leader.note_backfill(Begins, backfill(1, 1_000, 5_000)).await, None);
    assert_eq!(leader.note_backfill(Begins, backfill(2, 6_000, 7_000)).await, None);
    leader.rig.pass(half_an_hour).await;
    assert_eq!(leader.note_backfill(Begins, backfill(1, 3_000, 5_000)).await, None);
    leader.rig.pass(half_an_hour + Duration::from_secs(1)).await;
    let first = Some(backfill(1, 1_000, 5_000));
    assert_eq!(leader.note_backfill(Begins, backfill(3, 1_000, 7_000)).await, first);
    assert_eq!(leader.note_backfill(Begins, backfill(3, 6_000, 7_000)).await, None);
    leader.rig.pass(half_an_hour).await;
    assert_eq!(leader.note_backfill(Begins, backfill(4, 1_000, 5_000)).await, None);
}

async fn the_newest_hundred_backfills_are_remembered<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    for run in 0..101 {
        let from = 1_000 * i64::try_from(run).unwrap();
        assert_eq!(leader.note_backfill(Begins, backfill(run, from, from + 1_000)).await, None);
    }
    assert_eq!(
        leader.note_backfill(Begins, backfill(200, 0, 101_000)).await,
        Some(backfill(1, 1_000, 2_000))
    );
}
