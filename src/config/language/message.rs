//! What a file's `defaults` may set for its entries: the message, what happens to missed slots, how
//! full the queue may be, and whether tasks may overlap.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::json_text::{self, JsonText, MAX_ARGUMENTS, MAX_HEADERS};
use super::options;
use super::queues::{FileQueues, NamedQueue};
use crate::schedule::{CatchUp, delay};
use crate::text::expect::{self, literal_name};
use crate::text::{Fields, Keys, MAX_NAME, Node, Report, Scalar, duration};
use crate::worker::{self, Expires, Options, Queue};

/// How long after it was sent a task counts as running, unless the entry says otherwise: as long as
/// Celery keeps results.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(86_400);
/// Maximum of `overlap`.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

/// Keys of `defaults`.
pub(crate) static DEFAULTS: Keys = Keys {
    of: "`defaults`",
    known: &[
        "args",
        "kwargs",
        "headers",
        "queue",
        "priority",
        "routing_key",
        "exchange",
        "expires",
        "options",
        "jitter",
        "catch_up",
        "within",
        "max_queued",
        "overlap",
    ],
    unsupported: &[],
    aliases: &[],
};

/// Keys of `overlap` as a mapping.
static OVERLAP: Keys = Keys { of: "`overlap`", known: &["skip"], unsupported: &[], aliases: &[] };

const OVERLAP_HINT: &str =
    "write `overlap: skip`, or `overlap: {skip: 2h}` to wait no longer than that";

/// The values of one mapping; `None` for an absent key.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) args: Option<JsonText>,
    pub(super) kwargs: Option<JsonText>,
    pub(super) headers: Option<JsonText>,
    pub(super) queue: Option<Arc<Queue>>,
    pub(super) priority: Option<u8>,
    pub(super) routing_key: Option<Box<str>>,
    pub(super) exchange: Option<Box<str>>,
    pub(super) expires: Option<Expires>,
    /// `Some(None)`: explicitly left to the worker.
    pub(super) options: Option<Option<Box<Options>>>,
    pub(super) jitter: Option<Duration>,
    pub(super) catch_up: Option<CatchUp>,
    pub(super) within: Option<Duration>,
    pub(super) max_queued: Option<NonZeroU32>,
    /// `Some(None)`: tasks may overlap.
    pub(super) overlap: Option<Option<NonZeroU32>>,
}

impl Settings {
    /// Reads all keys; reports wrong values and leaves them out. If no queue is named, `default_queue`
    /// decides what its kind of worker allows.
    pub(super) fn read(
        fields: &Fields<'_, '_>,
        queues: &mut FileQueues<'_>,
        default_queue: &Queue,
        report: &mut Report<'_>,
    ) -> Settings {
        let named = fields.value("queue");
        let named = named.and_then(|node| literal_name(node, "the queue's name", MAX_NAME, report));
        let named = named.map(|name| queues.get(name));
        if let (Some(node), Some(NamedQueue { fit: Err(misplaced), .. })) =
            (fields.value("queue"), &named)
        {
            report.error(node.span, &*misplaced.message).hint(misplaced.hint);
        }
        let named = named.map(|named| named.queue);
        let queue = named.as_deref().unwrap_or(default_queue);
        Settings {
            args: fields.value("args").and_then(|node| args(node, report)),
            kwargs: fields.value("kwargs").and_then(|node| kwargs(node, report)),
            headers: fields.value("headers").and_then(|node| headers(node, queue, report)),
            priority: fields.value("priority").and_then(|node| priority(node, report)),
            routing_key: fields
                .value("routing_key")
                .and_then(|node| expect::amqp_name(node, report)),
            exchange: fields.value("exchange").and_then(|node| expect::amqp_name(node, report)),
            expires: fields.value("expires").and_then(|node| expires(node, report)),
            options: fields.value("options").and_then(|node| options::read(node, queue, report)),
            jitter: fields.value("jitter").and_then(|node| delay(node, report)),
            catch_up: fields.value("catch_up").and_then(|node| catch_up(node, report)),
            within: fields.value("within").and_then(|node| expect::length(node, report)),
            max_queued: fields.value("max_queued").and_then(|node| expect::count(node, report)),
            overlap: fields.value("overlap").and_then(|node| overlap(node, report)),
            queue: named,
        }
    }

