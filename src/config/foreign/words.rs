//! The table of foreign words: the keys of other schedulers, and what to write here instead.
//!
//! Each list is for one mapping of ours. Words are in lower case, joined by `_`, and match however a user joins
//! them: `start_time` is `startTime` and `StartTime`, too. They are those of Celery beat,
//! django-celery-beat, RedBeat, APScheduler, rq-scheduler, Quartz and Spring, Kubernetes, systemd, Temporal,
//! Sidekiq's schedulers, BullMQ, Airflow, EventBridge, whenever and solid_queue.

use super::fields::Dialect;
use super::mapping::{self, by_fields, find, lengths};
use super::timing::Timing;
use super::values::{
    choose, instant, key_only, length, list, names, on_calendar, payload, scalar, seconds, text,
    texts, when, whole, zone,
};
use crate::text::words::{Foreign, Ours, Word, Write, as_written};
use crate::text::{Scalar, duration};

/// A file.
pub(in crate::config) static FILE: &[Word] = &[
    key("beat_schedule celerybeat_schedule", "entries", |it| {
        Some(entries(it) + "; docs/celery-beat.md explains the rest")
    }),
    key(
        "entry schedule schedules scheduler tasks jobs cron_jobs crons cron periodic_tasks recurring \
         recurring_tasks dags timers timer triggers rules spec on repeat schedule_expression",
        "entries",
        |it| Some(entries(it)),
    ),
    key("default default_args job_defaults", "defaults", key_only),
    advice("api_version kind metadata status job_template", NO_KUBERNETES),
    advice("unit install service", NO_SYSTEMD),
    advice("production development staging test", NO_ENVIRONMENTS),
    advice("enable_utc celery_enable_utc", "leave it out: `timezone: UTC` is the default"),
    advice(
        "broker broker_url broker_file celery_broker_url state queues namespace leader http history log log_level \
         tls state_dir runtime_dir events grace result_backend celery_result_backend redis redis_url \
         concurrency workers redbeat_redis_url redbeat_key_prefix redbeat_lock_timeout beat_scheduler \
         beat_max_loop_interval beat_schedule_filename jobstores executors",
        "this belongs in the service's configuration, /etc/downbeat/downbeat.yaml: see docs/configuration.md",
    ),
];

const NO_KUBERNETES: &str = "a schedule file is not a Kubernetes manifest: write \
                             `entries: {nightly: {task: shop.tasks.report, cron: \"0 3 * * *\"}}`";
const NO_SYSTEMD: &str = "a schedule file is not a systemd unit: write \
                          `entries: {nightly: {task: shop.tasks.report, cron: \"0 3 * * *\"}}`";
const NO_ENVIRONMENTS: &str = "a schedule file has no environments: give each a directory of its own, and \
                               write `entries:` in its files";

