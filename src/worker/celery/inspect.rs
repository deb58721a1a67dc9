//! Asks live Celery workers over Redis what they know, as `celery inspect` does: it publishes a
//! question to all of them, and they push their replies to a list made for it.

use std::collections::{BTreeMap, BTreeSet};

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AppSettings, CeleryQueue, TaskDefaults, channel};
use crate::worker::decode::object;
use crate::worker::json_writer::JsonWriter;

/// The exchange for control messages of all applications with these settings.
pub(super) fn exchange(settings: &CeleryQueue) -> String {
    format!("{}{EXCHANGE_END}", settings.control_exchange)
}

/// How the name of such an exchange ends.
const EXCHANGE_END: &str = ".pidbox";
/// What precedes the name of an exchange in the key of its bindings.
const BINDING: &str = "_kombu.binding.";
/// A pattern of the keys in which control exchanges have their bindings.
pub const CONTROL_BINDINGS: &str = "*_kombu.binding.*.pidbox";

/// The key prefix and the `control_exchange` in such a key; `None` for exchanges of replies.
#[must_use]
pub fn control_exchange(key: &str) -> Option<(String, String)> {
    let (prefix, exchange) = key.split_once(BINDING)?;
    let name = exchange.strip_suffix(EXCHANGE_END)?;
    (!name.starts_with("reply.")).then(|| (prefix.to_owned(), name.to_owned()))
}

/// A question to the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which tasks do you have?
    Registered,
    /// Which queues do you take from?
    ActiveQueues,
    /// How is your application configured?
    Conf,
}

impl Question {
    /// All questions.
    pub const ALL: [Question; 3] = [Question::Registered, Question::ActiveQueues, Question::Conf];

    fn method(self) -> &'static str {
        match self {
            Question::Registered => "registered",
            Question::ActiveQueues => "active_queues",
            Question::Conf => "conf",
        }
    }
}

/// A worker that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveWorker {
    /// `celery@host`, unless it was given another name.
    pub name: String,
    /// The tasks that it can run, by the names under which they are registered.
    pub tasks: BTreeMap<String, TaskDefaults>,
    /// The queues that it takes from.
    pub queues: BTreeSet<String>,
    /// The exchanges of which it gets every message, as of kombu's `Broadcast`, with the routing key of each.
    pub fanouts: BTreeMap<String, String>,
    /// Settings of its application; `None` if it did not tell them.
    pub settings: Option<AppSettings>,
    /// The [`CeleryQueue::control_channel`] on which it was asked.
    pub channel: String,
}

/// The answers of the workers that were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerAnswers {
    /// Workers that answered at least one question.
    pub workers: Vec<LiveWorker>,
    /// The number of listeners that did not answer everything in time.
    pub silent: u64,
    /// The channels on which they were asked.
    pub channels: Vec<String>,
    /// If nobody listens: other control exchanges whose bindings are on the broker, each with the key prefix of its
    /// workers and their `control_exchange`.
    pub others: Vec<(String, String)>,
}

