//! Proves an import: compares the instants at which the old scheduler's own code fires a job with the slots of its
//! entry.
//!
//! Each difference is explained by a rule of a closed list, or it is unexplained: a fault of the import.

mod explanation;

use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;

use downbeat_time::{Timing, UnixMs};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use self::explanation::Explanation;
use super::interpreter::Interpreter;
use super::{Found, ImportError, Job};
use crate::schedule::{Entry, Schedule};

/// Maximum number of instants per job.
pub(crate) const MAX_INSTANTS: usize = 10_000;
/// Maximum number of unexplained differences that are shown per job.
const SHOWN: usize = 5;

/// How to ask the old scheduler's own code.
#[derive(Debug)]
pub(crate) struct OldScheduler {
    pub(crate) interpreter: Interpreter,
    /// What each request holds besides the schedules and the range.
    pub(crate) request: Map<String, Value>,
}

/// What the old scheduler's code says of a job.
#[derive(Debug, Deserialize)]
struct Answer {
    /// The next instants in milliseconds since 1970, ascending; fewer than asked for if there are no more.
    #[serde(default)]
    instants: Vec<i64>,
    /// The last instant that its code knows or had the time to compute; `None` means no limit.
    until: Option<i64>,
    /// Why it cannot tell.
    error: Option<String>,
    /// Whether it computes the event for the wrong height of the sun.
    #[serde(default)]
    horizon: bool,
}

/// The instants of a job in the old scheduler and here, compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// How many instants the old scheduler's code named.
    pub(crate) theirs: usize,
    /// How many of them are slots of the entry.
    pub(crate) same: usize,
    /// How many instants are on one side only and explained, by explanation.
    pub(crate) explained: BTreeMap<Explanation, usize>,
    /// How many instants are on one side only and not explained.
    pub(crate) unexplained: usize,
    /// The first unexplained instants.
    pub(crate) examples: Vec<String>,
    /// Why the old scheduler's code could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Comparison {
    /// Whether the import has to be looked at before the switch.
    pub(crate) fn is_fault(&self) -> bool {
        self.unexplained > 0 || self.error.is_some()
    }
}

/// Compares the first `count` instants after `from` of each imported job that is enabled.
///
/// # Errors
///
/// If the old scheduler has no code that can be asked, or its code does not answer.
pub(crate) fn compare(
    found: &Found,
    schedule: &Schedule,
    from: UnixMs,
    count: usize,
) -> Result<Vec<Option<Comparison>>, ImportError> {
    let Some(old) = &found.old else {
        return Err(ImportError::Invalid(format!(
            "{} has no code that can be asked when a job fires; leave out --compare",
            found.source
        )));
    };
    // Neither side sends what is disabled.
    let sent =
        |job: &Job| schedule.get(&job.name).filter(|entry| entry.enabled && job.cannot.is_none());
    let jobs = found.jobs.iter().enumerate();
    let asked: Vec<(usize, &Entry)> =
        jobs.filter_map(|(index, job)| Some((index, sent(job)?))).collect();
    let schedules: Vec<&Value> =
        asked.iter().map(|(index, _)| &found.jobs[*index].theirs).collect();
    let mut request = old.request.clone();
    request.insert("schedules".to_owned(), json!(schedules));
    request.insert("from".to_owned(), from.0.into());
    request.insert("count".to_owned(), count.into());
    let answers: Vec<Answer> = old.interpreter.ask(&Value::Object(request))?;
    if answers.len() != asked.len() {
        let program = old.interpreter.program.display();
        let (asked, told) = (asked.len(), answers.len());
        let message =
            format!("{program}: the script was asked for {asked} jobs, and answered {told}");
        return Err(ImportError::Interpreter(message));
    }
    let mut compared = vec![None; found.jobs.len()];
    for ((index, entry), answer) in asked.into_iter().zip(answers) {
        compared[index] = Some(match answer.error {
            Some(error) => Comparison { error: Some(error), ..Comparison::default() },
            None => compare_job(&found.jobs[index], entry, from, count, &answer),
        });
    }
    Ok(compared)
}

