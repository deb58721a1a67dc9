use std::collections::BTreeSet;

use super::*;
use crate::address::Address;
use crate::carrier::memory::{Fault, MemoryCarrier};
use crate::clock;
use crate::schedule::Schedule;
use crate::schedule::sample::{every, schedule};
use crate::store::contract::{
    BackfillNote, BackfillStep, HistoryQuery, ManualMessage, ManualNote, ManualStep, Noted,
    OpenBackfill, Sent, Store, StoreError,
};
use crate::store::memory::MemoryStore;
use crate::worker::AmqpQueue;

/// 2027-01-01T00:00:00Z
const NOW: UnixMs = UnixMs::from_secs(1_798_761_600);

/// A store and a carrier that lose answers.
struct Broker {
    store: MemoryStore,
    carrier: MemoryCarrier,
    renderer: Renderer,
    schedule: Arc<Schedule>,
    /// The message whose answer is lost, counted from one, and whether the message is lost, too.
    loses: Option<(usize, bool)>,
    published: usize,
}

impl Publish for Broker {
    async fn publish(&mut self, message: ManualPublish) -> Delivery {
        self.published += 1;
        let lost = self.loses.filter(|(nth, _)| *nth == self.published);
        if let Some((_, true)) = lost {
            return Delivery::Uncertain("no answer".to_owned());
        }
        let carrier = self.carrier.clone();
        let done = Publisher { store: &mut self.store, carrier }.publish(message).await;
        if lost.is_some() { Delivery::Uncertain("no answer".to_owned()) } else { done }
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        Store::note_backfill(&mut self.store, note).await
    }
}

impl Broker {
    fn new() -> Broker {
        let mut carried = every("carried", 60);
        let Ok(Address::Amqp(address)) = Address::parse("amqp://host/") else {
            panic!("it is one")
        };
        let amqp = AmqpQueue::on(Arc::new(address));
        let queue =
            Queue { name: "mail".into(), amqp: Some(amqp), ..(*carried.message.queue).clone() };
        carried.message.queue = Arc::new(queue);
        Broker {
            store: MemoryStore::new("n", clock::wall),
            carrier: MemoryCarrier::default(),
            renderer: Renderer::new("n", "h", Arc::default(), false),
            schedule: schedule([every("minutely", 60), every("hourly", 3600), carried]),
            loses: None,
            published: 0,
        }
    }

    /// Sets which answer is lost, and restarts the count.
    fn lose(&mut self, loses: Option<(usize, bool)>) {
        (self.loses, self.published) = (loses, 0);
    }

    async fn trigger(&mut self, asked: &Trigger) -> Result<Triggered, Refused> {
        let (renderer, schedule) = (self.renderer.clone(), Arc::clone(&self.schedule));
        trigger(self, None, &renderer, &schedule, asked, clock::wall()).await
    }

    async fn backfill(&mut self, asked: &Backfill) -> Backfilled {
        self.try_backfill(asked).await.unwrap()
    }

    async fn try_backfill(&mut self, asked: &Backfill) -> Result<Backfilled, Refused> {
        let (renderer, schedule) = (self.renderer.clone(), Arc::clone(&self.schedule));
        backfill(self, None, &renderer, &schedule, asked, NOW).await
    }

    /// Backfills the whole segment; `Err`: where it stopped, and why.
    async fn backfill_all(&mut self, asked: &Backfill) -> Result<Vec<backfill::Slot>, Backfilled> {
        let (mut asked, mut slots) = (asked.clone(), Vec::new());
        loop {
            let mut done = self.backfill(&asked).await;
            if done.failure.is_some() {
                return Err(done);
            }
            slots.append(&mut done.slots);
            let Some(go_on) = done.go_on else { return Ok(slots) };
            asked.from = go_on;
        }
    }

    fn queued(&self) -> usize {
        self.store.messages("celery").len()
    }

