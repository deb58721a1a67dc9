//! `options:` of an entry: what they may say depends on who works on its queue.

use super::expect;
use super::fields::Keys;
use super::node::{Node, Scalar};
use super::report::Report;
use super::settings::MAX_NAME;
use super::templates::literal_name;
use crate::queue::{Queue, Worker};
use crate::schedule::entry::{CeleryOptions, DramatiqOptions, Options, SidekiqOptions};

/// The largest number of times that a failed message is run again.
const MAX_RETRIES: u32 = 1000;

/// Keys for Celery workers.
pub(super) static CELERY: Keys = Keys {
    of: "`options` of a Celery queue",
    known: &["time_limit", "soft_time_limit", "ignore_result", "shadow"],
    later: &[],
    elsewhere: &[("timeout", "time_limit"), ("queue", "queue` beside `options")],
};

/// Keys for Dramatiq workers.
pub(super) static DRAMATIQ: Keys = Keys {
    of: "`options` of a Dramatiq queue",
    known: &["max_retries", "time_limit", "min_backoff", "max_backoff"],
    later: &[],
    elsewhere: &[("max_age", "expires` beside `options"), ("retries", "max_retries")],
};

/// Keys for Sidekiq workers.
pub(super) static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["retry"], later: &[], elsewhere: &[] };

/// Keys for workers without options.
static NONE: Keys = Keys { of: "`options` of this queue", known: &[], later: &[], elsewhere: &[] };

/// Reads what is there: `Some(None)` when it says that all is left to the worker.
pub(super) fn read(
    node: &Node<'_>,
    queue: &Queue,
    report: &mut Report<'_>,
) -> Option<Option<Box<Options>>> {
    let options = match queue.worker {
        Worker::Celery => said(celery(node, report)?).map(Options::Celery),
        Worker::Dramatiq(_) => said(dramatiq(node, report)?).map(Options::Dramatiq),
        Worker::Sidekiq(_) => said(sidekiq(node, report)?).map(Options::Sidekiq),
        Worker::Json | Worker::Stream(_) => NONE.sort(node, report).and(None),
    };
    Some(options.map(Box::new))
}

fn said<T: Default + PartialEq>(options: T) -> Option<T> {
    (options != T::default()).then_some(options)
}

fn celery(node: &Node<'_>, report: &mut Report<'_>) -> Option<CeleryOptions> {
    let fields = CELERY.sort(node, report)?;
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
    Some(CeleryOptions {
        time_limit,
        soft_time_limit,
        ignore_result: fields.value("ignore_result").and_then(|node| expect::boolean(node, report)),
        shadow: shadow.map(Into::into),
    })
}

fn dramatiq(node: &Node<'_>, report: &mut Report<'_>) -> Option<DramatiqOptions> {
    let fields = DRAMATIQ.sort(node, report)?;
    let times = fields.value("max_retries");
    let max_retries = times.and_then(|node| expect::whole(node, 0..=MAX_RETRIES, report));
    let mut length = |key| fields.value(key).and_then(|node| expect::length(node, report));
    Some(DramatiqOptions {
        max_retries,
        time_limit: length("time_limit"),
        min_backoff: length("min_backoff"),
        max_backoff: length("max_backoff"),
    })
}

fn sidekiq(node: &Node<'_>, report: &mut Report<'_>) -> Option<SidekiqOptions> {
    let fields = SIDEKIQ.sort(node, report)?;
    let retry = fields.value("retry").and_then(|node| expect::whole(node, 0..=MAX_RETRIES, report));
    Some(SidekiqOptions { retry })
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
