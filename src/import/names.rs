//! Names for jobs whose store has none, or the same for several.

use std::collections::HashSet;

/// The names given so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    given: HashSet<String>,
}

impl Names {
    /// The wanted name, or that with a number if it is taken: `poll`, `poll-2`.
    pub(crate) fn unique(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut all = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = all.find(|name| !self.given.contains(name)).unwrap_or_default();
        self.given.insert(name.clone());
        name
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
}
