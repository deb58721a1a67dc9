//! The slots of a stretch of the past, oldest first.
//!
//! A call sends a few slots and says from where to go on, so that a service is not kept from its
//! schedule for longer than that, whatever the length of the stretch.

use std::iter;

use serde::{Deserialize, Serialize};

use super::{Edits, Publish, Ready, Refused, broker_of, edited, find, time};
use crate::config::Broker;
use crate::schedule::{Entry, Kind, Schedule, UnixMs};
use crate::service::render::Renderer;

/// More slots than this are refused.
pub const MOST: usize = 10_000;
/// Slots beyond [`MOST`] are counted up to here.
const MOST_COUNTED: usize = 100_000;
/// Slots sent in one call: 10 ms of a service's time on a Redis nearby.
const AT_ONCE: usize = 20;

/// Which slots to send.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Backfill {
    /// The entry's name; a disabled one will do.
    pub entry: String,
    /// The first instant that counts, RFC 3339 or wall time in the entry's zone.
    pub from: String,
    /// The first instant that no longer counts; not after the present.
    pub to: String,
    /// Instead of the entry's own.
    pub queue: Option<String>,
    /// Show all slots, send none.
    pub dry_run: bool,
}

/// What one call has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backfilled {
    /// Sent, or for a dry run all that would be, oldest first.
    pub slots: Vec<Slot>,
    /// How many slots of the stretch are left after these.
    pub left: usize,
    /// The first that is left, RFC 3339 in the entry's zone: where to go on.
    pub go_on: Option<String>,
    /// Why the first that is left was not sent, if that was tried.
    pub failure: Option<String>,
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
    /// Where its message goes.
    pub queue: String,
    /// The broker that the queue is on, without secrets; of a dry run, if one is named.
    #[serde(default)]
    pub broker: Option<String>,
    /// The message's id, drawn afresh when it is sent; none for a dry run.
    pub task_id: Option<String>,
}

/// Publishes the first few slots of the stretch, or shows all of them. `store` is where `broker` puts
/// the messages of queues that are on no AMQP broker.
///
/// # Errors
/// When there is no such entry, the queue does not fit, or the stretch is empty, not past or holds
/// more than [`MOST`] slots. That the broker did not take a slot is said in what is given back.
pub async fn backfill(
    broker: &mut impl Publish,
    store: Option<&Broker>,
    renderer: &Renderer,
    schedule: &Schedule,
    asked: &Backfill,
    now: UnixMs,
) -> Result<Backfilled, Refused> {
    let entry = find(schedule, &asked.entry)?;
    let edits = Edits { queue: asked.queue.as_deref(), ..Edits::default() };
    let queue = edited(renderer, entry.message.clone(), edits)?.queue;
    let slots = slots(entry, asked, now)?;
    let shown = |slot: UnixMs, task_id: Option<String>| Slot {
        entry: entry.name.to_string(),
        slot: entry.zone.to_rfc3339(slot),
        slot_utc: slot.to_string(),
        queue: queue.name.to_string(),
        broker: broker_of(&queue, store),
        task_id,
    };
    if asked.dry_run {
        let slots = slots.into_iter().map(|slot| shown(slot, None)).collect();
        return Ok(Backfilled { slots, left: 0, go_on: None, failure: None });
    }
    let (mut sent, mut failure) = (Vec::new(), None);
    for slot in slots.iter().copied().take(AT_ONCE) {
        let ready = Ready::new(renderer, entry, edits, slot, Kind::Backfill)?;
        let task_id = ready.task_id.to_string();
        if let Err(error) = ready.publish(broker).await {
            failure = Some(error.to_string());
            break;
        }
        sent.push(shown(slot, Some(task_id)));
    }
    let left = &slots[sent.len()..];
    let go_on = left.first().map(|slot| entry.zone.to_rfc3339(*slot));
    Ok(Backfilled { slots: sent, left: left.len(), go_on, failure })
}

/// All slots of the stretch, oldest first.
fn slots(entry: &Entry, asked: &Backfill, now: UnixMs) -> Result<Vec<UnixMs>, Refused> {
    let from = time(entry, "--from", &asked.from)?;
    let to = time(entry, "--to", &asked.to)?;
    let local = |at: UnixMs| entry.zone.to_rfc3339(at);
    if to > now {
        let message = "is still to come; backfill sends slots of the past, `next` shows later ones";
        return Err(Refused::Invalid(format!("--to: {} {message}", local(to))));
    }
    if from >= to {
        let (from, to) = (local(from), local(to));
        return Err(Refused::Invalid(format!("--from: {from} is not before --to, {to}")));
    }
    let first = entry.next_slot(UnixMs(from.0.saturating_sub(1)));
    let mut coming =
        iter::successors(first, |slot| entry.next_slot(*slot)).take_while(|slot| *slot < to);
    let slots: Vec<UnixMs> = coming.by_ref().take(MOST).collect();
    let Some(next) = coming.next() else { return Ok(slots) };
    let more = 1 + coming.take(MOST_COUNTED - MOST).count();
    let over = if MOST + more > MOST_COUNTED { "over " } else { "" };
    let count = (MOST + more).min(MOST_COUNTED);
    Err(Refused::Invalid(format!(
        "{over}{count} slots from {} to {}, and at most {MOST} go at a time; send the first {MOST} \
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
        let slots =
            slots(&every("minutely", 60), &asked, now).map_err(|error| error.to_string())?;
        Ok(slots.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_stretch_begins_with_from_and_ends_before_to() {
        let slots = slots_between("2026-12-31T23:58:00Z", "2027-01-01T00:00:00Z").unwrap();
        assert_eq!(slots, ["2026-12-31T23:58:00Z", "2026-12-31T23:59:00Z"]);
        let none = slots_between("2026-12-31T23:58:01Z", "2026-12-31T23:58:59Z").unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn a_stretch_is_of_the_past_and_not_empty() {
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
        let unread = slots_between("yesterday", "2026-12-31 23:58").unwrap_err();
        assert!(unread.starts_with("--from: `yesterday` is not a date and time; "), "{unread}");
    }

    #[test]
    fn a_stretch_of_too_many_slots_is_refused_with_the_place_to_split_it() {
        let most = slots_between("2026-12-25 01:20", "2027-01-01 00:00").unwrap();
        assert_eq!(most.len(), MOST);
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
