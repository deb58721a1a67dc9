//! What one file defines for the entries of all files: calendars, and the spread of a tag.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Days, Except, nearest};

use super::days::{self, CalendarRef, NO_DAY_HINT};
use crate::schedule::Entry;
use crate::schedule::delay::Delay;
use crate::schedule::template::Templates;
use crate::text::{Problem, Report, Severity, Span, shortened};

/// What one file adds.
#[derive(Default)]
pub(super) struct Additions {
    /// Calendars, with the position of the name.
    pub(super) calendars: Vec<(Box<str>, Span, Except)>,
    /// Tag, position and window.
    pub(super) spreads: Vec<(Box<str>, Span, Duration)>,
    /// The calendars that entries leave out; entries are counted from 0 within the file.
    pub(super) references: Vec<(usize, CalendarRef)>,
    /// The calendars that templates of entries name.
    pub(super) template_references: Vec<(usize, CalendarRef)>,
}

/// The calendars and spreads of all files so far.
#[derive(Default)]
pub(super) struct Shared {
    calendars: HashMap<Box<str>, Calendar>,
    spreads: HashMap<Box<str>, Spread>,
    references: Vec<Reference>,
    template_references: Vec<TemplateReference>,
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

/// A calendar that a template names. The template may be in `defaults`.
struct TemplateReference {
    entries: Vec<usize>,
    name: Box<str>,
    /// The error if the calendar does not exist, or leaves no business day.
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
            let message = format!("no entry uses the calendar `{name}`");
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
        self.add_template_references(file.template_references, first_entry, report);
    }

    fn add_template_references(
        &mut self,
        references: Vec<(usize, CalendarRef)>,
        first_entry: usize,
        report: &mut Report<'_>,
    ) {
        let known = &mut self.template_references;
        let mut at_place = HashMap::new();
        for (entry, CalendarRef { name, span }) in references {
            let at = *at_place.entry((span.start(), name.clone())).or_insert_with(|| {
                let wrong = report.located(Severity::Error, span, String::new());
                known.push(TemplateReference { entries: Vec::new(), name, wrong });
                known.len() - 1
            });
            known[at].entries.push(first_entry + entry);
        }
    }

    /// Applies calendars and spreads to the entries, once all files are read.
    pub(super) fn apply(mut self, entries: &mut [Entry], problems: &mut Vec<Problem>) {
        let mut used: Vec<Box<str>> = Vec::new();
        for Reference { entry, name, mut wrong } in self.references {
            let Some(calendar) = self.calendars.get(&name) else {
                problems.push(unknown(&self.calendars, &name, wrong));
                continue;
            };
            let bounds = entries[entry].bounds.get_or_insert_default();
            bounds.except.push(Arc::clone(&calendar.except));
            if Except::are_always(&bounds.except) {
                wrong.message = format!("no day is left without those of `{name}`");
                problems.push(wrong.with_hint(NO_DAY_HINT));
            }
            used.push(name);
        }
        for TemplateReference { entries: users, name, mut wrong } in self.template_references {
            let Some(calendar) = self.calendars.get(&name) else {
                problems.push(unknown(&self.calendars, &name, wrong));
                continue;
            };
            if !leaves_business_days(&calendar.except) {
                wrong.message = format!("no business day is left without those of `{name}`");
                problems.push(wrong.with_hint(NO_DAY_HINT));
            }
            for at in users {
                if let Some(templates) = &mut entries[at].templates {
                    name_calendar(templates, &name, &calendar.except);
                }
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

/// The error that a calendar does not exist.
fn unknown(calendars: &HashMap<Box<str>, Calendar>, name: &str, mut wrong: Problem) -> Problem {
    let near = || nearest(name, calendars.keys().map(|name| &**name));
    let hint = match days::meant(name).or_else(near) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "define it, with its dates: `calendars: {{{}: [2026-12-25, 01-01]}}`",
            shortened(name)
        ),
    };
    wrong.message = format!("there is no calendar `{name}`");
    wrong.with_hint(hint)
}

/// Whether a calendar, with weekends unless it names weekdays, leaves a day.
fn leaves_business_days(calendar: &Arc<Except>) -> bool {
    const WEEKEND: Days = Days::Weekdays(0b100_0001);
    let weekend = (!calendar.names_weekdays()).then(|| [WEEKEND].into_iter().collect());
    let all: Vec<_> = weekend.map(Arc::new).into_iter().chain([Arc::clone(calendar)]).collect();
    !Except::are_always(&all)
}

fn name_calendar(templates: &mut Templates, name: &str, days: &Arc<Except>) {
    if templates.calendars.iter().all(|(known, _)| **known != *name) {
        let mut calendars = std::mem::take(&mut templates.calendars).into_vec();
        calendars.push((name.into(), Arc::clone(days)));
        templates.calendars = calendars.into();
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
