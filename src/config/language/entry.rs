//! Reads one entry: its mapping in, a checked [`Entry`] or problems out.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Timing, UnixMs, Zone};

use super::common::Common;
use super::draft::{Draft, MessageSettings, Read};
use super::limits::{DEFAULT_WITHIN, MAX_ENTRY_NAME};
use super::{about, bounds, elsewhere, literal, message, message_size, when};
use crate::config::foreign::words;
use crate::schedule::delay::Delay;
use crate::schedule::entry::About;
use crate::schedule::template::Templates;
use crate::schedule::{Entry, Guards};
use crate::text::section::{Key, REQUIRED, Section};
use crate::text::types::NAME;
use crate::text::words::Refused;
use crate::text::{MAX_NAME, Node, Report, Span, duration, expect};
use crate::worker::{self, Call, Expires, Message, Queue, Route, Unsendable};

/// An entry.
pub(super) static ENTRY: Section<Read> = Section {
    title: "An entry: which task, and when",
    of: "an entry",
    keys: &[&[TASK], when::TIMINGS, when::KEYS, bounds::KEYS, about::KEYS],
    base: Some(&message::DEFAULTS),
    foreign: words::ENTRY,
    elsewhere: elsewhere::ENTRY,
    types: bounds::TYPES,
};

const TASK: Key<Read> = Key {
    name: "task",
    of_type: NAME,
    default: REQUIRED,
    doc: "the name under which the worker registers the task",
    example: "task: reports.tasks.build",
    read: |pair, draft, report| {
        draft.task = literal::name(&pair.value, "the task's name", MAX_NAME, report);
    },
};

/// Reads an entry; `None` if anything in it is wrong, which is reported.
pub(super) fn read(
    key: &Node<'_>,
    body: &Node<'_>,
    common: &mut Common<'_>,
    report: &mut Report<'_>,
) -> Option<Entry> {
    let before = report.errors();
    let name = key.as_written()?;
    expect::check_name(name, key.span, "the entry's name", MAX_ENTRY_NAME, report);
    let mut draft = Draft::default();
    let refused = ENTRY.each(body, report, |read, pair, report| read(pair, &mut draft, report))?;
    require_task(key.span, body, &refused, report);
    let default_queue = Arc::clone(&common.default_queue);
    let settings = message::settings(&mut draft, &mut common.queues, &default_queue, report);
    let zone = match draft.timezone {
        Some(pair) => common.named_zone(&pair.value, report),
        None => Some(Arc::clone(&common.zone)),
    };
    // Without its zone the timing is unknown, but its own mistakes can be reported.
    let reading_zone = zone.clone().unwrap_or_else(|| Arc::clone(&common.zone));
    let timing = when::read(key, body, &draft, &refused, &reading_zone, report);
    let known = timing.as_ref().map(|(timing, _)| timing);
    let bounds = bounds::read(&draft, known, &reading_zone, &mut common.calendars, report);
    let settings = settings.or(common.defaults());
    let jitter = settings.jitter.filter(|window| !window.is_zero());
    let (timing, resolved) = timing?;
    warn_of_long_expiry(body, &draft, &timing, &reading_zone, settings.expires, report);
    if report.errors() > before {
        return None;
    }
    let guards = Guards {
        limit: draft.limit,
        max_queued: settings.max_queued,
        overlap: settings.overlap.flatten(),
    };
    let catch_up = settings.catch_up.unwrap_or_default();
    let within = settings.within.unwrap_or(DEFAULT_WITHIN);
    let wants_result = guards.overlap.is_some();
    let (message, templates) = message(draft.task?, settings, default_queue, wants_result, common);
    check_sendable(key, body, &message, guards, report)?;
    let entry = Entry {
        name: name.into(),
        timing,
        zone: zone?,
        bounds,
        delay: jitter.map(|window| Box::new(Delay::jitter(window))),
        catch_up,
        within,
        message,
        templates,
        enabled: draft.enabled.unwrap_or(true),
        about: About { description: draft.description, tags: draft.tags, resolved }.some(),
        guards,
    };
    message_size::warn(key.span, body, &entry, &mut common.measured, report);
    Some(entry)
}

