//! Names of entries for jobs whose name is missing, taken, or not allowed.

use std::collections::{HashMap, HashSet};
use std::mem;

use super::{Difference, Job};
use crate::config::MAX_ENTRY_NAME;
use crate::escape::escape;

/// Maximum bytes of a name to which a number may be added.
const MAX_LENGTH: usize = MAX_ENTRY_NAME - 10;

/// The names given so far, each with the last number that was added to it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    given: HashMap<String, u32>,
}

impl Names {
    /// The wanted name, with a number if it is taken: `poll`, `poll-2`. Hidden characters are escaped, and a name that
    /// is too long is cut.
    pub(crate) fn unique(&mut self, wanted: &str) -> String {
        let wanted = tidy(wanted, MAX_LENGTH);
        let mut free = wanted.clone();
        while self.given.contains_key(&free) {
            let number = self.given.entry(wanted.clone()).or_insert(1);
            *number += 1;
            free = format!("{wanted}-{number}");
        }
        self.given.insert(free.clone(), 1);
        free
    }
}

/// Changes names that no entry can have, and says so. Of several jobs with one name, only the first is kept: beat knows
/// entries by their names, so it sees only one of them.
pub(crate) fn fit(jobs: &mut [Job]) {
    let fits = |job: &&Job| tidy(&job.name, MAX_ENTRY_NAME) == job.name;
    let given = jobs.iter().filter(fits).map(|job| (job.name.clone(), 1)).collect();
    let mut names = Names { given };
    let mut seen = HashSet::new();
    for job in jobs {
        if !fits(&&*job) {
            let name = names.unique(&job.name);
            let old = mem::replace(&mut job.name, name);
            job.differs(Difference::Other(format!("its name was {old:?}")));
        } else if !seen.insert(job.name.clone()) {
            job.cannot("another job has the same name", Some("rename one of them"));
        }
    }
}

fn tidy(name: &str, most: usize) -> String {
    let escaped = escape(name.trim());
    let end = (0..=most.min(escaped.len())).rev().find(|end| escaped.is_char_boundary(*end));
    match escaped[..end.unwrap_or(0)].trim_end() {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Grade;

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut names = Names::default();
        let given = ["a", "a", "b", "a-2", "a"].map(|wanted| names.unique(wanted));
        assert_eq!(given, ["a", "a-2", "b", "a-2-2", "a-3"]);
    }

    #[test]
    fn a_name_that_no_entry_can_have_is_made_to_fit() {
        let mut names = Names::default();
        let long = "é".repeat(200);
        let given = ["", " a\u{1b}b\n", &long].map(|wanted| names.unique(wanted));
        assert_eq!(given, ["unnamed", "a\\u001bb", &"é".repeat(95)]);
    }

    #[test]
    fn a_changed_name_is_noted_and_a_job_with_a_taken_name_is_left_out() {
        let long = "名".repeat(200);
        let mut jobs: Vec<Job> =
            ["good", "tab\there ", "", &long, &format!("{long}!"), "good"].map(Job::new).into();
        fit(&mut jobs);
        let cut = "名".repeat(63);
        let names: Vec<&str> = jobs.iter().map(|job| &*job.name).collect();
        let expected = ["good", "tab\\there", "unnamed", &cut, &format!("{cut}-2"), "good"];
        assert_eq!(names, expected);
        let grades: Vec<Grade> = jobs.iter().map(Job::grade).collect();
        let differs = Grade::Differs;
        assert_eq!(grades, [Grade::Same, differs, differs, differs, differs, Grade::Cannot]);
    }
}
