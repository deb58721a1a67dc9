//! What one file defines for the entries of all files: calendars, and the spread of a tag.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::Except;

use super::days::{CalendarRef, NO_DAY_HINT};
use crate::schedule::Entry;
use crate::schedule::delay::Delay;
use crate::text::{Problem, Report, Severity, Span, nearest};

/// What one file adds.
#[derive(Default)]
pub(super) struct Additions {
    /// Calendars, with the position of the name.
    pub(super) calendars: Vec<(Box<str>, Span, Except)>,
    /// Tag, position and window.
    pub(super) spreads: Vec<(Box<str>, Span, Duration)>,
    /// The calendars that entries use; entries are counted from 0 within the file.
    pub(super) references: Vec<(usize, CalendarRef)>,
}

/// The calendars and spreads of all files so far.
#[derive(Default)]
pub(super) struct Shared {
    calendars: HashMap<Box<str>, Calendar>,
    spreads: HashMap<Box<str>, Spread>,
    references: Vec<Reference>,
}

struct Calendar {
    except: Arc<Except>,
    /// The warning if no entry uses it.
    unused: Problem,
}

struct Spread {
    window: Duration,
    unused: Problem,
}

struct Reference {
    entry: usize,
    name: Box<str>,
    /// The error if the calendar does not exist, or leaves no day.
    wrong: Problem,
}

impl Shared {
    /// Adds what a file defines; its first entry has the overall index `first_entry`.
    pub(super) fn add(&mut self, file: Additions, first_entry: usize, report: &mut Report<'_>) {
        for (name, span, except) in file.calendars {
            if let Some(Calendar { unused: first, .. }) = self.calendars.get(&name) {
                let first = format!("{}:{}", first.file, first.line);
                let message = format!("duplicate calendar `{name}`, first at {first}");
                report.error(span, message).hint("calendars are shared by all files: keep one");
                continue;
            }
            let message = format!("no entry leaves out the calendar `{name}`");
            let unused = report.located(Severity::Warning, span, message);
            self.calendars.insert(name, Calendar { except: Arc::new(except), unused });
        }
        for (tag, span, window) in file.spreads {
            if let Some(Spread { unused: first, .. }) = self.spreads.get(&tag) {
                let first = format!("{}:{}", first.file, first.line);
                let message = format!("duplicate spread of `{tag}`, first at {first}");
                report.error(span, message).hint("a spread holds for all files: keep one");
                continue;
            }
            let message = format!("no enabled entry has the tag `{tag}`");
            let unused = report.located(Severity::Warning, span, message);
            self.spreads.insert(tag, Spread { window, unused });
        }
        for (entry, CalendarRef { name, span }) in file.references {
            let wrong = report.located(Severity::Error, span, String::new());
            self.references.push(Reference { entry: first_entry + entry, name, wrong });
        }
    }

    /// Applies calendars and spreads to the entries, once all files are read.
    pub(super) fn apply(mut self, entries: &mut [Entry], problems: &mut Vec<Problem>) {
        let mut used: Vec<Box<str>> = Vec::new();
        for Reference { entry, name, mut wrong } in self.references {
            let Some(calendar) = self.calendars.get(&name) else {
                let names: Vec<&str> = self.calendars.keys().map(|name| &**name).collect();
                let hint = match nearest(&name, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "define it: `calendars: {NAME: [2026-12-25, …]}`".to_owned(),
                };
                wrong.message = format!("there is no calendar `{name}`");
                problems.push(wrong.with_hint(hint));
                continue;
            };
            let bounds = entries[entry].bounds.get_or_insert_default();
            bounds.except.push(Arc::clone(&calendar.except));
            if Except::are_every_day(&bounds.except) {
                wrong.message = format!("no day is left without those of `{name}`");
                problems.push(wrong.with_hint(NO_DAY_HINT));
            }
            used.push(name);
        }
        let unspread = spread(self.spreads, entries);
        // An entry with errors may be the one that uses them.
        if problems.iter().all(|problem| problem.severity == Severity::Warning) {
            used.into_iter().for_each(|name| drop(self.calendars.remove(&name)));
            problems.extend(self.calendars.into_values().map(|calendar| calendar.unused));
            problems.extend(unspread);
        }
    }
}

/// Divides each window among the entries with its tag, in the order of their names. An entry's own
/// `jitter` wins; of several tags with a spread, the first wins. Returns warnings about tags that no
/// entry has.
fn spread(spreads: HashMap<Box<str>, Spread>, entries: &mut [Entry]) -> Vec<Problem> {
    let mut unused = Vec::new();
    if spreads.is_empty() {
        return unused;
    }
    let mut members: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut order: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].enabled).collect();
    order.sort_unstable_by(|a, b| entries[*a].name.cmp(&entries[*b].name));
    for at in order {
        let entry = &entries[at];
        let mut tags = entry.about.iter().flat_map(|about| &about.tags);
        let spread = tags.find_map(|tag| spreads.get_key_value(tag));
        if let Some((tag, _)) = spread.filter(|_| entry.delay.is_none()) {
            members.entry(tag).or_default().push(at);
        }
    }
    for (tag, spread) in &spreads {
        let Some(members) = members.get(&**tag) else {
            unused.push(spread.unused.clone());
            continue;
        };
        for (index, at) in members.iter().enumerate() {
            let delay = Delay::spread(spread.window, index, members.len());
            entries[*at].delay = Some(Box::new(delay));
        }
    }
    unused
}
