//! What every carrier promises: one suite, run over each.

mod amqp;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use downbeat::carrier::PublishOutcome::{Held, Published, Refused, Uncertain, Unreachable};
use downbeat::carrier::{Carrier, PublishOutcome};
use downbeat::worker::{Publication, Queue};
use uuid::Uuid;

/// Makes a carrier with a broker, and does to that what can happen to one.
trait Rig: Send {
    /// The carrier.
    type Carrier: Carrier;

    /// A handle of the carrier.
    fn carrier(&self) -> Self::Carrier;

    /// A queue on the broker, which nobody else uses and which takes messages.
    fn queue(&self) -> Arc<Queue>;

    /// A queue that refuses messages, or that is not there.
    fn refusing_queue(&self) -> Arc<Queue>;

    /// A queue whose broker cannot be reached.
    fn unreachable_queue(&self) -> Arc<Queue>;

    /// Takes the ids of all messages that wait in a queue, oldest first.
    fn take(&self, queue: &Queue) -> Vec<Uuid>;

    /// Makes a message one that the broker refuses, unlike others for the same queue.
    fn misroute(&self, message: &mut Publication);

    /// The broker hears everything, and no answer of its arrives any more.
    fn cut_answers(&self, queue: &Queue);

    /// Everything gets through again.
    fn mend(&self, queue: &Queue);
}

/// Runs each test over each carrier.
macro_rules! over_every_carrier {
    ($($test:ident)+) => {
        mod over_memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::memory::MemoryRig::new()).await;
            })+
        }
        mod over_amqp {
            // The test's own client blocks.
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::support::tools::needs!(RabbitMq);
                super::$test(tokio::task::block_in_place(super::amqp::AmqpRig::new)).await;
            })+
        }
    };
}

over_every_carrier! {
    messages_are_published_in_order
    who_may_send_no_more_is_asked_before_each_message
    a_message_that_is_refused_holds_up_none_of_the_others
    a_queue_that_refuses_takes_nothing_and_says_why
    a_broker_that_cannot_be_reached_has_taken_nothing
    without_an_answer_it_is_uncertain_whether_a_message_went
    queues_are_independent_of_each_other
    what_waits_in_a_queue_is_counted
}

/// A message for the queue.
fn message(queue: &Queue) -> Publication {
    let id = Uuid::new_v4();
    Publication {
        exchange: "".into(),
        routing_key: (*queue.name).into(),
        headers: b"{}".to_vec(),
        priority: 0,
        correlation_id: id,
        expiration_ms: None,
        body: id.to_string().into_bytes(),
        event: None,
    }
}

fn messages(queue: &Queue, count: usize) -> Vec<Publication> {
    (0..count).map(|_| message(queue)).collect()
}

fn ids(messages: &[Publication]) -> Vec<Uuid> {
    messages.iter().map(|message| message.correlation_id).collect()
}

async fn publish<R: Rig>(rig: &R, queue: &Queue, messages: &[Publication]) -> Vec<PublishOutcome> {
    rig.carrier().publish_all(queue, messages, || true).await
}

async fn messages_are_published_in_order<R: Rig>(rig: R) {
    let queue = rig.queue();
    assert_eq!(publish(&rig, &queue, &[]).await, []);
    let (first, second) = (messages(&queue, 500), messages(&queue, 1));
    assert_eq!(publish(&rig, &queue, &first).await, vec![Published; 500]);
    assert_eq!(publish(&rig, &queue, &second).await, [Published]);
    assert_eq!(rig.take(&queue), ids(&[first, second].concat()));
}

async fn who_may_send_no_more_is_asked_before_each_message<R: Rig>(rig: R) {
    let queue = rig.queue();
    let all = messages(&queue, 5);
    for allowed in [0, 2, 5] {
        let asked = AtomicUsize::new(0);
        let may_send = || asked.fetch_add(1, Ordering::Relaxed) < allowed;
        let outcomes = rig.carrier().publish_all(&queue, &all, may_send).await;
        assert_eq!(asked.load(Ordering::Relaxed), 5, "once for each message");
        let mut expected = vec![Published; allowed];
        expected.resize(5, Held);
        assert_eq!(outcomes, expected);
        assert_eq!(rig.take(&queue), ids(&all)[..allowed]);
    }
}

