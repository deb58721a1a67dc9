//! What a live worker says of its application: settings and options of tasks that beat would have applied.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a worker shows in place of a secret, and of all settings whose names look like those of one.
const HIDDEN: &str = "********";

/// Settings of an application that matter to a scheduler; `None`: not set, or not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSettings {
    /// `priority_steps` of `broker_transport_options`.
    pub priority_steps: Option<Vec<u8>>,
    /// `sep` of them.
    pub separator: Option<String>,
    /// `accept_content`.
    pub accept_content: Vec<String>,
    /// `result_backend`, without its password.
    pub result_backend: Option<String>,
    /// Whether `result_backend_transport_options` have a `global_keyprefix`, which workers do not show.
    pub has_result_prefix: bool,
    /// `result_serializer`.
    pub result_serializer: Option<String>,
    /// `timezone`.
    pub timezone: Option<String>,
    /// `task_default_queue`.
    pub default_queue: Option<String>,
    /// `task_routes`, in order, as far as they are shown.
    pub routes: Vec<Route>,
}

/// A route of `task_routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// A task's name, or a pattern with `*` and `?`.
    pub pattern: String,
    /// Where it sends the task.
    pub queue: Option<String>,
    /// The priority that it sets.
    pub priority: Option<u8>,
}

/// The options of a task that its decorator or class sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskDefaults {
    /// `queue`.
    pub queue: Option<String>,
    /// `priority`, or `task_default_priority`.
    pub priority: Option<u8>,
    /// `expires`: a number of seconds, or what Python shows of it.
    pub expires: Option<String>,
    /// The class whose `apply_async` replaces Celery's.
    pub sent_by: Option<String>,
}

impl TaskDefaults {
    /// The attributes to ask for; what may hold spaces is last.
    pub(super) const ATTRIBUTES: [&'static str; 4] =
        ["queue", "priority", "expires", "apply_async"];

    /// Reads `NAME [queue=q priority=5 …]`, which has only attributes that are set.
    pub(super) fn read(text: &str) -> (String, TaskDefaults) {
        let Some((name, rest)) = text.split_once(" [") else {
            return (text.to_owned(), TaskDefaults::default());
        };
        let rest = rest.strip_suffix(']').unwrap_or(rest);
        let value = |attribute: &str| {
            let start = format!("{attribute}=");
            let at =
                if rest.starts_with(&start) { 0 } else { rest.find(&format!(" {start}"))? + 1 };
            let value = &rest[at + start.len()..];
            let ends = TaskDefaults::ATTRIBUTES.map(|next| value.find(&format!(" {next}=")));
            let end = ends.into_iter().flatten().min();
            Some(value[..end.unwrap_or(value.len())].to_owned())
        };
        let [queue, priority, expires, apply_async] = TaskDefaults::ATTRIBUTES.map(value);
        let priority = priority.and_then(|priority| priority.parse().ok());
        let sent_by = apply_async.as_deref().and_then(class_of);
        (name.to_owned(), TaskDefaults { queue, priority, expires, sent_by })
    }
}

/// The class of a method as Python shows it, unless it is Celery's own.
fn class_of(method: &str) -> Option<String> {
    let rest = method.strip_prefix("<bound method ")?;
    let class = rest.split(' ').next()?.strip_suffix(".apply_async")?;
    (class != "Task").then(|| class.to_owned())
}

impl AppSettings {
    /// Reads what `inspect conf` says.
    pub(super) fn read(said: &Value) -> AppSettings {
        let text = |value: &Value| {
            Some(value.as_str()?.to_owned()).filter(|text| text != HIDDEN && !text.is_empty())
        };
        let transport = &said["broker_transport_options"];
        let steps = |steps: &Vec<Value>| {
            steps.iter().map(|step| u8::try_from(step.as_u64()?).ok()).collect::<Option<_>>()
        };
        let content = said["accept_content"].as_array().map(Vec::as_slice).unwrap_or_default();
        let prefix = &said["result_backend_transport_options"]["global_keyprefix"];
        AppSettings {
            priority_steps: transport["priority_steps"].as_array().and_then(steps),
            separator: text(&transport["sep"]),
            accept_content: content.iter().filter_map(text).collect(),
            result_backend: text(&said["result_backend"]),
            has_result_prefix: prefix.as_str().is_some_and(|prefix| !prefix.is_empty()),
            result_serializer: text(&said["result_serializer"]),
            timezone: text(&said["timezone"]),
            default_queue: text(&said["task_default_queue"]),
            routes: routes(&said["task_routes"]),
        }
    }