/// An entry. What goes into its message is in [`MESSAGE`].
pub(in crate::config) static ENTRY: &[Word] = &[
    // When
    key(WHEN, "cron", when),
    key("calendar calendars", "cron", |it| mapping::calendar(it.value).map(shown)),
    key("on_calendar", "cron", on_calendar),
    key("on_unit_active_sec on_unit_inactive_sec repeat_every", "every", length),
    key("period", "every", |it| Timing::of(find(it.mapping, &["every"])?, it.mapping).map(shown)),
    key("weeks days hours minutes seconds", "every", |it| lengths(it.mapping).map(shown)),
    key(
        "second minute hour day_of_week weekday day_of_month day month_of_year month",
        "cron",
        |it| {
            let dialect = match find(it.mapping, &["trigger"]) {
                Some(_) => Dialect::ApScheduler,
                None => Dialect::Loose,
            };
            by_fields(it.mapping, dialect).map(shown)
        },
    ),
    key("repeat repeat_opts", "every", repeat),
    key("offset", "phase", length),
    key("timezone tz time_zone_name schedule_expression_timezone zone", "timezone", zone),
    key(
        "start_time start_date start_at starts_at not_before first_at valid_from",
        "start",
        instant,
    ),
    key("end_time end_date end_at ends_at not_after last_at until valid_until", "end", instant),
    key("one_off once run_once", "limit", |it| choose(it, "`limit: 1`", NOTHING)),
    key("remaining_actions max_runs times count repeat_count", "limit", whole),
    key("exclude excludes holidays skip exceptions", "except", key_only),
    advice(
        "exrule exdate",
        "write the days to leave out: `except: [sat-sun, 2026-12-24..2026-12-26]`",
    ),
    advice(
        "on_boot_sec on_startup_sec on_active_sec first_in in initial_delay start_delay",
        "no entry waits for a process to start: write `every: 10m`, counted from the epoch, or \
         `start: 2030-01-01 00:00`",
    ),
    advice(
        "relative immediately run_on_start run_immediately",
        "leave it out: slots do not depend on when the service starts; with `every`, \
         `anchor: 2026-01-05 12:00` names one",
    ),
    // Whether, and for people
    key("suspend suspended paused disabled is_paused_upon_creation", "enabled", |it| {
        choose(it, "`enabled: false`", "`enabled: true`")
    }),
    key("active is_active is_enabled status state", "enabled", |it| {
        match &*it.value.as_written()?.to_ascii_lowercase() {
            "enabled" | "active" => Some("`enabled: true`".to_owned()),
            "disabled" | "paused" => Some("`enabled: false`".to_owned()),
            _ => choose(it, "`enabled: true`", "`enabled: false`"),
        }
    }),
    key("note notes comment summary doc_md", "description", text),
    key("labels tag group groups", "tags", texts),
    advice(
        "name id job_id job_name schedule_id dag_id entry_name",
        "leave it out: the key above the entry is its name",
    ),
    advice(
        "last_run_at total_run_count date_changed due_at next_run_time replace_existing persist",
        "leave it out: the store keeps the progress of entries",
    ),
    // What runs
    key(
        "class klass job_class func function method callable python_callable actor job handler \
         workflow_type task_name reg_task",
        "task",
        text,
    ),
    advice(
        "command cmd shell script run runner rake exec_start image container",
        "downbeat runs no commands: name what a worker runs, as in `task: shop.tasks.report`",
    ),
    advice(
        "job_template action steps target targets unit operator workflow",
        "name what a worker runs, as in `task: shop.tasks.report`",
    ),
    key("date_as_argument", "args", |it| choose(it, "`args: [\"{{ slot | unix }}\"]`", NOTHING)),
    advice(
        "active_job symbolize_args queue_name_prefix queue_name_delimiter include_metadata \
         successful_jobs_history_limit failed_jobs_history_limit accuracy_sec wake_system \
         remain_after_elapse fixed_random_delay requests_recovery durability pause_on_failure memo \
         search_attributes executor jobstore",
        "leave it out: it has no counterpart here",
    ),
];

/// Keys whose values say when, in an entry and in mappings within.
pub(super) const WHEN: &str = "schedule crontab interval intervals trigger type spec on rate fixed_rate fixed_delay pattern \
     expression cron_expression cron_expressions cron_string cron_schedule schedule_expression \
     schedule_interval run_every run_date run_at scheduled_time clocked clocked_time timetable \
     recurrence recurrences";

