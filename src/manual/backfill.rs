//! Backfills: sends the slots of a past segment, oldest first.
//!
//! A call sends a few slots and says where to continue, so that it never keeps a service from its schedule for
//! long, whatever the length of the segment.

use std::iter;
use std::sync::Arc;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Edits, Origin, Publish, Ready, Refused, asked_by, broker_of, edited, time};
use crate::config::Broker;
use crate::pausing::PauseStatus;
use crate::refused::find;
use crate::render::Renderer;
use crate::schedule::{Entry, Kind, Schedule};
use crate::store::contract::{BackfillNote, BackfillStep, OpenBackfill};

/// The maximum number of slots in a segment.
pub const MAX_SLOTS: usize = 10_000;
/// Slots beyond [`MAX_SLOTS`] are counted up to this number.
const MAX_COUNTED: usize = 100_000;
/// The number of slots sent in one call: 10 ms of a service's time with a nearby Redis.
const SLOTS_PER_CALL: usize = 20;

/// A request to send the slots of a segment.
#[derive(Clone, Debug, Default)]
pub struct Backfill {
    /// The entry's name; the entry may be disabled.
    pub entry: String,
    /// The first instant of the segment, RFC 3339 or wall time in the entry's zone.
    pub from: String,
    /// The first instant after the segment; not in the future.
    pub to: String,
    /// The queue to send to instead of the entry's own.
    pub queue: Option<String>,
    /// The run to continue: slots that it has sent are not sent again. If none, a new one.
    pub run: Option<Uuid>,
    /// Who asks, for the journal.
    pub by: Option<String>,
    /// How far the run has come. At [`BackfillStep::Ends`], nothing is sent.
    pub step: BackfillStep,
    /// Whether to show all slots and send none.
    pub dry_run: bool,
}

/// The result of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backfilled {
    /// The run that the slots belong to.
    pub run: Uuid,
    /// The slots that were sent or, for a dry run, all that would be, oldest first.
    pub slots: Vec<Slot>,
    /// The number of slots left in the segment after these.
    pub left: usize,
    /// The first slot left, RFC 3339 in the entry's zone: where to continue.
    pub go_on: Option<String>,
    /// The slot after that, if there is one.
    pub after: Option<String>,
    /// Why the first slot left was not sent, if that was tried, or that it may have been.
    pub failure: Option<Refused>,
    /// The pause of the entry, which does not stop manual messages.
    #[serde(default)]
    pub paused: Option<PauseStatus>,
}

/// One slot of a backfill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The entry's name.
    pub entry: String,
    /// RFC 3339 in the entry's zone.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: String,
    /// The queue that its message goes to.
    pub queue: String,
    /// The queue's broker, without secrets; for a dry run, if one is named.
    pub broker: Option<String>,
    /// The message's id, derived from run, entry and slot; none for a dry run.
    pub task_id: Option<String>,
    /// Whether this run has sent it before, so that it was not sent again.
    pub sent_before: bool,
}