    /// These values, with those of `defaults` for absent keys: whole values, never merged.
    pub(super) fn or(self, defaults: &Settings) -> Settings {
        Settings {
            args: self.args.or_else(|| defaults.args.clone()),
            kwargs: self.kwargs.or_else(|| defaults.kwargs.clone()),
            headers: self.headers.or_else(|| defaults.headers.clone()),
            queue: self.queue.or_else(|| defaults.queue.clone()),
            priority: self.priority.or(defaults.priority),
            routing_key: self.routing_key.or_else(|| defaults.routing_key.clone()),
            exchange: self.exchange.or_else(|| defaults.exchange.clone()),
            expires: self.expires.or(defaults.expires),
            options: self.options.or_else(|| defaults.options.clone()),
            jitter: self.jitter.or(defaults.jitter),
            catch_up: self.catch_up.or(defaults.catch_up),
            within: self.within.or(defaults.within),
            max_queued: self.max_queued.or(defaults.max_queued),
            overlap: self.overlap.or(defaults.overlap),
        }
    }
}

fn args(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.list().is_none() {
        report
            .error(node.span, format!("`args` is a list, found {}", report.found(node)))
            .hint("write `args: [first, second]`");
        return None;
    }
    json_text::render(node, MAX_ARGUMENTS, report)
}

fn kwargs(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.map().is_none() {
        report
            .error(node.span, format!("`kwargs` is a mapping, found {}", report.found(node)))
            .hint("write `kwargs: {name: value}`");
        return None;
    }
    json_text::render(node, MAX_ARGUMENTS, report)
}

fn headers(node: &Node<'_>, queue: &Queue, report: &mut Report<'_>) -> Option<JsonText> {
    let Some(pairs) = node.map() else {
        report.error(node.span, format!("`headers` is a mapping, found {}", report.found(node)));
        return None;
    };
    for pair in pairs {
        let name = pair.name();
        if worker::is_reserved_header(queue, name) {
            report
                .error(pair.key.span, format!("the header `{name}` is set by downbeat itself"))
                .hint("choose another name");
        }
    }
    json_text::render(node, MAX_HEADERS, report)
}

fn priority(node: &Node<'_>, report: &mut Report<'_>) -> Option<u8> {
    let number = expect::whole(node, 0..=u8::MAX.into(), report)?;
    u8::try_from(number).ok()
}

fn expires(node: &Node<'_>, report: &mut Report<'_>) -> Option<Expires> {
    if node.scalar() == Some(Scalar::Text("next")) {
        return Some(Expires::Next);
    }
    expect::length(node, report).map(Expires::After)
}

/// How long messages may be held back.
pub(super) fn delay(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let window = expect::length_or_zero(node, report)?;
    if window > delay::MAX_WINDOW {
        let longest = duration::format(delay::MAX_WINDOW);
        let message = format!("a delay of more than {longest}");
        report.error(node.span, message).hint("move the slots themselves");
        return None;
    }
    Some(window)
}

fn catch_up(node: &Node<'_>, report: &mut Report<'_>) -> Option<CatchUp> {
    match node.scalar() {
        Some(Scalar::Text("latest")) => Some(CatchUp::Latest),
        Some(Scalar::Text("all")) => Some(CatchUp::All),
        Some(Scalar::Text("none")) => Some(CatchUp::None),
        _ => {
            let message =
                format!("expected `latest`, `all` or `none`, found {}", report.found(node));
            report.error(node.span, message);
            None
        }
    }
}

/// For how many milliseconds at most a running task prevents the next one, if it does.
fn overlap(node: &Node<'_>, report: &mut Report<'_>) -> Option<Option<NonZeroU32>> {
    let at_most = match node.scalar() {
        Some(Scalar::Text("allow")) => return Some(None),
        Some(Scalar::Text("skip")) => DEFAULT_OVERLAP,
        None if node.map().is_some() => {
            let fields = OVERLAP.sort(node, report)?;
            let Some(node) = fields.value("skip") else {
                if !fields.was_meant("skip") {
                    report.error(node.span, "`overlap` without `skip`").hint(OVERLAP_HINT);
                }
                return None;
            };
            let at_most = expect::length(node, report)?;
            if at_most > MAX_OVERLAP {
                let longest = duration::format(MAX_OVERLAP);
                report.error(
                    node.span,
                    format!("a task holds up the next for {longest} at the most"),
                );
                return None;
            }
            at_most
        }
        _ => {
            let message = format!("expected `skip` or `allow`, found {}", report.found(node));
            report.error(node.span, message).hint(OVERLAP_HINT);
            return None;
        }
    };
    NonZeroU32::new(u32::try_from(at_most.as_millis()).unwrap_or(u32::MAX)).map(Some)
}
