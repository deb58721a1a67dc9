//! `queues:`, who works on each queue.

use serde_json::{Map, Value, json};

use crate::config::expect;
use crate::config::fields::{Fields, Keys};
use crate::config::node::{Node, Scalar};
use crate::config::report::Report;
use crate::config::settings::MAX_NAME;
use crate::queue::{Queue, Queues, SidekiqQueue, Worker};

static QUEUE: Keys =
    Keys { of: "a queue", known: &["worker", "options"], later: &["broker"], elsewhere: &[] };

static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["namespace"], later: &[], elsewhere: &[] };

static NONE: Keys = Keys { of: "`options` of this queue", known: &[], later: &[], elsewhere: &[] };

/// Reads the mapping; what is wrong is reported and left out.
pub(super) fn read(node: &Node<'_>, report: &mut Report<'_>) -> Queues {
    let Some(pairs) = node.map() else {
        let message = format!("`queues` is a mapping of names, found {}", node.found());
        report.error(node.span, message).hint("write `queues: {NAME: {worker: sidekiq}}`");
        return Queues::default();
    };
    let queue = |pair: &crate::config::node::Pair<'_>| {
        let name = expect::name(&pair.key, "the queue's name", MAX_NAME, report)?;
        let fields = QUEUE.sort(&pair.value, report)?;
        Some(Queue { name: name.into(), worker: worker(&fields, report)? })
    };
    pairs.iter().filter_map(queue).collect()
}

fn worker(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<Worker> {
    let kind = match fields.value("worker") {
        None => "celery",
        Some(node) => match node.scalar() {
            Some(Scalar::Text(kind)) if Worker::KINDS.contains(&kind) => kind,
            _ => {
                let kinds = Worker::KINDS.map(|kind| format!("`{kind}`")).join(", ");
                let message = format!("expected a kind of worker, found {}", node.found());
                report.error(node.span, message).hint(format!("write one of {kinds}"));
                return None;
            }
        },
    };
    let options = fields.value("options");
    let mut sort = |keys: &'static Keys| options.and_then(|node| keys.sort(node, report));
    Some(match kind {
        "sidekiq" => {
            let fields = sort(&SIDEKIQ);
            let namespace = fields.and_then(|fields| fields.value("namespace"));
            let namespace =
                namespace.and_then(|node| expect::name(node, "the namespace", MAX_NAME, report));
            Worker::Sidekiq(SidekiqQueue { namespace: namespace.map(Into::into) })
        }
        "json" => {
            sort(&NONE);
            Worker::Json
        }
        _ => {
            sort(&NONE);
            Worker::Celery
        }
    })
}

/// A queue as `downbeat config` shows it.
pub(super) fn show(queue: &Queue) -> (String, Value) {
    let mut shown = Map::new();
    shown.insert("worker".to_owned(), json!(queue.worker.kind()));
    if let Worker::Sidekiq(SidekiqQueue { namespace: Some(namespace) }) = &queue.worker {
        shown.insert("options".to_owned(), json!({ "namespace": namespace }));
    }
    (queue.name.to_string(), Value::Object(shown))
}
