//! The in-memory twin.

use std::sync::Arc;

use downbeat::carrier::memory::{Fault, MemoryCarrier};
use downbeat::worker::{Publication, Queue};
use uuid::Uuid;

use super::Rig;

pub(super) struct MemoryRig {
    carrier: MemoryCarrier,
}

impl MemoryRig {
    pub(super) fn new() -> MemoryRig {
        MemoryRig { carrier: MemoryCarrier::default() }
    }
}

impl Rig for MemoryRig {
    type Carrier = MemoryCarrier;

    fn carrier(&self) -> MemoryCarrier {
        self.carrier.clone()
    }

    fn queue(&self) -> Arc<Queue> {
        Queue::unconfigured(&Uuid::new_v4().to_string())
    }

    fn refusing_queue(&self) -> Arc<Queue> {
        let queue = self.queue();
        self.carrier.set_fault(&queue.name, Some(Fault::Refuse));
        queue
    }

    fn unreachable_queue(&self) -> Arc<Queue> {
        let queue = self.queue();
        self.carrier.set_fault(&queue.name, Some(Fault::BeAway));
        queue
    }

    fn take(&self, queue: &Queue) -> Vec<Uuid> {
        let messages = self.carrier.take(&queue.name).into_iter();
        messages.map(|message| message.correlation_id).collect()
    }

    fn misroute(&self, message: &mut Publication) {
        self.carrier.refuse(message.correlation_id);
    }

    fn cut_answers(&self, queue: &Queue) {
        self.carrier.set_fault(&queue.name, Some(Fault::LoseAnswer));
    }

    fn mend(&self, queue: &Queue) {
        self.carrier.set_fault(&queue.name, None);
    }
}
