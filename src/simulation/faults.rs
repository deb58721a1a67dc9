//! The faults of a simulation.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::ledger::Ledger;
use super::replica::{Input, Loss, Replica};
use super::{Due, SECOND, World, answer};
use crate::carrier::memory::Fault as CarrierFault;
use crate::core::campaign;
use crate::schedule::Planner;
use crate::schedule::pause::{Edit, PauseRequest, Subject};
use crate::schedule::sample::HOUR;
use crate::store::contract::{ChangePauses, PausesChanged, Store, SubjectPauses};
use crate::store::memory::Damage;
use crate::store::model::Field;

pub(super) const FAULTS: [&str; 24] = [
    "crash",
    "stopped",
    "paused",
    "resign",
    "lost request",
    "lost reply",
    "partition",
    "large packets lost",
    "store hangs",
    "store full",
    "carrier away",
    "carrier in doubt",
    "carrier slow",
    "store away",
    "queue refuses",
    "journal lost",
    "records lost",
    "record garbled",
    "rolled back",
    "flushed",
    "clock ahead",
    "clock behind",
    "edit",
    "several edits",
];
const PAUSE: PauseRequest = PauseRequest::Pause { until: None, by: None, note: None };
const JOURNAL_DAMAGES: [Damage; 4] = [
    Damage::JournalDeleted,
    Damage::JournalReplaced,
    Damage::NewestRecordDeleted,
    Damage::HeadDeleted,
];
const RECORD_DAMAGES: [Damage; 3] =
    [Damage::RegistrationsDeleted, Damage::ProgressDeleted, Damage::MarkerDeleted];

