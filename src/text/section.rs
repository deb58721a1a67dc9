//! Mappings whose keys are rows: a row holds a key's name, what it means and how its value is read.
//!
//! Everything else follows from the rows: the loader, the suggestions for misspelt keys, the JSON Schema
//! and the tables of the reference.

use super::expect;
use super::node::{Node, Pair};
use super::report::Report;
use super::types::Type;
use super::words::{Elsewhere, Refused, Word, Words};

/// A key of a mapping. `R` is the function that reads its value.
pub(crate) struct Key<R> {
    pub(crate) name: &'static str,
    pub(crate) of_type: Type,
    /// What applies if the key is absent; [`REQUIRED`], or empty if nothing does.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
    /// Lines of YAML that use the key in its mapping.
    pub(crate) example: &'static str,
    pub(crate) read: R,
}

/// The `default` of a key without which its mapping is refused.
pub(crate) const REQUIRED: &str = "required";

/// A mapping with known keys.
pub(crate) struct Section<R: 'static> {
    /// The title of its table; empty if it is explained with another key.
    pub(crate) title: &'static str,
    /// What the keys belong to, for messages: `an entry`.
    pub(crate) of: &'static str,
    /// Its keys, in groups: each is defined beside the code that reads it.
    pub(crate) keys: &'static [&'static [Key<R>]],
    /// Another section whose keys it has as well.
    pub(crate) base: Option<&'static Section<R>>,
    /// What people who know other schedulers write in such a mapping.
    pub(crate) foreign: &'static [Word],
    /// Other mappings, whose keys people write in this one.
    pub(crate) elsewhere: &'static [Elsewhere],
    /// Types of its keys, by the names under which their schemas refer to them.
    pub(crate) types: &'static [(&'static str, &'static str)],
}

/// Reads a value into what is being read.
pub(crate) type Read<T> = fn(&Node<'_>, &mut T, &mut Report<'_>);

impl<R: Copy + 'static> Section<R> {
    /// Calls `read` for each pair with a known key, in the order of the text. Reports other keys, and a
    /// node that is not a mapping. Returns the refused keys.
    pub(crate) fn each<'n, 't>(
        &self,
        node: &'n Node<'t>,
        report: &mut Report<'_>,
        mut read: impl FnMut(R, &'n Pair<'t>, &mut Report<'_>),
    ) -> Option<Refused> {
        let pairs = expect::pairs(node, self.of, report)?;
        let mut refused = Refused::default();
        for pair in pairs {
            match self.key(pair.name()) {
                Some(key) => read(key.read, pair, report),
                None => refused.add(pair, pairs, &self.words(), report),
            }
        }
        Some(refused)
    }
}

impl<R: 'static> Section<R> {
    /// An empty section, for the fields that a section leaves out.
    pub(crate) const PLAIN: Section<R> = Section {
        title: "",
        of: "",
        keys: &[],
        base: None,
        foreign: &[],
        elsewhere: &[],
        types: &[],
    };

    pub(crate) fn key(&self, name: &str) -> Option<&'static Key<R>> {
        let own = self.own_keys().find(|key| key.name == name);
        own.or_else(|| self.base.and_then(|base| base.key(name)))
    }

    /// Its keys, without those of its base.
    pub(crate) fn own_keys(&self) -> impl Iterator<Item = &'static Key<R>> + use<R> {
        self.keys.iter().flat_map(|keys| keys.iter())
    }

    /// The words that may be its keys, and those that people write instead.
    pub(crate) fn words(&self) -> Words {
        let mut words = Words {
            of: self.of,
            known: self.own_keys().map(|key| key.name).collect(),
            foreign: self.foreign.iter().collect(),
            elsewhere: self.elsewhere,
        };
        if let Some(base) = self.base.map(Section::words) {
            words.known.extend(base.known);
            words.foreign.extend(base.foreign);
        }
        words
    }
}

impl<T: Default + 'static> Section<Read<T>> {
    /// The values of a mapping; wrong ones are reported and left out.
    pub(crate) fn read(&self, node: &Node<'_>, report: &mut Report<'_>) -> Option<T> {
        let mut values = T::default();
        self.each(node, report, |read, pair, report| read(&pair.value, &mut values, report))?;
        Some(values)
    }
}

/// What the schema and the reference say about a section.
pub(crate) struct Description {
    pub(crate) title: &'static str,
    pub(crate) keys: Vec<KeyDescription>,
    pub(crate) types: &'static [(&'static str, &'static str)],
}

/// What they say about a key.
#[derive(Clone, Copy)]
pub(crate) struct KeyDescription {
    pub(crate) name: &'static str,
    pub(crate) of_type: Type,
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) example: &'static str,
}

impl<R: 'static> Section<R> {
    /// Its description, without that of its base.
    pub(crate) fn describe(&self) -> Description {
        let keys = self.own_keys().map(|key| {
            let Key { name, of_type, default, doc, example, .. } = *key;
            KeyDescription { name, of_type, default, doc, example }
        });
        Description { title: self.title, keys: keys.collect(), types: self.types }
    }
}