    async fn journalled(&mut self) -> Vec<Line> {
        let query = HistoryQuery { limit: 1_000, ..HistoryQuery::default() };
        let history = self.store.history(query).await.unwrap();
        history.events.into_iter().map(|event| event.line).collect()
    }
}

fn of(entry: &str) -> Trigger {
    Trigger { entry: entry.to_owned(), id: Some(Uuid::from_u128(7)), ..Trigger::default() }
}

/// The last 45 minutes.
fn minutes(entry: &str) -> Backfill {
    Backfill {
        entry: entry.to_owned(),
        from: "2026-12-31T23:15:00Z".to_owned(),
        to: "2027-01-01T00:00:00Z".to_owned(),
        run: Some(Uuid::from_u128(8)),
        by: Some("ann@host".to_owned()),
        ..Backfill::default()
    }
}

#[tokio::test]
async fn a_trigger_that_may_have_been_sent_is_repeated_without_sending_twice() {
    for is_message_lost in [false, true] {
        let mut broker = Broker::new();
        broker.lose(Some((1, is_message_lost)));
        let lost = broker.trigger(&of("minutely")).await.unwrap_err();
        let why = "no answer".to_owned();
        assert_eq!(lost, Refused::Uncertain { why, is_repeatable: true });
        broker.lose(None);
        let repeated = broker.trigger(&of("minutely")).await.unwrap();
        assert_eq!((repeated.sent, repeated.sent_before), (is_message_lost, !is_message_lost));
        assert_eq!(repeated.task_id, Uuid::from_u128(7).to_string());
        assert_eq!((broker.queued(), broker.journalled().await.len()), (1, 1));
    }
}

#[tokio::test]
async fn without_an_id_each_trigger_is_a_new_one() {
    let mut broker = Broker::new();
    let asked = Trigger { id: None, ..of("minutely") };
    let first = broker.trigger(&asked).await.unwrap();
    let second = broker.trigger(&asked).await.unwrap();
    assert_ne!(first.task_id, second.task_id);
    assert_eq!(broker.queued(), 2);
}

#[tokio::test]
async fn a_queue_that_refuses_has_sent_nothing_and_takes_the_same_id_later() {
    let mut broker = Broker::new();
    broker.store.set_refusal("celery", Some("WRONGTYPE"));
    let refused = broker.trigger(&of("minutely")).await.unwrap_err();
    assert_eq!(refused, Refused::NotSent("WRONGTYPE".to_owned()));
    assert_eq!(refused.to_string(), "not sent: WRONGTYPE");
    broker.store.set_refusal("celery", None);
    assert!(broker.trigger(&of("minutely")).await.unwrap().sent);
    assert_eq!((broker.queued(), broker.journalled().await.len()), (1, 1));
}

#[tokio::test]
async fn the_journal_says_who_asked_and_shows_no_hidden_character_of_it() {
    let mut broker = Broker::new();
    let by = "ann\u{202e}\n@host".to_owned() + &"x".repeat(200);
    broker.trigger(&Trigger { by: Some(by), ..of("minutely") }).await.unwrap();
    broker.backfill(&Backfill { from: "2026-12-31 23:59".to_owned(), ..minutes("minutely") }).await;
    let [manual, backfill] = &broker.journalled().await[..] else { panic!("not two") };
    let by = manual.by.as_deref().unwrap();
    assert!(by.starts_with("ann\\u202e\\n@hostxxx") && by.len() == MAX_BY, "{by}");
    assert_eq!(manual.task_id, Some(Uuid::from_u128(7)));
    assert_eq!(manual.outcome, Outcome::Dispatched(Kind::Manual));
    assert_eq!(backfill.by.as_deref(), Some("ann@host"));
    assert_eq!(backfill.outcome, Outcome::Dispatched(Kind::Backfill));
}

