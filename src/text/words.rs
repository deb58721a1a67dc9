//! The words that a mapping may have as keys, and what to report about any other.

use super::node::{Node, shortened};
use super::report::Report;
use super::scalar::Scalar;

/// The words that a mapping may have as keys, and those that people write instead.
pub(crate) struct Words {
    /// What the keys belong to, for messages: `an entry`.
    pub(crate) of: &'static str,
    /// Keys that have a meaning.
    pub(crate) known: Vec<&'static str>,
    /// Words of other schedulers, and ours for them.
    pub(crate) aliases: Vec<(&'static str, &'static str)>,
    /// Words of other schedulers without a counterpart here, and what to do instead.
    pub(crate) unsupported: &'static [(&'static str, &'static str)],
}

impl Words {
    /// Reports an unknown key; returns the key that was probably meant.
    pub(crate) fn refuse(
        &self,
        key: &Node<'_>,
        value: Option<&Node<'_>>,
        report: &mut Report<'_>,
    ) -> Option<&'static str> {
        let (name, span) = (key.as_written().unwrap_or_default(), key.span);
        if let Some((key, hint)) = self.unsupported.iter().find(|(key, _)| *key == name) {
            report.error(span, format!("`{key}` is not supported in {}", self.of)).hint(*hint);
            return None;
        }
        let seconds = value.and_then(seconds);
        let near = match self.near(name) {
            // Celery's `schedule: 10`.
            Some("cron") if seconds.is_some() => Some("every"),
            near => near,
        };
        let quoted = match near {
            // For a misspelling, the suggested key says enough.
            Some(_) => format!(" `{}`", shortened(name)),
            None => report.quoted(name),
        };
        let message = format!("unknown key{quoted} in {}", self.of);
        let hint = match near {
            Some("every") if seconds.is_some() && report.quotes_values() => {
                format!("did you mean `every: {}s`?", seconds.unwrap_or_default())
            }
            Some(near) => format!("did you mean `{near}`?"),
            None if self.known.is_empty() => "there are none".to_owned(),
            None => format!("known keys: {}", self.known.join(", ")),
        };
        report.error(span, message).hint(hint);
        near
    }

    fn near(&self, name: &str) -> Option<&'static str> {
        let lower = name.to_lowercase().replace('-', "_");
        if let Some((_, ours)) = self.aliases.iter().find(|(theirs, _)| *theirs == lower) {
            return Some(ours);
        }
        nearest(&lower, &self.known)
    }
}

/// A bare number that can be a number of seconds.
fn seconds(value: &Node<'_>) -> Option<i128> {
    match value.scalar() {
        Some(Scalar::Int(seconds @ 1..)) => Some(seconds),
        _ => None,
    }
}

/// The known name that `name` is most likely a misspelling of.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // Longer names would only be slow to compare.
    if name.len() > 40 {
        return None;
    }
    let distance = |key: &&&str| strsim::damerau_levenshtein(name, key);
    let best = known.iter().min_by_key(distance)?;
    (distance(&best) <= (best.len() / 3).max(1)).then_some(best)
}

/// The keys that were refused in a mapping.
#[derive(Default)]
pub(crate) struct Refused {
    /// Known keys that they were probably meant to be.
    meant: Vec<&'static str>,
    /// Whether there is a merge key, which the reader has refused: it could hide any key.
    merged: bool,
}

impl Refused {
    /// Refuses a key that is not among the words.
    pub(crate) fn add(
        &mut self,
        key: &Node<'_>,
        value: &Node<'_>,
        words: &Words,
        report: &mut Report<'_>,
    ) {
        if key.is_merge_key() {
            self.merged = true;
        } else {
            self.meant.extend(words.refuse(key, Some(value), report));
        }
    }

    /// Whether a refused key was most likely meant to be this absent one.
    pub(crate) fn was_meant(&self, key: &str) -> bool {
        self.merged || self.meant.contains(&key)
    }
}
