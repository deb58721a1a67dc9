//! Reads one entry: its mapping in, a checked [`Entry`] or problems out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Timing, UnixMs, Zone};

use super::bounds::{self, CalendarRef};
use super::json_text::JsonText;
use super::limits::{DEFAULT_WITHIN, MAX_ENTRY_NAME, MAX_TAG, MAX_TAGS};
use super::message::Settings;
use super::queues::FileQueues;
use super::when;
use crate::schedule::delay::Delay;
use crate::schedule::entry::About;
use crate::schedule::template::Templates;
use crate::schedule::{Entry, Guards};
use crate::text::expect::{self, MAX_DESCRIPTION};
use crate::text::{Fields, Keys, MAX_NAME, Node, Report, Span, duration};
use crate::tzdata::{self, Tzdata};
use crate::worker::{self, Call, Expires, Message, Queue, Route, Unsendable};

/// How many calls of the same task a new call is compared with.
const MAX_COMPARED: usize = 8;

/// Keys of an entry.
pub(crate) static ENTRY: Keys = Keys {
    of: "an entry",
    known: &[
        "task",
        "args",
        "kwargs",
        "headers",
        "queue",
        "priority",
        "routing_key",
        "exchange",
        "expires",
        "options",
        "cron",
        "every",
        "at",
        "rrule",
        "solar",
        "timezone",
        "day_match",
        "phase",
        "anchor",
        "start",
        "end",
        "except",
        "jitter",
        "catch_up",
        "within",
        "limit",
        "max_queued",
        "overlap",
        "enabled",
        "description",
        "tags",
    ],
    unsupported: &[],
    aliases: &[
        ("concurrency_policy", "overlap"),
        ("max_instances", "overlap"),
        ("schedule", "cron"),
        ("crontab", "cron"),
        ("interval", "every"),
        ("tz", "timezone"),
        ("kwarg", "kwargs"),
        ("start_time", "start"),
        ("starts_at", "start"),
        ("end_time", "end"),
        ("ends_at", "end"),
        ("exclude", "except"),
        ("holidays", "except"),
        ("spread", "jitter` here, or `spread` for a tag beside `entries"),
        ("soft_time_limit", "options: {soft_time_limit: …}"),
        ("time_limit", "options: {time_limit: …}"),
    ],
};

/// What the entries of a file share.
pub(super) struct Common<'z> {
    pub(super) tzdata: &'z Tzdata,
    pub(super) zone: Arc<Zone>,
    defaults: Settings,
    pub(super) queues: FileQueues<'z>,
    /// The queue of entries that name none.
    default_queue: Arc<Queue>,
    /// Calls by their task.
    calls: HashMap<Arc<str>, Vec<Arc<Call>>>,
    /// The arguments of entries without any.
    no_args: JsonText,
    no_kwargs: JsonText,
    /// The last zone that was named, if there was nothing to report about its name.
    last_zone: Option<(Box<str>, Arc<Zone>)>,
    /// Calendars that the current entry names.
    pub(super) calendars: Vec<CalendarRef>,
}

