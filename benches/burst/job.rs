//! What a burst sends: entries that are all due at one instant, and their messages.

use std::time::Duration;

use downbeat::config;
use downbeat::schedule::{Entry, Kind, TaskIds};
use downbeat::tzdata::Tzdata;
use downbeat::worker::{self, Fresh, Push, Queue, Queues, Task, Worker, Writes};
use downbeat_time::UnixMs;
use redis::Connection;

use crate::support::downbeat::Place;

pub(crate) const QUEUE: &str = "burst";

/// Entries of one kind of worker.
pub(crate) struct Job {
    pub(crate) worker: Worker,
    pub(crate) entries: usize,
    /// What downbeat will write, but for the slot and the random numbers.
    pub(crate) messages: Vec<Writes>,
}

impl Job {
    pub(crate) fn new(worker: Worker, entries: usize) -> Job {
        let messages = render(&worker, entries);
        assert_eq!(messages.len(), entries);
        Job { worker, entries, messages }
    }

    pub(crate) fn schedule(&self, due: UnixMs) -> String {
        schedule(&self.worker, self.entries, due)
    }

    /// How many messages lie where they all go.
    pub(crate) fn queued(&self, connection: &mut Connection) -> usize {
        let Writes { push, key, .. } = &self.messages[0];
        let command = match push {
            Push::Stream | Push::TaskiqStream => "XLEN",
            Push::Due => "ZCARD",
            Push::Left | Push::Right | Push::RqDependent | Push::Bullmq => "LLEN",
            Push::Publish => unreachable!("nothing that is broadcast lies anywhere"),
        };
        redis::cmd(command).arg(key).query(connection).unwrap()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.messages.iter().map(Writes::size).sum::<usize>() / self.entries
    }

    pub(crate) fn us_a_message(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.entries as f64
    }
}

fn schedule(worker: &Worker, entries: usize, due: UnixMs) -> String {
    // As much as the kind takes.
    let arguments = |n: usize| match worker {
        Worker::Sidekiq(_) => format!(r#""args": [{n}, "abc", {{"tenant": {n}}}]"#),
        Worker::Bullmq(_) => format!(r#""kwargs": {{"n": {n}, "abc": "abc", "tenant": {n}}}"#),
        Worker::Celery(_)
        | Worker::Rq(_)
        | Worker::Dramatiq(_)
        | Worker::Arq(_)
        | Worker::Taskiq(_)
        | Worker::Json
        | Worker::Stream(_) => format!(r#""args": [{n}, "abc"], "kwargs": {{"tenant": {n}}}"#),
    };
    let one = |n: usize| {
        format!(
            r#""entry-{n:06}": {{"task": "demo.task", "at": "{due}", "queue": "{QUEUE}", {}}}"#,
            arguments(n)
        )
    };
    let all: Vec<String> = (0..entries).map(one).collect();
    format!("{{\"entries\": {{{}}}}}", all.join(",\n"))
}

fn render(worker: &Worker, entries: usize) -> Vec<Writes> {
    let queue =
        Queue { amqp: None, name: QUEUE.into(), worker: worker.clone(), catch_up_rate: None };
    let queues: Queues = [queue].into_iter().collect();
    let (place, due) = (Place::new(), UnixMs(1_800_000_000_007));
    place.write_schedule("burst.json", &schedule(worker, entries, due));
    let loaded = config::load(&[place.schedules()], &queues, &Tzdata::bundled());
    let (ids, rng) = (TaskIds::new("downbeat"), &mut fastrand::Rng::new());
    let mut writes = |entry: &Entry| {
        worker::render(&Task {
            entry_name: &entry.name,
            message: &entry.message,
            task_id: ids.id(&entry.name, due),
            slot: due,
            kind: Kind::Scheduled.as_str(),
            expires_at: None,
            now: due,
            origin: "downbeat@host",
            fresh: Fresh::draw(rng),
        })
    };
    loaded.schedule.unwrap().entries.iter().map(&mut writes).collect()
}
