//! The keys of a mapping: known, unsupported or misspelt.

use super::node::{Node, Pair, shortened};
use super::report::Report;
use super::scalar::Scalar;
use super::span::Span;

/// Which keys a mapping may have.
pub(crate) struct Keys {
    /// What the keys belong to, for messages: `an entry`.
    pub(crate) of: &'static str,
    /// Keys that have a meaning.
    pub(crate) known: &'static [&'static str],
    /// Keys of other schedulers without a counterpart here, and what to do instead.
    pub(crate) unsupported: &'static [(&'static str, &'static str)],
    /// Keys of other schedulers, and our names for them.
    pub(crate) aliases: &'static [(&'static str, &'static str)],
}

/// The pairs of a mapping, by known key.
pub(crate) struct Fields<'n, 't> {
    keys: &'static Keys,
    /// All pairs: they are few, so that a linear search is the fastest.
    pairs: &'n [Pair<'t>],
    /// Known keys that refused ones were probably meant to be.
    meant: Vec<&'static str>,
    /// Whether there is a merge key, which the reader has refused: it could hide any key.
    merged: bool,
    /// The marks of all keys, as most keys that are looked up are absent.
    marks: u64,
}

impl Keys {
    /// Sorts the pairs of a mapping; reports unknown keys, and values that are not mappings.
    pub(crate) fn sort<'n, 't>(
        &'static self,
        node: &'n Node<'t>,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n, 't>> {
        let Some(pairs) = node.map() else {
            let message =
                format!("expected the mapping of {}, found {}", self.of, report.found(node));
            report.error(node.span, message);
            return None;
        };
        let marks = pairs.iter().fold(0, |marks, pair| marks | mark(pair.name()));
        let mut fields = Fields { keys: self, pairs, meant: Vec::new(), merged: false, marks };
        for pair in pairs.iter().filter(|pair| !self.known.contains(&pair.name())) {
            if pair.key.is_merge_key() {
                fields.merged = true;
            } else {
                fields.meant.extend(self.refuse(&pair.key, Some(&pair.value), report));
            }
        }
        Some(fields)
    }

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

    /// Whether the word is one of these keys or an alias of one.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.known.contains(&word) || self.aliases.iter().any(|(theirs, _)| *theirs == word)
    }

    fn near(&self, name: &str) -> Option<&'static str> {
        let lower = name.to_lowercase().replace('-', "_");
        if let Some((_, ours)) = self.aliases.iter().find(|(theirs, _)| *theirs == lower) {
            return Some(ours);
        }
        nearest(&lower, self.known)
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

/// A bit that equal keys share, and few others.
fn mark(key: &str) -> u64 {
    let first = key.bytes().next().unwrap_or_default();
    1 << ((usize::from(first) * 5 + key.len()) % 64)
}

impl<'n, 't> Fields<'n, 't> {
    pub(crate) fn pair(&self, key: &str) -> Option<&'n Pair<'t>> {
        debug_assert!(self.keys.known.contains(&key), "`{key}` is asked for but not listed");
        if self.marks & mark(key) == 0 {
            return None;
        }
        self.pairs.iter().find(|pair| pair.name() == key)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'n Node<'t>> {
        self.pair(key).map(|pair| &pair.value)
    }

    /// Whether a refused key was most likely meant to be this absent one.
    pub(crate) fn was_meant(&self, key: &str) -> bool {
        self.merged || self.meant.contains(&key)
    }

    /// The position of the key itself.
    pub(crate) fn key_span(&self, key: &str) -> Option<Span> {
        self.pair(key).map(|pair| pair.key.span)
    }
}
