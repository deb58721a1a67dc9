//! What a store has to offer to be tested.

use std::sync::Arc;
use std::time::Duration;

use downbeat::store::contract::Store;
use downbeat::store::memory::Damage;
use downbeat::worker::Queue;
use uuid::Uuid;

/// Makes one store, looks into its queues, and does to it what can happen to one.
pub(super) trait Rig: Send {
    /// The store.
    type Store: Store;
    /// Everything that it holds at some instant.
    type Checkpoint: Send;

    /// The first handle of the store.
    fn open(&mut self) -> Self::Store;

    /// Another handle.
    fn another(&mut self, store: &Self::Store) -> Self::Store;

    /// A queue whose workers tell when a task has ended, where the store can see that.
    fn queue_with_results(&self) -> Arc<Queue>;

    /// Ends the process, as a crash does, and starts another. Who leads has no lease any more where it
    /// is bound to the process.
    fn reopen(&mut self, store: Self::Store) -> Self::Store;

    /// The messages in a queue, in the order in which they were sent.
    fn messages(&mut self, queue: &str) -> Vec<String>;

    /// Takes all messages out of a queue, as its workers do.
    fn take(&mut self, queue: &str);

    /// The name of a queue that refuses messages from now on.
    fn refuse(&mut self) -> &'static str;

    /// Has that queue take messages again; `false` where it never does.
    fn stop_refusing(&mut self) -> bool;

    /// Damages the data; `false` where that cannot happen.
    fn damage(&mut self, damage: Damage) -> bool;

    /// Everything that the store holds.
    fn checkpoint(&mut self) -> Self::Checkpoint;

    /// Puts the store back to what it held then.
    fn roll_back(&mut self, store: Self::Store, checkpoint: &Self::Checkpoint) -> Self::Store;

    /// Has time pass by the store's clock.
    fn pass(&mut self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Puts something in the place of the lease that never runs out; `false` where there is no such
    /// place.
    fn set_endless_lease(&mut self, text: &str) -> bool;

    /// Has a task end; until then it runs.
    fn end_task(&mut self, task_id: Uuid);
}
