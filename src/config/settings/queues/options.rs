//! `options:` of a queue: how its workers are configured, and where it is on AMQP.

use std::sync::Arc;

use super::keys;
use crate::address::AmqpAddress;
use crate::config::settings::broker::{self, Broker};
use crate::config::settings::refusal::Refusal;
use crate::text::{Fields, MAX_NAME, Node, Report, Scalar, expect};
use crate::worker::arq::ArqSerializer;
use crate::worker::rq::Serializer;
use crate::worker::taskiq::TaskiqStream;
use crate::worker::{
    AmqpQueue, ArqQueue, BullmqQueue, CeleryQueue, DramatiqQueue, ResultBackend, RqQueue,
    SidekiqQueue, StreamQueue, TaskiqQueue, Worker, WorkerKind,
};

/// Reads the `options` in the mapping of a queue; `url` is the AMQP broker that the queue is on, if it is on one.
pub(super) fn read(
    fields: &Fields<'_, '_>,
    kind: WorkerKind,
    url: Option<Arc<AmqpAddress>>,
    state: Option<&Broker>,
    report: &mut Report<'_>,
) -> (Worker, Option<AmqpQueue>) {
    let keys = keys::of(kind, url.is_some());
    let fields = fields.value("options").and_then(|node| keys.sort(node, report));
    let options = Options { fields, state };
    let amqp = url.map(|url| options.amqp(url, kind, report));
    let worker = match kind {
        WorkerKind::Celery if amqp.is_some() => Worker::Celery(options.celery_on_amqp(report)),
        WorkerKind::Celery => Worker::Celery(options.celery(report)),
        WorkerKind::Rq => Worker::Rq(options.rq(report)),
        WorkerKind::Dramatiq if amqp.is_some() => Worker::Dramatiq(DramatiqQueue::default()),
        WorkerKind::Dramatiq => Worker::Dramatiq(options.dramatiq(report)),
        WorkerKind::Arq => Worker::Arq(options.arq(report)),
        WorkerKind::Taskiq => Worker::Taskiq(options.taskiq(report)),
        WorkerKind::Sidekiq => {
            Worker::Sidekiq(SidekiqQueue { namespace: options.name("namespace", report) })
        }
        WorkerKind::Bullmq => Worker::Bullmq(options.bullmq(report)),
        WorkerKind::Json => Worker::Json,
        WorkerKind::Stream => {
            Worker::Stream(StreamQueue { maxlen: options.read("maxlen", expect::count, report) })
        }
    };
    (worker, amqp)
}

/// What the mapping says; wrong values are reported and left out.
struct Options<'n, 't, 's> {
    /// `None` if there is no mapping.
    fields: Option<Fields<'n, 't>>,
    /// The broker that holds the state, if it is known.
    state: Option<&'s Broker>,
}