/// One round of questions to all workers that listen on the same channel.
#[derive(Debug)]
pub struct Inspection {
    settings: CeleryQueue,
    /// Distinguishes its replies from those of other inspections.
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
        channel(&exchange(&self.settings), "", &self.settings, database)
    }

    /// The two sets in which workers look up the reply list (SADD), and the member that names it;
    /// remove it (SREM) at the end.
    #[must_use]
    pub fn binding(&self) -> ([String; 2], String) {
        let CeleryQueue { key_prefix, separator, .. } = &self.settings;
        let keys = ["binding", "binding_permanent"]
            .map(|set| format!("{key_prefix}_kombu.{set}.{}", self.reply_exchange()));
        (keys, format!("{}{separator}{separator}{}", self.id, self.reply_queue()))
    }

    /// The list of replies (BRPOP); delete it at the end.
    #[must_use]
    pub fn reply_list(&self) -> String {
        format!("{}{}", self.settings.key_prefix, self.reply_queue())
    }

    fn reply_exchange(&self) -> String {
        format!("reply.{}", exchange(&self.settings))
    }

    fn reply_queue(&self) -> String {
        format!("{}.{}", self.id, self.reply_exchange())
    }

    /// A question (PUBLISH) that no worker answers after `expires_at`.
    #[must_use]
    pub fn ask(&self, question: Question, expires_at: UnixMs) -> Vec<u8> {
        let arguments = match question {
            // Schedules may well name Celery's built-in tasks.
            Question::Registered => {
                json!({"builtins": true, "taskinfoitems": TaskDefaults::ATTRIBUTES})
            }
            Question::ActiveQueues => json!({}),
            Question::Conf => json!({"with_defaults": true}),
        };
        let body = json!({
            "method": question.method(),
            "arguments": arguments,
            "destination": null,
            "pattern": null,
            "matcher": null,
            "ticket": question.method(),
            "reply_to": {"exchange": self.reply_exchange(), "routing_key": self.id.to_string()},
        });
        let mut json = JsonWriter::with_capacity(1024);
        json.raw(r#"{"body":""#).base64(body.to_string().as_bytes());
        json.raw(r#"","content-encoding":"utf-8","content-type":"application/json","#);
        json.raw(r#""headers":{"clock":0,"expires":"#).display(expires_at.0 / 1000 + 1);
        json.raw(r#"},"properties":{"delivery_mode":1,"delivery_info":{"exchange":"#);
        json.string(&exchange(&self.settings));
        json.raw(r#","routing_key":""},"priority":0,"body_encoding":"base64","delivery_tag":""#);
        json.uuid(self.id).raw("\"}}");
        json.into_bytes()
    }

    /// Adds a reply to the known workers, and ignores an unreadable one.
    pub fn on_reply(&self, answer: &[u8], workers: &mut Vec<LiveWorker>) {
        let Some((ticket, said)) = read(answer) else { return };
        for (name, said) in said {
            let question = Question::ALL.into_iter().find(|question| question.method() == ticket);
            match (question, &said) {
                (Some(Question::Registered), Value::Array(said)) => {
                    let tasks = said.iter().filter_map(Value::as_str).map(TaskDefaults::read);
                    self.worker(name, workers).tasks.extend(tasks);
                }
                (Some(Question::ActiveQueues), Value::Array(said)) => {
                    let worker = self.worker(name, workers);
                    said.iter().for_each(|queue| add_queue(queue, worker));
                }
                (Some(Question::Conf), Value::Object(members))
                    if !members.contains_key("error") =>
                {
                    self.worker(name, workers).settings = Some(AppSettings::read(&said));
                }
                _ => {}
            }
        }
    }

    fn worker<'w>(&self, name: String, workers: &'w mut Vec<LiveWorker>) -> &'w mut LiveWorker {
        let known = workers.iter().position(|worker| worker.name == name);
        let known = known.unwrap_or_else(|| {
            let channel = self.settings.control_channel();
            workers.push(LiveWorker { name, channel, ..LiveWorker::default() });
            workers.len() - 1
        });
        &mut workers[known]
    }
}

/// Adds a queue that the worker takes from.
fn add_queue(said: &Value, worker: &mut LiveWorker) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if said["exchange"]["type"] == "fanout" {
        let key = text(&said["routing_key"]).unwrap_or_default();
        worker.fanouts.extend(text(&said["exchange"]["name"]).map(|name| (name, key)));
    } else {
        worker.queues.extend(text(&said["name"]));
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
        let news = json!({"name": "bcast.1", "routing_key": "celery",
            "exchange": {"name": "news", "type": "fanout"}});
        on_reply("active_queues", json!({"celery@b": [{"name": "mail"}, news]}));
        on_reply("conf", json!({"celery@a": {"timezone": "Asia/Seoul"}}));
        on_reply("conf", json!({"celery@c": {"error": "no such command"}}));
        on_reply("registered", json!({"celery@c": {"error": "no such command"}}));
        on_reply("registered", json!([]));
        inspection.on_reply(b"nonsense", &mut workers);
        let worker = |name: &str, tasks: &[&str], queues: &[&str]| LiveWorker {
            name: name.to_owned(),
            tasks: tasks.iter().map(|task| TaskDefaults::read(task)).collect(),
            queues: queues.iter().map(ToString::to_string).collect(),
            channel: "shop-/{db}.celery.pidbox".to_owned(),
            ..LiveWorker::default()
        };
        let expected = [
            LiveWorker {
                settings: Some(AppSettings {
                    timezone: Some("Asia/Seoul".to_owned()),
                    ..AppSettings::default()
                }),
                ..worker("celery@a", &["demo.add", "demo.echo"], &["reports"])
            },
            LiveWorker {
                fanouts: [("news".to_owned(), "celery".to_owned())].into(),
                ..worker("celery@b", &[], &["mail"])
            },
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
        let settings = CeleryQueue { control_exchange: "ctl".into(), ..settings };
        let inspection = Inspection::new(&settings, id);
        assert_eq!(inspection.channel(3), "shop-/3.ctl.pidbox");
        assert_eq!(inspection.reply_list(), format!("shop-{id}.reply.ctl.pidbox"));
    }

    #[test]
    fn the_key_of_a_binding_shows_prefix_and_control_exchange() {
        let pair = |prefix: &str, name: &str| Some((prefix.to_owned(), name.to_owned()));
        assert_eq!(control_exchange("_kombu.binding.celery.pidbox"), pair("", "celery"));
        assert_eq!(control_exchange("shop-_kombu.binding.ctl.pidbox"), pair("shop-", "ctl"));
        assert_eq!(control_exchange("_kombu.binding.reply.celery.pidbox"), None);
        assert_eq!(control_exchange("_kombu.binding.celery"), None);
    }
}
