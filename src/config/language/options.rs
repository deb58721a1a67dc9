//! `options:` of an entry; the queue's kind of worker decides which there are.

use crate::text::expect::{self, MAX_DESCRIPTION, literal_name};
use crate::text::{Keys, MAX_NAME, Node, Report, Scalar, duration};
use crate::worker::bullmq::{Backoff, Keep};
use crate::worker::{
    BullmqOptions, CeleryOptions, DramatiqOptions, Options, Queue, RqOptions, SidekiqOptions,
    Worker,
};

/// Maximum number of retries of a failed message.
const MAX_RETRIES: u32 = 1000;

/// What to use instead of an option of Celery's beat.
const WITHOUT: &str = "docs/celery-beat.md says what to write instead";

/// Keys for Celery workers.
pub(crate) static CELERY: Keys = Keys {
    of: "`options` of a Celery queue",
    known: &["time_limit", "soft_time_limit", "ignore_result", "shadow"],
    unsupported: &[
        ("link", WITHOUT),
        ("link_error", WITHOUT),
        ("chain", WITHOUT),
        ("chord", WITHOUT),
        ("countdown", WITHOUT),
        ("eta", WITHOUT),
    ],
    aliases: &[
        ("timeout", "time_limit"),
        ("queue", "queue` beside `options"),
        ("expires", "expires` beside `options"),
        ("priority", "priority` beside `options"),
        ("exchange", "exchange` beside `options"),
        ("routing_key", "routing_key` beside `options"),
        ("headers", "headers` beside `options"),
    ],
};

/// Keys for RQ workers.
pub(crate) static RQ: Keys = Keys {
    of: "`options` of an RQ queue",
    known: &["timeout", "result_ttl", "failure_ttl", "retry", "retry_intervals", "description"],
    unsupported: &[],
    aliases: &[
        ("job_timeout", "timeout"),
        ("ttl", "expires` beside `options"),
        ("meta", "headers` beside `options"),
        ("retries", "retry"),
        ("interval", "retry_intervals"),
    ],
};

/// Keys for Dramatiq workers.
pub(crate) static DRAMATIQ: Keys = Keys {
    of: "`options` of a Dramatiq queue",
    known: &["max_retries", "time_limit", "min_backoff", "max_backoff"],
    unsupported: &[],
    aliases: &[("max_age", "expires` beside `options"), ("retries", "max_retries")],
};

/// Keys for Sidekiq workers.
pub(crate) static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["retry"], unsupported: &[], aliases: &[] };

/// Keys for BullMQ workers.
pub(crate) static BULLMQ: Keys = Keys {
    of: "`options` of a BullMQ queue",
    known: &["attempts", "backoff", "remove_on_complete", "remove_on_fail"],
    unsupported: &[],
    aliases: &[
        ("removeoncomplete", "remove_on_complete"),
        ("removeonfail", "remove_on_fail"),
        ("retries", "attempts"),
    ],
};

static BACKOFF: Keys =
    Keys { of: "`backoff`", known: &["type", "delay"], unsupported: &[], aliases: &[] };

/// Keys for kinds of workers without options.
static NONE: Keys =
    Keys { of: "`options` of this queue", known: &[], unsupported: &[], aliases: &[] };

