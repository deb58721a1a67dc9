//! Describes every key of a schedule file: the one source of the JSON Schema for editors and of the
//! tables in `docs/schedule-files.md`. Tests hold the loader to it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A mapping in a schedule file.
pub(crate) struct Section {
    title: &'static str,
    pub(crate) keys: &'static [Key],
}

/// A key of a schedule file.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// A schema, as JSON text; `#/$defs/…` are those of [`definitions`].
    schema: &'static str,
    /// The type in words.
    kind: &'static str,
    /// What applies without the key; empty if nothing does.
    default: &'static str,
    meaning: &'static str,
    /// YAML lines of its mapping that use the key.
    example: &'static str,
}

/// Keys at the top level of a file.
pub(crate) static FILE: Section = Section {
    title: "A file",
    keys: &[
        Key {
            name: "timezone",
            schema: r#"{"type": "string"}"#,
            kind: "zone",
            default: "`UTC`",
            meaning: "the IANA zone whose clock the entries read",
            example: "timezone: Asia/Seoul",
        },
        Key {
            name: "defaults",
            schema: r##"{"$ref": "#/$defs/defaults"}"##,
            kind: "mapping",
            default: "",
            meaning: "values for the entries of this file that do not set them: whole values, never merged",
            example: "defaults: {queue: reports, expires: next}",
        },
        Key {
            name: "calendars",
            schema: r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/calendar"}}"##,
            kind: "mapping of names to days",
            default: "",
            meaning: "days for `except`, by name; entries of all files may name them",
            example: "calendars: {holidays: [2026-10-03, 2026-12-24..2026-12-26, 01-01]}",
        },
        Key {
            name: "spread",
            schema: r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/length"}}"##,
            kind: "mapping of tags to lengths",
            default: "",
            meaning: "divides the window among the enabled entries of a tag, in name order over all \
                      files: each is due that much after its slots, but before its next one; an \
                      entry's own `jitter` takes precedence",
            example: "spread: {nightly: 30m}",
        },
        Key {
            name: "entries",
            schema: r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/entry"}}"##,
            kind: "mapping of names to entries",
            default: "required",
            meaning: "what to send and when; names are unique over all files",
            example: "entries: {ping: {task: shop.tasks.ping, every: 1m}}",
        },
    ],
};