/// Publishes the first few slots of the segment, or shows all of them. `broker` puts messages into `store`,
/// except those of queues on carriers.
///
/// # Errors
///
/// When there is no such entry, the queue is unsuitable, the segment is empty, not past or has more than
/// [`MAX_SLOTS`] slots, or it overlaps another unfinished backfill. A slot that the broker refuses is not an
/// error: see [`Backfilled::failure`].
pub async fn backfill(
    broker: &mut impl Publish,
    store: Option<&Broker>,
    renderer: &Renderer,
    schedule: &Schedule,
    asked: &Backfill,
    now: UnixMs,
) -> Result<Backfilled, Refused> {
    super::check_sends(renderer, asked.dry_run)?;
    let entry = find(schedule, &asked.entry)?;
    let edits = Edits { queue: asked.queue.as_deref(), ..Edits::default() };
    let queue = Arc::clone(&edited(renderer, entry.message.clone(), edits)?.queue);
    let segment = segment(entry, asked, now)?;
    let slots = slots(entry, segment)?;
    let run = asked.run.unwrap_or_else(Uuid::new_v4);
    let shown = |slot: UnixMs, task_id: Option<Uuid>, sent_before: bool| Slot {
        entry: entry.name.to_string(),
        slot: entry.zone.to_rfc3339(slot),
        slot_utc: slot.to_string(),
        queue: queue.name.to_string(),
        broker: broker_of(&queue, store),
        task_id: task_id.map(|id| id.to_string()),
        sent_before,
    };
    if asked.dry_run {
        let slots = slots.into_iter().map(|slot| shown(slot, None, false)).collect();
        let (go_on, after, failure, paused) = (None, None, None, None);
        return Ok(Backfilled { run, slots, left: 0, go_on, after, failure, paused });
    }
    let (mut sent, mut failure) = (Vec::new(), None);
    if let Some(note) = note(entry, asked, run, segment).filter(|_| !slots.is_empty()) {
        match broker.note_backfill(note).await {
            Ok(None) => {}
            Ok(Some(other)) => return Err(unfinished(entry, other)),
            // Nothing is sent before the step is recorded.
            Err(error) if error.is_refusal() => failure = Some(Refused::NotSent(error.to_string())),
            Err(error) => failure = Some(Refused::Unreachable(error.to_string())),
        }
    }
    let sends = failure.is_none() && asked.step != BackfillStep::Ends;
    let at_once = if sends { SLOTS_PER_CALL } else { 0 };
    for slot in slots.iter().copied().take(at_once) {
        let task_id = task_id(run, entry, slot);
        let place = u64::try_from(slot.0).unwrap_or_default();
        let run = (run_of(run, entry), place);
        let by = asked.by.as_deref();
        let origin = Origin { kind: Kind::Backfill, task_id, run, by, now };
        let ready = Ready::new(renderer, entry, edits, slot, origin)?;
        match ready.publish(broker).await {
            Ok(sent_before) => sent.push(shown(slot, Some(task_id), sent_before)),
            Err(refused) => {
                failure = Some(refused);
                break;
            }
        }
    }
    let mut left = slots[sent.len()..].iter().map(|slot| entry.zone.to_rfc3339(*slot));
    let left_count = left.len();
    let (go_on, after) = (left.next(), left.next());
    let (slots, left, paused) = (sent, left_count, None);
    Ok(Backfilled { run, slots, left, go_on, after, failure, paused })
}

/// The step to record; none if the request does not say who asks.
fn note(
    entry: &Entry,
    asked: &Backfill,
    run: Uuid,
    (from, to): (UnixMs, UnixMs),
) -> Option<BackfillNote> {
    let by = asked_by(asked.by.as_deref())?;
    let scope = Uuid::new_v5(&Uuid::nil(), format!("{}\0{by}", entry.name).as_bytes());
    let queue = asked.queue.as_deref().map(Into::into);
    Some(BackfillNote { scope, backfill: OpenBackfill { run, from, to, queue }, step: asked.step })
}

fn unfinished(entry: &Entry, backfill: OpenBackfill) -> Refused {
    let OpenBackfill { run, from, to, queue } = backfill;
    let [from, to] = [from, to].map(|at| entry.zone.to_rfc3339(at));
    Refused::Unfinished { run, from, to, queue: queue.map(Into::into) }
}

/// `UUIDv5(run, "<entry>\0<slot in UTC ms>")`.
pub(crate) fn task_id(run: Uuid, entry: &Entry, slot: UnixMs) -> Uuid {
    Uuid::new_v5(&run, format!("{}\0{}", entry.name, slot.0).as_bytes())
}

/// The id that a store remembers the run by. A run can cover several entries, each with its own slots.
fn run_of(run: Uuid, entry: &Entry) -> Uuid {
    Uuid::new_v5(&run, entry.name.as_bytes())
}

/// The first instant of the segment, and the first one after it.
fn segment(entry: &Entry, asked: &Backfill, now: UnixMs) -> Result<(UnixMs, UnixMs), Refused> {
    let from = time(entry, "--from", &asked.from)?;
    let to = time(entry, "--to", &asked.to)?;
    let local = |at: UnixMs| entry.zone.to_rfc3339(at);
    if to > now {
        let message = "is still to come; backfill sends slots of the past, `next` shows later ones";
        return Err(Refused::Invalid(format!("--to: {} {message}", local(to))));
    }
    if from.0 < 0 {
        return Err(Refused::Invalid(format!("--from: {} is before 1970", local(from))));
    }
    if from >= to {
        let (from, to) = (local(from), local(to));
        return Err(Refused::Invalid(format!("--from: {from} is not before --to, {to}")));
    }
    Ok((from, to))
}

