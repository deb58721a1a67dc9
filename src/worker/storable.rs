//! Checks whether the store can hold a queue.

use super::queue::Queue;
use super::queues::{MAX_SPOOL_NAME, QueueStore};

/// Why the store cannot hold a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstorable {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// Accepts a queue that `store` can hold: its messages must not go to one of downbeat's own keys and, in
/// a spool, its name must be usable in a file name.
///
/// # Errors
/// Why it cannot.
pub fn check_storable(queue: &Queue, store: Option<&QueueStore>) -> Result<(), Unstorable> {
    let Some(store) = store.filter(|_| queue.amqp.is_none()) else { return Ok(()) };
    match store {
        QueueStore::Redis { namespace } => check_keys(queue, namespace),
        QueueStore::Spool => check_spool(queue),
    }
}

fn check_keys(queue: &Queue, namespace: &str) -> Result<(), Unstorable> {
    let is_own = |key: &String| key.split_once(':').is_some_and(|(first, _)| first == namespace);
    let Some(key) = queue.keys().into_iter().find(is_own) else { return Ok(()) };
    Err(Unstorable {
        message: format!(
            "messages would go to the key `{key}`, and every key that begins with `{namespace}:` is \
             downbeat's own"
        ),
        hint: "choose another name or prefix for the queue, or another `namespace`",
    })
}

fn check_spool(queue: &Queue) -> Result<(), Unstorable> {
    if queue.is_fanout() {
        let message = "one worker takes each file of a spool, so it cannot be a fanout".to_owned();
        return Err(Unstorable { message, hint: "name a server: `broker: redis://HOST`" });
    }
    check_file_name(&queue.name)
}

fn check_file_name(name: &str) -> Result<(), Unstorable> {
    let message = if name.contains(['/', '\0']) || [".", ".."].contains(&name) {
        "a queue in a spool cannot have this name, as no file can".to_owned()
    } else if name.len() > MAX_SPOOL_NAME {
        let length = name.len();
        format!("the name of a queue in a spool is {length} bytes long, more than {MAX_SPOOL_NAME}")
    } else {
        return Ok(());
    };
    let hint = "rename it, or name a server: `broker: redis://HOST`";
    Err(Unstorable { message, hint })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::address::Address;
    use crate::worker::{
        AmqpQueue, BullmqQueue, CeleryQueue, DramatiqQueue, RqQueue, SidekiqQueue, StreamQueue,
        Worker, WorkerKind,
    };

    fn check(namespace: &str, name: &str, worker: Worker) -> Result<(), Unstorable> {
        let store = QueueStore::Redis { namespace: namespace.into() };
        check_storable(
            &Queue { name: name.into(), worker, amqp: None, catch_up_rate: None },
            Some(&store),
        )
    }

    fn celery(key_prefix: &str, separator: &str) -> Worker {
        let (key_prefix, separator) = (key_prefix.into(), separator.into());
        Worker::Celery(CeleryQueue { key_prefix, separator, ..CeleryQueue::default() })
    }

    fn sidekiq(namespace: Option<&str>) -> Worker {
        Worker::Sidekiq(SidekiqQueue { namespace: namespace.map(Into::into) })
    }

    #[test]
    fn no_kind_of_message_goes_to_a_key_of_downbeats_own() {
        let dramatiq =
            |namespace: &str| Worker::Dramatiq(DramatiqQueue { namespace: namespace.into() });
        let bullmq = |prefix: &str| Worker::Bullmq(BullmqQueue { prefix: prefix.into() });
        let stream = Worker::Stream(StreamQueue::default());
        let plain = || celery("", "\u{6}\u{16}");
        for (namespace, name, worker, key) in [
            ("downbeat", "downbeat:lease", plain(), "downbeat:lease"),
            ("downbeat", "downbeat:mine", Worker::Json, "downbeat:mine"),
            ("downbeat", "downbeat:", stream, "downbeat:"),
            ("shop", "shop:journal", Worker::Json, "shop:journal"),
            ("downbeat", "lease", celery("downbeat:", "-"), "downbeat:lease"),
            ("downbeat", "beat:lease", celery("down", "-"), "downbeat:lease"),
            ("downbeat", "downbeat", celery("", ":"), "downbeat:3"),
            ("_kombu.binding.a", "a:b", plain(), "_kombu.binding.a:b"),
            ("rq", "mail", Worker::Rq(RqQueue::default()), "rq:queue:mail"),
            ("dramatiq", "mail", dramatiq("dramatiq"), "dramatiq:mail"),
            ("queue", "mail", sidekiq(None), "queue:mail"),
            ("downbeat", "mail", sidekiq(Some("downbeat")), "downbeat:queue:mail"),
            ("bull", "mail", bullmq("bull"), "bull:mail:wait"),
            ("downbeat", "mail", bullmq("downbeat:jobs"), "downbeat:jobs:mail:wait"),
            ("downbeat", "downbeat:q", Worker::usual(WorkerKind::Arq), "downbeat:q"),
            ("arq", "mail", Worker::usual(WorkerKind::Arq), "arq:job:"),
            ("downbeat", "downbeat:q", Worker::usual(WorkerKind::Taskiq), "downbeat:q"),
        ] {
            let refused = check(namespace, name, worker).unwrap_err().message;
            let expected = format!(
                "messages would go to the key `{key}`, and every key that begins with `{namespace}:` is \
                 downbeat's own"
            );
            assert_eq!(refused, expected);
        }
        for (name, worker) in [
            ("downbeat", plain()),
            ("downbeat-lease", plain()),
            ("Downbeat:lease", plain()),
            ("my:downbeat:lease", Worker::Json),
            ("downbeat:lease", celery("shop-", "-")),
            ("downbeat:lease", Worker::Rq(RqQueue::default())),
            ("downbeat:lease", dramatiq("dramatiq")),
            ("downbeat:lease", sidekiq(None)),
            ("downbeat:lease", bullmq("bull")),
        ] {
            assert_eq!(check("downbeat", name, worker), Ok(()), "{name}");
        }
    }

    #[test]
    fn the_name_of_a_queue_that_is_not_on_redis_is_no_key() {
        let mut queue = Arc::unwrap_or_clone(Queue::unconfigured("downbeat:lease"));
        assert_eq!(check_storable(&queue, Some(&QueueStore::Spool)), Ok(()));
        assert_eq!(check_storable(&queue, None), Ok(()));
        let redis = QueueStore::Redis { namespace: "downbeat".into() };
        assert!(check_storable(&queue, Some(&redis)).is_err());
        let Ok(Address::Amqp(url)) = Address::parse("amqp://localhost") else {
            panic!("no address")
        };
        queue.amqp = Some(AmqpQueue::on(Arc::new(url)));
        assert_eq!(check_storable(&queue, Some(&redis)), Ok(()));
    }
}