/// What is sent: an entry or `defaults`.
pub(in crate::config) static MESSAGE: &[Word] = &[
    key("args arg positional_arguments", "args", list),
    key("kwarg kwds keywords keyword_arguments op_kwargs", "kwargs", names),
    key("arguments params parameters payload data input inputs body op_args", "kwargs", payload),
    key("headers header meta message_headers", "headers", names),
    key("queue queue_name task_queue default_queue job_queue", "queue", text),
    key("priority priority_weight", "priority", |it| match it.value.scalar()? {
        Scalar::Int(0..=255) => as_written(it),
        _ => None,
    }),
    key("exchange", "exchange", text),
    key("routing_key", "routing_key", text),
    key("expires expire_seconds expires_in ttl max_age message_ttl", "expires", length),
    key("jitter randomized_delay_sec randomized_offset_sec spread splay", "jitter", length),
    key("concurrency_policy overlap_policy", "overlap", |it| {
        match &*it.value.as_written()?.to_ascii_lowercase() {
            "forbid" | "skip" => Some("`overlap: skip`".to_owned()),
            "allow" | "allowall" => Some("`overlap: allow`".to_owned()),
            _ => None,
        }
    }),
    key("max_instances max_active_runs max_concurrency concurrency", "overlap", |it| {
        match it.value.scalar()? {
            Scalar::Int(1) => Some("`overlap: skip`".to_owned()),
            Scalar::Int(2..) => Some("`overlap: allow`".to_owned()),
            _ => None,
        }
    }),
    key("unique singleton disallow_concurrent_execution depends_on_past", "overlap", |it| {
        choose(it, "`overlap: skip`", "`overlap: allow`")
    }),
    key("policy policies", "overlap", |it| {
        let window = find(it.value.map()?, &["catchupwindow"]).and_then(|node| node.as_written());
        let within = window.and_then(duration::parse_any).map(duration::format);
        let within = within.map_or_else(String::new, |within| format!(" and `within: {within}`"));
        Some(format!("`overlap: skip`{within}"))
    }),
    key("catchup", "catch_up", |it| choose(it, "`catch_up: all`", "`catch_up: none`")),
    key("coalesce", "catch_up", |it| choose(it, "`catch_up: latest`", "`catch_up: all`")),
    key("persistent", "catch_up", |it| choose(it, "`catch_up: latest`", "`catch_up: none`")),
    key("misfire misfire_policy misfire_instruction", "catch_up", |it| {
        let word = it.value.as_written()?.to_ascii_lowercase().replace('_', "");
        let policy = match word {
            _ if word.contains("donothing") => "none",
            _ if word.contains("ignore") => "all",
            _ => "latest",
        };
        Some(format!("`catch_up: {policy}`"))
    }),
    key(
        "starting_deadline_seconds misfire_grace_time misfire_threshold catchup_window",
        "within",
        length,
    ),
    key("max_queue_length max_length max_pending", "max_queued", whole),
    advice(
        "countdown delay delay_seconds eta",
        "a task is due at its slot: move the slots instead, by a later minute in `cron`, or by `phase` beside \
         `every`",
    ),
];

/// `cron` as a mapping.
pub(in crate::config) static CRONTAB: &[Word] = &[
    key("minutes", "minute", scalar),
    key("hours", "hour", scalar),
    key("weekday weekdays dow days_of_week", "day_of_week", scalar),
    key("day days dom monthday days_of_month", "day_of_month", scalar),
    key("month months", "month_of_year", scalar),
    key("line expression expr value cron crontab schedule pattern spring", "cron", when),
    advice(
        "second seconds year years",
        "only a Quartz line has seconds and years: `cron: {quartz: \"30 0 9 ? * MON-FRI\"}`",
    ),
    advice(
        "week weeks week_of_year",
        "only a rule has weeks of the year: \
         `rrule: \"DTSTART:20260101T090000\\nRRULE:FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO\"`",
    ),
];

/// `solar`.
pub(in crate::config) static SOLAR: &[Word] = &[
    key("lat", "latitude", scalar),
    key("lon lng long", "longitude", scalar),
    key("solar type name", "event", scalar),
];

/// `except` as a mapping.
pub(in crate::config) static EXCEPT: &[Word] = &[
    key("dates date day calendars calendar holidays except", "days", key_only),
    key("moves move_to shift roll adjust policy", "move", key_only),
];

/// `options` of a Celery queue.
pub(in crate::config) static CELERY_OPTIONS: &[Word] = &[
    key("timeout hard_time_limit", "time_limit", seconds),
    key("soft_timeout", "soft_time_limit", seconds),
    advice(
        "chord group_id",
        "the application records a chord's group in its result backend as it sends the chord: send it from a \
         small task",
    ),
    advice(
        "reply_to add_to_parent producer connection publisher",
        "docs/celery-beat.md says what to write instead",
    ),
    advice(
        "task_id root_id parent_id correlation_id",
        "leave it out: the id comes from entry and slot, and arguments may hold it as `{{ task_id }}`",
    ),
    advice(
        "serializer compression content_type content_encoding",
        "leave it out: messages are JSON, uncompressed; workers accept them if `accept_content` has `json`",
    ),
    advice(
        "retry retry_policy",
        "leave it out: downbeat publishes until it succeeds; how often a task is retried is set on the task",
    ),
    advice(
        "max_retries rate_limit acks_late default_retry_delay autoretry_for bind track_started",
        "set it on the task, as in `@app.task(rate_limit=\"10/m\", acks_late=True)`: a message cannot",
    ),
    advice(
        "delivery_mode persistent mandatory immediate immutable",
        "leave it out: messages are persistent and mandatory",
    ),
];

