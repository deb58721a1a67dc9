//! A job of sidekiq-cron, in its file or in a hash in Redis.

use serde_json::{Map, Value, json};

use crate::import::cron::{self, Dialect};
use crate::import::literal::literal;
use crate::import::{Difference, Job, json};
use crate::worker::{Protocol as _, SidekiqQueue};

/// The class that runs jobs of ActiveJob.
const WRAPPER: &str = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper";
/// Members of a message that sidekiq-cron or Sidekiq sets itself.
const OF_EACH_JOB: [&str; 9] = [
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "created_at",
    "enqueued_at",
    "wrapped",
    "description",
];

/// A job from the fields of its file or hash. `message` is what sidekiq-cron pushes, with the options of the class; a
/// file does not have it.
pub(super) fn from_fields(
    name: String,
    fields: &Map<String, Value>,
    message: Option<Map<String, Value>>,
) -> Job {
    let mut job = Job::new(name);
    let text = |key: &str| text(fields, key);
    let class = [text("klass"), text("class")].into_iter().find(|class| !class.is_empty());
    let class = class.unwrap_or_default();
    let line = text("cron");
    let is_active_job = is_true(&text("active_job"));
    job.set("task", if is_active_job { WRAPPER } else { &class });
    if line.is_empty() || class.is_empty() {
        job.cannot("it has no `cron`, or no `class`", Some("sidekiq-cron does not run it either"));
    }
    cron::set(&mut job, &line, Dialect::Fugit);
    note_seconds(&mut job);
    if line.contains('&') {
        job.differs(Difference::Other(
            "fugit before 1.7 does not understand `&`, and sidekiq-cron then does not run the job"
                .to_owned(),
        ));
    }
    job.theirs = json!({"cron": line});
    let queue = queue(&mut job, fields, message.as_ref(), is_active_job);
    let mut args = arguments(&mut job, fields);
    if is_active_job {
        args = vec![json!({
            "job_class": class, "job_id": "{{ task_id }}", "queue_name": queue, "arguments": args,
        })];
        job.differs(Difference::Other(
            "it is sent as sidekiq-cron sends a job of ActiveJob whose class it does not know: without locale, \
             executions and `wrapped`"
                .to_owned(),
        ));
    }
    if !args.is_empty() {
        job.set("args", args);
    }
    job.set("queue", queue);
    set_retries(&mut job, fields, message.as_ref());
    if is_true(&text("symbolize_args")) {
        job.differs(Difference::Dropped("`symbolize_args`: keys arrive as texts".to_owned()));
    }
    if let Some(message) = message {
        set_headers(&mut job, message);
    }
    if matches!(&*text("status"), status if !status.is_empty() && status != "enabled") {
        job.set("enabled", false);
    }
    let description = text("description");
    if !description.is_empty() {
        job.set("description", description);
    }
    if fields.values().any(|value| value.to_string().contains("<%")) {
        job.cannot("it holds ERB, which is not run", Some("import the output of `erb FILE`"));
    }
    job
}

