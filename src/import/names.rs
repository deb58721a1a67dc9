//! Names for jobs whose store has none, the same for several, or one that no entry can have.

use std::collections::HashSet;

use crate::escape::escape;

/// Maximum bytes of a name before a number; an entry may have somewhat more.
const MAX_LENGTH: usize = 180;

/// The names given so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    given: HashSet<String>,
}

impl Names {
    /// The wanted name, or that with a number if it is taken: `poll`, `poll-2`. Hidden characters are escaped, and
    /// what is too long is cut.
    pub(crate) fn unique(&mut self, wanted: &str) -> String {
        let wanted = &tidy(wanted);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut all = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = all.find(|name| !self.given.contains(name)).unwrap_or_default();
        self.given.insert(name.clone());
        name
    }
}

fn tidy(name: &str) -> String {
    let escaped = escape(name.trim());
    let cut = (0..=MAX_LENGTH).rev().find(|at| escaped.is_char_boundary(*at)).unwrap_or(0);
    match escaped.get(..cut).unwrap_or(&escaped).trim_end() {
        "" => "job".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut names = Names::default();
        let given = ["a", "a", "b", "a-2", "a"].map(|wanted| names.unique(wanted));
        assert_eq!(given, ["a", "a-2", "b", "a-2-2", "a-3"]);
    }

    #[test]
    fn a_name_that_no_entry_can_have_is_made_one() {
        let mut names = Names::default();
        let long = "é".repeat(200);
        let given = ["", " a\u{1b}b\n", &long].map(|wanted| names.unique(wanted));
        assert_eq!(given, ["job", "a\\u001bb", &"é".repeat(90)]);
    }
}
