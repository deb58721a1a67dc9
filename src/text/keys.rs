//! The keys of a mapping whose values are looked up by name.

use super::expect;
use super::node::{Node, Pair};
use super::report::Report;
use super::words::{Refused, Word, Words, letters};

/// Which keys a mapping may have.
pub(crate) struct Keys {
    /// What the keys belong to, for messages: `the configuration`.
    pub(crate) of: &'static str,
    /// Keys that have a meaning.
    pub(crate) known: &'static [&'static str],
    /// What people who know other schedulers write in such a mapping.
    pub(crate) foreign: &'static [Word],
}

/// The pairs of a mapping, by known key.
pub(crate) struct Fields<'n, 't> {
    keys: &'static Keys,
    /// All pairs: they are few, so that a linear search is the fastest.
    pairs: &'n [Pair<'t>],
}

impl Keys {
    /// Sorts the pairs of a mapping. Reports unknown keys, and a node that is not a mapping.
    pub(crate) fn sort<'n, 't>(
        &'static self,
        node: &'n Node<'t>,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n, 't>> {
        let pairs = expect::pairs(node, self.of, report)?;
        let mut refused = Refused::default();
        for pair in pairs.iter().filter(|pair| !self.known.contains(&pair.name())) {
            refused.add(pair, pairs, &self.words(), report);
        }
        Some(Fields { keys: self, pairs })
    }

    /// Whether the word is one of these keys, or what other schedulers call one.
    pub(crate) fn names(&self, word: &str) -> bool {
        let letters = letters(word);
        self.known.contains(&word) || self.foreign.iter().any(|row| row.is(&letters))
    }

    /// The words that may be keys, and those that people write instead.
    pub(crate) fn words(&self) -> Words {
        let foreign = self.foreign.iter().collect();
        Words { of: self.of, known: self.known.to_vec(), foreign, elsewhere: &[] }
    }
}

impl<'n, 't> Fields<'n, 't> {
    pub(crate) fn value(&self, key: &str) -> Option<&'n Node<'t>> {
        debug_assert!(self.keys.known.contains(&key), "`{key}` is asked for but not listed");
        self.pairs.iter().find(|pair| pair.name() == key).map(|pair| &pair.value)
    }
}
