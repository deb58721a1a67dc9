//! Loads a new schedule in the background and applies it as a whole, or not at all.

use std::path::Path;
use std::sync::Arc;

use downbeat_time::UnixMs;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{Span, error, error_span, info};
use uuid::Uuid;

use super::keeper::{Keeper, NotKept, Outcome};
use super::status::{ReloadStatus, ScheduleStatus};
use super::zone_rules::{ZoneRulesChange, first_few, has_new_rules};
use super::{Service, campaign};
use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::config::{self, KeptFiles, Loaded, ScheduleFile};
use crate::core::{Reloads, Requested};
use crate::schedule::{Entry, Schedule};
use crate::store::contract::Store;
use crate::text::{self, Problem};
use crate::tzdata::Tzdata;

/// The channel for the result of a reload: what changed, or why it was refused.
pub(super) type Answer = oneshot::Sender<Result<String, ReloadError>>;

/// The schedule files have problems, so the previous schedule stays.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", text::render(.0, false))]
pub struct ReloadError(pub(crate) Arc<[Problem]>);

/// Loads the schedule files, and records the results.
pub struct Loader {
    pub(super) loads: Loads,
    /// The rules of the last load.
    zones: Arc<Tzdata>,
    /// The rules of the active schedule, in words.
    tzdata: String,
    loaded_at: UnixMs,
    last: Option<ReloadStatus>,
    keeper: Option<Keeper>,
    /// The results of the keeper.
    pub(super) kept: watch::Receiver<Outcome>,
    /// Whether the first load was refused, so that the service started from the kept files.
    started_from_kept: bool,
    strict: bool,
}

impl Loader {
    /// `load` reads the files, with `zones` as they are then. The first schedule is loaded `now`.
    #[must_use]
    pub fn new(
        load: Arc<dyn Fn() -> Loaded + Send + Sync>,
        zones: Arc<Tzdata>,
        now: UnixMs,
    ) -> Loader {
        Loader {
            loads: Loads::new(load),
            tzdata: zones.to_string(),
            zones,
            loaded_at: now,
            last: None,
            keeper: None,
            kept: watch::channel(None).1,
            started_from_kept: false,
            strict: false,
        }
    }

    /// Keeps the files of each schedule that is accepted from now on; a `strict` service does not start
    /// from them.
    #[must_use]
    pub fn keeping(mut self, copy: KeptFiles, strict: bool) -> Loader {
        let (keeper, kept) = Keeper::new(copy);
        (self.keeper, self.kept, self.strict) = (Some(keeper), kept, strict);
        self
    }

    /// Records that the service starts from the files kept in `path`, as the configured ones have these
    /// problems.
    #[must_use]
    pub fn started_from_kept(
        mut self,
        accepted_at: UnixMs,
        path: &Path,
        problems: &[Problem],
        now: UnixMs,
    ) -> Loader {
        error!(
            %accepted_at,
            path = %path.display(),
            problems = problems.len(),
            "started from the kept schedule files"
        );
        problems.iter().for_each(config::log);
        self.note(false, text::summary(problems), now);
        self.started_from_kept = true;
        self
    }

    /// Keeps the files of the schedule with this content hash, which is accepted `now`, unless they already
    /// are; in the background.
    pub fn keep(&self, hash: Uuid, files: Vec<ScheduleFile>, now: UnixMs) {
        if let Some(keeper) = &self.keeper {
            keeper.keep(hash, files, now);
        }
    }

    pub(super) fn status(&self, schedule: &Schedule) -> ScheduleStatus {
        let kept = self.kept.borrow();
        let kept = kept.as_ref().filter(|kept| kept.hash == schedule.hash);
        let (kept_at, not_kept) = match kept.map(|kept| &kept.accepted_at) {
            None => (None, None),
            Some(Ok(_)) if self.strict => (None, Some("it is `run --strict`".to_owned())),
            Some(Ok(accepted_at)) => (Some(*accepted_at), None),
            Some(Err(not_kept @ NotKept { older, .. })) => {
                (older.filter(|_| !self.strict), Some(not_kept.to_string()))
            }
        };
        ScheduleStatus {
            hash: short_hash(schedule),
            entries: schedule.entries.len(),
            tzdata: self.tzdata.clone(),
            loaded_at: self.loaded_at,
            reload: self.last.clone(),
            started_from_kept: self.started_from_kept,
            kept_at,
            not_kept,
        }
    }

    /// The problems of the last reload.
    fn refusal(&self) -> Option<&String> {
        self.last.as_ref().filter(|last| !last.accepted).map(|last| &last.text)
    }

