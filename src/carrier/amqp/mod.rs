//! AMQP brokers such as RabbitMQ: they carry messages, and nothing of the state.
//!
//! A message counts as published once the broker has confirmed it. A message that it returns or refuses was not
//! published, and the outcome of one that it does not answer is uncertain. Queues are independent of each other,
//! except that those on one broker share a connection. Publishing takes at most a few deadlines, and should run
//! in a task of its own.

mod error;
mod link;
mod properties;
mod tls;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{Channel, ErrorKind, PublisherConfirm};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use self::error::{CallError, LinkError};
use self::link::Link;
use super::{Carrier, CarrierError, PublishOutcome};
use crate::address::AmqpAddress;
use crate::tls::Tls;
use crate::worker::{AmqpQueue, Publication, Queue};

/// All AMQP brokers; connects to each on first use.
#[derive(Clone, Debug)]
pub struct Amqp {
    deadline: Duration,
    tls: Arc<Tls>,
    links: Arc<Mutex<HashMap<Arc<AmqpAddress>, Arc<Link>>>>,
}

impl Amqp {
    /// Creates the carrier; connecting and each answer take at most `deadline`.
    #[must_use]
    pub fn new(deadline: Duration, tls: &Tls) -> Amqp {
        Amqp { deadline, tls: Arc::new(tls.clone()), links: Arc::default() }
    }

    fn link(&self, amqp: &AmqpQueue) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Link::new(&amqp.url, &self.tls, self.deadline));
        Arc::clone(links.entry(Arc::clone(&amqp.url)).or_insert_with(fresh))
    }
}

impl Carrier for Amqp {
    async fn count_waiting(&self, queue: &Queue) -> Result<u64, CarrierError> {
        let amqp = queue.amqp.as_ref().ok_or_else(|| misplaced(queue))?;
        Ok(self.link(amqp).count(&queue.name).await?.into())
    }

    async fn publish_all(
        &self,
        queue: &Queue,
        messages: &[Publication],
        may_send: impl Fn() -> bool + Send,
    ) -> Vec<PublishOutcome> {
        let all = |outcome: PublishOutcome| vec![outcome; messages.len()];
        let none = |error: LinkError| all(CarrierError::from(error).into());
        let Some(amqp) = &queue.amqp else { return all(misplaced(queue).into()) };
        let link = self.link(amqp);
        if let Err(error) = link.connect().await {
            return none(error);
        }
        let exchanges = messages.iter().map(|message| &*message.exchange);
        let missing = match link.missing(exchanges.collect()).await {
            Ok(missing) => missing,
            Err(error) => return none(error),
        };
        // Locked until everything is answered: the client library returns a message with the next confirmation
        // on the same channel, whoever awaits it.
        let line = link.line(queue);
        let mut line = line.lock().await;
        let channel = match link.open(queue, amqp, &mut line).await {
            Ok(channel) => channel,
            Err(error) => return none(error),
        };
        let until = Instant::now() + self.deadline;
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(match missing.get(&*message.exchange) {
                Some(error) => Sent::Not(PublishOutcome::Refused(error.clone())),
                None if !may_send() => Sent::Not(PublishOutcome::Held),
                None => send(&channel, message, until).await,
            });
        }
        let outcomes = answers(messages, sent, until).await;
        let published = messages
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == PublishOutcome::Published);
        link.publish_events(published.filter_map(|(message, _)| message.event.as_deref())).await;
        if outcomes.iter().any(|outcome| matches!(outcome, PublishOutcome::Uncertain(_))) {
            // A late answer must not be taken for one to a later message.
            *line = None;
            link.drop_connection().await;
        }
        outcomes
    }
}

fn misplaced(queue: &Queue) -> CarrierError {
    CarrierError::Refused(format!("the queue `{}` is on no AMQP broker", queue.name))
}

/// The broker may have a message that it did not answer in time.
fn unanswered() -> PublishOutcome {
    PublishOutcome::Uncertain(CallError::TimedOut.to_string())
}

/// A message that was written, or was not.
enum Sent {
    Confirming(PublisherConfirm),
    Not(PublishOutcome),
}

async fn send(channel: &Channel, message: &Publication, until: Instant) -> Sent {
    let publish = channel.basic_publish(
        (*message.exchange).into(),
        (*message.routing_key).into(),
        BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
        &message.body,
        properties::of(message),
    );
    match timeout_at(until, publish).await {
        Ok(Ok(confirm)) => Sent::Confirming(confirm),
        Ok(Err(error)) => Sent::Not(match error.kind() {
            // Noticed before anything was written.
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                PublishOutcome::Refused(error.to_string())
            }
            _ => PublishOutcome::Uncertain(error.to_string()),
        }),
        Err(_) => Sent::Not(unanswered()),
    }
}

