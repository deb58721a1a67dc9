//! Asks live Celery workers over Redis what they know, as `celery inspect` does: it publishes a
//! question to all of them, and they push their replies to a list made for it.

use std::collections::BTreeSet;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::CeleryQueue;
use crate::worker::decode::object;
use crate::worker::json_writer::JsonWriter;

/// The exchange for control messages of all Celery applications.
const EXCHANGE: &str = "celery.pidbox";
/// The exchange for replies.
const REPLY_EXCHANGE: &str = "reply.celery.pidbox";

/// A question to the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which tasks do you have?
    Registered,
    /// Which queues do you take from?
    ActiveQueues,
}

impl Question {
    /// Both questions.
    pub const ALL: [Question; 2] = [Question::Registered, Question::ActiveQueues];

    fn method(self) -> &'static str {
        match self {
            Question::Registered => "registered",
            Question::ActiveQueues => "active_queues",
        }
    }
}

/// A worker that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveWorker {
    /// `celery@host`, unless it was given another name.
    pub name: String,
    /// The registered names of the tasks that it can run.
    pub tasks: BTreeSet<String>,
    /// The queues that it takes from.
    pub queues: BTreeSet<String>,
    /// The [`CeleryQueue::key_prefix`] under which it was asked.
    pub key_prefix: Box<str>,
}

/// One round of questions to all workers of a key prefix.
#[derive(Debug)]
pub struct Inspection {
    settings: CeleryQueue,
    /// Distinguishes its replies from those of other inspections, and of its own two questions.
    id: Uuid,
}

impl Inspection {
    /// `id` must never have been used before.
    #[must_use]
    pub fn new(settings: &CeleryQueue, id: Uuid) -> Inspection {
        Inspection { settings: settings.clone(), id }
    }

    /// The channel that the workers of a database subscribe to.
    #[must_use]
    pub fn channel(&self, database: i64) -> String {
        format!("{}/{database}.{EXCHANGE}", self.settings.key_prefix)
    }

    /// The two sets in which workers look up the reply list (SADD), and the member that names it;
    /// remove it (SREM) at the end.
    #[must_use]
    pub fn binding(&self) -> ([String; 2], String) {
        let CeleryQueue { key_prefix, separator, .. } = &self.settings;
        let keys = ["binding", "binding_permanent"]
            .map(|set| format!("{key_prefix}_kombu.{set}.{REPLY_EXCHANGE}"));
        (keys, format!("{}{separator}{separator}{}", self.id, self.reply_queue()))
    }

    /// The list of replies (BRPOP); delete it at the end.
    #[must_use]
    pub fn reply_list(&self) -> String {
        format!("{}{}", self.settings.key_prefix, self.reply_queue())
    }

    fn reply_queue(&self) -> String {
        format!("{}.{REPLY_EXCHANGE}", self.id)
    }

