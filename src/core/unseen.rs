//! Entries whose slots are skipped because no result of their tasks is ever seen: it may be in a place where
//! nobody looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use downbeat_time::UnixMs;

use crate::schedule::Entry;
use crate::worker::WorkerKind;

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
    /// with these. Only Celery's workers say nothing about a task before it ends.
    pub(super) fn skipped(&mut self, entry: &Entry, count: u64) -> bool {
        if entry.message.queue.worker.kind() != WorkerKind::Celery {
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
    use crate::schedule::sample::every;

    fn entry() -> Entry {
        let mut entry = every("a", 60);
        entry.guards.overlap = NonZeroU32::new(3_600_000);
        entry
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
    fn entries_that_may_overlap_are_not_watched() {
        let mut unseen = UnseenResults::default();
        unseen.sent(&every("a", 60), UnixMs(0));
        assert!(unseen.entries.is_empty());
    }
}
