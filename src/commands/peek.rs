//! `peek`: shows what waits in a queue, decoded, without removing it.

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::direct::{Direct, Store};
use super::{Exit, Failure, block_on, configuration, look, show};
use crate::carrier::{Carrier as _, CarrierError};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Broker, Caller, ServiceConfig};
use crate::control::Question;
use crate::schedule::{Entry, Schedule};
use crate::store::spool::SpoolStore;
use crate::store::{Found, Group, Peeked};
use crate::text::duration;
use crate::worker::{Queue, Waiting};

/// One message, as in the output of `--json`.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    queue: String,
    worker: String,
    /// The list, sorted set, stream or directory in which it waits.
    place: String,
    #[serde(flatten)]
    waiting: Option<Waiting>,
    /// Why there is only the raw text.
    error: Option<String>,
    raw: Option<String>,
}

/// The waiting messages of a queue.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shown {
    /// How many messages there are, on one line.
    summary: String,
    messages: Vec<Message>,
}

pub(super) fn peek(flags: ServiceFlags, asked: &cli::Peek) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let question = Question::Peek { queue: asked.queue.clone(), count: asked.count };
    let Shown { summary, messages } = look::ask(&service, question)?;
    show::complain(&summary);
    if asked.json {
        messages.iter().try_for_each(show::exact_json_line)?;
    } else {
        print(&messages, clock::wall())?;
    }
    Ok(Exit::Fine)
}

/// The first messages that wait in a queue. The schedule says whether an entry uses it.
pub(super) fn look(
    service: &ServiceConfig,
    queue: &str,
    count: usize,
    schedule: &Schedule,
) -> Result<Shown, Failure> {
    let queue = service.queues.get(queue);
    check_waits(&queue)?;
    let mut broker = Direct::open(service)?;
    let (places, peeked) = block_on(broker.peek(&queue, count))??;
    let (total, groups, found) = match peeked {
        Peeked::Messages { total, groups, found } => (total, groups, found),
        Peeked::Unexpected { key, found } => return Err(wrong(&queue, &key, &found)),
    };
    let messages = found.into_iter().map(|found| message(&queue, &places, found));
    let messages: Vec<_> = messages.collect();
    let mut summary = summary(service, &queue, &places, total, &groups, messages.len());
    let uses = |entry: &Entry| entry.message.queue.name == queue.name;
    if !schedule.entries.is_empty() && !schedule.entries.iter().any(uses) {
        summary += "; no entry uses this queue";
    }
    Ok(Shown { summary, messages })
}

/// Fails for a queue in which nothing waits.
pub(super) fn check_waits(queue: &Queue) -> Result<(), Failure> {
    if !queue.is_fanout() {
        return Ok(());
    }
    let message =
        format!("nothing waits in `{}`: whoever listens gets each message at once", queue.name);
    Err(Failure::new(Exit::No, message))
}

impl Direct {
    /// Where messages of the queue wait, and the first of them.
    pub(super) async fn peek(
        &mut self,
        queue: &Queue,
        count: usize,
    ) -> Result<(Vec<String>, Peeked), Failure> {
        let in_words = |error: &str| format!("the broker is unavailable: {error}");
        let unreachable = |error: String| Failure::new(Exit::Unreachable, in_words(&error));
        if let Some(amqp) = &queue.amqp {
            let waiting = self.amqp.count_waiting(queue).await.map_err(|error| match error {
                CarrierError::Unreachable(why) => unreachable(why),
                CarrierError::Refused(why) => {
                    Failure::new(Exit::No, format!("the broker refuses: {why}"))
                }
            })?;
            return on_amqp(queue, &amqp.url.to_string(), waiting);
        }
        match &mut self.store {
            Store::Redis(redis) => {
                let locations = queue.locations();
                let peeked = redis.peek(&locations, count).await;
                let peeked = peeked
                    .map_err(|error| Failure::of_store(&error, in_words(&error.to_string())))?;
                Ok((locations.into_iter().map(|location| location.key).collect(), peeked))
            }
            Store::Spool(spool) => {
                let peeked = SpoolStore::waiting(&spool.path, &queue.name, count)
                    .map_err(|error| unreachable(error.to_string()))?;
                Ok((vec![format!("queue/*.{}.msg", queue.name)], peeked))
            }
            Store::Nowhere => Err(unreachable("no broker is configured".to_owned())),
        }
    }
}