/// Reads the options; `Some(None)` means explicitly left to the worker.
pub(super) fn read(
    node: &Node<'_>,
    queue: &Queue,
    report: &mut Report<'_>,
) -> Option<Option<Box<Options>>> {
    let options = match queue.worker {
        Worker::Celery(_) => said(celery(node, report)?).map(Options::Celery),
        Worker::Rq(_) => said(rq(node, report)?).map(Options::Rq),
        Worker::Dramatiq(_) => said(dramatiq(node, report)?).map(Options::Dramatiq),
        Worker::Sidekiq(_) => said(sidekiq(node, report)?).map(Options::Sidekiq),
        Worker::Bullmq(_) => said(bullmq(node, report)?).map(Options::Bullmq),
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

fn rq(node: &Node<'_>, report: &mut Report<'_>) -> Option<RqOptions> {
    let fields = RQ.sort(node, report)?;
    let mut seconds = |key, refused: &str, is_valid: fn(i32) -> bool| {
        fields.value(key).and_then(|node| whole_seconds(node, refused, is_valid, report))
    };
    let timeout = seconds("timeout", RUN_TIME, |seconds| seconds > 0 || seconds == -1);
    let result_ttl = seconds("result_ttl", LIFETIME, |seconds| seconds >= -1);
    let failure_ttl = seconds("failure_ttl", LIFETIME, |seconds| seconds >= -1);
    let retry = fields.value("retry").and_then(|node| expect::whole(node, 1..=1000, report));
    let intervals = fields.value("retry_intervals");
    if let (Some(span), None) = (fields.key_span("retry_intervals"), fields.key_span("retry")) {
        report.error(span, "`retry_intervals` without `retry`").hint("say how often: `retry: 3`");
    }
    let description = fields.value("description");
    let description =
        description.and_then(|node| literal_name(node, "`description`", MAX_DESCRIPTION, report));
    Some(RqOptions {
        timeout,
        result_ttl,
        failure_ttl,
        retry,
        retry_intervals: intervals.map(|node| retry_intervals(node, report)).unwrap_or_default(),
        description: description.map(Into::into),
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

const RUN_TIME: &str = "expected a length of whole seconds like `5m`, or -1 for no limit";
const LIFETIME: &str =
    "expected a length of whole seconds like `1h`, 0 for not at all, or -1 for ever";
const PAUSE: &str = "expected a length of whole seconds like `30s`, or 0";

/// Maximum number of `retry_intervals`.
const MAX_RETRY_INTERVALS: usize = 100;

/// One duration, or a list of them.
fn retry_intervals(node: &Node<'_>, report: &mut Report<'_>) -> Vec<i32> {
    let pauses = node.list().unwrap_or(std::slice::from_ref(node));
    if pauses.len() > MAX_RETRY_INTERVALS {
        report.error(node.span, format!("more than {MAX_RETRY_INTERVALS} intervals"));
        return Vec::new();
    }
    let pause = |node| whole_seconds(node, PAUSE, |seconds| seconds >= 0, report);
    pauses.iter().filter_map(pause).collect()
}

/// A duration in whole seconds, or a number of seconds as RQ writes it.
fn whole_seconds(
    node: &Node<'_>,
    refused: &str,
    is_valid: fn(i32) -> bool,
    report: &mut Report<'_>,
) -> Option<i32> {
    let seconds = match node.scalar() {
        Some(Scalar::Int(number)) => i32::try_from(number).ok(),
        Some(Scalar::Text(text)) => match duration::parse(text) {
            Ok(length) if length.subsec_nanos() == 0 => i32::try_from(length.as_secs()).ok(),
            _ => None,
        },
        _ => None,
    };
    let seconds = seconds.filter(|seconds| is_valid(*seconds));
    if seconds.is_none() {
        report.error(node.span, format!("{refused}, found {}", report.found(node)));
    }
    seconds
}

fn bullmq(node: &Node<'_>, report: &mut Report<'_>) -> Option<BullmqOptions> {
    let fields = BULLMQ.sort(node, report)?;
    let attempts = fields.value("attempts");
    Some(BullmqOptions {
        attempts: attempts.and_then(|node| expect::whole(node, 1..=MAX_RETRIES, report)),
        backoff: fields.value("backoff").and_then(|node| backoff(node, report)),
        remove_on_complete: fields.value("remove_on_complete").and_then(|node| keep(node, report)),
        remove_on_fail: fields.value("remove_on_fail").and_then(|node| keep(node, report)),
    })
}

/// `10s`, or `{type: exponential, delay: 10s}`.
fn backoff(node: &Node<'_>, report: &mut Report<'_>) -> Option<Backoff> {
    if node.map().is_none() {
        return Some(Backoff { exponential: false, delay: expect::length(node, report)? });
    }
    let fields = BACKOFF.sort(node, report)?;
    let (Some(kind), Some(delay)) = (fields.value("type"), fields.value("delay")) else {
        report
            .error(node.span, "`backoff` needs a `type` and a `delay`")
            .hint("write `backoff: {type: exponential, delay: 10s}`");
        return None;
    };
    let exponential = match kind.scalar() {
        Some(Scalar::Text("fixed")) => false,
        Some(Scalar::Text("exponential")) => true,
        _ => {
            let message =
                format!("expected `fixed` or `exponential`, found {}", report.found(kind));
            report.error(kind.span, message);
            return None;
        }
    };
    Some(Backoff { exponential, delay: expect::length(delay, report)? })
}

/// `true` or `false` as in BullMQ, a number of jobs, or an age.
fn keep(node: &Node<'_>, report: &mut Report<'_>) -> Option<Keep> {
    match node.scalar() {
        Some(Scalar::Bool(true)) => Some(Keep::Nothing),
        Some(Scalar::Bool(false)) => Some(Keep::All),
        Some(Scalar::Int(_)) => expect::count(node, report).map(|most| Keep::Newest(most.get())),
        Some(Scalar::Text(_)) => expect::length(node, report).map(Keep::Younger),
        _ => {
            let found = report.found(node);
            report
                .error(node.span, format!("expected true, a number or an age, found {found}"))
                .hint("write `true`, how many jobs are kept, or for how long: `100`, `7d`");
            None
        }
    }
}

/// A duration, or a number of seconds as Celery writes it.
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
