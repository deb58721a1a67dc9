//! docs/logs.md lists every event of the log.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::sources::shipped_sources;

const MACROS: [&str; 4] = ["error!(", "warn!(", "info!(", "debug!("];

/// The text within the parentheses that `text` begins in.
fn within_parentheses(text: &str) -> &str {
    let (mut depth, mut in_string, mut is_escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_string = !in_string,
            '(' if !in_string => depth += 1,
            ')' if !in_string => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    panic!("no end of: {text}");
}

/// The last string of a macro's arguments, on one line: the event.
fn event(arguments: &str) -> Option<String> {
    let text = arguments.trim().trim_end_matches(',').strip_suffix('"')?;
    let begin = text.rmatch_indices('"').find(|(at, _)| !text[..*at].ends_with('\\'))?.0 + 1;
    let lines: Vec<_> = text[begin..].split("\\\n").collect();
    let rest = lines[1..].iter().map(|line| line.trim_start());
    Some(lines[0].to_owned() + &rest.collect::<String>())
}

/// The events in the tables of docs/logs.md.
fn listed() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logs.md");
    let text = fs::read_to_string(path).unwrap();
    let tables = text.split("\n| event |").skip(1);
    let rows =
        tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn every_event_is_listed_and_no_other() {
    let listed = listed();
    let mut events = BTreeSet::new();
    for (_, text) in shipped_sources() {
        for name in MACROS {
            let calls = text.split(name).skip(1);
            events.extend(calls.filter_map(|call| event(within_parentheses(call))));
        }
    }
    // The lines of a schedule file's problems, and words with a path in them.
    events.retain(|event| !event.contains('{'));
    let missing: Vec<_> = events.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let stale: Vec<_> = listed.difference(&events).collect();
    assert!(stale.is_empty(), "{stale:#?}");
    assert!(events.len() > 50, "{events:#?}");
}
