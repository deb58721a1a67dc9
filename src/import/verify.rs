//! Loads what was written, as the service would.

use std::path::PathBuf;

use super::write::{self, Written};
use super::{Found, ImportError};
use crate::config::{ServiceConfig, load_text};
use crate::schedule::Schedule;
use crate::text::{Problem, Severity, summary};
use crate::tzdata::Tzdata;

/// The name of the schedule file, for problems in it.
const FILE: &str = "imported.yaml";

/// A source whose every entry the service accepts.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The schedule file.
    pub(crate) text: String,
    /// The service's configuration.
    pub(crate) settings: String,
    /// What the service makes of the file.
    pub(crate) schedule: Schedule,
    /// What the loader warns of.
    pub(crate) warnings: Vec<Problem>,
}

/// Writes the files and loads them; jobs that the loader refuses are left out, with its reason.
///
/// # Errors
///
/// If what is left is still refused, which only settings of queues can be the reason for.
pub(crate) fn verify(found: &mut Found, tzdata: &Tzdata) -> Result<Verified, ImportError> {
    let settings = write::settings_file(found);
    let service = ServiceConfig::parse(PathBuf::from("downbeat.yaml"), &settings, found.is_amqp);
    let service = service.map_err(|problems| refused("the settings of its queues", &problems))?;
    loop {
        let Written { text, lines } = write::schedule_file(found);
        let loaded = load_text(PathBuf::from(FILE), &text, &service.queues, tzdata);
        let Some(schedule) = loaded.schedule else {
            let mut is_any_left_out = false;
            for problem in loaded.problems.iter().filter(|it| it.severity == Severity::Error) {
                let at = lines.iter().find(|(_, lines)| lines.contains(&(problem.line as usize)));
                if let Some((job, _)) = at {
                    found.jobs[*job].cannot(problem.message.clone(), problem.hint.as_deref());
                    is_any_left_out = true;
                }
            }
            if !is_any_left_out {
                return Err(refused("its jobs", &loaded.problems));
            }
            continue;
        };
        return Ok(Verified { text, settings, schedule, warnings: loaded.problems });
    }
}

fn refused(what: &str, problems: &[Problem]) -> ImportError {
    ImportError::Invalid(format!("{what} make no valid file: {}", summary(problems)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::import::{Grade, Job};

    #[test]
    fn what_the_loader_refuses_is_left_out_with_its_reason() {
        let job = |name: &str, line: &str| {
            let mut job = Job::new(name);
            job.set("task", "t");
            job.set("cron", line);
            job.set("queue", "celery");
            job
        };
        let jobs =
            vec![job("good", "0 3 * * *"), job("bad", "61 3 * * *"), job("worse", "nonsense")];
        let mut found = Found { source: "a test".to_owned(), jobs, ..Found::default() };
        let verified = verify(&mut found, &Tzdata::load()).unwrap();
        assert_eq!(verified.schedule.entries.len(), 1);
        let grades: Vec<Grade> = found.jobs.iter().map(Job::grade).collect();
        assert_eq!(grades, [Grade::Same, Grade::Cannot, Grade::Cannot]);
        let why = &found.jobs[1].cannot.as_ref().unwrap().why;
        assert!(why.contains("61"), "{why}");
        assert!(verified.text.contains("# left out: "), "{}", verified.text);
    }

    #[test]
    fn a_route_is_for_a_rabbitmq() {
        let grade = |is_amqp: bool| {
            let mut job = Job::new("x");
            for (key, value) in [("every", "1m"), ("queue", "q"), ("exchange", "ex"), ("task", "t")]
            {
                job.set(key, value);
            }
            let mut found = Found { jobs: vec![job], is_amqp, ..Found::default() };
            verify(&mut found, &Tzdata::load()).unwrap();
            found.jobs[0].grade()
        };
        assert_eq!([grade(true), grade(false)], [Grade::Same, Grade::Cannot]);
    }

    #[test]
    fn queues_of_other_kinds_are_settings_of_the_service() {
        let mut job = Job::new("x");
        for (key, value) in
            [("task", json!("a.b")), ("every", json!("1m")), ("queue", json!("mail"))]
        {
            job.set(key, value);
        }
        job.set("options", json!({"timeout": "1h"}));
        let mut found = Found { source: "a test".to_owned(), jobs: vec![job], ..Found::default() };
        found.queues.insert("mail".to_owned(), json!({"worker": "rq"}));
        let verified = verify(&mut found, &Tzdata::load()).unwrap();
        assert_eq!(verified.schedule.entries.len(), 1);
        assert!(verified.settings.contains("queues:\n  mail: {worker: rq}\n"));
    }
}
