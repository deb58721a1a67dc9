//! What users of other schedulers write is understood, or answered with what to write here.
//!
//! `dialects/` has snippets from the documentation of each scheduler, as a user would try them here. A line
//! `-> text` is part of the answer; a line `= slots` has the next two slots after 2030-01-01T00:00:00Z.

use super::*;
use crate::text::Problem;

/// Minimum number of snippets of a scheduler.
const MIN_SNIPPETS: usize = 15;

struct Snippet {
    title: String,
    place: Place,
    text: String,
    /// What the answer says.
    answers: Vec<String>,
    /// The slots of what is accepted.
    slots: Option<String>,
}

/// Where a user writes the snippet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Entry,
    File,
    Service,
}

fn snippets(file: &str) -> Vec<Snippet> {
    let parts = file.split("\n## ").skip(1);
    let snippet = |part: &str| {
        let (title, lines) = part.split_once('\n').unwrap();
        let (place, title) = match title.split_once("] ") {
            Some(("[file", title)) => (Place::File, title),
            Some(("[service", title)) => (Place::Service, title),
            _ => (Place::Entry, title),
        };
        let (mut text, mut answers, mut slots) = (String::new(), Vec::new(), None);
        for line in lines.lines() {
            match (line.strip_prefix("-> "), line.strip_prefix("= ")) {
                (Some(answer), _) => answers.push(answer.to_owned()),
                (_, Some(taken)) => slots = Some(taken.to_owned()),
                _ => text += &format!("{line}\n"),
            }
        }
        Snippet { title: title.to_owned(), place, text, answers, slots }
    };
    parts.map(snippet).collect()
}

/// A text as one entry of a file.
fn entry(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("entries:\n  example:\n{lines}")
}

fn service_problems(text: &str) -> Vec<Problem> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    fs::write(&path, text).unwrap();
    let overrides = Overrides { config: Some(path), ..Overrides::default() };
    let env = |name: &str| (name == "REDIS_URL").then(|| "redis://localhost".to_owned());
    match ServiceConfig::load(overrides, &env) {
        Ok(config) => config.warnings,
        Err(problems) => problems,
    }
}

impl Snippet {
    fn problems(&self) -> Vec<Problem> {
        match self.place {
            Place::Entry => load_text("a.yaml", entry(&self.text).as_bytes()).0.problems,
            Place::File => load_text("a.yaml", self.text.as_bytes()).0.problems,
            Place::Service => service_problems(&self.text),
        }
    }

    fn slots(&self) -> String {
        let (loaded, shown) = load_text("a.yaml", entry(&self.text).as_bytes());
        let schedule = loaded.schedule.unwrap_or_else(|| panic!("{}: {shown}", self.title));
        let entry = schedule.get("example").unwrap();
        if !entry.enabled {
            return "never".to_owned();
        }
        let start = UnixMs::from("2030-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap());
        let first = entry.next_slot(start);
        let second = first.and_then(|slot| entry.next_slot(slot));
        let slots = first.into_iter().chain(second);
        slots.map(|slot| slot.to_string()).collect::<Vec<_>>().join(" ")
    }
}

/// The parts of a hint that are pairs of a mapping: `every: 10s` in backticks.
fn pairs(hint: &str) -> impl Iterator<Item = &str> {
    let quoted = hint.split('`').skip(1).step_by(2);
    quoted.filter(|part| {
        let is_key =
            |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        part.split_once(": ").is_some_and(|(key, _)| is_key(key))
    })
}

/// Whether the loader takes a pair: in an entry of any queue, in a mapping of one, in a file, or in the
/// service's configuration.
fn is_taken(pair: &str) -> bool {
    let key = pair.split(':').next().unwrap();
    let timings = ["cron", "every", "at", "rrule", "solar"];
    let rest = [("task", "task: t\n"), ("every", "every: 1d\n")].into_iter();
    let rest = rest
        .filter(|(other, _)| *other != key && !(timings.contains(other) && timings.contains(&key)));
    let rest: String = rest.map(|(_, line)| line).collect();
    let kinds = ["celery", "rq", "dramatiq", "arq", "taskiq", "sidekiq", "bullmq", "json"];
    let mut files = vec![
        format!("{pair}\nentries: {{}}\n"),
        pair.to_owned(),
        entry(&format!("task: t\ncron: \"0 3 1 * mon\"\n{pair}")),
        entry(&format!("task: t\ncron: {{minute: 1, {pair}}}")),
        entry(&format!("task: t\ncron: {{{pair}}}")),
    ];
    let place = ["event: sunset", "latitude: 1", "longitude: 1"];
    let place: Vec<_> = place.into_iter().filter(|other| !other.starts_with(key)).collect();
    files.push(entry(&format!("task: t\nsolar: {{{pair}, {}}}", place.join(", "))));
    for kind in kinds {
        files.push(entry(&format!("{rest}queue: {kind}\n{pair}")));
        files.push(entry(&format!("{rest}queue: {kind}\noptions: {{{pair}}}")));
    }
    files.push(entry(&format!("{rest}queue: rq\noptions: {{on_success: {{{pair}}}}}")));
    files.push(entry(&format!("{rest}{pair}")));
    let errors = |problems: Vec<Problem>| {
        problems.iter().any(|problem| problem.severity == crate::text::Severity::Error)
    };
    files.iter().any(|text| {
        [queues(), on_amqp()]
            .iter()
            .any(|queues| !errors(load_text_for(queues, "a.yaml", text.as_bytes()).0.problems))
    }) || !errors(service_problems(pair))
}

#[test]
fn words_of_other_schedulers_are_understood_or_answered_with_ours() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/dialects");
    let mut wrong = Vec::new();
    let mut counts = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let dialect = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let snippets = snippets(&fs::read_to_string(&path).unwrap());
        counts.push((dialect.clone(), snippets.len()));
        for snippet in snippets {
            let name = format!("{dialect}: {}", snippet.title);
            assert!(snippet.slots.is_some() || !snippet.answers.is_empty(), "{name}");
            if let Some(slots) = &snippet.slots {
                assert_eq!(snippet.slots(), *slots, "{name}");
            }
            let problems = snippet.problems();
            let said = crate::text::render(&problems, false);
            for answer in snippet.answers.iter().filter(|answer| !said.contains(*answer)) {
                wrong.push(format!("{name}: no `{answer}` in\n{said}"));
            }
            let hints = problems.iter().filter_map(|problem| problem.hint.as_deref());
            for pair in hints.flat_map(pairs).filter(|pair| !is_taken(pair)) {
                wrong.push(format!("{name}: `{pair}` is refused, of\n{said}"));
            }
        }
    }
    counts.sort();
    assert!(wrong.is_empty(), "{} of {counts:?}:\n{}", wrong.len(), wrong.join("\n\n"));
    let are_enough = counts.len() >= 10 && counts.iter().all(|(_, count)| *count >= MIN_SNIPPETS);
    assert!(are_enough, "{counts:?}");
}

/// The fixtures are mistakes of all kinds, with the exact answers beside them.
#[test]
fn what_an_answer_quotes_is_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/fixtures");
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".txt") {
            continue;
        }
        let problems = load_text(&name, &text).0.problems;
        let hints = problems.iter().filter_map(|problem| problem.hint.as_deref());
        for pair in hints.flat_map(pairs) {
            assert!(is_taken(pair), "{name}: `{pair}`");
        }
    }
}
