//! Something that a person wants to be sent, and what was sent of it, whatever the store has forgotten.

use std::collections::{BTreeMap, BTreeSet};

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::call::Asked;
use crate::manual::backfill::task_id;
use crate::manual::{BackfillCalls, Next, Trigger};
use crate::schedule::Entry;
use crate::text::instant;
use crate::worker::Via;

pub(super) struct Wish {
    pub(super) entry: Entry,
    /// The slots to backfill; none if one message is to be triggered.
    pub(super) slots: Vec<UnixMs>,
    /// What the person has typed first.
    first: Asked,
    /// What the person types next.
    pub(super) types: Asked,
    /// The command that runs.
    pub(super) command: Option<Command>,
    pub(super) is_open: bool,
    /// The ids that were sent, by slot.
    pub(super) sent: BTreeMap<UnixMs, BTreeSet<Uuid>>,
    /// Runs and their slots that may have been sent, as far as the person knows.
    pub(super) doubts: BTreeSet<(Uuid, UnixMs)>,
    /// All runs that were begun for it.
    pub(super) runs: BTreeSet<Uuid>,
    /// Those that the store has noted and that have not ended.
    pub(super) noted: BTreeSet<Uuid>,
    /// Slots in doubt that the person has left out.
    pub(super) left_out: BTreeSet<UnixMs>,
    /// The store has forgotten a run of it, so that another could begin.
    pub(super) is_forgotten: bool,
}

/// A command that runs.
pub(super) struct Command {
    pub(super) does: Does,
    /// The number of the process that it asks; none if it sends itself.
    pub(super) via: Option<u64>,
    /// The call that it waits for.
    pub(super) call: u64,
}

/// What a command does.
pub(super) enum Does {
    Backfill(BackfillCalls),
    /// It records the end; what comes after that.
    Ends(BackfillCalls, Next),
    Trigger(Trigger),
}

impl Wish {
    pub(super) fn new(entry: Entry, slots: Vec<UnixMs>, types: Asked) -> Wish {
        Wish {
            entry,
            slots,
            first: types.clone(),
            types,
            command: None,
            is_open: true,
            sent: BTreeMap::new(),
            doubts: BTreeSet::new(),
            runs: BTreeSet::new(),
            noted: BTreeSet::new(),
            left_out: BTreeSet::new(),
            is_forgotten: false,
        }
    }

    pub(super) fn is_carried(&self) -> bool {
        self.entry.message.queue.via() != Via::Store
    }

    pub(super) fn instant(&self, text: &str) -> UnixMs {
        instant::parse(text, &self.entry.zone).unwrap()
    }

    pub(super) fn has_sent(&self, id: Uuid) -> bool {
        self.sent.values().any(|ids| ids.contains(&id))
    }

    pub(super) fn has_sent_of(&self, run: Uuid, slot: UnixMs) -> bool {
        let id = task_id(run, &self.entry, slot);
        self.sent.get(&slot).is_some_and(|ids| ids.contains(&id))
    }

    /// The person does not know of a run any more, and types the first command again.
    pub(super) fn begin_anew(&mut self) {
        self.types = self.first.clone();
    }

    /// Notes that a run may have sent slots from this one on.
    pub(super) fn doubt_from(&mut self, run: Uuid, from: UnixMs) {
        let left = self.slots.iter().filter(|slot| **slot >= from);
        self.doubts.extend(left.map(|slot| (run, *slot)));
    }

    /// Checks that everything was sent once, now that the person has done as told.
    pub(super) fn check_done(&self) {
        let name = &self.entry.name;
        if self.slots.is_empty() {
            let ids: BTreeSet<_> = self.sent.values().flatten().collect();
            assert_eq!(ids.len(), 1, "{name} was triggered: {ids:?}");
        }
        for slot in &self.slots {
            let count = self.sent.get(slot).map_or(0, BTreeSet::len);
            let is_once = count == 1
                || count > 1 && self.is_forgotten
                || count == 0 && self.left_out.contains(slot);
            assert!(is_once, "{name} was backfilled: {slot} was sent {count} times");
        }
        let others = self.sent.keys().filter(|slot| !self.slots.contains(slot));
        assert!(self.slots.is_empty() || others.count() == 0, "{name}: {:?}", self.sent);
    }
}

/// The slots of an entry between two instants, without the second.
pub(super) fn slots(entry: &Entry, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
    let next = |slot: &UnixMs| entry.next_slot(*slot);
    let slots = std::iter::successors(entry.next_slot(UnixMs(from.0 - 1)), next);
    slots.take_while(|slot| *slot < to).collect()
}