#[tokio::test]
async fn a_backfill_continues_from_the_uncertain_slot_and_sends_each_slot_once() {
    // In the first call and in the second, with or without the message getting through.
    for nth in [1, 3, 20, 23] {
        for is_message_lost in [false, true] {
            let mut broker = Broker::new();
            broker.lose(Some((nth, is_message_lost)));
            let stopped = broker.backfill_all(&minutes("minutely")).await.unwrap_err();
            let Some(Refused::Uncertain { is_repeatable: true, .. }) = stopped.failure else {
                panic!("{:?}", stopped.failure)
            };
            let from = stopped.go_on.unwrap();
            assert_eq!(stopped.run, Uuid::from_u128(8));
            broker.lose(None);
            let rest =
                broker.backfill_all(&Backfill { from, ..minutes("minutely") }).await.unwrap();
            assert_eq!(rest.len(), 45 - (nth - 1));
            assert_eq!(rest[0].sent_before, !is_message_lost);
            assert!(rest[1..].iter().all(|slot| !slot.sent_before));
            let sent = broker.journalled().await;
            let slots: BTreeSet<_> = sent.iter().map(|line| line.slot).collect();
            assert_eq!((sent.len(), slots.len(), broker.queued()), (45, 45, 45), "{nth}");
        }
    }
}

#[tokio::test]
async fn a_whole_backfill_is_repeated_without_sending_twice_and_a_new_one_is_sent() {
    let mut broker = Broker::new();
    let first = broker.backfill_all(&minutes("minutely")).await.unwrap();
    let again = broker.backfill_all(&minutes("minutely")).await.unwrap();
    assert!(again.iter().all(|slot| slot.sent_before));
    let ids = |slots: &[backfill::Slot]| -> Vec<_> {
        slots.iter().map(|slot| slot.task_id.clone().unwrap()).collect()
    };
    assert_eq!(ids(&first), ids(&again));
    let slot = 1_798_758_900_000_i64;
    let id = Uuid::new_v5(&Uuid::from_u128(8), format!("minutely\0{slot}").as_bytes());
    assert_eq!(ids(&first)[0], id.to_string());
    // In the same run, another entry has its own slots.
    let other = broker.backfill_all(&minutes("hourly")).await.unwrap();
    assert!(other.iter().all(|slot| !slot.sent_before));
    broker.backfill(&Backfill { step: BackfillStep::Ends, ..minutes("minutely") }).await;
    let new = Backfill { run: None, ..minutes("minutely") };
    let new = broker.backfill_all(&Backfill { from: "2026-12-31 23:50".to_owned(), ..new }).await;
    assert_eq!(broker.queued(), 45 + other.len() + new.unwrap().len());
}