    /// A question (PUBLISH) that no worker answers after `expires_at`.
    #[must_use]
    pub fn ask(&self, question: Question, expires_at: UnixMs) -> Vec<u8> {
        let arguments = match question {
            // Schedules may well name Celery's built-in tasks.
            Question::Registered => json!({"builtins": true}),
            Question::ActiveQueues => json!({}),
        };
        let body = json!({
            "method": question.method(),
            "arguments": arguments,
            "destination": null,
            "pattern": null,
            "matcher": null,
            "ticket": question.method(),
            "reply_to": {"exchange": REPLY_EXCHANGE, "routing_key": self.id.to_string()},
        });
        let mut json = JsonWriter::with_capacity(1024);
        json.raw(r#"{"body":""#).base64(body.to_string().as_bytes());
        json.raw(r#"","content-encoding":"utf-8","content-type":"application/json","#);
        json.raw(r#""headers":{"clock":0,"expires":"#).display(expires_at.0 / 1000 + 1);
        json.raw(r#"},"properties":{"delivery_mode":1,"delivery_info":{"exchange":""#)
            .raw(EXCHANGE);
        json.raw(r#"","routing_key":""},"priority":0,"body_encoding":"base64","delivery_tag":""#);
        json.uuid(self.id).raw("\"}}");
        json.into_bytes()
    }

    /// Adds a reply to the known workers, and ignores an unreadable one.
    pub fn on_reply(&self, answer: &[u8], workers: &mut Vec<LiveWorker>) {
        let Some((ticket, said)) = read(answer) else { return };
        for (name, said) in said {
            let Value::Array(said) = said else { continue };
            let known = workers.iter().position(|worker| worker.name == name);
            let known = known.unwrap_or_else(|| {
                let key_prefix = self.settings.key_prefix.clone();
                workers.push(LiveWorker { name, key_prefix, ..LiveWorker::default() });
                workers.len() - 1
            });
            let worker = &mut workers[known];
            if ticket == Question::Registered.method() {
                // With details after the name: `demo.add [rate_limit=10/m]`.
                let task = |said: &Value| Some(said.as_str()?.split(" [").next()?.to_owned());
                worker.tasks.extend(said.iter().filter_map(task));
            } else {
                let queue = |said: &Value| Some(said.get("name")?.as_str()?.to_owned());
                worker.queues.extend(said.iter().filter_map(queue));
            }
        }
    }
}

/// The ticket of a reply, and what each worker in it says.
fn read(answer: &[u8]) -> Option<(String, serde_json::Map<String, Value>)> {
    let envelope = object(answer).ok()?;
    let ticket = envelope.get("headers")?.get("ticket")?.as_str()?.to_owned();
    let properties = envelope.get("properties")?.as_object()?;
    match super::decode::body(&envelope, &serde_json::Map::new(), properties).ok()? {
        Value::Object(said) => Some((ticket, said)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ticket: &str, said: &Value) -> Vec<u8> {
        let envelope = json!({
            "body": said.to_string(),
            "content-type": "application/json",
            "headers": {"ticket": ticket},
            "properties": {},
        });
        envelope.to_string().into()
    }

    #[test]
    fn replies_are_merged_by_worker_name() {
        let settings = CeleryQueue { key_prefix: "shop-".into(), ..CeleryQueue::default() };
        let inspection = Inspection::new(&settings, Uuid::from_u128(7));
        let mut workers = Vec::new();
        let mut on_reply =
            |ticket, said: Value| inspection.on_reply(&answer(ticket, &said), &mut workers);
        on_reply("registered", json!({"celery@a": ["demo.add [rate_limit=10/m]", "demo.echo", 7]}));
        on_reply("active_queues", json!({"celery@a": [{"name": "reports", "durable": true}, {}]}));
        on_reply("active_queues", json!({"celery@b": [{"name": "mail"}]}));
        on_reply("registered", json!({"celery@c": {"error": "no such command"}}));
        on_reply("registered", json!([]));
        inspection.on_reply(b"nonsense", &mut workers);
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let worker = |name: &str, tasks: &[&str], queues: &[&str]| LiveWorker {
            name: name.to_owned(),
            tasks: set(tasks),
            queues: set(queues),
            key_prefix: "shop-".into(),
        };
        let expected = [
            worker("celery@a", &["demo.add", "demo.echo"], &["reports"]),
            worker("celery@b", &[], &["mail"]),
        ];
        assert_eq!(workers, expected);
    }

    #[test]
    fn everything_is_under_the_workers_key_prefix() {
        let settings = CeleryQueue {
            key_prefix: "shop-".into(),
            separator: ":".into(),
            ..CeleryQueue::default()
        };
        let inspection = Inspection::new(&settings, Uuid::from_u128(7));
        let id = Uuid::from_u128(7);
        assert_eq!(inspection.channel(3), "shop-/3.celery.pidbox");
        assert_eq!(inspection.reply_list(), format!("shop-{id}.reply.celery.pidbox"));
        let (keys, member) = inspection.binding();
        assert_eq!(keys[0], "shop-_kombu.binding.reply.celery.pidbox");
        assert_eq!(keys[1], "shop-_kombu.binding_permanent.reply.celery.pidbox");
        assert_eq!(member, format!("{id}::{id}.reply.celery.pidbox"));
    }
}