/// Keys of an entry that `defaults` may set, too.
pub(crate) static MESSAGE: Section = Section {
    title: "An entry or `defaults`: what is sent",
    keys: &[
        Key {
            name: "args",
            schema: r#"{"type": "array"}"#,
            kind: "list",
            default: "`[]`",
            meaning: "positional arguments; strings may hold templates",
            example: "args: [daily, 7, {deep: true}]",
        },
        Key {
            name: "kwargs",
            schema: r#"{"type": "object"}"#,
            kind: "mapping",
            default: "`{}`",
            meaning: "keyword arguments; strings may hold templates",
            example: "kwargs: {tenant: 42, day: \"{{ slot | date }}\"}",
        },
        Key {
            name: "headers",
            schema: r#"{"type": "object"}"#,
            kind: "mapping",
            default: "none",
            meaning: "headers of your own for the message; strings may hold templates",
            example: "headers: {x-campaign: spring}",
        },
        Key {
            name: "queue",
            schema: r##"{"$ref": "#/$defs/name"}"##,
            kind: "text",
            default: "`celery`",
            meaning: "the queue that a worker takes it from",
            example: "queue: reports",
        },
        Key {
            name: "priority",
            schema: r#"{"type": "integer", "minimum": 0, "maximum": 255}"#,
            kind: "0 to 255",
            default: "none",
            meaning: "as the worker kind reads it; for Celery on Redis 0 goes first, in steps of 0, \
                      3, 6 and 9",
            example: "priority: 3",
        },
        Key {
            name: "expires",
            schema: r##"{"anyOf": [{"const": "next"}, {"$ref": "#/$defs/length"}]}"##,
            kind: "length or `next`",
            default: "never",
            meaning: "how long a message is worth running, counted from when it is due; `next`: until \
                      the entry's next slot. A worker that takes it later drops it; until then it \
                      stays in the queue, which `max_queued` limits (RabbitMQ drops Celery's itself)",
            example: "expires: next",
        },
        Key {
            name: "options",
            schema: r##"{"$ref": "#/$defs/options"}"##,
            kind: "mapping",
            default: "the task's own",
            meaning: "settings of the worker kind, below",
            example: "options: {time_limit: 5m}",
        },
        Key {
            name: "jitter",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "`0s`",
            meaning: "messages are due from 0 up to this long after their slots, and before the \
                      next one: by hash of entry and slot, the same on every replica",
            example: "jitter: 30s",
        },
        Key {
            name: "routing_key",
            schema: r##"{"$ref": "#/$defs/name"}"##,
            kind: "text",
            default: "the queue's",
            meaning: "AMQP only: the key with which the exchange routes the message",
            example: "routing_key: slow.reports",
        },
        Key {
            name: "exchange",
            schema: r##"{"$ref": "#/$defs/name"}"##,
            kind: "text",
            default: "the queue's",
            meaning: "AMQP only: the exchange that the message is published to",
            example: "exchange: tasks",
        },
        Key {
            name: "max_queued",
            schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000000000}"#,
            kind: "number",
            default: "none",
            meaning: "a slot is skipped (`queue_full`) while the queue holds this many messages, of \
                      all priorities together",
            example: "max_queued: 1000",
        },
        Key {
            name: "overlap",
            schema: r##"{
                "anyOf": [
                    {"enum": ["skip", "allow"]},
                    {
                        "type": "object",
                        "properties": {"skip": {"$ref": "#/$defs/length"}},
                        "required": ["skip"],
                        "additionalProperties": false
                    }
                ]
            }"##,
            kind: "`allow`, `skip` or `{skip: LENGTH}`",
            default: "`allow`",
            meaning: "`skip`: a slot is skipped (`still_running`) while the task of the last slot \
                      sent runs or waits, until a day after it was sent, or LENGTH; for Celery's, \
                      RQ's and BullMQ's workers, and Celery's need `results` of the queue",
            example: "overlap: {skip: 2h}",
        },
        Key {
            name: "catch_up",
            schema: r#"{"enum": ["latest", "all", "none"]}"#,
            kind: "`latest`, `all` or `none`",
            default: "`latest`",
            meaning: "which slots missed while nobody led are sent: the newest, unless a later slot is still \
                      within `grace`; each; or none",
            example: "catch_up: all",
        },
        Key {
            name: "within",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "`1d`",
            meaning: "how old a missed slot may be and still be sent",
            example: "within: 12h",
        },
    ],
};