/// `options` of an RQ queue.
pub(in crate::config) static RQ_OPTIONS: &[Word] = &[
    key("job_timeout time_limit", "timeout", seconds),
    key("retries max_retries", "retry", whole),
    key("interval intervals", "retry_intervals", key_only),
    key("success_callback", "on_success", text),
    key("failure_callback", "on_failure", text),
    key("stopped_callback", "on_stopped", text),
];

/// `depends_on` of an RQ job, as a mapping.
pub(in crate::config) static RQ_DEPENDENCY: &[Word] = &[
    key("job ids", "jobs", key_only),
    key("allow_failures", "allow_failure", scalar),
    advice("enqueue_at_front", "write `at_front: true` beside `depends_on`"),
];

/// A callback of an RQ job, as a mapping.
pub(in crate::config) static RQ_CALLBACK: &[Word] = &[key("task function name", "func", text)];

/// `options` of an arq queue.
pub(in crate::config) static ARQ_OPTIONS: &[Word] = &[
    advice("defer_by defer_until", "a job is due when its slot is: move the slot"),
    advice("job_id", "leave it out: a job's id follows from its entry and slot"),
    advice(
        "timeout max_tries keep_result",
        "set it where the worker registers the function, as in `func(report, max_tries=3)`",
    ),
];

/// `options` of a taskiq queue.
pub(in crate::config) static TASKIQ_OPTIONS: &[Word] = &[
    key("time_limit", "timeout", length),
    key("retries", "max_retries", whole),
    advice("labels", "write them as `headers` beside `options`"),
    advice("task_id", "leave it out: a task's id follows from its entry and slot"),
];

/// `options` of a Dramatiq queue.
pub(in crate::config) static DRAMATIQ_OPTIONS: &[Word] =
    &[key("retries retry", "max_retries", whole), key("timeout", "time_limit", length)];

/// `options` of a Sidekiq queue.
pub(in crate::config) static SIDEKIQ_OPTIONS: &[Word] =
    &[key("retries max_retries retry_count", "retry", whole)];

/// `options` of a BullMQ queue.
pub(in crate::config) static BULLMQ_OPTIONS: &[Word] =
    &[key("retries max_retries", "attempts", whole)];

/// The service's configuration. Its values may be secrets, so that no answer has them.
pub(in crate::config) static SERVICE: &[Word] = &[
    key("broker_url celery_broker_url redis_url url connection", "broker", key_only),
    key("redbeat_redis_url state_url", "state", key_only),
    key("redbeat_key_prefix key_prefix prefix", "namespace", key_only),
    key("redbeat_lock_timeout ttl leader_ttl lease_duration", "leader: {ttl: 10s}", key_only),
    key("schedule schedule_file", "schedules", key_only),
    key("log_level", "log: {level: info}", key_only),
    key("log_format", "log: {format: json}", key_only),
    key("metrics port listen", "http", key_only),
    key("misfire_grace_time", "grace", key_only),
    key("task_queues queue", "queues", key_only),
    advice(
        "entries entry beat_schedule celerybeat_schedule timezone celery_timezone enable_utc defaults \
         calendars jobs tasks",
        "this belongs in a schedule file: `schedules` says where those are",
    ),
    advice(
        "result_backend celery_result_backend",
        "set it on a queue: `queues: {celery: {options: {results: \"redis://localhost/1\"}}}`",
    ),
    advice(
        "task_routes task_default_queue",
        "write `queue` in the entries, or in `defaults` of a schedule file",
    ),
    advice(
        "beat_scheduler beat_schedule_filename beat_max_loop_interval beat_sync_every",
        "leave it out: docs/celery-beat.md says what takes its place",
    ),
];

/// A queue of the configuration.
pub(in crate::config) static QUEUE: &[Word] = &[
    key("kind type class", "worker", key_only),
    key("url broker_url", "broker", key_only),
    key("broadcast", "fanout", key_only),
    key("rate rate_limit limit", "catch_up_rate", key_only),
    key("results result_backend", "options: {results: \"redis://localhost/1\"}", key_only),
];

/// `options` of a Celery queue of the configuration.
pub(in crate::config) static CELERY_QUEUE: &[Word] = &[
    key("sep", "separator", key_only),
    key("global_keyprefix prefix", "key_prefix", key_only),
    key("result_backend", "results", key_only),
    FANOUT,
];