    fn note(&mut self, accepted: bool, text: String, at: UnixMs) {
        if accepted {
            self.started_from_kept = false;
        }
        self.last = Some(ReloadStatus { at, accepted, text });
    }
}

/// Loads the schedule files in the background, when [`Reloads`] says so.
pub(super) struct Loads {
    load: Arc<dyn Fn() -> Loaded + Send + Sync>,
    reloads: Reloads<Answer>,
    running: Option<JoinHandle<Loaded>>,
}

impl Loads {
    fn new(load: Arc<dyn Fn() -> Loaded + Send + Sync>) -> Loads {
        Loads { load, reloads: Reloads::default(), running: None }
    }

    /// Requests a reload. Returns whether that is an additional one.
    pub(super) fn ask(&mut self, answer: Answer) -> bool {
        let answer = Some(answer).filter(|answer| !answer.is_closed());
        let requested = self.reloads.request(answer);
        if requested == Requested::Begins {
            self.begin();
        }
        requested != Requested::Joins
    }

    fn begin(&mut self) {
        let load = Arc::clone(&self.load);
        self.running = Some(spawn_blocking(move || load()));
    }

    /// Waits for the end of a load and returns its result; once that is in force or refused,
    /// [`end`](Loads::end) must follow.
    pub(super) async fn next(&mut self) -> Loaded {
        let Some(load) = &mut self.running else { return std::future::pending().await };
        let loaded = load.await.expect("a load does not panic, and the runtime outlives the loop");
        self.running = None;
        loaded
    }

    /// Ends a reload, and returns who requested it.
    fn end(&mut self) -> Vec<Answer> {
        let answers = self.reloads.end();
        if self.reloads.begin_next() {
            self.begin();
        }
        answers
    }
}

/// The first eight digits of the content hash, as announced to other replicas.
#[must_use]
pub fn short_hash(schedule: &Schedule) -> String {
    schedule.hash.simple().to_string()[..8].to_owned()
}

/// The span of reloads in the log; at the highest level, so that no log level hides it.
fn speaker() -> Span {
    error_span!("reload")
}

/// A reload whose schedule is not active yet.
pub(super) struct Reloading {
    /// What changed in the files, if anything did.
    difference: Option<Difference>,
    rules: Option<ZoneRulesChange>,
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// Accepts a loaded schedule and returns it to be applied; otherwise the old one stays, and those
    /// who requested the reload get the reason.
    pub(super) fn begin_reload(&mut self, loaded: Loaded) -> Option<Arc<Schedule>> {
        let _speaker = speaker().entered();
        let Some(schedule) = loaded.schedule else {
            self.refuse(&loaded.problems);
            self.end_reload(Err(ReloadError(loaded.problems.into())));
            return None;
        };
        let now = self.clock.now();
        self.loader.keep(schedule.hash, loaded.files, now);
        let old = self.scheduler.schedule();
        let is_same = schedule.hash == old.hash;
        let tzdata = self.loader.zones.to_string();
        let (old_rules, new_rules) = ((&*self.loader.tzdata, &**old), (&*tzdata, &schedule));
        let rules = ZoneRulesChange::between(old_rules, new_rules, now);
        if is_same && rules.is_none() {
            if self.loader.refusal().is_some() {
                info!("found the schedule files valid again, and unchanged");
            }
            self.loader.note(true, "nothing changed".to_owned(), now);
            self.end_reload(Ok("nothing changed".to_owned()));
            return None;
        }
        let difference = (!is_same).then(|| Difference::between(old, &schedule));
        self.send_to_campaign(campaign::Request::Schedule(short_hash(&schedule)));
        self.reloading = Some(Reloading { difference, rules });
        Some(Arc::new(schedule))
    }

    fn refuse(&mut self, problems: &[Problem]) {
        let summary = text::summary(problems);
        // The watcher sees the same files as those who requested a reload.
        if self.loader.refusal() != Some(&summary) {
            error!(problems = problems.len(), "reload failed; keeping the previous schedule");
            problems.iter().for_each(config::log);
        }
        self.loader.note(false, summary, self.clock.now());
    }

    /// The schedule that was loaded last is active, or will be once this replica leads.
    pub(super) fn on_applied(&mut self) {
        let Some(Reloading { difference, rules }) = self.reloading.take() else { return };
        let _speaker = speaker().entered();
        let now = self.clock.now();
        let mut changes = Vec::new();
        if let Some(difference) = difference {
            self.log_reloaded(&difference);
            self.loader.loaded_at = now;
            changes.push(difference.to_string());
        }
        if let Some(rules) = rules {
            rules.log();
            rules.tzdata().clone_into(&mut self.loader.tzdata);
            changes.push(rules.to_string());
        }
        let changes = changes.join("; ");
        self.loader.note(true, changes.clone(), now);
        self.end_reload(Ok(changes));
    }