async fn a_message_that_is_refused_holds_up_none_of_the_others<R: Rig>(rig: R) {
    let queue = rig.queue();
    for bad in [vec![0], vec![1], vec![4], vec![0, 2, 3]] {
        let mut all = messages(&queue, 5);
        bad.iter().for_each(|index| rig.misroute(&mut all[*index]));
        let outcomes = publish(&rig, &queue, &all).await;
        for (index, outcome) in outcomes.iter().enumerate() {
            let is_as_expected = match bad.contains(&index) {
                true => matches!(outcome, Refused(words) if !words.is_empty()),
                false => *outcome == Published,
            };
            assert!(is_as_expected, "{index} of {bad:?}: {outcomes:?}");
        }
        let good = ids(&all).into_iter().enumerate().filter(|(index, _)| !bad.contains(index));
        assert_eq!(rig.take(&queue), good.map(|(_, id)| id).collect::<Vec<_>>());
    }
}

async fn a_queue_that_refuses_takes_nothing_and_says_why<R: Rig>(rig: R) {
    let (queue, refusing) = (rig.queue(), rig.refusing_queue());
    for _ in 0..2 {
        let outcomes = publish(&rig, &refusing, &messages(&refusing, 3)).await;
        let is_refused =
            |outcome: &PublishOutcome| matches!(outcome, Refused(words) if !words.is_empty());
        assert!(outcomes.len() == 3 && outcomes.iter().all(is_refused), "{outcomes:?}");
        assert!(rig.carrier().count_waiting(&refusing).await.is_err());
        // The connection is none the worse for it.
        let good = messages(&queue, 2);
        assert_eq!(publish(&rig, &queue, &good).await, [Published, Published]);
        assert_eq!(rig.take(&queue), ids(&good));
    }
}

async fn a_broker_that_cannot_be_reached_has_taken_nothing<R: Rig>(rig: R) {
    let queue = rig.unreachable_queue();
    let outcomes = publish(&rig, &queue, &messages(&queue, 2)).await;
    assert!(matches!(&outcomes[..], [Unreachable(_), Unreachable(_)]), "{outcomes:?}");
    assert!(rig.carrier().count_waiting(&queue).await.is_err());
}

async fn without_an_answer_it_is_uncertain_whether_a_message_went<R: Rig>(rig: R) {
    let queue = rig.queue();
    let before = messages(&queue, 2);
    assert_eq!(publish(&rig, &queue, &before).await, [Published, Published]);
    rig.cut_answers(&queue);
    let lost = messages(&queue, 3);
    let outcomes = publish(&rig, &queue, &lost).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Uncertain(_))), "{outcomes:?}");
    rig.mend(&queue);
    // The answers to those are none to what is published now.
    let mut after = messages(&queue, 3);
    rig.misroute(&mut after[1]);
    let outcomes = publish(&rig, &queue, &after).await;
    assert!(matches!(&outcomes[..], [Published, Refused(_), Published]), "{outcomes:?}");
    let found = rig.take(&queue);
    let sent = [ids(&before), vec![after[0].correlation_id, after[2].correlation_id]].concat();
    assert!(sent.iter().all(|id| found.contains(id)), "{found:?}");
    let known = [sent, ids(&lost)].concat();
    assert!(found.iter().all(|id| known.contains(id)), "{found:?}");
}

async fn queues_are_independent_of_each_other<R: Rig>(rig: R) {
    let (one, other, refusing) = (rig.queue(), rig.queue(), rig.refusing_queue());
    let (first, second) = (messages(&one, 50), messages(&other, 50));
    let third = messages(&refusing, 50);
    let (outcomes, others, refused) = tokio::join!(
        publish(&rig, &one, &first),
        publish(&rig, &other, &second),
        publish(&rig, &refusing, &third),
    );
    assert_eq!((outcomes, others), (vec![Published; 50], vec![Published; 50]));
    assert!(refused.iter().all(|outcome| matches!(outcome, Refused(_))));
    assert_eq!((rig.take(&one), rig.take(&other)), (ids(&first), ids(&second)));
}

async fn what_waits_in_a_queue_is_counted<R: Rig>(rig: R) {
    let queue = rig.queue();
    assert_eq!(rig.carrier().count_waiting(&queue).await, Ok(0));
    for count in [1, 3] {
        publish(&rig, &queue, &messages(&queue, count)).await;
    }
    assert_eq!(rig.carrier().count_waiting(&queue).await, Ok(4));
    rig.take(&queue);
    assert_eq!(rig.carrier().count_waiting(&queue).await, Ok(0));
}
