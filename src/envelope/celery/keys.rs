//! Which Redis keys kombu reads and writes, with its default transport options.

/// What kombu puts between the parts of a name.
const SEPARATOR: &str = "\u{6}\u{16}";

/// The lists of one queue, most urgent first: on Redis 0 is the most urgent priority.
const STEPS: [u8; 4] = [0, 3, 6, 9];

/// The list that a message of `priority` is pushed to (LPUSH); no priority is the most urgent, 0.
///
/// Kombu has a list for each of the steps 0, 3, 6 and 9; a message goes to that of the largest
/// step that is not above its priority. A list of any other step would never be read.
#[must_use]
pub fn list_key(queue: &str, priority: Option<u8>) -> String {
    let priority = priority.unwrap_or(0);
    let step = STEPS.into_iter().rev().find(|step| *step <= priority);
    step_key(queue, step.unwrap_or(0))
}

/// Every list of `queue`, in the order in which workers look into them.
#[must_use]
pub fn list_keys(queue: &str) -> [String; 4] {
    STEPS.map(|step| step_key(queue, step))
}

fn step_key(queue: &str, step: u8) -> String {
    match step {
        0 => queue.to_owned(),
        step => format!("{queue}{SEPARATOR}{step}"),
    }
}

/// The two sets in which a producer notes that `queue` is bound to its exchange of the same name.
///
/// Workers do not need them, and write them at their own start. Whoever writes the first should
/// write the second as well, or kombu 5.7 may sweep the first away.
#[must_use]
pub fn binding_keys(queue: &str) -> [String; 2] {
    [format!("_kombu.binding.{queue}"), format!("_kombu.binding_permanent.{queue}")]
}

/// What a producer adds (SADD) to both sets of [`binding_keys`]: routing key, pattern, queue.
#[must_use]
pub fn binding_member(queue: &str) -> String {
    format!("{queue}{SEPARATOR}{SEPARATOR}{queue}")
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
            assert_eq!(list_key("q", priority), list, "{priority:?}");
        }
    }

    #[test]
    fn a_binding_is_written_as_the_producer_writes_it() {
        let keys = ["_kombu.binding.reports", "_kombu.binding_permanent.reports"];
        assert_eq!(binding_keys("reports"), keys);
        assert_eq!(binding_member("reports"), "reports\u{6}\u{16}\u{6}\u{16}reports");
    }
}