    fn log_reloaded(&self, difference: &Difference) {
        info!(
            %difference,
            added = difference.added.len(),
            changed = difference.changed.len(),
            removed = difference.removed.len(),
            entries = self.scheduler.schedule().entries.len(),
            "reloaded"
        );
    }

    fn end_reload(&mut self, outcome: Result<String, ReloadError>) {
        // This comes first: the requester may read the status next.
        self.supervisor.reloaded();
        self.tick();
        for answer in self.loader.loads.end() {
            let _ = answer.send(outcome.clone());
        }
    }
}

/// The changes between two schedules, by entry name.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    added: Vec<Arc<str>>,
    changed: Vec<Arc<str>>,
    removed: Vec<Arc<str>>,
}

impl Difference {
    fn between(old: &Schedule, new: &Schedule) -> Difference {
        let names = |entries: &[Entry], keep: &dyn Fn(&Entry) -> bool| {
            let kept = entries.iter().filter(|entry| keep(entry));
            kept.map(|entry| Arc::clone(&entry.name)).collect()
        };
        Difference {
            added: names(&new.entries, &|entry| old.get(&entry.name).is_none()),
            changed: names(&new.entries, &|entry| {
                old.get(&entry.name).is_some_and(|old| old != entry && !is_same(old, entry))
            }),
            removed: names(&old.entries, &|entry| new.get(&entry.name).is_none()),
        }
    }
}

/// Whether nothing but its zone's rules changed.
fn is_same(old: &Entry, new: &Entry) -> bool {
    has_new_rules(old, new) && *old == Entry { zone: Arc::clone(&old.zone), ..new.clone() }
}

/// `added a, b; changed c; removed d`; long lists are cut.
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        let lists =
            [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        for (what, names) in lists {
            parts.extend(first_few(names).map(|names| format!("{what} {names}")));
        }
        if parts.is_empty() {
            parts.push("only text that changes no entry".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::task::Poll;

    use super::*;

    /// Loads that each send a signal when they begin, and wait for one before they end.
    fn loads() -> (Loads, mpsc::Sender<()>, mpsc::Receiver<()>) {
        let ((go, may_end), (begins, begun)) = (mpsc::channel::<()>(), mpsc::channel());
        let may_end = Mutex::new(may_end);
        let load = move || {
            begins.send(()).unwrap();
            may_end.lock().unwrap().recv().unwrap();
            Loaded::default()
        };
        (Loads::new(Arc::new(load)), go, begun)
    }

    fn ask(loads: &mut Loads) -> (bool, oneshot::Receiver<Result<String, ReloadError>>) {
        let (answer, answered) = oneshot::channel();
        (loads.ask(answer), answered)
    }

    #[tokio::test]
    async fn a_request_during_a_load_causes_another_load() {
        let (mut loads, go, begun) = loads();
        let (is_one_more, _first) = ask(&mut loads);
        assert!(is_one_more);
        begun.recv().unwrap();
        let (later, _answered): (Vec<_>, Vec<_>) = (0..3).map(|_| ask(&mut loads)).unzip();
        assert_eq!(later, [true, false, false]);
        // A request that does not wait for the result counts, too.
        let (answer, _) = oneshot::channel();
        assert!(!loads.ask(answer));
        assert_eq!(begun.try_recv(), Err(mpsc::TryRecvError::Empty));
        go.send(()).unwrap();
        loads.next().await;
        // Until its schedule is in force, the files can change further.
        assert_eq!(begun.try_recv(), Err(mpsc::TryRecvError::Empty));
        assert_eq!(loads.end().len(), 1);
        begun.recv().unwrap();
        go.send(()).unwrap();
        loads.next().await;
        assert_eq!(loads.end().len(), 3);
        let mut next = Box::pin(loads.next());
        assert!(std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await);
        assert_eq!(begun.try_recv(), Err(mpsc::TryRecvError::Empty));
    }

    #[tokio::test]
    async fn a_load_is_not_lost_when_its_end_is_waited_for_in_vain() {
        let (mut loads, go, begun) = loads();
        let (_, _answered) = ask(&mut loads);
        begun.recv().unwrap();
        tokio::select! {
            biased;
            _ = loads.next() => panic!("it may not end yet"),
            () = std::future::ready(()) => {}
        }
        go.send(()).unwrap();
        loads.next().await;
        assert_eq!(loads.end().len(), 1);
    }
}