impl<'z> Common<'z> {
    pub(super) fn new(
        zone: Arc<Zone>,
        defaults: Settings,
        mut queues: FileQueues<'z>,
        tzdata: &'z Tzdata,
    ) -> Common<'z> {
        Common {
            tzdata,
            zone,
            default_queue: queues.default_queue(defaults.queue.as_ref()),
            defaults,
            queues,
            calls: HashMap::new(),
            no_args: JsonText::of("[]"),
            no_kwargs: JsonText::of("{}"),
            last_zone: None,
            calendars: Vec::new(),
        }
    }

    pub(super) fn defaults(&self) -> &Settings {
        &self.defaults
    }

    pub(super) fn set_defaults(&mut self, defaults: Settings) {
        self.default_queue = self.queues.default_queue(defaults.queue.as_ref());
        self.defaults = defaults;
    }

    /// The name of a task, shared with other entries that call it.
    fn task(&self, name: &str) -> Arc<str> {
        self.calls.get_key_value(name).map_or_else(|| name.into(), |(name, _)| Arc::clone(name))
    }

    /// A call, shared with other entries that have an equal one; not all equal ones are found.
    fn shared(&mut self, call: Call) -> Arc<Call> {
        let calls = self.calls.entry(Arc::clone(&call.task)).or_default();
        if let Some(equal) = calls.iter().rev().take(MAX_COMPARED).find(|other| ***other == call) {
            return Arc::clone(equal);
        }
        let call = Arc::new(call);
        calls.push(Arc::clone(&call));
        call
    }

    /// The zone that a value names.
    fn named_zone(&mut self, node: &Node<'_>, report: &mut Report<'_>) -> Option<Arc<Zone>> {
        let name = node.as_written().unwrap_or_default();
        if let Some((_, zone)) = self.last_zone.as_ref().filter(|(last, _)| **last == *name) {
            return Some(Arc::clone(zone));
        }
        let zone = zone(node, self.tzdata, report)?;
        if tzdata::current_name(name).is_none() {
            self.last_zone = Some((name.into(), Arc::clone(&zone)));
        }
        Some(zone)
    }
}

/// The zone that a value names.
pub(super) fn zone(node: &Node<'_>, tzdata: &Tzdata, report: &mut Report<'_>) -> Option<Arc<Zone>> {
    let name = expect::name(node, "the zone's name", MAX_NAME, report)?;
    let tz = match tzdata::parse_name(name) {
        Ok(tz) => tz,
        Err(error) => {
            when::add_with_hint(&error.to_string(), |message| report.error(node.span, message));
            return None;
        }
    };
    if let Some(current) = tzdata::current_name(name) {
        report
            .warning(node.span, format!("`{name}` is kept for old files only"))
            .hint(format!("write `{current}`, the zone's present name"));
    }
    let zone = tzdata.zone(tz);
    if zone.is_none() {
        report
            .error(node.span, format!("no rules for the zone `{name}`"))
            .hint("install the system's tzdata package");
    }
    zone
}

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
    let fields = ENTRY.sort(body, report)?;
    let task = task(&fields, key.span, report);
    let default_queue = Arc::clone(&common.default_queue);
    let settings = Settings::read(&fields, &mut common.queues, &default_queue, report);
    let zone = match fields.value("timezone") {
        Some(node) => common.named_zone(node, report),
        None => Some(Arc::clone(&common.zone)),
    };
    // Without its zone the timing is unknown, but its own mistakes can be reported.
    let reading_zone = zone.clone().unwrap_or_else(|| Arc::clone(&common.zone));
    let timing = when::read(key, &fields, &reading_zone, report);
    let bounds = bounds::read(&fields, &reading_zone, &mut common.calendars, report);
    let limit = fields.value("limit").and_then(|node| expect::count(node, report));
    let enabled = fields.value("enabled").map_or(Some(true), |node| expect::boolean(node, report));
    let about = about(&fields, report);
    let settings = settings.or(&common.defaults);
    let jitter = settings.jitter.filter(|window| !window.is_zero());
    let (timing, resolved) = timing?;
    warn_of_long_expiry(&fields, &timing, &reading_zone, settings.expires, report);
    if report.errors() > before {
        return None;
    }
    let guards =
        Guards { limit, max_queued: settings.max_queued, overlap: settings.overlap.flatten() };
    let catch_up = settings.catch_up.unwrap_or_default();
    let within = settings.within.unwrap_or(DEFAULT_WITHIN);
    let wants_result = guards.overlap.is_some();
    let (message, templates) = message(task?, settings, default_queue, wants_result, common);
    let sendable = guards.validate(&message).and_then(|()| worker::validate(&message));
    if let Err(Unsendable { field, message: why }) = sendable {
        let own = fields.key_span(field);
        let why = format!("`{}`: {why}", message.queue.name);
        let problem = report.error(own.unwrap_or(key.span), why);
        if own.is_none() {
            problem.hint(format!("`{field}` comes from `defaults`: say it anew here"));
        }
        return None;
    }
    Some(Entry {
        name: name.into(),
        timing,
        zone: zone?,
        bounds,
        delay: jitter.map(|window| Box::new(Delay::jitter(window))),
        catch_up,
        within,
        message,
        templates,
        enabled: enabled?,
        about: About { resolved, ..about }.some(),
        guards,
    })
}

