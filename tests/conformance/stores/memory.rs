//! The in-memory twin.

use std::sync::Arc;
use std::time::Duration;

use downbeat::store::memory::{Checkpoint, Damage, MemoryStore};
use downbeat::worker::Queue;
use uuid::Uuid;

use super::{REFUSING, TestClock};
use crate::conformance::rig::Rig;

/// The in-memory twin.
pub(in crate::conformance) struct MemoryRig {
    clock: TestClock,
    store: MemoryStore,
}

impl MemoryRig {
    pub(in crate::conformance) fn new() -> MemoryRig {
        MemoryRig::by(TestClock::new())
    }

    pub(in crate::conformance) fn by(clock: TestClock) -> MemoryRig {
        let read = clock.clone();
        MemoryRig { clock, store: MemoryStore::new("test", move || read.now()) }
    }
}

impl Rig for MemoryRig {
    type Store = MemoryStore;
    type Checkpoint = Checkpoint;

    fn open(&mut self) -> MemoryStore {
        self.store.clone()
    }

    fn another(&mut self, store: &MemoryStore) -> MemoryStore {
        store.clone()
    }

    fn queue_with_results(&self) -> Arc<Queue> {
        Queue::unconfigured("q")
    }

    fn reopen(&mut self, _: MemoryStore) -> MemoryStore {
        self.store.clone()
    }

    fn messages(&mut self, queue: &str) -> Vec<String> {
        let text = |element| String::from_utf8(element).unwrap();
        let messages = self.store.messages(queue).into_iter();
        messages.map(|message| text(message.writes.element)).collect()
    }

    fn take(&mut self, queue: &str) {
        self.store.take(queue);
    }

    fn refuse(&mut self) -> &'static str {
        self.store.set_refusal(REFUSING, Some("WRONGTYPE"));
        REFUSING
    }

    fn stop_refusing(&mut self) -> bool {
        self.store.set_refusal(REFUSING, None);
        true
    }

    fn damage(&mut self, damage: Damage) -> bool {
        self.store.damage(damage);
        true
    }

    fn checkpoint(&mut self) -> Checkpoint {
        self.store.checkpoint()
    }

    fn roll_back(&mut self, _: MemoryStore, checkpoint: &Checkpoint) -> MemoryStore {
        self.store.roll_back(checkpoint);
        self.store.clone()
    }

    async fn pass(&mut self, time: Duration) {
        self.clock.pass(time);
    }

    fn set_endless_lease(&mut self, text: &str) -> bool {
        self.store.set_lease(Some(text), None);
        true
    }

    fn end_task(&mut self, task_id: Uuid) {
        self.store.end_task(task_id);
    }
}