/// Keys that only an entry has.
pub(crate) static ENTRY: Section = Section {
    title: "An entry: which task, and when",
    keys: &[
        Key {
            name: "task",
            schema: r##"{"$ref": "#/$defs/name"}"##,
            kind: "text",
            default: "required",
            meaning: "the name under which the worker registers the task",
            example: "task: reports.tasks.build",
        },
        Key {
            name: "cron",
            schema: r##"{"anyOf": [{"type": "string"}, {"$ref": "#/$defs/crontab"}, {"$ref": "#/$defs/quartz"}]}"##,
            kind: "crontab line or mapping",
            default: "one of the five",
            meaning: "readings of the zone's clock",
            example: "cron: \"0 3 * * mon-fri\"",
        },
        Key {
            name: "every",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "one of the five",
            meaning: "equal steps of real time, at least `100ms`, counted from the anchor, not from \
                      when the service starts",
            example: "every: 10m",
        },
        Key {
            name: "at",
            schema: r##"{"anyOf": [{"$ref": "#/$defs/instant"}, {"type": "array", "items": {"$ref": "#/$defs/instant"}, "minItems": 1, "maxItems": 1000}]}"##,
            kind: "instant or list",
            default: "one of the five",
            meaning: "these instants only",
            example: "at: [2030-01-01 00:00, 2030-01-02T00:00:00Z]",
        },
        Key {
            name: "rrule",
            schema: r#"{"type": "string"}"#,
            kind: "text",
            default: "one of the five",
            meaning: "a recurrence of RFC 5545, read by the zone's clock",
            example: "rrule: \"DTSTART:20260101T090000\\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\"",
        },
        Key {
            name: "solar",
            schema: r##"{"$ref": "#/$defs/solar"}"##,
            kind: "mapping",
            default: "one of the five",
            meaning: "an event of the sun at a place, to the minute; days without it are skipped",
            example: "solar: {event: sunset, latitude: 37.57, longitude: 126.98}",
        },
        Key {
            name: "timezone",
            schema: r#"{"type": "string"}"#,
            kind: "zone",
            default: "the file's",
            meaning: "the IANA zone whose clock the entry reads",
            example: "timezone: Europe/Berlin",
        },
        Key {
            name: "day_match",
            schema: r#"{"enum": ["and", "or"]}"#,
            kind: "`and` or `or`",
            default: "cron's rule",
            meaning: "how a crontab line combines its two day fields when both are restricted",
            example: "cron: \"0 10 1 * mon\"\nday_match: or",
        },
        Key {
            name: "phase",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "`0s`",
            meaning: "with `every`: moves the slots; below the period",
            example: "every: 6h\nphase: 17m",
        },
        Key {
            name: "anchor",
            schema: r##"{"$ref": "#/$defs/instant"}"##,
            kind: "instant",
            default: "`start`, else 1970-01-01 in UTC",
            meaning: "with `every`: one of the slots, before the phase is added",
            example: "every: 2w\nanchor: 2026-01-05 12:00",
        },
        Key {
            name: "start",
            schema: r##"{"$ref": "#/$defs/instant"}"##,
            kind: "instant",
            default: "none",
            meaning: "no slot is earlier; with `every` and no `anchor`, slots are counted from it",
            example: "start: 2026-09-01 00:00",
        },
        Key {
            name: "end",
            schema: r##"{"$ref": "#/$defs/instant"}"##,
            kind: "instant",
            default: "none",
            meaning: "no slot is later",
            example: "end: 2030-12-31 23:59",
        },
        Key {
            name: "limit",
            schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000000000}"#,
            kind: "number",
            default: "none",
            meaning: "how many slots are sent in all, counted with their records; editing the timing \
                      resets the count",
            example: "limit: 10",
        },
        Key {
            name: "except",
            schema: r##"{"$ref": "#/$defs/except"}"##,
            kind: "days",
            default: "none",
            meaning: "days of the zone's calendar without slots: `2026-12-25`, \
                      `2026-12-24..2026-12-26`, `12-25` for every year, `sat-sun`, or a calendar",
            example: "except: [sat-sun, 2026-12-24..2026-12-26, 01-01]",
        },
        Key {
            name: "enabled",
            schema: r#"{"type": "boolean"}"#,
            kind: "`true` or `false`",
            default: "`true`",
            meaning: "`false`: listed, never sent; enabling again sends nothing of the past",
            example: "enabled: false",
        },
        Key {
            name: "description",
            schema: r#"{"type": "string"}"#,
            kind: "text",
            default: "none",
            meaning: "for people",
            example: "description: Sales of the day before.",
        },
        Key {
            name: "tags",
            schema: r##"{"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 32}"##,
            kind: "list of texts",
            default: "none",
            meaning: "labels, for `spread`",
            example: "tags: [nightly, finance]",
        },
    ],
};

