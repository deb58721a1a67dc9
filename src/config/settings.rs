//! What an entry may leave to its file's `defaults`: the message, what happens to missed slots, and
//! how full its queue may be.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::duration;
use super::expect;
use super::fields::{Fields, Keys};
use super::json_text::{self, JsonText, MAX_ARGUMENTS, MAX_HEADERS};
use super::node::{Node, Scalar};
use super::report::Report;
use super::templates::literal_name;
use crate::envelope::celery;
use crate::schedule::CatchUp;
use crate::schedule::delay;
use crate::schedule::entry::{CeleryOptions, Expires};

/// Bytes of a task's or queue's name.
pub const MAX_NAME: usize = 255;

/// Keys of `defaults`.
pub(super) static DEFAULTS: Keys = Keys {
    of: "`defaults`",
    known: &[
        "args",
        "kwargs",
        "headers",
        "queue",
        "priority",
        "expires",
        "options",
        "jitter",
        "catch_up",
        "within",
        "max_queued",
    ],
    later: &["routing_key", "exchange", "overlap"],
    elsewhere: &[],
};

pub(super) static OPTIONS: Keys = Keys {
    of: "`options`",
    known: &["time_limit", "soft_time_limit", "ignore_result", "shadow"],
    later: &[],
    elsewhere: &[("timeout", "time_limit"), ("queue", "queue` beside `options")],
};

/// One mapping's own values; `None` where it says nothing.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) args: Option<JsonText>,
    pub(super) kwargs: Option<JsonText>,
    pub(super) headers: Option<JsonText>,
    pub(super) queue: Option<Arc<str>>,
    pub(super) priority: Option<u8>,
    pub(super) expires: Option<Expires>,
    pub(super) options: Option<Box<CeleryOptions>>,
    pub(super) jitter: Option<Duration>,
    pub(super) catch_up: Option<CatchUp>,
    pub(super) within: Option<Duration>,
    pub(super) max_queued: Option<NonZeroU32>,
}

/// Equal queue names are kept once.
#[derive(Default)]
pub(super) struct Queues(HashSet<Arc<str>>);

impl Queues {
    pub(super) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let shared = Arc::<str>::from(name);
        self.0.insert(Arc::clone(&shared));
        shared
    }
}

impl Settings {
    /// Reads all that is there; what is wrong is reported and left out.
    pub(super) fn read(
        fields: &Fields<'_, '_>,
        queues: &mut Queues,
        report: &mut Report<'_>,
    ) -> Settings {
        let queue = fields.value("queue");
        let queue = queue.and_then(|node| literal_name(node, "the queue's name", MAX_NAME, report));
        Settings {
            args: fields.value("args").and_then(|node| args(node, report)),
            kwargs: fields.value("kwargs").and_then(|node| kwargs(node, report)),
            headers: fields.value("headers").and_then(|node| headers(node, report)),
            queue: queue.map(|name| queues.share(name)),
            priority: fields.value("priority").and_then(|node| priority(node, report)),
            expires: fields.value("expires").and_then(|node| expires(node, report)),
            options: fields.value("options").and_then(|node| options(node, report)),
            jitter: fields.value("jitter").and_then(|node| delay(node, report)),
            catch_up: fields.value("catch_up").and_then(|node| catch_up(node, report)),
            within: fields.value("within").and_then(|node| expect::length(node, report)),
            max_queued: fields.value("max_queued").and_then(|node| expect::count(node, report)),
        }
    }

    /// These values, and those of `defaults` where there are none: whole values, never merged.
    pub(super) fn or(self, defaults: &Settings) -> Settings {
        Settings {
            args: self.args.or_else(|| defaults.args.clone()),
            kwargs: self.kwargs.or_else(|| defaults.kwargs.clone()),
            headers: self.headers.or_else(|| defaults.headers.clone()),
            queue: self.queue.or_else(|| defaults.queue.clone()),
            priority: self.priority.or(defaults.priority),
            expires: self.expires.or(defaults.expires),
            options: self.options.or_else(|| defaults.options.clone()),
            jitter: self.jitter.or(defaults.jitter),
            catch_up: self.catch_up.or(defaults.catch_up),
            within: self.within.or(defaults.within),
            max_queued: self.max_queued.or(defaults.max_queued),
        }
    }
}

fn args(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.list().is_none() {
        report
            .error(node.span, format!("`args` is a list, found {}", node.found()))
            .hint("write `args: [first, second]`");
        return None;
    }
    json_text::render(node, MAX_ARGUMENTS, report)
}

fn kwargs(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.map().is_none() {
        report
            .error(node.span, format!("`kwargs` is a mapping, found {}", node.found()))
            .hint("write `kwargs: {name: value}`");
        return None;
    }
    json_text::render(node, MAX_ARGUMENTS, report)
}

fn headers(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    let Some(pairs) = node.map() else {
        report.error(node.span, format!("`headers` is a mapping, found {}", node.found()));
        return None;
    };
    for pair in pairs {
        let name = pair.name();
        if celery::is_reserved_header(name) {
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

/// A length that messages may be held back.
pub(super) fn delay(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let window = expect::length_or_zero(node, report)?;
    if window > delay::LONGEST {
        let longest = duration::format(delay::LONGEST);
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
            let message = format!("expected `latest`, `all` or `none`, found {}", node.found());
            report.error(node.span, message);
            None
        }
    }
}

fn options(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<CeleryOptions>> {
    let fields = OPTIONS.sort(node, report)?;
    let time_limit = fields.value("time_limit").and_then(|node| seconds(node, report));
    let soft_time_limit = fields.value("soft_time_limit").and_then(|node| seconds(node, report));
    if let (Some(hard), Some(soft), Some(span)) =
        (time_limit, soft_time_limit, fields.key_span("soft_time_limit"))
        && soft >= hard
    {
        report
            .warning(span, "`soft_time_limit` is not below `time_limit`, so it never acts")
            .hint("the soft limit comes first, to let the task clean up");
    }
    let shadow = fields.value("shadow");
    let shadow = shadow.and_then(|node| literal_name(node, "`shadow`", MAX_NAME, report));
    Some(Box::new(CeleryOptions {
        time_limit,
        soft_time_limit,
        ignore_result: fields.value("ignore_result").and_then(|node| expect::boolean(node, report)),
        shadow: shadow.map(Into::into),
    }))
}

/// A length of time, or a number of seconds as Celery writes it.
fn seconds(node: &Node<'_>, report: &mut Report<'_>) -> Option<f64> {
    let seconds = match node.scalar() {
        Some(Scalar::Int(number)) => number as f64,
        Some(Scalar::Float(number)) => number,
        _ => return expect::length(node, report).map(|length| length.as_secs_f64()),
    };
    if seconds.is_finite() && seconds > 0.0 {
        return Some(seconds);
    }
    report.error(node.span, "a time limit is a number of seconds above zero, or like `5m`");
    None
}
