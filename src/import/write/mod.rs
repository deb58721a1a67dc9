//! Writes a schedule file as a person would: what most entries share in `defaults`, the rest grouped by the
//! modules of their tasks, with a comment where an entry behaves otherwise than before.

mod defaults;
mod head;
mod yaml;

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value};

use self::defaults::Common;
pub(crate) use self::head::summary;
use self::yaml::Yaml;
use super::{Cannot, Found, Job};

/// The folder of schedule files, beside the service's configuration.
pub(crate) const SCHEDULES: &str = "schedules";

/// From this many entries on, they are grouped.
const WORTH_GROUPS: usize = 8;

/// A file, and where each job is in it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
    /// For each job that is imported, its index and its lines, from 1.
    pub(crate) lines: Vec<(usize, Range<usize>)>,
}

/// Writes the schedule file of a source.
pub(crate) fn schedule_file(found: &Found) -> Written {
    let jobs: Vec<(usize, &Job)> = found.jobs.iter().enumerate().collect();
    let (imported, left_out): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|(_, job)| job.cannot.is_none());
    let common = Common::of(found.timezone.as_deref(), imported.iter().map(|(_, job)| *job));
    let mut out = Yaml::default();
    head::write(found, &mut out);
    if let Some(zone) = common.timezone.as_deref().filter(|zone| *zone != "UTC") {
        out.pair(0, "timezone", &Value::from(zone));
    }
    if !common.defaults.is_empty() {
        out.block(0, "defaults", &common.defaults);
    }
    let mut lines = Vec::new();
    if imported.is_empty() {
        out.line("entries: {}");
    } else {
        out.line("entries:");
        for (title, group) in groups(imported) {
            if let Some(title) = title {
                out.gap();
                out.comment(2, &title);
            }
            for (index, job) in group {
                let first = out.lines() + 1;
                entry(&mut out, job, &common.own_keys(job));
                lines.push((index, first..out.lines() + 1));
            }
        }
    }
    for (_, job) in left_out {
        if let Some(cannot) = &job.cannot {
            leave_out(&mut out, job, cannot);
        }
    }
    Written { text: out.into_text(), lines }
}

/// Writes the service's configuration: where the schedules are, and how the workers of the queues read them, unless
/// these are plain Celery queues.
pub(crate) fn settings_file(found: &Found) -> String {
    let mut out = Yaml::default();
    out.comment(0, "The address of the broker may hold a password: set it with DOWNBEAT_BROKER, or put it into a file");
    out.comment(0, "that `broker_file` names.");
    out.pair(0, "schedules", &Value::from(vec![SCHEDULES]));
    if !found.queues.is_empty() {
        out.line("queues:");
        found.queues.iter().for_each(|(queue, settings)| out.pair(2, queue, settings));
    }
    out.into_text()
}

fn entry(out: &mut Yaml, job: &Job, keys: &Map<String, Value>) {
    for difference in &job.differences {
        out.comment(2, &format!("differs: {}", difference.in_words()));
    }
    out.block(2, &job.name, keys);
}

/// Keeps a job that is left out as a comment, so that nothing of it is lost.
fn leave_out(out: &mut Yaml, job: &Job, Cannot { why, instead }: &Cannot) {
    let mut lost = Yaml::default();
    lost.block(2, &job.name, &job.keys);
    out.gap();
    out.comment(2, &format!("left out: {why}"));
    if let Some(instead) = instead {
        out.comment(2, &format!("instead: {instead}"));
    }
    for line in lost.into_text().lines() {
        out.line(&format!("  # {}", line.strip_prefix("  ").unwrap_or(line)));
    }
}

type Group<'j> = (Option<String>, Vec<(usize, &'j Job)>);

/// The jobs by the modules of their tasks, in the order in which these first appear; a few jobs, and jobs of one
/// module, are one group without a title.
fn groups(jobs: Vec<(usize, &Job)>) -> Vec<Group<'_>> {
    let module = |job: &Job| job.text("task").rsplit_once('.').map(|(module, _)| module.to_owned());
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    let is_grouped = jobs.len() >= WORTH_GROUPS;
    for (index, job) in jobs {
        let title = module(job).filter(|_| is_grouped);
        let place = *places.entry(title.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push((index, job)),
            None => groups.push((title, vec![(index, job)])),
        }
    }
    match &mut groups[..] {
        [(title, _)] => *title = None,
        many => many.iter_mut().for_each(|(title, _)| {
            title.get_or_insert_with(|| "others".to_owned());
        }),
    }
    groups
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::import::Difference;

    fn job(name: &str, task: &str, queue: &str) -> Job {
        let mut job = Job::new(name);
        job.set("task", task);
        job.set("every", "10s");
        job.set("queue", queue);
        job
    }

    fn found(jobs: Vec<Job>) -> Found {
        Found { source: "a test".to_owned(), jobs, ..Found::default() }
    }

    #[test]
    fn a_file_says_where_it_comes_from_and_how_entries_differ() {
        let mut poll = job("poll", "shop.poll", "celery");
        poll.differs(Difference::Anchor);
        poll.set("args", json!(["a b", {"deep": [true, null]}, "12:30"]));
        let mut odd = job("odd one", "shop.odd", "celery");
        odd.cannot("its schedule is a class of its own", Some("list its instants with `at`"));
        let written = schedule_file(&found(vec![poll, odd]));
        let (head, entries) = written.text.split_once("entries:\n").unwrap();
        assert!(head.contains("2 jobs: 1 differs, 1 is left out."), "{head}");
        assert!(head.contains("# - anchor: the old scheduler counts"), "{head}");
        assert_eq!(
            entries,
            "  # differs: anchor\n  poll:\n    task: shop.poll\n    every: 10s\n    args: [a b, {deep: [true, null]}, \
             \"12:30\"]\n\n  # left out: its schedule is a class of its own\n  # instead: list its instants with `at`\n  \
             # odd one:\n  #   task: shop.odd\n  #   every: 10s\n  #   queue: celery\n"
        );
        let lines = written.lines[0].1.clone();
        let at = |line: usize| written.text.lines().nth(line - 1).unwrap();
        assert_eq!(
            (at(lines.start), at(lines.end - 1).trim_start()),
            ("  # differs: anchor", r#"args: [a b, {deep: [true, null]}, "12:30"]"#)
        );
    }

    #[test]
    fn what_most_entries_share_is_a_default_and_many_are_grouped() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut jobs: Vec<Job> =
            names.iter().map(|name| job(name, &format!("shop.{name}"), "fast")).collect();
        jobs[1] = job("b", "mail.b", "slow");
        let text = schedule_file(&found(jobs)).text;
        assert!(text.contains("defaults:\n  queue: fast\n"), "{text}");
        assert!(
            text.contains("\n  # shop\n  a:\n    task: shop.a\n    every: 10s\n  c:"),
            "{text}"
        );
        assert!(
            text.contains("\n  # mail\n  b:\n    task: mail.b\n    every: 10s\n    queue: slow\n"),
            "{text}"
        );
    }

    #[test]
    fn hostile_names_stay_inside_quotes_and_comments() {
        let mut hostile = job("x: {\n  y", "t\u{1b}[31m", "#q");
        hostile.differs(Difference::Other("two\nlines".to_owned()));
        let text = schedule_file(&found(vec![hostile])).text;
        assert!(text.contains("\"x: {\\n  y\":\n    task: \"t\\u001b[31m\"\n"), "{text}");
        assert!(text.contains("  # differs: two\\nlines\n"), "{text}");
        assert!(text.contains("    queue: \"#q\"\n"), "{text}");
    }
}