/// AMQP cannot peek: a message is taken, and comes back marked and in another order.
fn on_amqp(queue: &Queue, url: &str, waiting: u64) -> Result<(Vec<String>, Peeked), Failure> {
    if waiting == 0 {
        let nothing = Peeked::Messages { total: 0, groups: Vec::new(), found: Vec::new() };
        return Ok((vec![queue.name.to_string()], nothing));
    }
    let messages =
        if waiting == 1 { "1 message waits" } else { &format!("{waiting} messages wait") };
    let message = format!(
        "{messages} in `{}` on {url} and cannot be shown: reading a message over AMQP takes it from \
         the queue and returns it out of order, marked as redelivered",
        queue.name
    );
    Err(Failure::new(Exit::No, message))
}

pub(super) fn wrong(queue: &Queue, key: &str, found: &str) -> Failure {
    let kind = queue.worker.kind();
    let hint = match found {
        "stream" => "if its consumers read the stream, set `worker: stream` for it",
        _ => "it belongs to another program, or the queue needs another `worker:`",
    };
    let message = format!("{key} is a {found}, which {kind} workers do not read: {hint}");
    Failure::new(Exit::No, message)
}

fn message(queue: &Queue, places: &[String], found: Found) -> Message {
    let (Found::Whole { place, .. } | Found::TooLarge { place, .. }) = found;
    let place = places.get(place).cloned().unwrap_or_default();
    let (name, worker) = (queue.name.to_string(), queue.worker.kind().to_string());
    let message = Message { queue: name, worker, place, waiting: None, error: None, raw: None };
    match found {
        Found::TooLarge { bytes, .. } => {
            let error = Some(format!("too large to show ({bytes} bytes)"));
            Message { error, ..message }
        }
        Found::Whole { element, stored, .. } => {
            match queue.worker.protocol().decode(&element, &stored) {
                Ok(waiting) => Message { waiting: Some(waiting), ..message },
                Err(why) => {
                    let raw = Some(String::from_utf8_lossy(&element).into_owned());
                    Message { error: Some(why.to_string()), raw, ..message }
                }
            }
        }
    }
}

/// How many messages there are, on one line.
fn summary(
    service: &ServiceConfig,
    queue: &Queue,
    places: &[String],
    total: u64,
    groups: &[Group],
    count: usize,
) -> String {
    let (name, kind) = (&queue.name, queue.worker.kind());
    let mut text = if total == 0 {
        let broker = match &queue.amqp {
            Some(amqp) => amqp.url.to_string(),
            None => service.broker.as_ref().map(Broker::to_string).unwrap_or_default(),
        };
        format!("{name} ({kind}): no messages on {broker} in {}", keys(places))
    } else if queue.keeps_read_messages() {
        let entries = if total == 1 { "entry" } else { "entries" };
        format!("{name} ({kind}): {total} {entries}, read or not")
    } else {
        let (messages, wait) = if total == 1 { ("message", "waits") } else { ("messages", "wait") };
        format!("{name} ({kind}): {total} {messages} {wait}")
    };
    for Group { name, lag, pending } in groups {
        let lag = lag.map_or("an unknown number".to_owned(), |lag| lag.to_string());
        text += &format!("; group {name}: {lag} not delivered, {pending} not acknowledged");
    }
    if total > count as u64 && count > 0 {
        text += &format!("; the first {count} are shown");
    } else if total > 0 && count == 0 {
        text += "; none is left for a group";
    }
    let is_named = service.queues.configured(&queue.name).is_some();
    if total == 0 && !is_named && service.queues.iter().next().is_some() {
        text += &format!(
            "; the configuration does not name this queue, so its workers are taken to be {kind}'s"
        );
    }
    text
}

/// The keys in which messages wait; those that Celery derives for other priorities are only counted.
fn keys(places: &[String]) -> String {
    let (derived, named): (Vec<_>, Vec<_>) =
        places.iter().partition(|place| place.contains(char::is_control));
    let mut text = named.iter().map(|place| place.as_str()).collect::<Vec<_>>().join(", ");
    if !derived.is_empty() {
        text += &format!(" and its {} lists for other priorities", derived.len());
    }
    text
}

const COLUMNS: [show::Column; 9] = [
    show::Column::cut("TASK", 12).or(NOTHING),
    show::Column::cut("ENTRY", 12).or(NOTHING),
    show::Column::whole("KIND").or(NOTHING).spare(4),
    show::Column::whole("SLOT").or(NOTHING).spare(2),
    show::Column::whole("AGE").or(NOTHING),
    show::Column::whole("EXPIRES").or(NOTHING).spare(3),
    show::Column::whole("PRIORITY").or(NOTHING).spare(5),
    show::Column::cut("TASK ID", 9).or(NOTHING).spare(1),
    show::Column::cut("ARGUMENTS", 21).or(NOTHING),
];

