//! All details of one entry.

use std::iter;
use std::num::NonZeroU32;
use std::time::Duration;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};

use super::status::{EntryStatus, entry_status};
use crate::schedule::progress::Progress;
use crate::schedule::{CatchUp, Entry};
use crate::text::duration;
use crate::worker::Expires;

/// How many future slots are shown.
const NEXT_SLOTS: usize = 5;

/// What `list ENTRY` shows, except for past outcomes. Durations are written as in schedule files:
/// `1h30m`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryDetail {
    /// What `list` shows of it.
    #[serde(flatten)]
    pub status: EntryStatus,
    /// The kind of worker of its queue.
    pub worker: String,
    /// The carrier of its queue, without secrets; `None` means the store.
    pub carrier: Option<String>,
    /// For a crontab line with hashes, the line they resolve to.
    pub resolved: Option<String>,
    /// The earliest possible slot, RFC 3339 in the entry's zone.
    pub start: Option<String>,
    /// The latest possible slot.
    pub end: Option<String>,
    /// Whether `except` leaves out days or hours.
    pub leaves_out_days: bool,
    /// Where a slot goes whose day is left out: to the `next` or `previous` day that is left.
    #[serde(default)]
    pub moves_to: Option<String>,
    /// Which missed slots are sent: `latest`, `all` or `none`.
    pub catch_up: String,
    /// The maximum age of a missed slot.
    pub within: String,
    /// How long a message may wait for a worker; `next`: until the next slot.
    pub expires: Option<String>,
    /// The maximum delay of a message.
    pub jitter: Option<String>,
    /// The window over which messages of entries with a common tag are spread.
    pub spread: Option<String>,
    /// Slots left to dispatch, for an entry with a limit.
    pub left: Option<u64>,
    /// The number of queued messages from which a slot is skipped.
    pub max_queued: Option<u32>,
    /// How long a running task may cause the next slot to be skipped.
    pub overlap: Option<String>,
    /// 0 to 255, as the worker reads it.
    pub priority: Option<u8>,
    /// The next few slots.
    pub slots: Vec<ComingSlot>,
}

/// A future slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComingSlot {
    /// RFC 3339 in the entry's zone.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: UnixMs,
    /// The slot before it was moved to another day, in the entry's zone, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominal_slot: Option<String>,
    /// When its message is due, in the entry's zone.
    pub due: String,
    /// The same in UTC.
    pub due_utc: UnixMs,
}

impl EntryDetail {
    /// All details of an entry with this progress.
    #[must_use]
    pub fn new(entry: &Entry, progress: Option<&Progress>, now: UnixMs) -> EntryDetail {
        let (queue, bounds) = (&entry.message.queue, entry.bounds.as_ref());
        let (about, guards) = (entry.about.as_ref(), entry.guards);
        let local = |at: UnixMs| entry.zone.to_rfc3339(at);
        let millis = |length: NonZeroU32| Duration::from_millis(length.get().into());
        let delay = entry.delay.as_ref();
        let window = delay.map(|delay| duration::format(delay.window()));
        let is_spread = delay.is_some_and(|delay| delay.is_spread());
        let left = guards.limit.map(|_| guards.remaining(progress.map_or(0, |p| p.count)));
        EntryDetail {
            status: entry_status(entry, progress, now),
            worker: queue.worker.kind().to_string(),
            carrier: queue.amqp.as_ref().map(|amqp| amqp.url.to_string()),
            resolved: about.and_then(|about| about.resolved.as_deref()).map(str::to_owned),
            start: bounds.and_then(|bounds| bounds.start).map(local),
            end: bounds.and_then(|bounds| bounds.end).map(local),
            leaves_out_days: bounds.is_some_and(|bounds| !bounds.except.is_empty()),
            moves_to: bounds.and_then(|bounds| bounds.move_to).map(|to| to.to_string()),
            catch_up: match entry.catch_up {
                CatchUp::Latest => "latest",
                CatchUp::All => "all",
                CatchUp::None => "none",
            }
            .to_owned(),
            within: duration::format(entry.within),
            expires: entry.message.expires.map(|expires| match expires {
                Expires::After(length) => duration::format(length),
                Expires::Next => "next".to_owned(),
            }),
            jitter: window.clone().filter(|_| !is_spread),
            spread: window.filter(|_| is_spread),
            left,
            max_queued: guards.max_queued.map(NonZeroU32::get),
            overlap: guards.overlap.map(|length| duration::format(millis(length))),
            priority: entry.message.priority,
            slots: coming_slots(entry, progress, now, left),
        }
    }
}