/// All slots of the segment, oldest first.
fn slots(entry: &Entry, (from, to): (UnixMs, UnixMs)) -> Result<Vec<UnixMs>, Refused> {
    let local = |at: UnixMs| entry.zone.to_rfc3339(at);
    let first = entry.next_slot(UnixMs(from.0.saturating_sub(1)));
    let mut coming =
        iter::successors(first, |slot| entry.next_slot(*slot)).take_while(|slot| *slot < to);
    let slots: Vec<UnixMs> = coming.by_ref().take(MAX_SLOTS).collect();
    let Some(next) = coming.next() else { return Ok(slots) };
    let more = 1 + coming.take(MAX_COUNTED - MAX_SLOTS).count();
    let over = if MAX_SLOTS + more > MAX_COUNTED { "over " } else { "" };
    let count = (MAX_SLOTS + more).min(MAX_COUNTED);
    Err(Refused::Invalid(format!(
        "{over}{count} slots from {} to {}, and at most {MAX_SLOTS} go at a time; send the first {MAX_SLOTS} \
         with --to {next}, then go on with --from {next}",
        local(from),
        local(to),
        next = local(next),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::sample::every;

    fn slots_between(from: &str, to: &str) -> Result<Vec<String>, String> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let asked = Backfill { from, to, ..Backfill::default() };
        let now = UnixMs::from_secs(1_798_761_600);
        let entry = every("minutely", 60);
        let slots = segment(&entry, &asked, now).and_then(|segment| slots(&entry, segment));
        let slots = slots.map_err(|error| error.to_string())?;
        Ok(slots.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_segment_begins_with_from_and_ends_before_to() {
        let slots = slots_between("2026-12-31T23:58:00Z", "2027-01-01T00:00:00Z").unwrap();
        assert_eq!(slots, ["2026-12-31T23:58:00Z", "2026-12-31T23:59:00Z"]);
        let none = slots_between("2026-12-31T23:58:01Z", "2026-12-31T23:58:59Z").unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn a_segment_is_of_the_past_and_not_empty() {
        let future = slots_between("2026-12-31 23:58", "2027-01-01 00:00:00.001").unwrap_err();
        assert_eq!(
            future,
            "--to: 2027-01-01T00:00:00.001+00:00 is still to come; backfill sends slots of the \
             past, `next` shows later ones"
        );
        let empty = slots_between("2026-12-31 23:58", "2026-12-31 23:58").unwrap_err();
        assert_eq!(
            empty,
            "--from: 2026-12-31T23:58:00+00:00 is not before --to, 2026-12-31T23:58:00+00:00"
        );
        let old = slots_between("1969-12-31 23:59", "2026-12-31 23:58").unwrap_err();
        assert_eq!(old, "--from: 1969-12-31T23:59:00+00:00 is before 1970");
        let unread = slots_between("yesterday", "2026-12-31 23:58").unwrap_err();
        assert!(unread.starts_with("--from: `yesterday` is not a date and time; "), "{unread}");
    }

    #[test]
    fn a_segment_of_too_many_slots_is_refused_with_the_place_to_split_it() {
        let most = slots_between("2026-12-25 01:20", "2027-01-01 00:00").unwrap();
        assert_eq!(most.len(), MAX_SLOTS);
        let one_more = slots_between("2026-12-25 01:19", "2027-01-01 00:00").unwrap_err();
        assert_eq!(
            one_more,
            "10001 slots from 2026-12-25T01:19:00+00:00 to 2027-01-01T00:00:00+00:00, and at most \
             10000 go at a time; send the first 10000 with --to 2026-12-31T23:59:00+00:00, then go \
             on with --from 2026-12-31T23:59:00+00:00"
        );
        let years = slots_between("2020-01-01 00:00", "2027-01-01 00:00").unwrap_err();
        assert!(years.starts_with("over 100000 slots from "), "{years}");
    }
}