/// Keys of `cron` as a mapping.
pub(crate) static CRONTAB: Section = Section {
    title: "`cron` as a mapping, with the meaning of Celery's `crontab(…)`",
    keys: &[
        Key {
            name: "minute",
            schema: r##"{"$ref": "#/$defs/field"}"##,
            kind: "number or text",
            default: "`*`",
            meaning: "0 to 59",
            example: "minute: \"*/15\"",
        },
        Key {
            name: "hour",
            schema: r##"{"$ref": "#/$defs/field"}"##,
            kind: "number or text",
            default: "`*`",
            meaning: "0 to 23",
            example: "hour: 9-17",
        },
        Key {
            name: "day_of_week",
            schema: r##"{"$ref": "#/$defs/field"}"##,
            kind: "number or text",
            default: "`*`",
            meaning: "0 (Sunday) to 6, or names; must match as well as `day_of_month`",
            example: "day_of_week: mon-fri",
        },
        Key {
            name: "day_of_month",
            schema: r##"{"$ref": "#/$defs/field"}"##,
            kind: "number or text",
            default: "`*`",
            meaning: "1 to 31",
            example: "day_of_month: \"1,15\"",
        },
        Key {
            name: "month_of_year",
            schema: r##"{"$ref": "#/$defs/field"}"##,
            kind: "number or text",
            default: "`*`",
            meaning: "1 to 12, or names",
            example: "month_of_year: jan-mar",
        },
        Key {
            name: "quartz",
            schema: r#"{"type": "string"}"#,
            kind: "text",
            default: "",
            meaning: "stands alone: a Quartz expression of six or seven fields, which begins with \
                      the second, counts weekdays from 1 for Sunday, and may end with the year",
            example: "quartz: \"0 30 9 ? * MON-FRI\"",
        },
    ],
};

/// Keys of `solar`.
pub(crate) static SOLAR: Section = Section {
    title: "`solar`",
    keys: &[
        Key {
            name: "event",
            schema: r#"{"enum": ["dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_civil", "dusk_nautical", "dusk_astronomical"]}"#,
            kind: "name",
            default: "required",
            meaning: "`dawn_astronomical`, `dawn_nautical`, `dawn_civil`, `sunrise`, `solar_noon`, \
                      `sunset`, `dusk_civil`, `dusk_nautical` or `dusk_astronomical`",
            example: "event: dawn_civil",
        },
        Key {
            name: "latitude",
            schema: r#"{"type": "number", "minimum": -90, "maximum": 90}"#,
            kind: "number",
            default: "required",
            meaning: "degrees, north is positive",
            example: "latitude: -33.86",
        },
        Key {
            name: "longitude",
            schema: r#"{"type": "number", "minimum": -180, "maximum": 180}"#,
            kind: "number",
            default: "required",
            meaning: "degrees, east is positive",
            example: "longitude: 151.21",
        },
    ],
};

/// Keys of `options`, by the queue's kind of worker.
pub(crate) static OPTIONS: [(&str, Section); 5] = [
    ("celery", CELERY),
    ("rq", RQ),
    ("dramatiq", DRAMATIQ),
    ("sidekiq", SIDEKIQ),
    ("bullmq", BULLMQ),
];

const CELERY: Section = Section {
    title: "`options` of a Celery queue",
    keys: &[
        Key {
            name: "time_limit",
            schema: r##"{"$ref": "#/$defs/seconds"}"##,
            kind: "length or seconds",
            default: "the task's own",
            meaning: "after this the worker kills the task",
            example: "time_limit: 30m",
        },
        Key {
            name: "soft_time_limit",
            schema: r##"{"$ref": "#/$defs/seconds"}"##,
            kind: "length or seconds",
            default: "the task's own",
            meaning: "after this the task gets `SoftTimeLimitExceeded`",
            example: "soft_time_limit: 1500",
        },
        Key {
            name: "ignore_result",
            schema: r#"{"type": "boolean"}"#,
            kind: "`true` or `false`",
            default: "the task's own; with `overlap: skip`, `false`",
            meaning: "`true`: the result is not kept",
            example: "ignore_result: true",
        },
        Key {
            name: "shadow",
            schema: r##"{"$ref": "#/$defs/name"}"##,
            kind: "text",
            default: "the task's name",
            meaning: "the name that logs and Flower show",
            example: "shadow: nightly",
        },
    ],
};