/// Compares the instants of one job after `from`, up to the last that the old scheduler's code knows.
fn compare_job(
    job: &Job,
    entry: &Entry,
    from: UnixMs,
    count: usize,
    answer: &Answer,
) -> Comparison {
    let theirs: &[UnixMs] = &answer.instants.iter().copied().map(UnixMs).collect::<Vec<_>>();
    let limit = entry.guards.limit.map_or(usize::MAX, |limit| limit.get() as usize);
    // An event of the sun near an end of the range may be inside for one side and outside for the other.
    let slack =
        if matches!(entry.timing, Timing::Solar(_)) { explanation::SUN } else { Duration::ZERO };
    let slots = iter::successors(entry.next_slot(from - slack), |slot| entry.next_slot(*slot));
    let slots = slots.take(limit);
    // A full answer says nothing of what comes after its last instant.
    let end = theirs.last().copied().filter(|_| theirs.len() == count);
    let end = end.or(answer.until.map(UnixMs));
    let ours: Vec<UnixMs> = match end {
        Some(end) => slots.take_while(|slot| *slot <= end + slack).take(4 * count).collect(),
        None => slots.take(count).collect(),
    };
    let [only_theirs, mut only_ours] = differences(theirs, &ours);
    only_ours.retain(|slot| *slot > from + slack && end.is_none_or(|end| *slot <= end));
    let same = theirs.len() - only_theirs.len();
    let mut comparison = Comparison { theirs: theirs.len(), same, ..Comparison::default() };
    let explain = explanation::Explainer::new(job, entry, theirs, &ours, answer.horizon);
    let each =
        only_theirs.iter().map(|at| (*at, "there")).chain(only_ours.iter().map(|at| (*at, "here")));
    for (at, side) in each {
        match explain.explain(at) {
            Some(explanation) => *comparison.explained.entry(explanation).or_default() += 1,
            None => {
                comparison.unexplained += 1;
                if comparison.examples.len() < SHOWN {
                    comparison.examples.push(format!("only {side}: {}", entry.zone.to_rfc3339(at)));
                }
            }
        }
    }
    comparison
}

