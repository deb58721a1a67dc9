//! Entries whose slots are skipped because no result of their tasks is ever seen: it may be in a place where
//! nobody looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use downbeat_time::UnixMs;

use crate::schedule::Entry;

/// After so many skipped slots in a row, a task should have ended.
const SUSPICIOUS: u64 = 5;

/// What this process has seen of tasks that may not overlap, by entry.
#[derive(Debug, Default)]
pub(super) struct UnseenResults {
    entries: BTreeMap<Arc<str>, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the last task was sent.
    sent_at: Option<UnixMs>,
    /// Slots skipped since then.
    skipped: u64,
    /// Whether the end of some task was seen.
    end: bool,
}

impl Seen {
    fn is_suspicious(&self) -> bool {
        !self.end && self.skipped >= SUSPICIOUS
    }
}

impl UnseenResults {
    /// Notes that slots were skipped because the last task still runs. Returns whether that has become suspicious
    /// with these.
    pub(super) fn skipped(&mut self, entry: &Entry, count: u64) -> bool {
        let queue = &entry.message.queue;
        let key = queue.worker.protocol().result_key(&queue.name);
        if !key.is_some_and(|key| key.form.is_missing_until_the_end()) {
            return false;
        }
        let seen = self.entries.entry(Arc::clone(&entry.name)).or_default();
        let was_suspicious = seen.is_suspicious();
        seen.skipped += count;
        seen.is_suspicious() && !was_suspicious
    }

    /// Notes that a task was sent. If the one before it could still have held it up, its end was seen.
    pub(super) fn sent(&mut self, entry: &Entry, now: UnixMs) {
        let Some(longest) = entry.guards.overlap else { return };
        let seen = self.entries.entry(Arc::clone(&entry.name)).or_default();
        let since = seen.sent_at.replace(now).map(|sent_at| now.since(sent_at).as_millis());
        seen.end |= since.is_some_and(|since| since < u128::from(longest.get()));
        seen.skipped = 0;
    }

    /// The entries that have become suspicious and of which no result was seen since.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter().filter(|(_, seen)| seen.is_suspicious()).map(|(entry, _)| entry)
    }

    /// Forgets what was seen, as another leader sees it from now on.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::address::{Endpoint, RedisAddress, RedisServer};
    use crate::schedule::sample::every;
    use crate::worker::{CeleryQueue, Queue, ResultBackend, RqQueue, TaskiqQueue, Worker};

    fn entry_for(worker: Worker) -> Entry {
        let mut entry = every("a", 60);
        entry.guards.overlap = NonZeroU32::new(3_600_000);
        entry.message.queue = Arc::new(Queue { worker, ..Queue::clone(&entry.message.queue) });
        entry
    }

    fn results() -> Option<Arc<ResultBackend>> {
        let server = RedisServer::At(Endpoint::Socket("/run/redis.sock".into()));
        let url = RedisAddress { server, login: None, database: 0 };
        Some(Arc::new(ResultBackend { url, databases: Some((0, 0)) }))
    }

    fn entry() -> Entry {
        entry_for(Worker::Celery(CeleryQueue { results: results(), ..CeleryQueue::default() }))
    }

    fn named(unseen: &UnseenResults) -> usize {
        unseen.entries().count()
    }

    #[test]
    fn an_entry_is_suspicious_once_many_slots_were_skipped_and_no_task_has_ended() {
        let (entry, mut unseen) = (entry(), UnseenResults::default());
        unseen.sent(&entry, UnixMs(0));
        assert!(!unseen.skipped(&entry, 4));
        assert!(unseen.skipped(&entry, 1), "said once");
        assert!(!unseen.skipped(&entry, 1));
        assert_eq!(named(&unseen), 1);
        // The task no longer counts as running, which tells nothing of its result.
        unseen.sent(&entry, UnixMs(3_600_000));
        assert!(unseen.skipped(&entry, 5));
        unseen.sent(&entry, UnixMs(3_660_000));
        assert_eq!(named(&unseen), 0);
        assert!(!unseen.skipped(&entry, 100), "an end was seen: this one takes its time");
    }

    #[test]
    fn only_workers_that_tell_nothing_before_the_end_are_suspicious() {
        let taskiq = TaskiqQueue { results: results(), ..TaskiqQueue::default() };
        let rq = RqQueue::default();
        for (worker, suspicious) in [(Worker::Taskiq(taskiq), true), (Worker::Rq(rq), false)] {
            let entry = entry_for(worker);
            assert_eq!(UnseenResults::default().skipped(&entry, SUSPICIOUS), suspicious);
        }
    }

    #[test]
    fn entries_that_may_overlap_are_not_watched() {
        let mut unseen = UnseenResults::default();
        unseen.sent(&every("a", 60), UnixMs(0));
        assert!(unseen.entries.is_empty());
    }
}