const RQ: Section = Section {
    title: "`options` of an RQ queue",
    keys: &[
        Key {
            name: "timeout",
            schema: r##"{"$ref": "#/$defs/whole_seconds"}"##,
            kind: "length or seconds",
            default: "`180`",
            meaning: "after this the worker stops the job; `-1`: never",
            example: "timeout: 1h",
        },
        Key {
            name: "result_ttl",
            schema: r##"{"$ref": "#/$defs/whole_seconds"}"##,
            kind: "length or seconds",
            default: "`500`",
            meaning: "how long the result of a job that succeeded is kept; `0`: not at all, `-1`: for ever",
            example: "result_ttl: 1d",
        },
        Key {
            name: "failure_ttl",
            schema: r##"{"$ref": "#/$defs/whole_seconds"}"##,
            kind: "length or seconds",
            default: "a year",
            meaning: "how long a failed job is kept; `-1`: for ever",
            example: "failure_ttl: 4w",
        },
        Key {
            name: "retry",
            schema: r##"{"type": "integer", "minimum": 1, "maximum": 1000}"##,
            kind: "number",
            default: "none",
            meaning: "how often a job that fails is run again",
            example: "retry: 3",
        },
        Key {
            name: "retry_intervals",
            schema: r##"{"anyOf": [{"$ref": "#/$defs/whole_seconds"}, {"type": "array", "items": {"$ref": "#/$defs/whole_seconds"}, "maxItems": 100}]}"##,
            kind: "length, seconds or a list",
            default: "`0`",
            meaning: "pauses before each retry, the last one for all further; above `0` they need a worker with `--with-scheduler`",
            example: "retry: 3\nretry_intervals: [10s, 5m]",
        },
        Key {
            name: "description",
            schema: r##"{"type": "string", "minLength": 1}"##,
            kind: "text",
            default: "the call",
            meaning: "what dashboards and logs show",
            example: "description: Nightly report",
        },
    ],
};

const DRAMATIQ: Section = Section {
    title: "`options` of a Dramatiq queue",
    keys: &[
        Key {
            name: "max_retries",
            schema: r#"{"type": "integer", "minimum": 0, "maximum": 1000}"#,
            kind: "number",
            default: "the actor's own",
            meaning: "how often a message that fails is run again",
            example: "max_retries: 3",
        },
        Key {
            name: "time_limit",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "the actor's own",
            meaning: "after this the actor gets `TimeLimitExceeded`",
            example: "time_limit: 30m",
        },
        Key {
            name: "min_backoff",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "the actor's own",
            meaning: "the shortest pause before a message is run again",
            example: "min_backoff: 15s",
        },
        Key {
            name: "max_backoff",
            schema: r##"{"$ref": "#/$defs/length"}"##,
            kind: "length",
            default: "the actor's own",
            meaning: "the longest pause before a message is run again",
            example: "max_backoff: 1h",
        },
    ],
};

const SIDEKIQ: Section = Section {
    title: "`options` of a Sidekiq queue",
    keys: &[Key {
        name: "retry",
        schema: r#"{"type": "integer", "minimum": 0, "maximum": 1000}"#,
        kind: "number",
        default: "`25`",
        meaning: "how often a job that fails is run again",
        example: "retry: 3",
    }],
};

