//! Messages for tests.

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::{Call, Fresh, Message, Queue, Task, Worker};

pub(super) fn message(queue: &str, worker: Worker) -> Message {
    let queue = Queue { name: queue.into(), worker, amqp: None, catch_up_rate: None };
    Message {
        args: r#"[1,"zwei"]"#.into(),
        kwargs: r#"{"deep":{"ü":[null,true]}}"#.into(),
        call: Call::new("demo.add", queue.into()).into(),
    }
}

pub(super) fn task(message: &Message) -> Task<'_> {
    Task {
        entry_name: "nightly \"report\" ☃",
        message,
        task_id: Uuid::from_u128(1),
        slot: UnixMs(1_795_230_000_000),
        kind: "catch_up",
        expires_at: None,
        now: UnixMs(1_795_230_000_250),
        origin: "downbeat@host",
        fresh: Fresh { delivery_tag: Uuid::from_u128(2), trace_id: 0xabc, span_id: 0xd },
    }
}