/// The run that a backfill was refused for.
#[track_caller]
fn in_the_way(refused: Result<Backfilled, Refused>) -> u128 {
    match refused {
        Err(Refused::Unfinished { run, .. }) => run.as_u128(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_backfill_that_may_have_been_sent_is_not_sent_by_another_run() {
    // On a store and on a carrier.
    for entry in ["minutely", "carried"] {
        let mut broker = Broker::new();
        broker.lose(Some((3, false)));
        broker.backfill_all(&minutes(entry)).await.unwrap_err();
        broker.lose(None);
        let other = Backfill { run: None, queue: Some("other".to_owned()), ..minutes(entry) };
        let refused = broker.try_backfill(&other).await.unwrap_err();
        let Refused::Unfinished { run, from, to, queue: None } = &refused else {
            panic!("{refused:?}")
        };
        let segment = ["2026-12-31T23:15:00+00:00", "2027-01-01T00:00:00+00:00"];
        assert_eq!((*run, [&**from, to]), (Uuid::from_u128(8), segment));
        // A partial overlap.
        let last = Backfill { from: "2026-12-31 23:59".to_owned(), run: None, ..minutes(entry) };
        assert_eq!(in_the_way(broker.try_backfill(&last).await), 8);
        // No overlap, another person, and the same run.
        let earlier = ["2026-12-31 23:00", "2026-12-31 23:15"].map(str::to_owned);
        let [from, to] = earlier;
        let earlier = Backfill { from, to, run: None, ..minutes(entry) };
        let by = Some("ben@host".to_owned());
        let others = Backfill { by, ..last.clone() };
        for sent in [&earlier, &others, &minutes(entry)] {
            assert!(broker.backfill_all(sent).await.is_ok(), "{sent:?}");
        }
        // Until every answer has arrived.
        assert_eq!(in_the_way(broker.try_backfill(&last).await), 8);
        let answered =
            broker.backfill(&Backfill { step: BackfillStep::Ends, ..minutes(entry) }).await;
        assert!(answered.slots.is_empty());
        assert!(broker.backfill_all(&last).await.is_ok());
    }
}

#[tokio::test]
async fn a_backfill_that_goes_on_is_in_the_way_with_its_whole_segment() {
    let mut broker = Broker::new();
    let mut asked = minutes("minutely");
    asked.from = broker.backfill(&asked).await.go_on.unwrap();
    broker.backfill(&asked).await;
    let to = "2026-12-31 23:16".to_owned();
    let first = Backfill { to, run: Some(Uuid::from_u128(9)), ..minutes("minutely") };
    assert_eq!(in_the_way(broker.try_backfill(&first).await), 8);
}

#[tokio::test]
async fn a_backfill_that_begins_again_replaces_those_that_it_overlaps() {
    let mut broker = Broker::new();
    broker.backfill(&minutes("minutely")).await;
    let again = Backfill {
        run: Some(Uuid::from_u128(9)),
        step: BackfillStep::BeginsAgain,
        ..minutes("minutely")
    };
    broker.backfill_all(&again).await.unwrap();
    let other = Backfill { run: Some(Uuid::from_u128(10)), ..minutes("minutely") };
    assert_eq!(in_the_way(broker.try_backfill(&other).await), 9);
    broker.backfill(&Backfill { step: BackfillStep::Ends, ..again }).await;
    assert!(broker.backfill_all(&other).await.is_ok());
    assert_eq!(broker.queued(), 20 + 45 + 45);
}

#[tokio::test]
async fn a_backfill_that_does_not_say_who_asks_is_never_refused() {
    let mut broker = Broker::new();
    let nobody = Backfill { by: None, run: None, ..minutes("minutely") };
    for _ in 0..2 {
        assert!(broker.try_backfill(&nobody).await.is_ok());
    }
}

#[tokio::test]
async fn a_refused_backfill_says_so_and_continues_there() {
    let mut broker = Broker::new();
    broker.store.set_refusal("celery", Some("OOM"));
    let stopped = broker.backfill_all(&minutes("minutely")).await.unwrap_err();
    assert_eq!(stopped.failure, Some(Refused::NotSent("OOM".to_owned())));
    assert_eq!(stopped.go_on.as_deref(), Some("2026-12-31T23:15:00+00:00"));
    assert_eq!(stopped.after.as_deref(), Some("2026-12-31T23:16:00+00:00"));
    assert_eq!(stopped.left, 45);
    broker.store.set_refusal("celery", None);
    assert_eq!(broker.backfill_all(&minutes("minutely")).await.unwrap().len(), 45);
    assert_eq!(broker.queued(), 45);
}

#[tokio::test]
async fn a_carrier_gets_only_unconfirmed_messages_again() {
    let mut broker = Broker::new();
    for (fault, carried) in [(Fault::LoseAnswer, 1), (Fault::LoseMessage, 0)] {
        broker.carrier.set_fault("mail", Some(fault));
        let lost = broker.trigger(&of("carried")).await.unwrap_err();
        let why = "no answer".to_owned();
        assert_eq!(lost, Refused::Uncertain { why, is_repeatable: false });
        assert_eq!(broker.carrier.take("mail").len(), carried);
    }
    broker.carrier.set_fault("mail", Some(Fault::Refuse));
    let refused = broker.trigger(&of("carried")).await.unwrap_err();
    assert_eq!(refused, Refused::NotSent("the queue refuses".to_owned()));
    assert_eq!(broker.journalled().await, []);
    broker.carrier.set_fault("mail", None);
    assert!(broker.trigger(&of("carried")).await.unwrap().sent);
    assert!(broker.trigger(&of("carried")).await.unwrap().sent_before);
    let [line] = &broker.journalled().await[..] else { panic!("not one") };
    assert_eq!((&*line.entry, line.task_id), ("carried", Some(Uuid::from_u128(7))));
    let ids = |broker: &Broker| -> Vec<_> {
        broker.carrier.messages("mail").iter().map(|sent| sent.correlation_id).collect()
    };
    assert_eq!(ids(&broker), [Uuid::from_u128(7)]);
}

/// A store that does not answer the first notes of a step.
struct Unanswering {
    store: MemoryStore,
    step: ManualStep,
    times: usize,
}

impl ManualStore for Unanswering {
    async fn send(&mut self, message: ManualMessage) -> Result<Sent, StoreError> {
        Store::send(&mut self.store, message).await
    }

    async fn note(&mut self, note: ManualNote) -> Result<Noted, StoreError> {
        let is_meant = note.step == self.step && self.times > 0;
        // Every second request is carried out, but its answer is lost.
        if !is_meant || self.times.is_multiple_of(2) {
            let noted = Store::note(&mut self.store, note).await;
            if !is_meant {
                return noted;
            }
        }
        self.times -= 1;
        Err(StoreError::Unanswered("no answer".to_owned()))
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        Store::note_backfill(&mut self.store, note).await
    }
}

async fn trigger_with_notes(broker: &Broker, mut store: Unanswering) -> Result<Triggered, Refused> {
    let mut publisher = Publisher { store: &mut store, carrier: broker.carrier.clone() };
    let (asked, now) = (of("carried"), clock::wall());
    trigger(&mut publisher, None, &broker.renderer, &broker.schedule, &asked, now).await
}

#[tokio::test(start_paused = true)]
async fn what_a_carrier_has_taken_is_recorded_once_although_the_store_does_not_answer() {
    for (times, recorded) in [(1, 1), (2, 1), (3, 1), (0, 1)] {
        let mut broker = Broker::new();
        let (store, step) = (broker.store.clone(), ManualStep::Published);
        let sent = trigger_with_notes(&broker, Unanswering { store, step, times }).await;
        assert!(sent.unwrap().sent, "{times}");
        assert_eq!(broker.carrier.messages("mail").len(), 1);
        assert_eq!(broker.journalled().await.len(), recorded, "{times}");
        assert!(broker.trigger(&of("carried")).await.unwrap().sent_before, "{times}");
    }
}

#[tokio::test]
async fn a_carrier_gets_only_messages_that_the_store_knows_of() {
    let broker = Broker::new();
    let (store, step) = (broker.store.clone(), ManualStep::Intended);
    let refused = trigger_with_notes(&broker, Unanswering { store, step, times: 1 }).await;
    assert_eq!(refused.unwrap_err(), Refused::Unreachable("no answer".to_owned()));
    assert!(broker.carrier.messages("mail").is_empty());
}

#[tokio::test]
async fn two_concurrent_repeats_of_a_run_publish_one_message() {
    let mut broker = Broker::new();
    let queue = Arc::clone(&broker.schedule.get("carried").unwrap().message.queue);
    let line = Line::new("carried".into(), NOW, Outcome::Dispatched(Kind::Manual));
    let run = (Uuid::from_u128(7), 0);
    let note = |step| ManualNote { step, queue: Arc::clone(&queue), line: line.clone(), run };
    let mut other = broker.store.clone();
    assert_eq!(Store::note(&mut other, note(ManualStep::Intended)).await, Ok(Noted::Now));
    let Refused::NotSent(why) = broker.trigger(&of("carried")).await.unwrap_err() else {
        panic!("it was sent")
    };
    assert!(why.starts_with("the same run is being sent by another process"), "{why}");
    assert_eq!(Store::note(&mut other, note(ManualStep::Published)).await, Ok(Noted::Now));
    assert!(broker.trigger(&of("carried")).await.unwrap().sent_before);
    assert!(broker.carrier.messages("mail").is_empty());
}