/// Waits for the outstanding answers.
async fn answers(messages: &[Publication], sent: Vec<Sent>, until: Instant) -> Vec<PublishOutcome> {
    let mut returned: HashMap<Uuid, String> = HashMap::new();
    let mut outcomes = Vec::with_capacity(sent.len());
    for sent in sent {
        let outcome = match sent {
            Sent::Not(outcome) => outcome,
            Sent::Confirming(confirm) => match timeout_at(until, confirm).await {
                Ok(Ok(confirmation)) => {
                    let is_taken = confirmation.is_ack();
                    returned.extend(confirmation.take_message().and_then(|returned| {
                        let id = returned.properties.correlation_id().as_ref()?.as_str();
                        Some((id.parse().ok()?, returned.reply_text.to_string()))
                    }));
                    if is_taken {
                        PublishOutcome::Published
                    } else {
                        PublishOutcome::Refused(NOT_TAKEN.to_owned())
                    }
                }
                Ok(Err(error)) => PublishOutcome::Uncertain(error.to_string()),
                Err(_) => unanswered(),
            },
        };
        outcomes.push(outcome);
    }
    judge_returned(messages, &mut outcomes, &returned);
    outcomes
}

const NOT_TAKEN: &str = "the broker did not take the message (basic.nack)";

/// Finds the returned messages by their ids: a returned message comes with the confirmation of any message
/// confirmed no later than itself. So while an answer is outstanding, some returned messages may not be known
/// yet, if there are any at all.
fn judge_returned(
    messages: &[Publication],
    outcomes: &mut [PublishOutcome],
    returned: &HashMap<Uuid, String>,
) {
    let all_answered =
        !outcomes.iter().any(|outcome| matches!(outcome, PublishOutcome::Uncertain(_)));
    for (message, outcome) in messages.iter().zip(outcomes) {
        if *outcome != PublishOutcome::Published {
            continue;
        }
        if let Some(why) = returned.get(&message.correlation_id) {
            let (key, exchange) = (&message.routing_key, &message.exchange);
            let exchange = if exchange.is_empty() { "default exchange" } else { exchange };
            let text = format!("{why}: no queue for the key `{key}` of the exchange `{exchange}`");
            *outcome = PublishOutcome::Refused(text);
        } else if !all_answered && !returned.is_empty() {
            *outcome = unanswered();
        }
    }
}

/// Exchanges and what is wrong with them.
type Missing = HashMap<Box<str>, String>;
type Names<'a> = HashSet<&'a str>;

#[cfg(test)]
mod tests {
    use super::PublishOutcome::{Published, Refused};
    use super::*;

    fn message(id: u128) -> Publication {
        Publication {
            exchange: "".into(),
            routing_key: "q".into(),
            headers: b"{}".to_vec(),
            priority: 0,
            correlation_id: Uuid::from_u128(id),
            expiration_ms: None,
            body: Vec::new(),
            event: None,
        }
    }

    fn judged(mut outcomes: Vec<PublishOutcome>, returned: &[u128]) -> Vec<PublishOutcome> {
        let messages: Vec<_> = (0..).zip(&outcomes).map(|(id, _)| message(id)).collect();
        let returned = returned.iter().map(|id| (Uuid::from_u128(*id), "NO_ROUTE".to_owned()));
        judge_returned(&messages, &mut outcomes, &returned.collect());
        outcomes
    }

    #[test]
    fn a_returned_message_is_matched_by_id_whichever_confirmation_it_came_with() {
        let outcomes = judged(vec![Published, Published, Published], &[1]);
        let refused = "NO_ROUTE: no queue for the key `q` of the exchange `default exchange`";
        let refused = Refused(refused.to_owned());
        assert_eq!(outcomes, [Published, refused, Published]);
    }

    #[test]
    fn with_answers_outstanding_a_returned_message_leaves_confirmed_ones_uncertain() {
        let uncertain = unanswered();
        let outcomes = judged(vec![Published, Published, uncertain.clone()], &[0]);
        assert!(matches!(outcomes[0], Refused(_)));
        assert_eq!(outcomes[1..], [uncertain.clone(), uncertain.clone()]);
        assert_eq!(judged(vec![Published, uncertain.clone()], &[]), [Published, uncertain]);
    }
}