impl World {
    /// Causes a fault. Returns which, if it was possible at this time.
    pub(super) fn strike(&mut self, leader: usize) -> Option<&'static str> {
        let length = self.within(HOUR / 2);
        let fault = FAULTS[self.rng.usize(..FAULTS.len())];
        let has_struck = self.strike_replica(fault, leader, length)
            || self.strike_wire(fault, length)
            || self.strike_store(fault, length)
            || self.strike_records(fault, leader, length)
            || self.strike_clock(fault, leader, length)
            || self.let_people_act(fault, leader, length);
        has_struck.then_some(fault)
    }

    /// Faults of the leader and its link to the store.
    fn strike_replica(&mut self, fault: &str, leader: usize, length: Duration) -> bool {
        match fault {
            "crash" => self.crash(leader, length / 20),
            "stopped" => {
                // Stopped: when it resumes, it still believes that it leads.
                self.replicas[leader].stopped_until = Some(self.now + length / 10);
                self.disturb(length / 10);
            }
            "resign" => self.handle_input(leader, Input::Campaign(campaign::Event::Resign)),
            "partition" => {
                self.replicas[leader].cut_until = self.now + length;
                self.disturb(length);
            }
            "large packets lost" => {
                self.replicas[leader].narrow_until = self.now + length;
                self.replicas[leader].lost_from = if self.rng.bool() { 1 } else { 4 };
            }
            _ => return false,
        }
        true
    }

    /// Faults of single messages.
    fn strike_wire(&mut self, fault: &str, length: Duration) -> bool {
        match fault {
            "lost request" => self.lose = Some(Loss::Request),
            "lost reply" if self.rng.u8(..4) == 0 => self.lose = Some(Loss::SettleReply),
            "lost reply" => self.lose = Some(Loss::Reply),
            "carrier away" | "carrier in doubt" => {
                let faults = match fault {
                    "carrier away" => [CarrierFault::Refuse, CarrierFault::BeAway],
                    _ => [CarrierFault::LoseAnswer, CarrierFault::LoseMessage],
                };
                self.carrier.set_fault("carried", Some(faults[self.rng.usize(..2)]));
                self.due.insert(Due::CarrierRepaired, self.now + length);
            }
            "carrier slow" => {
                self.carrier_slow_until = self.now + length;
                self.disturb(length);
            }
            _ => return false,
        }
        true
    }

    /// Faults of the store.
    fn strike_store(&mut self, fault: &str, length: Duration) -> bool {
        match fault {
            "store hangs" => {
                self.hung_until = self.now + length / 30;
                self.disturb(length / 30);
            }
            "store full" => {
                self.full_until = self.now + length;
                self.disturb(length);
            }
            "store away" => self.stay_away(length),
            "queue refuses" => {
                self.store.set_refusal("fragile", Some("WRONGTYPE"));
                self.due.insert(Due::QueueRepaired, self.now + length);
            }
            _ => return false,
        }
        true
    }

    /// Faults of the store's data.
    fn strike_records(&mut self, fault: &str, leader: usize, length: Duration) -> bool {
        let is_clock_right = self.offset_ms == 0;
        match fault {
            // Only the journal says what was sent ahead of its time.
            "journal lost" if is_clock_right => {
                self.ledger.lose_journal();
                self.damage(leader, &JOURNAL_DAMAGES, length);
            }
            "records lost" => self.damage(leader, &RECORD_DAMAGES, length),
            "record garbled" => {
                let names: Vec<_> = self.epochs.keys().cloned().collect();
                let fields = [Field::Registration, Field::Progress, Field::Intent];
                let (name, field) = (self.rng.usize(..names.len()), self.rng.usize(..3));
                if !self.store.garble(&names[name], fields[field]) {
                    return false;
                }
                if self.rng.bool() {
                    self.crash(leader, length / 20);
                }
            }
            "rolled back" if is_clock_right && self.checkpoint.is_none() => {
                self.checkpoint = Some((self.store.checkpoint(), self.ledger.clone()));
                self.due.insert(Due::RollBack, self.now + length * 8);
            }
            "flushed" => {
                self.ledger.roll_back(Ledger::default());
                self.checkpoint = None;
                self.damage(leader, &[Damage::Flushed], length);
            }
            _ => return false,
        }
        true
    }

    /// Faults of the clocks.
    fn strike_clock(&mut self, fault: &str, leader: usize, length: Duration) -> bool {
        let is_clock_right = self.offset_ms == 0;
        match fault {
            "clock behind" if is_clock_right && self.rng.bool() => {
                let next = self.replicas[leader].scheduler.plans().and_then(Planner::next_due);
                let Some((due, _)) = next else { return false };
                let at = UnixMs(due.0 - 500).max(self.now);
                self.due.insert(Due::ClockBehind, at);
                self.due.insert(Due::ClockRight, at + length / 10 + SECOND * 2);
            }
            "clock ahead" | "clock behind" => {
                let is_ahead = fault == "clock ahead";
                let by = self.within(if is_ahead { HOUR * 2 } else { HOUR / 12 });
                let by_ms = i64::try_from(by.as_millis()).unwrap();
                let offset_ms = if is_ahead { by_ms } else { -by_ms };
                self.set_clock(offset_ms, offset_ms);
                self.due.insert(Due::ClockRight, self.now + length / 10);
                // A pause that begins then does not end by that clock.
                if is_ahead && self.rng.bool() {
                    self.store.set_refusal("fragile", Some("WRONGTYPE"));
                    self.due.insert(Due::QueueRepaired, self.now + length / 10);
                }
            }
            _ => return false,
        }
        true
    }

    /// No fault, but a change made by people.
    fn let_people_act(&mut self, fault: &str, leader: usize, length: Duration) -> bool {
        let is_clock_right = self.offset_ms == 0;
        match fault {
            "paused" if self.ledger.paused.is_none() => {
                let next = self.replicas[leader].scheduler.plans().and_then(Planner::next_due);
                match next.filter(|_| self.rng.bool()) {
                    // While slots due then are in flight.
                    Some((due, _)) => {
                        let at = due.max(self.now) + self.within(SECOND / 200);
                        self.due.insert(Due::Paused, at);
                    }
                    None => self.pause(),
                }
                self.due.insert(Due::Resumed, self.now + length);
            }
            // While a clock is wrong, edits skip whatever lies among sent slots.
            "edit" if is_clock_right => {
                // Slots of the old timing come due meanwhile.
                if self.rng.bool() {
                    self.stay_away(length * 3);
                }
                let entry = self.rng.usize(..3);
                self.edit(entry);
            }
            "several edits" if is_clock_right => {
                let edits = self.rng.u32(2..6);
                self.edit_repeatedly(edits);
            }
            _ => return false,
        }
        true
    }

    /// People pause an entry, or all.
    pub(super) fn pause(&mut self) {
        let names: Vec<_> = self.files.entries.iter().map(|entry| &entry.name).collect();
        let subject = match self.rng.bool() {
            true => Subject::All,
            false => Subject::Entry(Arc::clone(names[self.rng.usize(..names.len())])),
        };
        self.request(&subject, &PAUSE);
        self.ledger.paused = Some(subject);
    }

    pub(super) fn stay_away(&mut self, length: Duration) {
        self.store_back_at = self.now + length;
        self.disturb(length);
    }

    /// A process ends; a new one without memory starts after a while.
    pub(super) fn crash(&mut self, index: usize, after: Duration) {
        let (seed, on_same_machine) = (self.rng.u64(..), self.rng.bool());
        let next = Replica::new(self.started, self.now + after, &self.files, seed);
        let before = std::mem::replace(&mut self.replicas[index], next);
        if on_same_machine {
            self.replicas[index].gone = before.names.into();
        }
        self.started += 1;
        self.disturb(after);
    }

    /// Something is deleted, and perhaps the leader ends at the same time.
    fn damage(&mut self, leader: usize, damages: &[Damage], length: Duration) {
        self.store.damage(damages[self.rng.usize(..damages.len())]);
        if self.rng.bool() {
            self.crash(leader, length / 20);
        }
    }

    pub(super) fn roll_back(&mut self) {
        let Some((checkpoint, ledger)) = self.checkpoint.take() else { return };
        self.store.roll_back(&checkpoint);
        self.ledger.roll_back(ledger);
        if self.ledger.paused.is_some() {
            self.due.insert(Due::Resumed, self.now + HOUR / 2);
        }
        if !self.due.contains_key(&Due::QueueRepaired) {
            self.store.set_refusal("fragile", None);
        }
        self.was_rolled_back = true;
        if let Some(leader) = self.leader().filter(|_| self.rng.u8(..3) == 0) {
            self.crash(leader, SECOND * 5);
        }
        self.disturb(Duration::ZERO);
    }

    /// Shortly before a slot is due, the store's clock goes back, and nobody has read it since.
    pub(super) fn set_clock_behind_back(&mut self) {
        let by = SECOND * 2 + self.within(HOUR / 12);
        self.offset_ms = -i64::try_from(by.as_millis()).unwrap();
        self.set_now(self.now);
    }

    /// People pause or resume.
    pub(super) fn request(&mut self, subject: &Subject, request: &PauseRequest) {
        let read = answer(self.store.pauses());
        let (pauses, etag) = read.of(subject);
        let Edit::Write { pauses, forbids, .. } = request.edit(pauses, read.now) else { return };
        let subjects = vec![SubjectPauses { subject: subject.clone(), pauses, etag }];
        let changed = answer(self.store.change_pauses(ChangePauses { subjects, forbids }));
        assert!(matches!(changed, PausesChanged::Written { .. }), "{changed:?}");
    }
}
