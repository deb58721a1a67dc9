//! How far messages have come that AMQP brokers take.

use std::num::NonZeroU32;

use downbeat::store::{Broker as _, Note, Stage};

use super::*;

fn note(entry: &str, slot: UnixMs, stage: Stage) -> Note {
    Note {
        entry: entry.into(),
        slot,
        stage,
        queue: Queue::unconfigured("q"),
        guards: Guards::default(),
    }
}

fn intend(entry: &str, slot: UnixMs) -> Note {
    note(entry, slot, Stage::Intended)
}

fn published(entry: &str, slot: UnixMs) -> Note {
    let task_id = TaskIds::new("test").id(entry, slot);
    note(entry, slot, Stage::Settled(Outcome::Dispatched(task_id)))
}

impl Leader {
    async fn note(&mut self, sequence: u64, notes: &[Note]) -> Reply {
        let fence = self.fence(sequence);
        self.broker.note(&fence, notes).await.unwrap()
    }
}

#[tokio::test]
async fn an_intent_is_in_doubt_until_it_is_settled_or_withdrawn() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let slot = ago(10);
    let intents = [intend("a", slot), intend("b", slot), intend("c", slot), intend("d", slot)];
    assert_eq!(written(leader.note(0, &intents).await), (1, vec![]));
    let state = leader.state().await;
    assert_eq!((state.intents.len(), state.progress.len()), (4, 0));
    let full = Stage::Settled(Outcome::Skipped(SkipReason::QueueFull));
    let ends = [published("a", slot), note("b", slot, Stage::Withdrawn), note("c", slot, full)];
    assert_eq!(written(leader.note(1, &ends).await), (2, vec![]));
    let state = leader.state().await;
    let left: Vec<_> = state.intents.iter().map(|(name, slot)| (&**name, *slot)).collect();
    assert_eq!(left, [("d", slot)]);
    assert_eq!(state.progress.get("a"), Some(&slot));
    assert_eq!(state.progress.get("b"), None);
    let records: Vec<String> = leader.server.connect().hvals("test:progress").unwrap();
    let id = TaskIds::new("test").id("a", slot);
    assert!(records.contains(&format!("{} dispatched {id}", slot.0)), "{records:?}");
    assert!(records.contains(&format!("{} queue_full -", slot.0)), "{records:?}");
}

#[tokio::test]
async fn nothing_is_intended_twice_early_or_beyond_the_limit() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let slot = ago(10);
    let limited = |note: Note| Note {
        guards: Guards { limit: NonZeroU32::new(1), ..Guards::default() },
        ..note
    };
    assert_eq!(written(leader.note(0, &[intend("a", slot)]).await).1, []);
    assert_eq!(written(leader.note(1, &[limited(published("a", slot))]).await).1, []);
    let (_, exceptions) = written(
        leader
            .note(
                2,
                &[
                    limited(intend("a", slot + Duration::from_secs(1))),
                    intend("b", wall_clock() + Duration::from_secs(60)),
                    intend("c", slot),
                ],
            )
            .await,
    );
    assert_eq!(exceptions, [(0, Exception::Exhausted), (1, Exception::Early)]);
    let (_, exceptions) = written(leader.note(3, &[intend("a", slot)]).await);
    assert_eq!(exceptions, [(0, Exception::AlreadyDone)]);
    let state = leader.state().await;
    assert_eq!(state.intents.keys().map(|name| &**name).collect::<Vec<_>>(), ["c"]);
    assert_eq!(state.sent.get("a"), Some(&1));
}

#[tokio::test]
async fn what_another_leader_has_recorded_or_intends_since_stays() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (slot, next) = (ago(10), ago(5));
    written(leader.note(0, &[published("a", slot)]).await);
    written(leader.note(1, &[intend("a", next)]).await);
    let (_, exceptions) = written(leader.note(2, &[published("a", slot)]).await);
    assert_eq!(exceptions, [(0, Exception::AlreadyDone)]);
    assert_eq!(leader.state().await.intents.get("a"), Some(&next));
    assert_eq!(leader.note(1, &[intend("b", next)]).await, Reply::Stale);
    leader.lease = "99 somebody".into();
    assert_eq!(leader.note(3, &[intend("b", next)]).await, Reply::Fenced);
    assert_eq!(leader.state().await.intents.len(), 1);
}