const BULLMQ: Section = Section {
    title: "`options` of a BullMQ queue",
    keys: &[
        Key {
            name: "attempts",
            schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#,
            kind: "number",
            default: "`1`",
            meaning: "how often a job that fails is run in all",
            example: "attempts: 3",
        },
        Key {
            name: "backoff",
            schema: r##"{"anyOf": [{"$ref": "#/$defs/length"}, {"$ref": "#/$defs/backoff"}]}"##,
            kind: "length or mapping",
            default: "none",
            meaning: "the pause between attempts; `exponential` doubles it each time",
            example: "backoff: {type: exponential, delay: 10s}",
        },
        Key {
            name: "remove_on_complete",
            schema: r##"{"$ref": "#/$defs/keep"}"##,
            kind: "`true`, number or age",
            default: "`true`",
            meaning: "what becomes of the job when it is done: removed, or kept among the newest so \
                      many of its queue, or for so long; `false` keeps it for ever",
            example: "remove_on_complete: 100",
        },
        Key {
            name: "remove_on_fail",
            schema: r##"{"$ref": "#/$defs/keep"}"##,
            kind: "`true`, number or age",
            default: "the worker's own, else `false`",
            meaning: "the same, when its last attempt has failed",
            example: "remove_on_fail: 7d",
        },
    ],
};

/// All sections, in the order of the page.
fn sections() -> impl Iterator<Item = &'static Section> {
    let files = [&FILE, &ENTRY, &MESSAGE, &CRONTAB, &SOLAR];
    files.into_iter().chain(OPTIONS.iter().map(|(_, section)| section))
}

/// The JSON Schema (draft 2020-12) of a schedule file, for editors and other checkers.
///
/// It knows the shape of a file: keys, types, ranges, and which keys go together. Only `check` knows
/// whether a crontab line or a zone is valid.
#[must_use]
pub fn schema() -> Value {
    let entry: Vec<&Key> = ENTRY.keys.iter().chain(MESSAGE.keys).collect();
    let mut entry = object(&entry, &["task"]);
    let kinds = ["cron", "every", "at", "rrule", "solar"];
    entry["oneOf"] = kinds.map(|kind| json!({"required": [kind]})).as_slice().into();
    entry["dependentRequired"] =
        json!({"phase": ["every"], "anchor": ["every"], "day_match": ["cron"]});
    let crontab: Vec<&Key> = CRONTAB.keys.iter().filter(|key| key.name != "quartz").collect();
    let quartz: Vec<&Key> = CRONTAB.keys.iter().filter(|key| key.name == "quartz").collect();
    let all = |section: &'static Section| section.keys.iter().collect::<Vec<_>>();
    let mut schema = object(&all(&FILE), &["entries"]);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A schedule file of downbeat".into();
    let mut definitions = definitions();
    definitions["entry"] = entry;
    definitions["defaults"] = object(&all(&MESSAGE), &[]);
    definitions["crontab"] = object(&crontab, &[]);
    definitions["quartz"] = object(&quartz, &["quartz"]);
    definitions["solar"] = object(&all(&SOLAR), &["event", "latitude", "longitude"]);
    let options = OPTIONS.iter().map(|(_, section)| object(&all(section), &[]));
    definitions["options"] = json!({"anyOf": options.collect::<Vec<_>>()});
    schema["$defs"] = definitions;
    schema
}

/// Types that several keys share.
fn definitions() -> Value {
    json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 255},
        "length": {
            "type": "string",
            "pattern": "^(?=.)([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "examples": ["500ms", "90s", "5m", "1h30m", "2d", "1w"],
        },
        "instant": {
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?\
                        ([Zz]|[+-][0-9]{2}:[0-9]{2})?$",
            "examples": ["2030-01-01 00:00", "2030-01-01T00:00:00+09:00"],
        },
        "field": {"type": ["string", "integer"]},
        "seconds": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"$ref": "#/$defs/length"}]},
        "whole_seconds": {
            "anyOf": [{"type": "integer", "minimum": -1}, {"$ref": "#/$defs/length"}],
        },
        "backoff": {
            "type": "object",
            "properties": {
                "type": {"enum": ["fixed", "exponential"]},
                "delay": {"$ref": "#/$defs/length"},
            },
            "required": ["type", "delay"],
            "additionalProperties": false,
        },
        "keep": {
            "anyOf": [
                {"type": "boolean"},
                {"type": "integer", "minimum": 1},
                {"$ref": "#/$defs/length"},
            ],
        },
        "days": {
            "type": "string",
            "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}( *\\.\\. *[0-9]{4}-[0-9]{2}-[0-9]{2})?\
                        |[0-9]{2}-[0-9]{2}|[A-Za-z].*)$",
        },
        "calendar": {"$ref": "#/$defs/except"},
        "except": {
            "anyOf": [
                {"$ref": "#/$defs/days"},
                {"type": "array", "items": {"$ref": "#/$defs/days"}, "maxItems": 2000},
            ],
        },
    })
}