/// A field as a text; empty if there is none.
fn text(fields: &Map<String, Value>, key: &str) -> String {
    match fields.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Whether a flag is set, as sidekiq-cron reads it.
fn is_true(text: &str) -> bool {
    ["true", "t", "yes", "y", "1"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Notes that sidekiq-cron looks at its jobs only every 30 s, and sends one for all times since it last looked.
fn note_seconds(job: &mut Job) {
    let quartz = match job.keys.get("cron") {
        Some(Value::Object(mapping)) => mapping.get("quartz"),
        Some(Value::Array(list)) => list.first().and_then(|first| first.get("quartz")),
        _ => None,
    };
    let second = quartz.and_then(Value::as_str).and_then(|line| line.split(' ').next());
    if second.is_some_and(|second| second.parse::<u8>().is_err()) {
        job.differs(Difference::Other(
            "sidekiq-cron looks only every 30 s (`cron_poll_interval`) and skips times in between; here each slot is \
             sent"
                .to_owned(),
        ));
    }
}

fn queue(
    job: &mut Job,
    fields: &Map<String, Value>,
    message: Option<&Map<String, Value>>,
    is_active_job: bool,
) -> String {
    let of_message = message.and_then(|message| message.get("queue")).and_then(Value::as_str);
    let named = Some(text(fields, "queue")).filter(|queue| !queue.is_empty());
    if named.is_none() && message.is_none() {
        job.differs(Difference::Class);
    }
    let queue = named.or(of_message.map(str::to_owned)).unwrap_or_else(|| "default".to_owned());
    let prefix = text(fields, "queue_name_prefix");
    if !is_active_job || prefix.is_empty() {
        return queue;
    }
    let delimiter = Some(text(fields, "queue_name_delimiter")).filter(|it| !it.is_empty());
    format!("{prefix}{}{queue}", delimiter.as_deref().unwrap_or("_"))
}

/// The arguments of the class; with `date_as_argument`, the slot is the last.
fn arguments(job: &mut Job, fields: &Map<String, Value>) -> Vec<Value> {
    let mut args = items(fields.get("args")).unwrap_or_else(|why| {
        job.cannot(why, Some("write its arguments into an entry"));
        Vec::new()
    });
    if is_true(&text(fields, "date_as_argument")) {
        args.push(json!("{{ slot | unix }}"));
        job.differs(Difference::Other(
            "its last argument is the slot in whole seconds, not the time of sending with a fraction".to_owned(),
        ));
    }
    args
}

/// The items of a list, or anything else as the only argument. A text may hold them as JSON.
fn items(args: Option<&Value>) -> Result<Vec<Value>, String> {
    let read = match args {
        Some(Value::String(text)) => match json::read(text) {
            Ok(read) => read,
            Err(why) if is_like_json(text) => {
                return Err(format!("its arguments look like JSON, and cannot be read: {why}"));
            }
            Err(_) => Value::from(vec![text.clone()]),
        },
        Some(other) => other.clone(),
        None => Value::Null,
    };
    Ok(match literal(read) {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        other => vec![other],
    })
}

/// Whether Ruby may read a text as JSON, although it is none here: Ruby's numbers have no limit.
fn is_like_json(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['[', '{', '"']) || text.parse::<f64>().is_ok()
}

/// Sets how often Sidekiq retries a job: as the job says, else its class.
fn set_retries(job: &mut Job, fields: &Map<String, Value>, message: Option<&Map<String, Value>>) {
    let of_job = fields.get("retry").filter(|retry| !retry.is_null());
    let retry = of_job.or_else(|| message.and_then(|message| message.get("retry")));
    let Some(retry) = retry else { return };
    let text = retry.as_str().map_or_else(|| retry.to_string(), str::to_owned);
    match (&*text, text.parse::<u32>()) {
        ("true", _) => {}
        // Here, 0 is sent as `false`.
        ("false", _) => job.set("options", json!({"retry": 0})),
        (_, Ok(0)) => {
            job.set("options", json!({"retry": 0}));
            job.differs(Difference::Other(
                "with `retry: 0`, Sidekiq keeps a failed job among the dead; here it is dropped, as with \
                 `retry: false`"
                    .to_owned(),
            ));
        }
        (_, Ok(times)) => job.set("options", json!({"retry": times})),
        (_, Err(_)) => job.differs(Difference::Dropped(format!("`retry` of {text}"))),
    }
}

/// Sets `headers`, which become members of the message, from other options of the class.
fn set_headers(job: &mut Job, message: Map<String, Value>) {
    if message.get("retry").is_none() && job.text("task") != WRAPPER {
        job.differs(Difference::Class);
    }
    let queue = SidekiqQueue::default();
    let mut headers = Map::new();
    for (name, value) in message {
        if OF_EACH_JOB.contains(&&*name) || value.is_null() {
            continue;
        }
        if queue.is_reserved_header(&name) {
            job.differs(Difference::Dropped(format!("the option `{name}`")));
        } else {
            headers.insert(name, value);
        }
    }
    if !headers.is_empty() {
        job.set("headers", literal(Value::Object(headers)));
    }
}

#[cfg(test)]
mod tests;
