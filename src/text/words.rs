//! Keys that a mapping does not have: what to report about them, and what to write instead.

use downbeat_time::nearest;

use super::flow::flow;
use super::node::{Node, Pair, shortened};
use super::report::Report;

/// A word of other schedulers, and what to write here instead.
pub(crate) struct Word {
    /// What one or more schedulers call it: words in `snake_case`, with blanks between them.
    pub(crate) theirs: &'static str,
    pub(crate) ours: Ours,
}

impl Word {
    /// Whether it is the word of these [`letters`].
    pub(crate) fn is(&self, letters: &str) -> bool {
        is_one_of(self.theirs, letters)
    }
}

/// Whether one of the words, in `snake_case` with blanks between them, has these [`letters`].
pub(crate) fn is_one_of(words: &str, letters: &str) -> bool {
    let is_same = |word: &str| word.bytes().filter(|byte| *byte != b'_').eq(letters.bytes());
    words.split_ascii_whitespace().any(is_same)
}

/// What to write instead of a foreign word.
pub(crate) enum Ours {
    /// This key; the function writes its value, if it understands the foreign one.
    Key(&'static str, Write),
    /// There is no such key: what to do instead.
    Advice(&'static str),
}

/// Writes pairs of ours for a foreign one, each in backticks: "`every: 30s` and `phase: 10s`".
pub(crate) type Write = fn(&Foreign<'_, '_>) -> Option<String>;

/// A pair with a foreign key.
pub(crate) struct Foreign<'n, 't> {
    /// Our key.
    pub(crate) key: &'static str,
    pub(crate) value: &'n Node<'t>,
    /// All pairs of the mapping that it is written in.
    pub(crate) mapping: &'n [Pair<'t>],
}

/// Where a key or a pair belongs.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The key that holds the mapping it belongs in; `None` if `rest` says it all.
    pub(crate) inside: Option<&'static str>,
    /// The rest, in words: " beside `options`".
    pub(crate) rest: &'static str,
}

impl Place {
    /// The mapping that it is written in.
    const HERE: Place = Place { inside: None, rest: "" };

    /// A key or a pair, given in backticks, with where it belongs. A pair is shown within its mapping; a key
    /// alone is only said to belong there.
    fn describe(self, pairs: &str) -> String {
        let rest = self.rest;
        match self.inside {
            Some(mapping) if pairs.contains(": ") => {
                format!("`{mapping}: {{{}}}`{rest}", pairs.trim_matches('`'))
            }
            Some(mapping) => format!("{pairs} in `{mapping}`{rest}"),
            None => format!("{pairs}{rest}"),
        }
    }
}

/// Another mapping, which may have the key.
pub(crate) struct Elsewhere {
    pub(crate) words: fn() -> Words,
    pub(crate) place: Place,
}

/// The words that a mapping may have as keys, and those that people write instead.
pub(crate) struct Words {
    /// What the keys belong to, for messages: `an entry`.
    pub(crate) of: &'static str,
    /// Keys that have a meaning.
    pub(crate) known: Vec<&'static str>,
    pub(crate) foreign: Vec<&'static Word>,
    pub(crate) elsewhere: &'static [Elsewhere],
}

/// What to write instead of an unknown key.
enum Answer {
    Key { key: &'static str, pairs: Option<String> },
    Advice(&'static str),
}

impl Words {
    /// Reports an unknown key; returns the known key that was probably meant.
    pub(crate) fn refuse(
        &self,
        key: &Node<'_>,
        value: &Node<'_>,
        mapping: &[Pair<'_>],
        report: &mut Report<'_>,
    ) -> Option<&'static str> {
        if report.is_full() {
            report.error(key.span, "unknown key");
            return None;
        }
        let name = key.as_written().unwrap_or_default();
        let value = Some(value).filter(|_| report.quotes_values());
        let found = self.answer(name, value, mapping);
        let quoted = match found {
            // A word that is known, or near to one, is no secret.
            Some(_) => format!(" `{}`", shortened(name)),
            None => report.quoted(name),
        };
        let message = format!("unknown key{quoted} in {}", self.of);
        let (hint, meant) = match found {
            Some((Answer::Advice(advice), _)) => (advice.to_owned(), None),
            Some((Answer::Key { key, pairs: Some(pairs) }, place)) => {
                (format!("write {}", place.describe(&pairs)), Some(key))
            }
            Some((Answer::Key { key, pairs: None }, place)) => {
                (format!("did you mean {}?", place.describe(&format!("`{key}`"))), Some(key))
            }
            None if self.known.is_empty() => ("leave it out: there are none".to_owned(), None),
            None => (format!("known keys: {}", self.known.join(", ")), None),
        };
        report.error(key.span, message).hint(hint);
        meant
    }

    /// A foreign word, one of another mapping, or a misspelling, in this order.
    fn answer(
        &self,
        name: &str,
        value: Option<&Node<'_>>,
        mapping: &[Pair<'_>],
    ) -> Option<(Answer, Place)> {
        let word = letters(name);
        if let Some(answer) = self.find(&word, value, mapping) {
            return Some((answer, Place::HERE));
        }
        // A key of another mapping says more than a foreign word there.
        let others: Vec<_> = self.elsewhere.iter().map(|it| ((it.words)(), it.place)).collect();
        let has = |(words, _): &&(Words, _)| words.known.iter().any(|known| letters(known) == word);
        let elsewhere = others.iter().filter(has).chain(&others).find_map(|(words, place)| {
            let answer = words.find(&word, value, mapping)?;
            Some((answer, *place))
        });
        elsewhere.or_else(|| {
            let key = nearest(name, self.known.iter().copied())?;
            Some((Answer::Key { key, pairs: None }, Place::HERE))
        })
    }

    /// A foreign word, or a key of ours but for case and separators.
    fn find(&self, word: &str, value: Option<&Node<'_>>, mapping: &[Pair<'_>]) -> Option<Answer> {
        let foreign = self.foreign.iter().find(|foreign| foreign.is(word));
        match foreign.map(|foreign| &foreign.ours) {
            Some(&Ours::Advice(advice)) => Some(Answer::Advice(advice)),
            Some(&Ours::Key(key, write)) => {
                let pairs = value.and_then(|value| write(&Foreign { key, value, mapping }));
                Some(Answer::Key { key, pairs })
            }
            None => {
                let key = *self.known.iter().find(|known| letters(known) == word)?;
                let pairs = value.and_then(|value| as_written(&Foreign { key, value, mapping }));
                Some(Answer::Key { key, pairs })
            }
        }
    }
}

/// The value as it is written, under our key.
pub(crate) fn as_written(foreign: &Foreign<'_, '_>) -> Option<String> {
    Some(format!("`{}: {}`", foreign.key, flow(foreign.value)?))
}

/// A word's letters and digits in lower case, as schedulers differ in how they join words; empty for a
/// word that is too long to be known.
pub(crate) fn letters(word: &str) -> String {
    const MAX_WORD: usize = 64;
    let word = if word.len() <= MAX_WORD { word } else { "" };
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
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
    /// Refuses a pair whose key is not among the words.
    pub(crate) fn add(
        &mut self,
        pair: &Pair<'_>,
        mapping: &[Pair<'_>],
        words: &Words,
        report: &mut Report<'_>,
    ) {
        if pair.key.is_merge_key() {
            self.merged = true;
        } else {
            self.meant.extend(words.refuse(&pair.key, &pair.value, mapping, report));
        }
    }

    /// Whether a refused key was most likely meant to be this absent one.
    pub(crate) fn was_meant(&self, key: &str) -> bool {
        self.merged || self.meant.contains(&key)
    }
}
