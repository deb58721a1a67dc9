//! Which entries `list` shows.

use crate::cli;
use crate::commands::{Exit, Failure, show};
use crate::service::status::EntryStatus;

/// What entries must have to be shown.
pub(super) struct Selection<'a> {
    asked: &'a cli::List,
}

impl<'a> Selection<'a> {
    pub(super) fn new(asked: &'a cli::List) -> Selection<'a> {
        Selection { asked }
    }

    /// The entry, if one name is given and nothing else.
    pub(super) fn one_entry(&self) -> Option<&'a str> {
        match self.asked.entries.as_slice() {
            [name] if !name.contains(['*', '?']) && !self.has_filters() => Some(name),
            _ => None,
        }
    }

    /// The selected entries. Fails if no entry has one of the names.
    pub(super) fn select(&self, all: Vec<EntryStatus>) -> Result<Vec<EntryStatus>, Failure> {
        let is_named = |pattern: &str| all.iter().any(|entry| matches(pattern, &entry.entry));
        if let Some(pattern) = self.asked.entries.iter().find(|pattern| !is_named(pattern)) {
            return Err(Failure::new(Exit::No, format!("no entry matches `{pattern}`")));
        }
        let selected: Vec<_> = all.into_iter().filter(|entry| self.holds(entry)).collect();
        if selected.is_empty() && self.has_filters() {
            show::complain("downbeat: no entry matches");
        }
        Ok(selected)
    }

    fn has_filters(&self) -> bool {
        let cli::List { queue, tag, paused, skipped, .. } = self.asked;
        *paused || *skipped || !queue.is_empty() || !tag.is_empty()
    }

    fn holds(&self, entry: &EntryStatus) -> bool {
        let cli::List { entries, queue, tag, paused, skipped, output: _ } = self.asked;
        let is_named = entries.iter().any(|pattern| matches(pattern, &entry.entry));
        (entries.is_empty() || is_named)
            && (queue.is_empty() || queue.contains(&entry.queue))
            && (tag.is_empty() || tag.iter().any(|tag| entry.tags.contains(tag)))
            && (!paused || entry.paused.is_some())
            && (!skipped || entry.last_skipped().is_some())
    }
}

/// Whether a name matches a pattern, in which `*` stands for any text and `?` for any character.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    let Some(first) = pattern_chars.next() else { return name.is_empty() };
    let rest = pattern_chars.as_str();
    let mut chars = name.chars();
    match first {
        '*' => {
            let mut ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.any(|at| matches(rest, &name[at..]))
        }
        '?' => chars.next().is_some() && matches(rest, chars.as_str()),
        _ => chars.next() == Some(first) && matches(rest, chars.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_any_text_and_any_character() {
        for (pattern, name) in [
            ("nightly", "nightly"),
            ("*", ""),
            ("*", "nightly"),
            ("night*", "night"),
            ("*ly", "nightly"),
            ("n?ghtly", "nightly"),
            ("?", "☃"),
            ("a**b*c", "a-b-b-c"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("night", "nightly"), ("?", ""), ("?", "ab"), ("*x", "nightly"), ("", "a")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