/// The same, on AMQP.
pub(in crate::config) static CELERY_QUEUE_ON_AMQP: &[Word] =
    &[key("result_backend", "results", key_only), FANOUT];

const FANOUT: Word = advice("fanout broadcast", "write `fanout: true` beside `options`");

/// `options` of an arq queue of the configuration.
pub(in crate::config) static ARQ_QUEUE: &[Word] = &[key("job_serializer", "serializer", key_only)];

/// `options` of a taskiq queue of the configuration.
pub(in crate::config) static TASKIQ_QUEUE: &[Word] = &[
    key("consumer_group_name", "group", key_only),
    key("result_backend", "results", key_only),
    key("prefix_str", "result_prefix", key_only),
];

/// `tls` of the configuration.
pub(in crate::config) static TLS: &[Word] = &[
    key("ca_certs ca_file ssl_ca_certs", "ca", key_only),
    key("certfile ssl_certfile", "cert", key_only),
    key("keyfile ssl_keyfile", "key", key_only),
    key("pins", "pin", key_only),
];

/// A foreign value of a key of ours.
pub(super) struct Value {
    pub(super) key: &'static str,
    /// The value, in the spellings of several schedulers.
    pub(super) theirs: &'static str,
    pub(super) hint: &'static str,
}

/// Values of keys of ours that are words.
pub(super) static VALUES: &[Value] = &[
    value("catch_up", "true on yes every", "write `catch_up: all`"),
    value("catch_up", "false off no never skip donothing", "write `catch_up: none`"),
    value("catch_up", "last newest one once coalesce", "write `catch_up: latest`"),
    value("overlap", "forbid false no never", "write `overlap: skip`"),
    value("overlap", "allowall true yes", "write `overlap: allow`"),
    value(
        "overlap",
        "replace bufferone bufferall queue cancelother terminateother",
        "a running task is neither stopped nor waited for: write `overlap: skip`",
    ),
    value("expires", "next_slot next_run until_next", "write `expires: next`"),
    value(
        "expires",
        "never none null false",
        "leave `expires` out: without it, messages never expire",
    ),
    value("move", "following forward forwards later after up", "write `move: next`"),
    value(
        "move",
        "preceding backward backwards back earlier before prev down",
        "write `move: previous`",
    ),
    value("day_match", "true both all", "write `day_match: and`"),
    value("day_match", "false any either", "write `day_match: or`"),
];

const NOTHING: &str = "nothing: that is the default";

const fn key(theirs: &'static str, key: &'static str, write: Write) -> Word {
    Word { theirs, ours: Ours::Key(key, write) }
}

const fn advice(theirs: &'static str, advice: &'static str) -> Word {
    Word { theirs, ours: Ours::Advice(advice) }
}

const fn value(key: &'static str, theirs: &'static str, hint: &'static str) -> Value {
    Value { key, theirs, hint }
}

fn shown(timing: Timing) -> String {
    timing.to_string()
}

/// `entries`, if the value looks like theirs; else an entry that fires when the value says.
fn entries(foreign: &Foreign<'_, '_>) -> String {
    let names = foreign.value.map().filter(|pairs| !pairs.is_empty());
    if names.is_some_and(|pairs| pairs.iter().all(|pair| pair.value.map().is_some())) {
        return "`entries:`".to_owned();
    }
    let timing = Timing::of(foreign.value, &[]).map(shown);
    // More than one pair would need braces of its own.
    let timing = timing.filter(|timing| timing.matches('`').count() == 2);
    let timing = timing.unwrap_or_else(|| "cron: \"0 3 * * *\"".to_owned());
    format!("`entries: {{nightly: {{task: shop.tasks.report, {}}}}}`", timing.trim_matches('`'))
}

/// BullMQ's `{every: 10000}` counts milliseconds; rq-scheduler's number says how often in all.
fn repeat(foreign: &Foreign<'_, '_>) -> Option<String> {
    let Some(pairs) = foreign.value.map() else {
        return whole(&Foreign { key: "limit", ..*foreign });
    };
    let every = find(pairs, &["every"]).and_then(|node| node.as_written());
    match every.and_then(|every| duration::parse_any(&format!("{every} ms"))) {
        Some(period) => Some(format!("`every: {}`", duration::format(period))),
        None => when(foreign),
    }
}