fn coming_slots(
    entry: &Entry,
    progress: Option<&Progress>,
    now: UnixMs,
    left: Option<u64>,
) -> Vec<ComingSlot> {
    if !entry.enabled {
        return Vec::new();
    }
    let after = progress.map_or(now, |progress| progress.through.max(now));
    let count =
        left.map_or(NEXT_SLOTS, |left| usize::try_from(left).unwrap_or(NEXT_SLOTS).min(NEXT_SLOTS));
    let slots = iter::successors(entry.next_slot(after), |slot| entry.next_slot(*slot));
    let coming = |slot: UnixMs| {
        let due = entry.due(slot);
        let (slot_utc, due_utc) = (slot, due);
        let nominal_slot = entry.moved_from(slot).map(|at| entry.zone.to_rfc3339(at));
        let [slot, due] = [slot, due].map(|at| entry.zone.to_rfc3339(at));
        ComingSlot { slot, slot_utc, nominal_slot, due, due_utc }
    };
    slots.take(count).map(coming).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use downbeat_time::Bounds;

    use super::*;
    use crate::schedule::Kind;
    use crate::schedule::delay::Delay;
    use crate::schedule::entry::{About, Guards};
    use crate::schedule::outcome::Outcome;
    use crate::schedule::sample::{every, zone};

    const NOW: UnixMs = UnixMs::from_secs(1_798_761_605);

    #[test]
    fn all_details_of_an_entry_are_shown_and_nothing_else() {
        let plain = EntryDetail::new(&every("plain", 60), None, NOW);
        let json = serde_json::to_value(&plain).unwrap();
        let said = json.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        let said: Vec<_> = said.map(|(name, _)| name.as_str()).collect();
        let always = [
            "entry",
            "task",
            "queue",
            "timing",
            "timezone",
            "enabled",
            "next",
            "next_utc",
            "tags",
            "worker",
            "leaves_out_days",
            "catch_up",
            "within",
            "slots",
        ];
        assert_eq!(said, always);
        assert_eq!((&json["catch_up"], &json["within"]), (&"latest".into(), &"1d".into()));

        let mut full = every("full", 60);
        full.zone = Arc::new(zone("Asia/Seoul"));
        full.delay = Some(Box::new(Delay::jitter(Duration::from_secs(30))));
        let start = Some(UnixMs::from_secs(1_798_761_600));
        full.bounds = Some(Box::new(Bounds { start, end: start, ..Bounds::default() }));
        full.message.expires = Some(Expires::Next);
        full.message.priority = Some(3);
        full.catch_up = CatchUp::None;
        let tags = vec!["nightly".into(), "money".into()];
        let (description, resolved) = (Some("Words.".into()), Some("17 3 * * *".into()));
        full.about = Some(Box::new(About { description, tags, resolved }));
        full.guards = Guards {
            limit: NonZeroU32::new(5),
            max_queued: NonZeroU32::new(1_000),
            overlap: NonZeroU32::new(7_200_000),
        };
        let progress = Progress { count: 2, ..Progress::through(NOW) };
        let json = serde_json::to_value(EntryDetail::new(&full, Some(&progress), NOW)).unwrap();
        for (key, value) in [
            ("start", "2027-01-01T09:00:00+09:00"),
            ("end", "2027-01-01T09:00:00+09:00"),
            ("expires", "next"),
            ("jitter", "30s"),
            ("overlap", "2h"),
            ("catch_up", "none"),
            ("description", "Words."),
            ("resolved", "17 3 * * *"),
            ("worker", "celery"),
        ] {
            assert_eq!(json[key], value, "{key}");
        }
        for (key, value) in
            [("limit", 5), ("sent", 2), ("left", 3), ("max_queued", 1_000), ("priority", 3)]
        {
            assert_eq!(json[key], value, "{key}");
        }
        assert_eq!(json["tags"], serde_json::json!(["nightly", "money"]));
        let read: EntryDetail = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json);
    }

    #[test]
    fn future_slots_have_due_times_and_stop_at_the_limit() {
        let mut entry = every("tick", 60);
        entry.delay = Some(Box::new(Delay::spread(Duration::from_secs(60), 1, 2)));
        let seconds = |progress: Option<&Progress>, entry: &Entry| -> Vec<(i64, i64)> {
            let slots = EntryDetail::new(entry, progress, NOW).slots;
            let since = |at: UnixMs| (at.0 - NOW.0) / 1_000;
            slots.iter().map(|slot| (since(slot.slot_utc), since(slot.due_utc))).collect()
        };
        let all = [(55, 85), (115, 145), (175, 205), (235, 265), (295, 325)];
        assert_eq!(seconds(None, &entry), all);
        let ahead = Progress::through(NOW + Duration::from_secs(120));
        assert_eq!(seconds(Some(&ahead), &entry)[0], all[2]);
        entry.guards.limit = NonZeroU32::new(3);
        let sent = |count| Progress { count, ..Progress::through(NOW) };
        assert_eq!(seconds(Some(&sent(1)), &entry), all[..2]);
        assert_eq!(seconds(Some(&sent(3)), &entry), []);
        entry.enabled = false;
        assert_eq!(seconds(None, &entry), []);
    }

    #[test]
    fn the_last_slot_has_its_outcome_and_differs_from_the_last_one_sent() {
        let entry = every("tick", 60);
        let [sent, skipped] = [1_798_761_540, 1_798_761_600].map(UnixMs::from_secs);
        let status = |progress: &Progress| entry_status(&entry, Some(progress), NOW);
        let was_sent = Progress {
            outcome: Some(Outcome::Dispatched(Kind::CatchUp)),
            dispatched: Some(sent),
            ..Progress::through(sent)
        };
        let output = status(&was_sent);
        assert_eq!(output.last_outcome.as_deref(), Some("catch_up"));
        assert_eq!(
            (output.last_utc.clone(), output.last_skipped()),
            (output.last_sent_utc.clone(), None)
        );
        let outcome = Some(Outcome::Skipped(crate::schedule::outcome::SkipReason::TooLate));
        let output = status(&Progress { through: skipped, outcome, ..was_sent.clone() });
        assert_eq!(output.last_skipped(), Some("too_late"));
        assert_eq!(output.last_utc.as_deref(), Some("2027-01-01T00:00:00Z"));
        assert_eq!(output.last_sent_utc.as_deref(), Some("2026-12-31T23:59:00Z"));
        // After an edit, what was sent before is still known.
        let edited = Progress { through: NOW, ..was_sent.clone() };
        let output = status(&edited);
        assert_eq!(output.last_utc.as_deref(), Some("2026-12-31T23:59:00Z"));
        assert_eq!(output.last_outcome.as_deref(), Some("catch_up"));
        let output = status(&Progress { outcome, ..edited });
        assert_eq!((output.last, output.last_outcome), (None, None));
        assert_eq!(output.last_sent_utc.as_deref(), Some("2026-12-31T23:59:00Z"));
        // Settled through an instant that is not a slot.
        let repaired = Progress { dispatched: Some(sent), ..Progress::through(NOW) };
        let output = status(&repaired);
        assert_eq!((output.last, output.last_outcome), (None, None));
        assert_eq!(output.last_sent_utc.as_deref(), Some("2026-12-31T23:59:00Z"));
        // Settled through a slot whose outcome is unknown.
        assert!(status(&Progress::through(sent)).last.is_some());
        assert_eq!(entry_status(&entry, None, NOW).last, None);
    }
}