fn print(messages: &[Message], now: UnixMs) -> Result<(), Failure> {
    let rows: Vec<_> = messages.iter().map(|message| row(message, now)).collect();
    show::table(&COLUMNS, &rows)
}

const NOTHING: &str = "-";

fn row(message: &Message, now: UnixMs) -> Vec<String> {
    let Some(waiting) = &message.waiting else {
        let error = message.error.as_deref().unwrap_or_default();
        let raw = message.raw.as_deref().unwrap_or_default();
        let mut row = vec![NOTHING.to_owned(); COLUMNS.len()];
        row[0] = "?".to_owned();
        row[COLUMNS.len() - 1] = format!("{error}: {raw}").trim_end_matches(": ").to_owned();
        return row;
    };
    let text = |text: &Option<String>| match text.as_deref() {
        None | Some("") => NOTHING.to_owned(),
        Some(text) => text.to_owned(),
    };
    let time = |time: Option<UnixMs>| time.map(|time| time.to_string());
    let priority = waiting.priority.map(|priority| priority.to_string());
    vec![
        text(&waiting.task),
        text(&waiting.entry),
        text(&waiting.kind),
        text(&time(waiting.slot)),
        text(&age(waiting, now)),
        text(
            &waiting
                .expires_at
                .map(|at| if at < now { format!("{at} (past)") } else { at.to_string() }),
        ),
        text(&priority),
        text(&waiting.task_id),
        text(&Some(arguments(waiting))),
    ]
}

/// How long the message has been waiting; an approximation if only the slot is known.
fn age(waiting: &Waiting, now: UnixMs) -> Option<String> {
    let length = |since: UnixMs| duration::in_words(now.since(since));
    match (waiting.sent_at, waiting.slot, waiting.kind.as_deref()) {
        (Some(sent_at), ..) => Some(length(sent_at)),
        (None, Some(slot), Some("scheduled")) => Some(format!("~{}", length(slot))),
        _ => None,
    }
}

/// The arguments as in a call, with values in JSON: `1, "zwei", deep={"a":[]}`.
fn arguments(waiting: &Waiting) -> String {
    let mut parts = Vec::new();
    match &waiting.args {
        Some(Value::Array(args)) => parts.extend(args.iter().map(Value::to_string)),
        Some(other) if !other.is_null() => parts.push(format!("*{other}")),
        _ => {}
    }
    match &waiting.kwargs {
        Some(Value::Object(kwargs)) => {
            parts.extend(kwargs.iter().map(|(name, value)| format!("{name}={value}")));
        }
        Some(other) if !other.is_null() => parts.push(format!("**{other}")),
        _ => {}
    }
    parts.extend(waiting.call.clone());
    parts.extend(waiting.unread.as_ref().map(|why| format!("({why})")));
    parts.extend(waiting.not_before.map(|at| format!("(not before {at})")));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_age_that_only_the_slot_tells_is_about_right_if_the_message_went_on_time() {
        let now = UnixMs::from_secs(1000);
        let of = |kind: &str, sent_at| {
            let (slot, kind) = (Some(UnixMs::from_secs(940)), Some(kind.to_owned()));
            age(&Waiting { slot, kind, sent_at, ..Waiting::default() }, now)
        };
        assert_eq!(of("scheduled", None).as_deref(), Some("~1 min"));
        assert_eq!(of("backfill", None), None);
        assert_eq!(of("backfill", Some(UnixMs::from_secs(990))).as_deref(), Some("10 s"));
    }

    #[test]
    fn arguments_are_shown_as_a_call_whatever_their_form() {
        let of = |args: Value, kwargs: Value| {
            arguments(&Waiting { args: Some(args), kwargs: Some(kwargs), ..Waiting::default() })
        };
        assert_eq!(of(json!([1, "zwei"]), json!({"deep": [null]})), r#"1, "zwei", deep=[null]"#);
        assert_eq!(of(json!([]), json!({})), "");
        assert_eq!(of(json!("odd"), json!(7)), r#"*"odd", **7"#);
        assert_eq!(of(Value::Null, Value::Null), "");
        let unread = Waiting {
            call: Some("(1,)".to_owned()),
            unread: Some("packed".to_owned()),
            ..Waiting::default()
        };
        assert_eq!(arguments(&unread), "(1,), (packed)");
    }
}