impl<'n, 't> Options<'n, 't, '_> {
    fn value(&self, key: &str) -> Option<&'n Node<'t>> {
        self.fields.as_ref()?.value(key)
    }

    fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Node<'_>, &mut Report<'_>) -> Option<T>,
        report: &mut Report<'_>,
    ) -> Option<T> {
        read(self.value(key)?, report)
    }

    fn name(&self, key: &str, report: &mut Report<'_>) -> Option<Box<str>> {
        expect::name(self.value(key)?, &format!("`{key}`"), MAX_NAME, report).map(Into::into)
    }

    fn amqp(&self, url: Arc<AmqpAddress>, kind: WorkerKind, report: &mut Report<'_>) -> AmqpQueue {
        let mut name = |key: &str| {
            expect::name(self.value(key)?, "the name", MAX_NAME, report).map(Into::into)
        };
        let (exchange, routing_key) = (name("exchange"), name("routing_key"));
        if let (Some(node), None) = (self.value("routing_key"), self.value("exchange")) {
            report
                .error(node.span, "a `routing_key` without an `exchange`")
                .hint("the default exchange routes by the queue's name");
        }
        let declare = (kind == WorkerKind::Celery).then(|| self.value("declare")).flatten();
        let declare = declare.and_then(|node| expect::boolean(node, report));
        AmqpQueue { url, exchange, routing_key, declare: declare.unwrap_or(false) }
    }

    fn celery_on_amqp(&self, report: &mut Report<'_>) -> CeleryQueue {
        CeleryQueue {
            results: self.results(report),
            result_prefix: self.name("result_prefix", report).unwrap_or_default(),
            ..CeleryQueue::default()
        }
    }

    fn celery(&self, report: &mut Report<'_>) -> CeleryQueue {
        let default = CeleryQueue::default();
        let steps = self.read("priority_steps", priority_steps, report);
        let separator = self.read("separator", separator, report);
        let fanout_prefix = self.read("fanout_prefix", fanout_prefix, report);
        let patterns = self.read("fanout_patterns", expect::boolean, report);
        let control_exchange = self.name("control_exchange", report);
        CeleryQueue {
            priority_steps: steps.unwrap_or(default.priority_steps),
            separator: separator.unwrap_or(default.separator),
            key_prefix: self.name("key_prefix", report).unwrap_or(default.key_prefix),
            fanout_prefix: fanout_prefix.unwrap_or(default.fanout_prefix),
            fanout_patterns: patterns.unwrap_or(default.fanout_patterns),
            control_exchange: control_exchange.unwrap_or(default.control_exchange),
            fanout: None,
            results: self.results(report),
            result_prefix: self.name("result_prefix", report).unwrap_or_default(),
        }
    }

    /// The Redis that holds results. Without a broker, it is not yet known where the state is.
    fn results(&self, report: &mut Report<'_>) -> Option<Arc<ResultBackend>> {
        let node = self.value("results")?;
        match broker::results(expect::text(node, report)?) {
            Ok(url) => {
                let databases = match self.state {
                    Some(Broker::Redis(state)) => url.databases(state),
                    Some(Broker::Spool(_)) => None,
                    None => url.databases(&url),
                };
                Some(Arc::new(ResultBackend { url, databases }))
            }
            Err(Refusal { message, hint }) => {
                report.error(node.span, message).hint(hint);
                None
            }
        }
    }

    fn serializer<T: Copy + Default>(
        &self,
        words: &[(&str, T)],
        hint: &str,
        report: &mut Report<'_>,
    ) -> T {
        let node = self.value("serializer");
        node.and_then(|node| expect::one_of(node, words, Some(hint), report)).unwrap_or_default()
    }

    fn rq(&self, report: &mut Report<'_>) -> RqQueue {
        let words = [("pickle", Serializer::Pickle), ("json", Serializer::Json)];
        let hint = "write what the workers' `--serializer` says";
        RqQueue { serializer: self.serializer(&words, hint, report) }
    }

    fn dramatiq(&self, report: &mut Report<'_>) -> DramatiqQueue {
        let default = DramatiqQueue::default();
        DramatiqQueue { namespace: self.name("namespace", report).unwrap_or(default.namespace) }
    }

    fn arq(&self, report: &mut Report<'_>) -> ArqQueue {
        let words = ArqSerializer::ALL.map(|serializer| (serializer.as_str(), serializer));
        let hint = "write what the workers' `job_deserializer` reads; without one it is `pickle`";
        ArqQueue { serializer: self.serializer(&words, hint, report) }
    }

    fn taskiq(&self, report: &mut Report<'_>) -> TaskiqQueue {
        TaskiqQueue {
            stream: self.taskiq_stream(report),
            results: self.results(report),
            result_prefix: self.name("result_prefix", report),
        }
    }

    /// The stream, if the queue is one.
    fn taskiq_stream(&self, report: &mut Report<'_>) -> Option<TaskiqStream> {
        let group = self.name("group", report);
        let is_stream = self.value("stream").map(|node| expect::boolean(node, report));
        if let Some(Some(true)) = is_stream {
            let maxlen = self.read("maxlen", expect::count, report);
            let default = TaskiqStream::default();
            return Some(TaskiqStream { group: group.unwrap_or(default.group), maxlen });
        }
        for key in ["group", "maxlen"] {
            if let Some(node) = self.value(key).filter(|_| is_stream != Some(None)) {
                report
                    .error(node.span, format!("`{key}` of a queue that is not a stream"))
                    .hint("workers with `RedisStreamBroker` need `stream: true`");
            }
        }
        None
    }

    fn bullmq(&self, report: &mut Report<'_>) -> BullmqQueue {
        let default = BullmqQueue::default();
        BullmqQueue { prefix: self.name("prefix", report).unwrap_or(default.prefix) }
    }
}

/// Kombu's own producers send none above 9, and workers without a step 0 never see messages without a
/// priority.
fn priority_steps(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<[u8]>> {
    let step = |node: &Node<'_>| match node.scalar() {
        Some(Scalar::Int(step)) => u8::try_from(step).ok().filter(|step| *step <= 9),
        _ => None,
    };
    let steps: Option<Box<[u8]>> = node.list().and_then(|items| items.iter().map(step).collect());
    let ascending =
        steps.filter(|steps| steps.first() == Some(&0) && steps.is_sorted_by(|a, b| a < b));
    if ascending.is_none() {
        report
            .error(node.span, "`priority_steps` are ascending numbers from 0 to 9, the first is 0")
            .hint("write those of the workers' `broker_transport_options`: `[0, 3, 6, 9]`");
    }
    ascending
}

/// Kombu's default has control characters.
fn separator(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let text = expect::text(node, report)?;
    if (1..=16).contains(&text.len()) {
        return Some(text.into());
    }
    report.error(node.span, format!("a separator of {} bytes; it has 1 to 16", text.len()));
    None
}

/// Kombu takes `true`, `false`, or a prefix in which `{db}` stands for the database.
fn fanout_prefix(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    match node.scalar() {
        Some(Scalar::Bool(true)) => Some(CeleryQueue::default().fanout_prefix),
        Some(Scalar::Bool(false)) => Some("".into()),
        _ => expect::name(node, "`fanout_prefix`", MAX_NAME, report).map(Into::into),
    }
}