fn task<'n>(fields: &Fields<'n, '_>, name: Span, report: &mut Report<'_>) -> Option<&'n str> {
    let Some(node) = fields.value("task") else {
        if fields.was_meant("task") {
            return None;
        }
        report
            .error(name, "this entry has no `task`")
            .hint("add the name under which the worker registers it: `task: shop.tasks.report`");
        return None;
    };
    expect::literal_name(node, "the task's name", MAX_NAME, report)
}

fn message(
    task: &str,
    settings: Settings,
    default_queue: Arc<Queue>,
    wants_result: bool,
    common: &mut Common<'_>,
) -> (Message, Option<Box<Templates>>) {
    let args = settings.args.unwrap_or_else(|| common.no_args.clone());
    let kwargs = settings.kwargs.unwrap_or_else(|| common.no_kwargs.clone());
    let headers = settings.headers.filter(|headers| &*headers.json != "{}");
    let (headers, in_headers) = headers.map(|headers| (headers.json, headers.holes)).unzip();
    let route = Route { exchange: settings.exchange, routing_key: settings.routing_key };
    let call = common.shared(Call {
        task: common.task(task),
        queue: settings.queue.unwrap_or(default_queue),
        headers,
        priority: settings.priority,
        route: (route != Route::default()).then(|| Box::new(route)),
        expires: settings.expires,
        options: settings.options.flatten(),
        wants_result,
    });
    let message = Message { args: args.json, kwargs: kwargs.json, call };
    let headers = in_headers.unwrap_or_default();
    let templates = Templates { args: args.holes, kwargs: kwargs.holes, headers };
    (message, templates.some())
}

fn about(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> About {
    let description = fields.value("description").and_then(|node| description(node, report));
    let tags = fields.value("tags").map(|node| tags(node, report)).unwrap_or_default();
    About { description, tags, resolved: None }
}

fn description(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let whole = expect::text(node, report)?;
    let text = whole.trim();
    if text.len() > MAX_DESCRIPTION {
        report.error(node.span, format!("a description of more than {MAX_DESCRIPTION} bytes"));
        return None;
    }
    expect::warn_of_unfilled(node, whole, report);
    (!text.is_empty()).then(|| text.into())
}

fn tags(node: &Node<'_>, report: &mut Report<'_>) -> Vec<Box<str>> {
    let Some(items) = node.list() else {
        report
            .error(node.span, format!("`tags` is a list, found {}", report.found(node)))
            .hint("write `tags: [one, two]`");
        return Vec::new();
    };
    if items.len() > MAX_TAGS {
        report.error(node.span, format!("more than {MAX_TAGS} tags"));
        return Vec::new();
    }
    let names =
        items.iter().filter_map(|item| expect::literal_name(item, "a tag", MAX_TAG, report));
    names.map(Into::into).collect()
}

fn warn_of_long_expiry(
    fields: &Fields<'_, '_>,
    timing: &Timing,
    zone: &Zone,
    expires: Option<Expires>,
    report: &mut Report<'_>,
) {
    let Some(Expires::After(expires)) = expires else { return };
    let Some(period) = longest_period(timing, zone).filter(|period| expires > *period) else {
        return;
    };
    let place = fields.value("expires").map(|node| node.span);
    let Some(span) = place.or_else(|| when::span(fields)) else { return };
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