/// What is only in the first of two ascending lists, and what is only in the second.
fn differences(theirs: &[UnixMs], ours: &[UnixMs]) -> [Vec<UnixMs>; 2] {
    let missing = |of: &[UnixMs], from: &[UnixMs]| {
        of.iter().filter(|at| from.binary_search(at).is_err()).copied().collect()
    };
    [missing(theirs, ours), missing(ours, theirs)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Difference;
    use crate::schedule::sample;

    const FROM: UnixMs = UnixMs(1_774_000_000_000);

    fn answer(instants: &[UnixMs]) -> Answer {
        Answer {
            instants: instants.iter().map(|at| at.0).collect(),
            until: None,
            error: None,
            horizon: false,
        }
    }

    fn slots(entry: &Entry, count: usize) -> Vec<UnixMs> {
        iter::successors(entry.next_slot(FROM), |slot| entry.next_slot(*slot)).take(count).collect()
    }

    #[test]
    fn equal_instants_are_the_same_and_a_missing_one_is_unexplained() {
        let entry = sample::cron("x", "0 3 * * *");
        let job = Job::new("x");
        let mut theirs = slots(&entry, 10);
        let compared = compare_job(&job, &entry, FROM, 10, &answer(&theirs));
        assert_eq!((compared.same, compared.unexplained, compared.is_fault()), (10, 0, false));
        theirs.remove(4);
        theirs.push(entry.next_slot(theirs[8]).unwrap());
        let compared = compare_job(&job, &entry, FROM, 10, &answer(&theirs));
        assert_eq!((compared.same, compared.unexplained), (10, 1));
        assert!(compared.examples[0].starts_with("only here: 2026-"), "{:?}", compared.examples);
    }

    #[test]
    fn fewer_instants_than_asked_for_mean_that_no_more_come() {
        let entry = sample::every("x", 60);
        let theirs = slots(&entry, 3);
        assert_eq!(compare_job(&Job::new("x"), &entry, FROM, 10, &answer(&theirs)).unexplained, 7);
    }

    #[test]
    fn beyond_what_the_old_code_knows_nothing_is_compared() {
        let entry = sample::every("x", 60);
        let theirs = slots(&entry, 3);
        let until = Some(theirs[2].0 + 59_000);
        let answer = Answer { until, ..answer(&theirs) };
        let compared = compare_job(&Job::new("x"), &entry, FROM, 10, &answer);
        assert_eq!((compared.same, compared.unexplained), (3, 0));
    }

    #[test]
    fn an_interval_counted_from_elsewhere_is_explained_only_if_that_was_said() {
        let entry = sample::every("x", 60);
        let theirs: Vec<UnixMs> = slots(&entry, 10).iter().map(|at| UnixMs(at.0 + 7_000)).collect();
        let mut job = Job::new("x");
        assert!(compare_job(&job, &entry, FROM, 10, &answer(&theirs)).is_fault());
        job.differs(Difference::Anchor);
        let compared = compare_job(&job, &entry, FROM, 10, &answer(&theirs));
        assert_eq!(compared.explained, BTreeMap::from([(Explanation::Anchor, 20)]));
        // Another step is no other anchor.
        let slower: Vec<UnixMs> = (1..=10).map(|step| UnixMs(FROM.0 + step * 61_000)).collect();
        assert!(compare_job(&job, &entry, FROM, 10, &answer(&slower)).is_fault());
    }

    #[test]
    fn an_interval_that_is_counted_on_the_wall_clock_moves_with_it() {
        let berlin = crate::import::zones::zone("Europe/Berlin").unwrap();
        let entry = Entry { zone: berlin.clone(), ..sample::every("x", 86_400) };
        let ours = slots(&entry, 10);
        let winter = berlin.offset_at(ours[0]);
        let wall = |at: &UnixMs| UnixMs(at.0 - 1000 * i64::from(berlin.offset_at(*at) - winter));
        let theirs: Vec<UnixMs> = ours.iter().map(wall).collect();
        let compared = compare_job(&Job::new("x"), &entry, FROM, 10, &answer(&theirs));
        assert!(compared.explained[&Explanation::WallClock] > 0, "{compared:?}");
        assert_eq!(compared.unexplained, 0);
    }

    #[test]
    fn the_day_after_a_change_by_half_an_hour_is_explained_and_not_the_next() {
        let zone = crate::import::zones::zone("Australia/Lord_Howe").unwrap();
        let entry = Entry { zone, ..sample::cron("x", "0 0 * * *") };
        // 2027-04-03; the clock goes back on the 4th at two, which is near that midnight, too.
        let from = UnixMs(1_806_700_000_000);
        let ours: Vec<UnixMs> =
            iter::successors(entry.next_slot(from), |slot| entry.next_slot(*slot))
                .take(5)
                .collect();
        let unexplained = |missing: usize| {
            let theirs = [&ours[..missing], &ours[missing + 1..]].concat();
            let answer = Answer { until: Some(ours[4].0), ..answer(&theirs) };
            compare_job(&Job::new("x"), &entry, from, 10, &answer).unexplained
        };
        assert_eq!((0..5).map(unexplained).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn zones_without_rules_after_2037_explain_only_the_hour_that_they_lack() {
        let berlin = crate::import::zones::zone("Europe/Berlin").unwrap();
        let entry = Entry { zone: berlin, ..sample::cron("x", "0 9 * * *") };
        // In June 2040, it is summer.
        let june = UnixMs(2_222_000_000_000);
        let ours: Vec<UnixMs> =
            iter::successors(entry.next_slot(june), |slot| entry.next_slot(*slot))
                .take(10)
                .collect();
        let late = |hours: i64| -> Vec<UnixMs> {
            ours.iter().map(|at| UnixMs(at.0 + hours * 3_600_000)).collect()
        };
        let compared = compare_job(&Job::new("x"), &entry, june, 10, &answer(&late(1)));
        assert_eq!(compared.explained, BTreeMap::from([(Explanation::OldRules, 20)]));
        assert!(compare_job(&Job::new("x"), &entry, june, 10, &answer(&late(2))).is_fault());
    }
}