fn require_task(name: Span, body: &Node<'_>, refused: &Refused, report: &mut Report<'_>) {
    if body.pair(TASK.name).is_none() && !refused.was_meant(TASK.name) {
        report
            .error(name, "this entry has no `task`")
            .hint("add the name under which the worker registers it: `task: shop.tasks.report`");
    }
}

/// Checks that the queue's kind of worker can be sent such a message.
fn check_sendable(
    key: &Node<'_>,
    body: &Node<'_>,
    message: &Message,
    guards: Guards,
    report: &mut Report<'_>,
) -> Option<()> {
    let sendable = guards.validate(message).and_then(|()| worker::validate(message));
    let Err(Unsendable { field, message: why }) = sendable else { return Some(()) };
    let own = body.pair(field).map(|pair| pair.key.span);
    let why = format!("`{}`: {why}", message.queue.name);
    let problem = report.error(own.unwrap_or(key.span), why);
    if own.is_none() {
        problem.hint(format!("`{field}` comes from `defaults`: override it here"));
    }
    None
}

fn message(
    task: &str,
    settings: MessageSettings,
    default_queue: Arc<Queue>,
    wants_result: bool,
    common: &mut Common<'_>,
) -> (Message, Option<Box<Templates>>) {
    let args = settings.args.unwrap_or_else(|| common.no_args.clone());
    let kwargs = settings.kwargs.unwrap_or_else(|| common.no_kwargs.clone());
    let headers = settings.headers.filter(|headers| &*headers.value != "{}");
    let calendars = &mut common.template_calendars;
    let (args, in_args) = args.split(calendars);
    let (kwargs, in_kwargs) = kwargs.split(calendars);
    let (headers, in_headers) = headers.map(|headers| headers.split(calendars)).unzip();
    let options = settings.options.flatten().map(|options| options.split(calendars));
    let (options, in_options) = options.unzip();
    let route = Route { exchange: settings.exchange, routing_key: settings.routing_key };
    let call = common.shared(Call {
        task: common.task(task),
        queue: settings.queue.unwrap_or(default_queue),
        headers,
        priority: settings.priority,
        route: (route != Route::default()).then(|| Box::new(route)),
        expires: settings.expires,
        options,
        wants_result,
    });
    let templates = Templates {
        args: in_args,
        kwargs: in_kwargs,
        headers: in_headers.unwrap_or_default(),
        options: in_options.unwrap_or_default(),
        ..Templates::default()
    };
    (Message { args, kwargs, call }, templates.some())
}

fn warn_of_long_expiry(
    body: &Node<'_>,
    draft: &Draft<'_, '_>,
    timing: &Timing,
    zone: &Zone,
    expires: Option<Expires>,
    report: &mut Report<'_>,
) {
    let Some(Expires::After(expires)) = expires else { return };
    let Some(period) = longest_period(timing, zone).filter(|period| expires > *period) else {
        return;
    };
    let own = body.pair("expires").map(|pair| pair.value.span);
    let of_timing = || draft.timings.first().map(|(_, pair)| pair.key.span);
    let Some(span) = own.or_else(of_timing) else { return };
    let (expires, period) = (duration::format(expires), duration::format(period));
    report
        .warning(span, format!("messages live {expires}, longer than the {period} to the next one"))
        .hint("a worker that comes back runs them all; with `expires: next` only the newest");
}

/// The longest period among the first few slots.
fn longest_period(timing: &Timing, zone: &Zone) -> Option<Duration> {
    if let Timing::Every(interval) = timing {
        return Some(interval.period());
    }
    const FEW: usize = 8;
    let next = |slot: &UnixMs| timing.next(zone, *slot);
    let slots: Vec<_> = std::iter::successors(next(&UnixMs::MIN), next).take(FEW).collect();
    slots.windows(2).map(|pair| pair[1].since(pair[0])).max()
}
