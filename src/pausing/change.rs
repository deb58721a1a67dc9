//! Writes the requested pauses.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use downbeat_time::UnixMs;
use tokio::time::{Instant, sleep};

use super::wanted::{SubjectRequest, subject_requests};
use super::{PauseStatus, Request, Response, SubjectAnswer};
use crate::refused::Refused;
use crate::schedule::Schedule;
use crate::schedule::pause::{AT_WRITE, Edit, Pause, Subject, at_write};
use crate::store::contract::{
    ChangePauses, MAX_PAUSED, MAX_PAUSES_CHANGED, PausesChanged, PausesRead, Store, StoreError,
    SubjectPauses,
};
use crate::worker::Via;

/// The maximum number of attempts while others write the same subjects.
const MAX_ATTEMPTS: usize = 20;
/// The longest time until a carrier has answered and its leader has recorded the outcome.
const CARRIERS_TIMEOUT: Duration = Duration::from_secs(6);
/// The time between two reads of the intents.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// The maximum number of other pauses named.
const MAX_NAMED: usize = 20;

/// One person's request, while it is carried out.
struct Open<'a> {
    asked: &'a Request,
    /// Whether a change was sent but not answered, so that it may be written.
    may_be_done: bool,
    end: Option<Result<Response, Refused>>,
}

/// Pauses and resumes for several people. After a pause, wait for carriers with [`wait_for_carriers`].
pub async fn change<S: Store>(
    store: &Mutex<S>,
    schedule: &Schedule,
    asked: &[Request],
) -> Vec<Result<Response, Refused>> {
    let open = |asked| Open { asked, may_be_done: false, end: None };
    let mut all: Vec<Open<'_>> = asked.iter().map(open).collect();
    for _ in 0..MAX_ATTEMPTS {
        if all.iter().all(|one| one.end.is_some()) {
            break;
        }
        let read = lock(store).pauses();
        match read.await {
            Ok(read) => write(store, schedule, &read, &mut all).await,
            Err(error) => all.iter_mut().for_each(|one| one.fail(&error)),
        }
    }
    let busy = || Refused::NotChanged("others change the same pauses at the same time".to_owned());
    all.into_iter().map(|one| one.end.unwrap_or_else(|| Err(busy()))).collect()
}

impl Open<'_> {
    fn fail(&mut self, error: &StoreError) {
        if self.end.is_none() {
            let why = error.to_string();
            self.end = Some(Err(match error {
                _ if self.may_be_done => Refused::ChangeUncertain(why),
                StoreError::Refused(_) | StoreError::Unusable(_) => Refused::NotChanged(why),
                StoreError::Unavailable(_) | StoreError::Unanswered(_) => {
                    Refused::ChangeUnreachable(why)
                }
            }));
        }
    }
}

/// The part of a write that one request needs.
struct Part {
    /// The index of the request.
    index: usize,
    answers: Vec<(Subject, Option<Pause>, Option<Pause>, bool)>,
}

