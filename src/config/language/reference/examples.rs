//! Each key's example as a whole schedule file.

use super::{Parent, sections};
use crate::config::language::when::TIMINGS;
use crate::text::section::KeyDescription;

/// Each key's name and its example as a whole schedule file. Queues of other kinds of worker than
/// Celery are named after the kind.
#[must_use]
pub fn examples() -> Vec<(&'static str, String)> {
    let mut examples = Vec::new();
    for (parent, section) in sections() {
        examples.extend(section.keys.iter().map(|key| (key.name, file(&parent, key))));
    }
    examples
}

fn file(parent: &Parent, key: &KeyDescription) -> String {
    let example = key.example;
    match parent {
        Parent::File if key.name == "entries" => indented(0, example),
        // What these keys define must be used.
        Parent::File if key.name == "calendars" => {
            indented(0, example) + &entries("task: t\nexcept: holidays\n")
        }
        Parent::File => indented(0, example) + &entries("task: t\ntags: [nightly]\n"),
        Parent::Entry if key.name == "task" => entries(&indented(0, example)),
        // Not every kind of worker shows whether a task is running.
        Parent::Entry if key.name == "overlap" => {
            entries(&format!("task: t\nqueue: rq\n{example}\n"))
        }
        Parent::Entry => entries(&format!("task: t\n{example}\n")),
        Parent::Crontab => entries(&format!("task: t\ncron:\n{}", indented(2, example))),
        Parent::Solar => {
            let all = ["event: sunset", "latitude: 0", "longitude: 0"].into_iter();
            let rest: Vec<_> = all.filter(|line| !line.starts_with(key.name)).collect();
            let rest = indented(2, &rest.join("\n"));
            entries(&format!("task: t\nsolar:\n{rest}{}", indented(2, example)))
        }
        Parent::Except => {
            let rest = if key.name == "days" { "move: next" } else { "days: sat-sun" };
            let except = format!("except:\n{}{}", indented(2, rest), indented(2, example));
            entries(&format!("task: t\ncron: \"0 9 25 * *\"\n{except}"))
        }
        Parent::Options(kind) => {
            entries(&format!("task: t\nqueue: {kind}\noptions:\n{}", indented(2, example)))
        }
    }
}

/// A file with this entry, which fires each hour unless it says when.
fn entries(entry: &str) -> String {
    let is_timing = |line: &str| {
        TIMINGS
            .iter()
            .any(|key| line.strip_prefix(key.name).is_some_and(|rest| rest.starts_with(':')))
    };
    let timing = if entry.lines().any(is_timing) { "" } else { "every: 1h\n" };
    format!("entries:\n  example:\n{}{}", indented(4, entry), indented(4, timing))
}

fn indented(depth: usize, text: &str) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(depth))).collect()
}