    /// The route of a task.
    #[must_use]
    pub fn route(&self, task: &str) -> Option<&Route> {
        self.routes.iter().find(|route| matches(route.pattern.as_bytes(), task.as_bytes()))
    }
}

/// Reads a mapping, a list of pairs, or a list of both; functions cannot be asked.
fn routes(said: &Value) -> Vec<Route> {
    match said {
        Value::Object(routes) => {
            routes.iter().filter_map(|(pattern, to)| route(pattern, to)).collect()
        }
        Value::Array(items) => match &items[..] {
            [Value::String(pattern), to @ (Value::Object(_) | Value::String(_))] => {
                route(pattern, to).into_iter().collect()
            }
            items => items.iter().flat_map(routes).collect(),
        },
        _ => Vec::new(),
    }
}

fn route(pattern: &str, to: &Value) -> Option<Route> {
    let queue = to.as_str().or_else(|| match &to["queue"] {
        Value::Object(queue) => queue.get("name")?.as_str(),
        queue => queue.as_str(),
    });
    let priority = to["priority"].as_u64().and_then(|priority| u8::try_from(priority).ok());
    let queue = queue.filter(|queue| *queue != HIDDEN).map(str::to_owned);
    Some(Route { pattern: pattern.to_owned(), queue, priority })
}

/// Whether a text matches a pattern in which `*` stands for any text and `?` for any byte.
fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, text) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                pattern = rest;
                retry = Some((rest, text));
            }
            ([b'?', next @ ..], [_, rest @ ..]) => (pattern, text) = (next, rest),
            ([a, next @ ..], [b, rest @ ..]) if a == b => (pattern, text) = (next, rest),
            _ => match retry {
                Some((after, [_, rest @ ..])) => {
                    (pattern, text) = (after, rest);
                    retry = Some((after, rest));
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_of_a_decorator_are_read_from_the_list_of_tasks() {
        let (name, read) = TaskDefaults::read(
            "demo.show [queue=a b priority=5 expires=60 apply_async=<bound method Task.apply_async of \
             <@task: demo.show of x at 0x7f>>]",
        );
        let expected = TaskDefaults {
            queue: Some("a b".to_owned()),
            priority: Some(5),
            expires: Some("60".to_owned()),
            sent_by: None,
        };
        assert_eq!((&*name, read), ("demo.show", expected));
        let single =
            "a.b [apply_async=<bound method Singleton.apply_async of <@task: a.b of x at 0>>]";
        assert_eq!(TaskDefaults::read(single).1.sent_by.as_deref(), Some("Singleton"));
        assert_eq!(TaskDefaults::read("a.b"), ("a.b".to_owned(), TaskDefaults::default()));
        // Older workers list their usual attributes.
        let other = TaskDefaults::read("a.b [rate_limit=10/m]");
        assert_eq!(other, ("a.b".to_owned(), TaskDefaults::default()));
    }

    #[test]
    fn routes_may_be_a_mapping_or_a_list_and_their_names_may_be_patterns() {
        let said = [
            json!({"demo.show": {"queue": "shows"}, "feeds.*": "feeds", "api.*": "********"}),
            json!([[["demo.show", {"queue": {"name": "shows"}}], ["feeds.*", "feeds"]], "<function>"]),
            json!(["feeds.*", {"queue": "feeds"}]),
        ];
        for routes in &said {
            let settings = AppSettings::read(&json!({ "task_routes": routes }));
            let queue = |task| settings.route(task).and_then(|route| route.queue.as_deref());
            assert_eq!(queue("feeds.tasks.load"), Some("feeds"), "{routes}");
            assert_eq!(queue("other"), None);
        }
    }

    #[test]
    fn a_pattern_covers_the_whole_name() {
        for (pattern, text, expected) in [
            ("a.*", "a.b.c", true),
            ("a.*", "b.a.c", false),
            ("*.c", "a.b.c", true),
            ("a.?", "a.b", true),
            ("a.?", "a.", false),
            ("a", "a.b", false),
            ("*a*b", "xxaxxbxxb", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
