//! What beat sends for an entry, as keys of ours.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::options;
use crate::import::literal::literal;
use crate::import::{Difference, Job};

/// A message of beat, with the options of the task and the routes of the application applied.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    pub(super) task: String,
    /// Whether the application registers the task.
    pub(super) registered: bool,
    pub(super) args: Value,
    pub(super) kwargs: Value,
    pub(super) queue: String,
    /// Whether every worker gets a copy.
    pub(super) fanout: bool,
    /// The exchange that it is published to; empty: the default one, which leads to the queue of that name.
    pub(super) exchange: String,
    /// The key that it is published with; empty if there is none.
    pub(super) routing_key: String,
    pub(super) options: Map<String, Value>,
    /// Values that JSON cannot carry, and what only code decides: a kind, then its details.
    pub(super) problems: Vec<Vec<String>>,
}

impl Message {
    /// Sets all keys but those of the timing.
    pub(super) fn set(&self, job: &mut Job, is_amqp: bool) {
        for (key, value) in [("args", &self.args), ("kwargs", &self.kwargs)] {
            let is_empty = value.as_array().is_none_or(Vec::is_empty)
                && value.as_object().is_none_or(Map::is_empty);
            if !is_empty {
                job.set(key, literal(value.clone()));
            }
        }
        job.set("queue", self.queue.clone());
        if is_amqp && !self.exchange.is_empty() && !self.fanout {
            job.set("exchange", self.exchange.clone());
            if !self.routing_key.is_empty() {
                job.set("routing_key", self.routing_key.clone());
            }
        }
        options::set(job, &self.options);
        self.problems.iter().for_each(|problem| note(job, problem, is_amqp));
    }
}

/// Notes what the script could not turn into JSON, or what only the application's code decides.
fn note(job: &mut Job, problem: &[String], is_amqp: bool) {
    let [kind, rest @ ..] = problem else { return };
    let part = |index: usize| rest.get(index).map_or("?", String::as_str);
    match &**kind {
        "lazy" => job.cannot(
            format!("`{}` is computed at the time of sending: {}", part(0), part(1)),
            Some("write a template, such as `{{ slot | date }}`, or compute it in the task"),
        ),
        "json" => job.cannot(
            format!("`{}` cannot be sent as JSON: {}", part(0), part(1)),
            Some("pass texts and numbers"),
        ),
        "unsendable" => job.cannot(
            format!("beat cannot send it: {}", part(0)),
            Some("write what it should send into the entry"),
        ),
        "method" => job.differs(Difference::Other(format!(
            "`{}` has its own `{}`, which is not called",
            part(1),
            part(0)
        ))),
        "route" => job.differs(Difference::Other(format!("the router failed: {}", part(0)))),
        "in_route" => job.differs(Difference::Dropped(format!(
            "the route's `{}` is left out: Celery ignores it in a route, or fails",
            part(0)
        ))),
        // The broker itself knows what is bound to its exchanges.
        "unbound" | "several" if is_amqp => {}
        "several" => job.differs(Difference::Dropped(format!(
            "Celery sends it also to {}, which are bound in the same way",
            part(0)
        ))),
        "unbound" => job.differs(Difference::Other(format!(
            "no queue of the application is bound to the exchange `{}` with the key `{}`, so Celery loses the message",
            part(0),
            part(1)
        ))),
        other => job.differs(Difference::Other(other.to_owned())),
    }
}
