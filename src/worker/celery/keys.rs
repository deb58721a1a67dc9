//! The Redis keys that kombu reads and writes.

use std::fmt::Display;

use super::CeleryQueue;
use crate::worker::RedisCommand;

/// The list that a message of `priority` is pushed to (LPUSH). On Redis, no priority means the most
/// urgent one, 0.
///
/// Kombu has a list for each step, by default 0, 3, 6 and 9; a message goes to the largest step that is
/// not above its priority. No worker reads the list of any other step.
#[must_use]
pub fn list_key(queue: &str, settings: &CeleryQueue, priority: Option<u8>) -> String {
    let priority = priority.unwrap_or(0);
    let step = settings.priority_steps.iter().rev().find(|step| **step <= priority);
    step_key(queue, settings, step.copied().unwrap_or(0))
}

/// Every list of `queue`, in the order in which workers read them.
#[must_use]
pub fn list_keys(queue: &str, settings: &CeleryQueue) -> Vec<String> {
    settings.priority_steps.iter().map(|step| step_key(queue, settings, *step)).collect()
}

fn step_key(queue: &str, settings: &CeleryQueue, step: u8) -> String {
    let CeleryQueue { key_prefix, separator, .. } = settings;
    match step {
        0 => [key_prefix, queue].concat(),
        step => format!("{key_prefix}{queue}{separator}{step}"),
    }
}

/// The channel of a fanout exchange in the database of this number.
#[must_use]
pub fn channel(
    exchange: &str,
    routing_key: &str,
    settings: &CeleryQueue,
    database: impl Display,
) -> String {
    let CeleryQueue { key_prefix, fanout_prefix, .. } = settings;
    let prefix = fanout_prefix.replace("{db}", &database.to_string());
    let mut channel = [key_prefix, &*prefix, exchange].concat();
    if settings.fanout_patterns && !routing_key.is_empty() {
        channel.extend(["/", routing_key]);
    }
    channel
}

/// The two sets in which a producer records that `queue` is bound to its exchange of the same name.
///
/// Workers do not need them, and write them when they start. Who writes the first must also write the
/// second, or kombu 5.7 may delete the first.
#[must_use]
pub fn binding_keys(queue: &str, settings: &CeleryQueue) -> [String; 2] {
    let prefix = &settings.key_prefix;
    ["binding", "binding_permanent"].map(|set| format!("{prefix}_kombu.{set}.{queue}"))
}

/// The member that a producer adds (SADD) to both sets of [`binding_keys`]: routing key, pattern,
/// queue.
#[must_use]
pub fn binding_member(queue: &str, settings: &CeleryQueue) -> String {
    let separator = &settings.separator;
    format!("{queue}{separator}{separator}{queue}")
}

/// The commands with which a producer binds `queue`.
pub(super) fn bind(queue: &str, settings: &CeleryQueue) -> Vec<RedisCommand> {
    if settings.fanout.is_some() {
        // Each worker binds a queue of its own.
        return Vec::new();
    }
    let member = binding_member(queue, settings);
    let add = |key: String| vec![b"SADD".to_vec(), key.into_bytes(), member.clone().into_bytes()];
    binding_keys(queue, settings).map(add).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_priority_has_the_list_of_the_step_below_it() {
        let lists = [
            (None, "q"),
            (Some(0), "q"),
            (Some(2), "q"),
            (Some(3), "q\u{6}\u{16}3"),
            (Some(5), "q\u{6}\u{16}3"),
            (Some(6), "q\u{6}\u{16}6"),
            (Some(8), "q\u{6}\u{16}6"),
            (Some(9), "q\u{6}\u{16}9"),
            (Some(255), "q\u{6}\u{16}9"),
        ];
        for (priority, list) in lists {
            assert_eq!(list_key("q", &CeleryQueue::default(), priority), list, "{priority:?}");
        }
    }

    #[test]
    fn steps_separator_and_prefix_are_those_that_workers_were_given() {
        let settings = CeleryQueue {
            priority_steps: [0, 5].into(),
            separator: ":".into(),
            key_prefix: "shop-".into(),
            ..CeleryQueue::default()
        };
        let list = |priority| list_key("q", &settings, priority);
        assert_eq!([list(None), list(Some(4))], ["shop-q", "shop-q"]);
        assert_eq!([list(Some(5)), list(Some(9))], ["shop-q:5", "shop-q:5"]);
        assert_eq!(list_keys("q", &settings), ["shop-q", "shop-q:5"]);
        let keys = ["shop-_kombu.binding.q", "shop-_kombu.binding_permanent.q"];
        assert_eq!(binding_keys("q", &settings), keys);
        assert_eq!(binding_member("q", &settings), "q::q");
    }

    #[test]
    fn a_channel_has_the_prefixes_of_the_workers_and_the_routing_key() {
        let default = CeleryQueue::default();
        assert_eq!(channel("tasks", "", &default, 3), "/3.tasks");
        assert_eq!(channel("celeryev", "task.sent", &default, 0), "/0.celeryev/task.sent");
        let own = CeleryQueue {
            key_prefix: "shop-".into(),
            fanout_prefix: "f.{db}.".into(),
            fanout_patterns: false,
            ..default
        };
        assert_eq!(channel("celeryev", "task.sent", &own, 3), "shop-f.3.celeryev");
    }

    #[test]
    fn a_binding_is_written_as_the_producer_writes_it() {
        let keys = ["_kombu.binding.reports", "_kombu.binding_permanent.reports"];
        assert_eq!(binding_keys("reports", &CeleryQueue::default()), keys);
        let member = binding_member("reports", &CeleryQueue::default());
        assert_eq!(member, "reports\u{6}\u{16}\u{6}\u{16}reports");
    }
}