fn object(keys: &[&Key], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), key.to_schema())).collect();
    let mut object =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

impl Key {
    fn to_schema(&self) -> Value {
        // A test parses each of them.
        let mut schema: Value = serde_json::from_str(self.schema).unwrap_or_default();
        schema["description"] = self.meaning.replace('`', "").into();
        schema
    }
}

impl Section {
    fn to_markdown(&self) -> String {
        let mut table = String::from("| key | type | default | meaning | example |\n");
        table += "| --- | --- | --- | --- | --- |\n";
        for Key { name, kind, default, meaning, example, .. } in self.keys {
            let lines = example.replace('|', "\\|");
            let example: Vec<_> = lines.lines().map(|line| format!("`{line}`")).collect();
            let example = example.join(" ");
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| `{name}` | {kind} | {default} | {meaning} | {example} |");
        }
        table
    }
}

/// The tables of the reference page, each with the title of its section.
#[must_use]
pub fn tables() -> Vec<(&'static str, String)> {
    sections().map(|section| (section.title, section.to_markdown())).collect()
}

/// Each key's name and its example as a whole schedule file. Queues of other kinds of worker than
/// Celery are named after the kind.
#[must_use]
pub fn examples() -> Vec<(&'static str, String)> {
    let keys = sections().flat_map(|section| section.keys.iter().map(move |key| (section, key)));
    keys.map(|(section, key)| (key.name, section.example_file(key))).collect()
}

impl Section {
    fn example_file(&self, key: &Key) -> String {
        let indented = |depth: usize, text: &str| {
            text.lines().map(|line| format!("{}{line}\n", " ".repeat(depth))).collect::<String>()
        };
        let named = |name: &str| key.name == name;
        let mut file = String::new();
        let mut entry = String::from("task: t\n");
        if self.title == FILE.title {
            file += &indented(0, key.example);
            // What these keys define must be used.
            entry += if named("calendars") { "except: holidays\n" } else { "tags: [nightly]\n" };
            if named("entries") {
                return file;
            }
        } else if self.title == ENTRY.title || self.title == MESSAGE.title {
            // Not every kind of worker shows whether a task is running.
            entry += if named("overlap") { "queue: rq\n" } else { "" };
            entry =
                if named("task") { indented(0, key.example) } else { entry + key.example + "\n" };
        } else {
            let mut kinds = OPTIONS.iter().filter(|(_, section)| section.title == self.title);
            let (of, rest) = match kinds.next() {
                Some((kind, _)) => {
                    entry += &format!("queue: {kind}\n");
                    ("options", "")
                }
                None if self.title == CRONTAB.title => ("cron", ""),
                None => ("solar", "event: sunset\nlatitude: 0\nlongitude: 0\n"),
            };
            let other = |line: &&str| !line.starts_with(key.name);
            let rest: String = rest.lines().filter(other).map(|line| format!("{line}\n")).collect();
            entry += &format!("{of}:\n{}", indented(2, &(rest + key.example)));
        }
        let times = ["cron:", "every:", "at:", "rrule:", "solar:"];
        if !entry.lines().any(|line| times.iter().any(|kind| line.starts_with(kind))) {
            entry += "every: 1h\n";
        }
        file + "entries:\n  example:\n" + &indented(4, &entry)
    }
}