/// Writes what can be written together; the other requests stay open.
async fn write<S: Store>(
    store: &Mutex<S>,
    schedule: &Schedule,
    read: &PausesRead,
    all: &mut [Open<'_>],
) {
    let (mut parts, mut request) = (Vec::new(), ChangePauses::default());
    let mut taken = HashSet::new();
    for (index, one) in all.iter_mut().enumerate().filter(|(_, one)| one.end.is_none()) {
        let requests = match subject_requests(one.asked, schedule, read) {
            Ok(requests) => requests,
            Err(refused) => {
                one.end = Some(Err(refused));
                continue;
            }
        };
        // Requests for the same subject are written one after the other.
        let is_free = requests.iter().all(|one| !taken.contains(&one.subject));
        if !is_free || request.subjects.len() + requests.len() > MAX_PAUSES_CHANGED {
            continue;
        }
        taken.extend(requests.iter().map(|one| one.subject.clone()));
        let answers = requests.into_iter().map(|one| edit(one, read, &mut request)).collect();
        parts.push(Part { index, answers });
    }
    let changes = !request.subjects.is_empty();
    let written = if changes {
        let writing = lock(store).change_pauses(request);
        writing.await
    } else {
        Ok(PausesChanged::Written { now: read.now, mark: read.mark, replicated: None })
    };
    for Part { index, answers } in parts {
        let one = &mut all[index];
        match &written {
            Ok(PausesChanged::Written { now, replicated, .. }) => {
                one.end = Some(Ok(answer(one, answers, *now, *replicated, schedule, read)));
            }
            Ok(PausesChanged::Outdated) => {}
            Ok(PausesChanged::TooMany) => {
                let text =
                    format!("more than {MAX_PAUSED} entries and tags would be paused; pause a tag");
                one.end = Some(Err(Refused::NotChanged(text)));
            }
            // The next read shows whether it was written.
            Err(StoreError::Unanswered(_)) if !one.may_be_done => one.may_be_done = true,
            Err(error) => one.fail(error),
        }
    }
}

/// Adds a subject to the write if it changes. Returns the pauses before and after, and whether they differ.
fn edit(
    SubjectRequest { subject, request: asked }: SubjectRequest,
    read: &PausesRead,
    request: &mut ChangePauses,
) -> (Subject, Option<Pause>, Option<Pause>, bool) {
    let (pauses, etag) = read.of(&subject);
    match asked.edit(pauses, read.now) {
        // Removes what cannot be read.
        Edit::Unchanged(None) if read.is_unreadable(&subject) => {
            let nothing = SubjectPauses { subject: subject.clone(), pauses: Vec::new(), etag };
            request.subjects.push(nothing);
            (subject, None, None, true)
        }
        Edit::Unchanged(pause) => (subject, pause.clone(), pause, false),
        Edit::Write { pauses, forbids, before } => {
            let ends_now = |pause: &Pause| pause.until == Some(AT_WRITE);
            let after = pauses.last().filter(|last| !ends_now(last)).cloned();
            request.forbids |= forbids;
            request.subjects.push(SubjectPauses { subject: subject.clone(), pauses, etag });
            (subject, before, after, true)
        }
    }
}

fn answer(
    one: &Open<'_>,
    answers: Vec<(Subject, Option<Pause>, Option<Pause>, bool)>,
    now: UnixMs,
    replicated: Option<bool>,
    schedule: &Schedule,
    read: &PausesRead,
) -> Response {
    let shown = |subject: &Subject, pause: Pause| {
        let zone = match subject {
            Subject::Entry(name) => schedule.get(name).map(|entry| &*entry.zone),
            Subject::Tag(_) | Subject::All => None,
        };
        let pause = at_write(vec![pause], now).into_iter().next();
        pause.map(|pause| PauseStatus::new(subject, &pause, zone))
    };
    let mut answered = Response { replicated, ..Response::default() };
    let mut named = HashSet::new();
    for (subject, before, after, changed) in answers {
        answered.subjects.push(SubjectAnswer {
            subject: subject.to_string(),
            changed: changed || one.may_be_done,
            before: before.and_then(|pause| shown(&subject, pause)),
            paused: after.and_then(|pause| shown(&subject, pause)),
        });
        named.insert(subject);
    }
    if !answered.subjects.iter().any(|subject| subject.changed) {
        answered.replicated = None;
    }
    if one.asked.resume {
        let covers = |subject: &Subject| {
            let is_theirs = |name: &Subject| match name {
                Subject::All => true,
                Subject::Tag(_) => {
                    schedule.entries.iter().any(|e| name.covers(e) && subject.covers(e))
                }
                Subject::Entry(entry) => schedule.get(entry).is_some_and(|e| subject.covers(e)),
            };
            !named.contains(subject) && named.iter().any(is_theirs)
        };
        let pauses = read.to_pauses();
        let others = pauses.in_force(now).into_iter().filter(|(subject, _)| covers(subject));
        let others: Vec<_> =
            others.filter_map(|(subject, pause)| shown(subject, pause.clone())).collect();
        answered.still_paused_count = others.len();
        answered.still_paused = others.into_iter().take(MAX_NAMED).collect();
    }
    answered
}

/// After a pause, waits until carriers publish none of the entries' messages any more. If that takes too long,
/// returns the entries with a message that may still go.
pub async fn wait_for_carriers<S: Store>(
    store: &Mutex<S>,
    schedule: &Schedule,
    asked: &Request,
    answered: &Response,
) -> Vec<String> {
    let forbids = |subject: &&SubjectAnswer| !asked.resume && subject.paused.is_some();
    let subjects = answered.subjects.iter().filter(forbids);
    let subjects: Vec<Subject> =
        subjects.filter_map(|subject| subject.subject.parse().ok()).collect();
    let carried = schedule.entries.iter().filter(|entry| entry.message.queue.via() != Via::Store);
    let theirs = carried.filter(|entry| subjects.iter().any(|subject| subject.covers(entry)));
    let mut left: Vec<Arc<str>> = theirs.map(|entry| Arc::clone(&entry.name)).collect();
    let until = Instant::now() + CARRIERS_TIMEOUT;
    while !left.is_empty() {
        let looking = lock(store).open_intents(left.clone());
        if let Ok(open) = looking.await {
            left = open;
        }
        if Instant::now() >= until {
            break;
        }
        if !left.is_empty() {
            sleep(POLL_EVERY).await;
        }
    }
    left.iter().map(ToString::to_string).collect()
}

fn lock<S>(store: &Mutex<S>) -> MutexGuard<'_, S> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
