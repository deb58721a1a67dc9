//! Changes of the schedule files, and each replica's reloads. A load takes the files as they are when it begins, and
//! has their schedule when it ends.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::entries::{self, PERIODS};
use super::replica::{Input, Packet, Replica};
use super::{Due, World};
use crate::core::{self, Reloads, Requested};
use crate::schedule::Schedule;

/// The maximum time until a replica's watcher reports a change.
const REPORTED_WITHIN: Duration = Duration::from_millis(500);
/// The maximum times that loads take, each as often as the others.
const LOADED_WITHIN: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_secs(5), Duration::from_secs(60)];
/// The maximum time between two edits in quick succession.
const NEXT_EDIT_WITHIN: Duration = Duration::from_secs(20);

/// Something that a replica's reloads handle.
#[derive(Debug)]
pub(super) enum Event {
    /// The files may have changed.
    Requested,
    Loaded(Loaded),
}

/// What a load has found.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    began_at: UnixMs,
    schedule: Arc<Schedule>,
}

/// One replica's reloads.
#[derive(Default)]
pub(super) struct Reloading {
    /// The requests are the times at which they were made.
    reloads: Reloads<UnixMs>,
    /// What is to be in force.
    loaded: Option<Loaded>,
}

impl World {
    /// An edited entry gets another period.
    pub(super) fn edit(&mut self, entry: usize) {
        self.periods[entry] = PERIODS[self.rng.usize(..PERIODS.len())];
        self.files = entries::files(&self.fixed, self.periods);
        for number in self.replicas.iter().map(|replica| replica.number).collect::<Vec<_>>() {
            let at = self.now + self.within(REPORTED_WITHIN);
            let input = Box::new(Input::Reload(Event::Requested));
            self.put_on_wire(at, number, Packet::Reports(input));
        }
    }

    /// People edit this many times, while earlier edits are still being loaded. They stop if a clock is wrong: edits
    /// then skip whatever lies among sent slots.
    pub(super) fn edit_repeatedly(&mut self, edits: u32) {
        if self.offset_ms != 0 {
            return;
        }
        let entry = self.rng.usize(..self.periods.len());
        self.edit(entry);
        self.edits_left = edits - 1;
        if self.edits_left > 0 {
            let at = self.now + self.within(NEXT_EDIT_WITHIN);
            self.due.insert(Due::NextEdit, at);
        }
    }

    /// Passes an event to a replica's reloads.
    pub(super) fn reload(&mut self, index: usize, event: Event) {
        let reloading = &mut self.replicas[index].reloading;
        match event {
            Event::Requested => {
                if reloading.reloads.request(Some(self.now)) == Requested::Begins {
                    self.load(index);
                }
            }
            Event::Loaded(loaded) => {
                let schedule = Arc::clone(&loaded.schedule);
                reloading.loaded = Some(loaded);
                if Arc::ptr_eq(&schedule, self.replicas[index].scheduler.schedule()) {
                    self.on_applied(index);
                } else {
                    let event = core::Event::Schedule(schedule);
                    self.handle_input(index, Input::Scheduler(event));
                }
            }
        }
    }

    fn load(&mut self, index: usize) {
        let max = LOADED_WITHIN[self.rng.usize(..LOADED_WITHIN.len())];
        let (began_at, ends_at) = (self.now, self.now + self.within(max));
        let (number, schedule) = (self.replicas[index].number, Arc::clone(&self.files));
        let input = Input::Reload(Event::Loaded(Loaded { began_at, schedule }));
        self.put_on_wire(ends_at, number, Packet::Reports(Box::new(input)));
    }

    /// What was loaded last is in force, or will be once this replica leads.
    pub(super) fn on_applied(&mut self, index: usize) {
        let Reloading { reloads, loaded } = &mut self.replicas[index].reloading;
        let Some(Loaded { began_at, .. }) = loaded.take() else { return };
        let outdated = reloads.end().into_iter().find(|requested_at| *requested_at > began_at);
        assert_eq!(outdated, None, "answered by a load that began at {began_at}");
        if reloads.begin_next() {
            self.load(index);
        }
        self.check_schedule(index);
    }

    /// Checks that every replica's schedule is what the files say.
    pub(super) fn check_schedules(&self) {
        (0..self.replicas.len()).for_each(|index| self.check_schedule(index));
    }

    /// Checks that, once every change is loaded, a replica's schedule is what the files say.
    fn check_schedule(&self, index: usize) {
        let Replica { number, scheduler, reloading, stopped_until, inbox, .. } =
            &self.replicas[index];
        let is_reload = |input: &Input| matches!(input, Input::Reload(_));
        let is_its_reload = |(to, packet): &(u64, Packet)| {
            to == number && matches!(packet, Packet::Reports(input) if is_reload(input))
        };
        let is_pending = stopped_until.is_some()
            || inbox.iter().any(is_reload)
            || !reloading.reloads.is_at_rest()
            || self.wire.values().any(is_its_reload);
        let is_same = Arc::ptr_eq(scheduler.schedule(), &self.files);
        assert!(is_pending || is_same, "r{number}'s schedule is not what the files say");
    }

    /// Checks that, after a time without faults and edits, every replica has loaded what the files say, and the
    /// leader plans by it.
    pub(super) fn check_all_loaded(&self) {
        for Replica { number, scheduler, reloading, .. } in &self.replicas {
            assert!(reloading.reloads.is_at_rest(), "r{number}'s reload has not ended");
            let planned = scheduler.plans().map(|planner| planner.schedule());
            let is_same = planned.is_none_or(|planned| Arc::ptr_eq(planned, &self.files));
            assert!(is_same, "r{number} does not plan by what the files say");
        }
        self.check_schedules();
    }
}
