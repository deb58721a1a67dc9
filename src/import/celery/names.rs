//! Names of entries: shorter, and for a terminal.

use std::collections::HashSet;

use crate::config::MAX_ENTRY_NAME;
use crate::import::{Difference, Job};

/// Makes names fit, and keeps the first of several jobs of the same name.
pub(crate) fn fit(jobs: &mut [Job]) {
    let mut taken: HashSet<String> = jobs.iter().map(|job| job.name.clone()).collect();
    let mut names = HashSet::new();
    for job in jobs {
        let name = fitting(&job.name);
        if name != job.name {
            let numbered =
                |number: &usize| format!("{} ({number})", cut(&name, MAX_ENTRY_NAME - 10));
            let name = if taken.contains(&name) {
                (2..).map(|number| numbered(&number)).find(|name| !taken.contains(name))
            } else {
                Some(name)
            };
            let old = std::mem::replace(&mut job.name, name.unwrap_or_default());
            job.differs(Difference::Other(format!("its name was {old:?}")));
            taken.insert(job.name.clone());
        }
        if !names.insert(job.name.clone()) {
            job.cannot("another job has this name", Some("give it another name"));
        }
    }
}

/// Without control characters and outer blanks, and not too long.
fn fitting(name: &str) -> String {
    let visible = name.replace(char::is_control, " ");
    match cut(visible.trim(), MAX_ENTRY_NAME).trim_end() {
        "" => "unnamed".to_owned(),
        fitting => fitting.to_owned(),
    }
}

/// At most so many bytes of a text.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Grade;

    #[test]
    fn a_name_that_does_not_fit_is_changed_and_that_is_said() {
        let long = "名".repeat(200);
        let mut jobs: Vec<Job> =
            ["good", "tab\there ", "", &long, &format!("{long}!"), "good"].map(Job::new).into();
        fit(&mut jobs);
        let names: Vec<&str> = jobs.iter().map(|job| &*job.name).collect();
        assert_eq!(names[..3], ["good", "tab here", "unnamed"]);
        assert_eq!(names[3], "名".repeat(66));
        assert_eq!(names[4], format!("{} (2)", "名".repeat(63)));
        let grades: Vec<Grade> = jobs.iter().map(Job::grade).collect();
        let differs = Grade::Differs;
        assert_eq!(grades, [Grade::Same, differs, differs, differs, differs, Grade::Cannot]);
    }
}
