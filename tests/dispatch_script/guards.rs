//! What an entry's `limit` and `max_queued` do to its slots, and all conditions together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use downbeat::envelope::celery;
use downbeat::queue::CeleryQueue;
use downbeat::tls::Tls;

use super::*;

fn limit(limit: u32) -> Guards {
    Guards { limit: NonZeroU32::new(limit), ..Guards::default() }
}

fn max_queued(most: u32) -> Guards {
    Guards { max_queued: NonZeroU32::new(most), ..Guards::default() }
}

fn with(guards: Guards, batch: Vec<Write>) -> Batch {
    batch.into_iter().map(|write| Write { guards, ..write }).collect()
}

/// The exceptions in the order of the batch; panics when an item is answered twice.
fn exceptions(reply: Reply) -> Vec<(usize, Exception)> {
    let mut exceptions = written(reply).1;
    exceptions.sort_by_key(|(index, _)| *index);
    assert!(exceptions.windows(2).all(|pair| pair[0].0 < pair[1].0), "{exceptions:?}");
    exceptions
}

fn all(why: &Exception, items: impl IntoIterator<Item = usize>) -> Vec<(usize, Exception)> {
    items.into_iter().map(|index| (index, why.clone())).collect()
}

impl Leader {
    /// Dispatches as a leader that has read what there is.
    async fn go_on(&mut self, batch: Batch) -> Vec<(usize, Exception)> {
        let sequence = self.state().await.sequence;
        exceptions(self.dispatch(sequence, batch).await)
    }

    async fn sent(&mut self, entry: &str) -> Option<u64> {
        self.state().await.sent.get(entry).copied()
    }

    fn push(&self, list: &str, messages: usize) {
        for _ in 0..messages {
            let _: () = self.server.connect().lpush(list, "another's").unwrap();
        }
    }

    /// What is recorded of the entry's last slot.
    fn record(&self, entry: &str) -> String {
        self.server.connect().hget("test:progress", entry).unwrap()
    }
}

#[tokio::test]
async fn behind_its_limit_an_entry_is_neither_sent_nor_recorded() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let batch = vec![
        skip("a", ago(9)),
        send("a", ago(8), "q"),
        skip("a", ago(7)),
        send("a", ago(6), "q"),
        send("a", ago(5), "q"),
        skip("a", ago(4)),
        send("a", ago(3), "q"),
    ];
    let mut batch = with(limit(2), batch);
    let last = batch[3].slot;
    batch.push(send("b", ago(5), "q"));
    assert_eq!(leader.go_on(batch).await, all(&Exception::Exhausted, 4..7));
    assert_eq!(leader.queued("q").len(), 3);
    let state = leader.state().await;
    assert_eq!((state.progress["a"], state.sent["a"]), (last, 2));
    // It stays so, for messages and for skips.
    let again = with(limit(2), vec![skip("a", ago(2)), send("a", ago(1), "q")]);
    assert_eq!(leader.go_on(again).await, all(&Exception::Exhausted, 0..2));
    assert_eq!((leader.state().await.progress["a"], leader.queued("q").len()), (last, 3));
}

#[tokio::test]
async fn slots_are_counted_over_batches_and_leaders() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let batch = with(limit(3), vec![send("a", ago(9), "q"), send("a", ago(8), "q")]);
    assert_eq!(leader.go_on(batch).await, []);
    let sequence = leader.state().await.sequence;
    let fence = leader.fence(sequence);
    let _: () = leader.server.connect().del("test:lease").unwrap();
    leader.lease = acquire(&leader.server, "two").await;
    let late = with(limit(3), vec![send("a", ago(7), "q")]);
    assert_eq!(leader.broker.dispatch(&fence, late).await.unwrap(), Reply::Fenced);
    assert_eq!(leader.sent("a").await, Some(2));
    let batch = with(limit(3), vec![send("a", ago(7), "q"), send("a", ago(6), "q")]);
    assert_eq!(leader.go_on(batch).await, all(&Exception::Exhausted, [1]));
    assert_eq!((leader.sent("a").await, leader.queued("q").len()), (Some(3), 3));
}

#[tokio::test]
async fn a_batch_whose_reply_was_lost_is_counted_once() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let batch = with(limit(3), vec![send("a", ago(9), "q"), send("a", ago(8), "q")]);
    assert_eq!(exceptions(leader.dispatch(0, batch.clone()).await), []);
    assert_eq!(leader.dispatch(0, batch.clone()).await, Reply::Stale);
    assert_eq!(leader.go_on(batch).await, all(&Exception::AlreadyDone, 0..2));
    assert_eq!((leader.sent("a").await, leader.queued("q").len()), (Some(2), 2));
}

#[tokio::test]
async fn a_refused_push_counts_nothing_and_ends_no_entry() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.server.connect().set("wrong", "not a list").unwrap();
    let sends = [9, 8, 7].map(|secs| send("a", ago(secs), "wrong"));
    let batch = with(limit(2), sends.to_vec());
    let refused = leader.go_on(batch.clone()).await;
    assert_eq!(refused.len(), 3);
    let words = |why: &Exception| matches!(why, Exception::Refused(_));
    assert!(refused.iter().all(|(_, why)| words(why)), "{refused:?}");
    let state = leader.state().await;
    assert!(state.sent.is_empty() && state.progress.is_empty());
    let _: () = leader.server.connect().del("wrong").unwrap();
    assert_eq!(leader.go_on(batch).await, all(&Exception::Exhausted, [2]));
    assert_eq!(leader.sent("a").await, Some(2));
}

#[tokio::test]
async fn a_slot_that_meets_a_full_queue_is_recorded_as_that() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    leader.push("q", 1);
    // There is room for one more, and messages of this very batch take it.
    let mut batch = vec![send("b", ago(9), "q")];
    batch.extend(with(max_queued(2), vec![send("a", ago(9), "q"), skip("a", ago(8))]));
    batch.extend(with(max_queued(3), vec![send("c", ago(9), "q"), send("c", ago(8), "q")]));
    batch.push(send("d", ago(9), "q"));
    let (skipped, full) = (batch[2].slot, batch[4].slot);
    assert_eq!(leader.go_on(batch).await, all(&Exception::Skipped(SkipReason::QueueFull), [1, 4]));
    assert_eq!(leader.queued("q").len(), 4);
    let state = leader.state().await;
    assert_eq!((state.progress["a"], state.progress["c"]), (skipped, full));
    assert_eq!(leader.record("a"), format!("{} superseded -", skipped.0));
    assert_eq!(leader.record("c"), format!("{} queue_full -", full.0));
    // What was skipped stays so, and what comes when there is room goes.
    let _: () = leader.server.connect().del("q").unwrap();
    let batch = with(max_queued(3), vec![send("c", full, "q"), send("c", ago(1), "q")]);
    assert_eq!(leader.go_on(batch).await, all(&Exception::AlreadyDone, [0]));
    assert_eq!(leader.queued("q").len(), 1);
}

#[tokio::test]
async fn slots_that_met_a_full_queue_do_not_count_towards_the_limit() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let guards = Guards { limit: NonZeroU32::new(2), ..max_queued(1) };
    let sends = [9, 8, 7].map(|secs| send("a", ago(secs), "q"));
    let full = all(&Exception::Skipped(SkipReason::QueueFull), 1..3);
    assert_eq!(leader.go_on(with(guards, sends.to_vec())).await, full);
    assert_eq!(leader.sent("a").await, Some(1));
    let _: () = leader.server.connect().del("q").unwrap();
    let sends = [6, 5].map(|secs| send("a", ago(secs), "q"));
    let done = all(&Exception::Exhausted, [1]);
    assert_eq!(leader.go_on(with(guards, sends.to_vec())).await, done);
    assert_eq!(leader.sent("a").await, Some(2));
}

#[tokio::test]
async fn all_priorities_of_a_queue_count_as_one() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    celery::list_keys("q", &CeleryQueue::default()).iter().for_each(|list| leader.push(list, 1));
    leader.push("q2", 9);
    let urgent = |mut write: Write, priority| {
        if let Some(message) = &mut write.message {
            message.writes.key = celery::list_key("q", &CeleryQueue::default(), priority);
        }
        write
    };
    let mut batch = with(max_queued(6), vec![urgent(send("a", ago(9), "q"), Some(9))]);
    batch.extend(with(max_queued(6), vec![urgent(send("b", ago(9), "q"), Some(3))]));
    batch.extend(with(max_queued(6), vec![send("c", ago(9), "q")]));
    assert_eq!(leader.go_on(batch).await, all(&Exception::Skipped(SkipReason::QueueFull), [2]));
    let lists = celery::list_keys("q", &CeleryQueue::default())
        .iter()
        .map(|list| leader.queued(list).len())
        .collect::<Vec<_>>();
    assert_eq!(lists, [1, 2, 1, 2]);
}

#[tokio::test]
async fn a_queue_that_cannot_be_counted_refuses_only_who_asks() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let urgent = &celery::list_keys("q", &CeleryQueue::default())[3];
    let _: () = leader.server.connect().set(urgent, "not a list").unwrap();
    let mut batch = vec![send("b", ago(9), "q")];
    let run = vec![skip("a", ago(9)), send("a", ago(8), "q"), skip("a", ago(7))];
    batch.extend(with(max_queued(5), run));
    let skipped = batch[1].slot;
    let refused = leader.go_on(batch).await;
    assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [2, 3]);
    let words = |why: &Exception| format!("{why:?}").contains("WRONGTYPE");
    assert!(refused.iter().all(|(_, why)| words(why)), "{refused:?}");
    assert_eq!(leader.state().await.progress["a"], skipped);
    assert_eq!(leader.queued("q").len(), 1);
}

#[tokio::test]
async fn a_queue_filled_by_messages_that_were_refused_is_not_full() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let rules = ["ACL", "SETUSER", "beat", "on", ">word", "~*", "&*", "+@all", "-lpush"];
    let () = redis::cmd(rules[0]).arg(&rules[1..]).query(&mut server.connect()).unwrap();
    let (url, root) =
        (server.tcp_url().replace("redis://", "redis://beat:word@"), server.address());
    let mut leader = Leader::on(server).await;
    leader.broker = RedisBroker::new(&redis_address(&url), &Tls::default(), "test", DEADLINE);
    let mut batch = vec![send("b", ago(9), "q")];
    batch.extend(with(max_queued(1), vec![send("a", ago(9), "q"), skip("a", ago(8))]));
    let refused = leader.go_on(batch.clone()).await;
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|(_, why)| matches!(why, Exception::Refused(_))), "{refused:?}");
    assert!(leader.state().await.progress.is_empty());
    leader.broker = RedisBroker::new(&root, &Tls::default(), "test", DEADLINE);
    assert_eq!(leader.go_on(batch).await, all(&Exception::Skipped(SkipReason::QueueFull), [1]));
}

#[tokio::test]
async fn a_guarded_slot_ahead_of_redis_waits() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let ahead = wall_clock() + Duration::from_secs(5);
    let guards = Guards { limit: NonZeroU32::new(1), ..max_queued(1) };
    let batch = with(guards, vec![send("a", ahead, "q"), send("b", ago(1), "q")]);
    assert_eq!(leader.go_on(batch).await, all(&Exception::Early, [0]));
    assert_eq!((leader.sent("a").await, leader.sent("b").await), (None, Some(1)));
}

#[tokio::test]
async fn a_life_begins_with_the_count_it_is_given_and_is_forgotten_with_it() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let sends = ["a", "b", "c"].map(|entry| send(entry, ago(9), "q"));
    assert_eq!(leader.go_on(with(limit(5), sends.to_vec())).await, []);
    let begin = |entry: &str, sent| LifeChange::Begin {
        entry: entry.into(),
        timing: "1 every 1000+0 limit 5".into(),
        since: ago(5),
        settled: None,
        sent,
    };
    let forget = LifeChange::Forget { entry: "c".into() };
    let sequence = leader.state().await.sequence;
    let fence = leader.fence(sequence);
    let changes = [begin("a", 0), begin("b", 4), forget];
    written(leader.broker.adopt(&fence, &changes).await.unwrap());
    let counts = leader.state().await.sent;
    assert_eq!(counts, [("b".into(), 4)].into());
    let sends = vec![send("b", ago(3), "q"), send("b", ago(2), "q")];
    assert_eq!(leader.go_on(with(limit(5), sends)).await, all(&Exception::Exhausted, [1]));
}

#[tokio::test]
async fn entries_without_conditions_leave_no_count() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    assert_eq!(leader.go_on(vec![send("a", ago(9), "q")]).await, []);
    assert_eq!(leader.go_on(with(max_queued(9), vec![send("b", ago(9), "q")])).await, []);
    assert!(!leader.server.connect().exists::<_, bool>("test:sent").unwrap());
}

/// What the script must do, told slot by slot: nothing is known of batches that are pushed at once.
#[derive(Default)]
struct Model {
    settled: BTreeMap<String, i64>,
    sent: BTreeMap<String, u32>,
    /// Messages by queue and list.
    queued: BTreeMap<(String, String), u32>,
    wrong: BTreeSet<(String, String)>,
    /// The last task of each entry that keeps its tasks apart.
    tasks: BTreeMap<String, Task>,
}

/// What is to be seen of a task.
struct Task {
    id: String,
    /// Whether it runs; `None`: that cannot be looked at.
    runs: Option<bool>,
}

impl Model {
    fn length(&self, queue: &str) -> Option<u32> {
        if self.wrong.iter().any(|(wrong, _)| wrong == queue) {
            return None;
        }
        Some(self.queued.iter().filter(|((of, _), _)| of == queue).map(|(_, count)| count).sum())
    }

    /// Why the slot is not written as it stands; a refusal without its words.
    fn write(&mut self, write: &Write) -> Option<Exception> {
        let refused = Some(Exception::Refused(String::new()));
        let (entry, slot) = (write.entry.to_string(), write.slot.0);
        if self.settled.get(&entry).is_some_and(|settled| *settled >= slot) {
            return Some(Exception::AlreadyDone);
        }
        let sent = self.sent.get(&entry).copied().unwrap_or(0);
        if write.guards.limit.is_some_and(|limit| sent >= limit.get()) {
            return Some(Exception::Exhausted);
        }
        if let (Some(_), Some(_)) = (&write.message, write.guards.overlap) {
            match self.tasks.get(&entry).map_or(Some(false), |task| task.runs) {
                None => return refused,
                Some(false) => {}
                Some(true) => {
                    self.settled.insert(entry, slot);
                    return Some(Exception::Skipped(SkipReason::StillRunning));
                }
            }
        }
        if let Some(message) = &write.message {
            let list = (message.queue.name.to_string(), message.writes.key.clone());
            if let Some(most) = write.guards.max_queued {
                let Some(queued) = self.length(&list.0) else { return refused };
                if queued >= most.get() {
                    self.settled.insert(entry, slot);
                    return Some(Exception::Skipped(SkipReason::QueueFull));
                }
            }
            if self.wrong.contains(&list) {
                return refused;
            }
            *self.queued.entry(list).or_default() += 1;
            *self.sent.entry(entry.clone()).or_default() += 1;
            if write.guards.overlap.is_some() {
                let id = TaskIds::new("test").id(&entry, write.slot).to_string();
                self.tasks.insert(entry.clone(), Task { id, runs: Some(true) });
            }
        }
        self.settled.insert(entry, slot);
        None
    }

    /// The items of each list stand together, as the broker sends them.
    fn dispatch(&mut self, batch: &Batch) -> Vec<(usize, Exception)> {
        let mut exceptions = Vec::new();
        let mut stopped: Option<(&str, Exception)> = None;
        for (index, write) in batch.iter().enumerate() {
            let why = match &stopped {
                Some((entry, why)) if **entry == *write.entry => Some(why.clone()),
                _ => self.write(write),
            };
            if matches!(why, Some(Exception::Refused(_))) {
                stopped = why.clone().map(|why| (&*write.entry, why));
            }
            exceptions.extend(why.map(|why| (index, why)));
        }
        exceptions
    }
}

#[tokio::test]
async fn the_script_does_what_a_model_does_slot_by_slot() {
    needs!(Redis);
    let seed = std::env::var("DOWNBEAT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("DOWNBEAT_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut leader = Leader::start().await;
    let told =
        overlap::queue(&leader.server.url(), "{options: {results: '{server}'}}", &leader.server);
    let (mut model, mut seen) = (Model::default(), BTreeSet::new());
    let lists =
        [("q", None), ("q", Some(9)), ("r", None), ("s", Some(3))].map(|(queue, priority)| {
            (queue, celery::list_key(queue, &CeleryQueue::default(), priority))
        });
    let start = ago(100_000);
    for round in 0..300 {
        for (queue, key) in &lists {
            let list = ((*queue).to_owned(), key.clone());
            let mut connection = leader.server.connect();
            match random.u8(..8) {
                0 => {
                    let _: () = connection.set(key, "not a list").unwrap();
                    model.queued.remove(&list);
                    model.wrong.insert(list);
                }
                1..3 => {
                    let _: () = connection.del(key).unwrap();
                    model.queued.remove(&list);
                    model.wrong.remove(&list);
                }
                _ => {}
            }
        }
        for task in model.tasks.values_mut() {
            let state = match random.u8(..8) {
                0..3 => continue,
                3 => None,
                4..7 => Some("SUCCESS"),
                _ => Some("STARTED"),
            };
            let mut connection = leader.server.connect();
            let key = format!("celery-task-meta-{}", task.id);
            let _: () = connection.del(&key).unwrap();
            task.runs = Some(state != Some("SUCCESS"));
            if random.u8(..8) == 0 {
                let _: () = connection.lpush(&key, "no result").unwrap();
                task.runs = None;
            } else if let Some(state) = state {
                let _: () = connection.set(&key, format!(r#"{{"status": "{state}"}}"#)).unwrap();
            }
        }
        // Six entries for each list, by list: all but one are guarded in one way or several.
        let mut batch = Batch::new();
        for (at, (queue, key)) in lists.iter().enumerate() {
            for kind in 0..6 {
                // Each starts anew at times, as an edit would make it.
                let entry = format!("{at}/{kind}/{}", round / 20);
                let guards = match kind {
                    0 => Guards::default(),
                    1 => limit(9),
                    2 => max_queued(6),
                    3 => Guards { limit: NonZeroU32::new(9), ..max_queued(8) },
                    4 => Guards { overlap: NonZeroU32::new(u32::MAX), ..Guards::default() },
                    _ => Guards {
                        limit: NonZeroU32::new(5),
                        max_queued: NonZeroU32::new(8),
                        overlap: NonZeroU32::new(u32::MAX),
                    },
                };
                let mut run = Batch::new();
                for _ in 0..random.u8(..4) {
                    let later = Duration::from_secs(20 * round + run.len() as u64);
                    let slot = start + later - Duration::from_secs(random.u64(..25));
                    if run.last().is_some_and(|last: &Write| last.slot >= slot) {
                        continue;
                    }
                    let mut write = send(&entry, slot, queue);
                    if let Some(message) = &mut write.message {
                        message.writes.key.clone_from(key);
                        if guards.overlap.is_some() {
                            let name = Arc::clone(&message.queue.name);
                            message.queue = Queue { name, ..Queue::clone(&told) }.into();
                        }
                        if *queue == "s" {
                            message.writes.before = vec![command(&["SADD", "announced", &entry])];
                        }
                    }
                    run.push(if random.u8(..4) == 0 { skip(&entry, slot) } else { write });
                }
                // Without a message it would go before or behind all lists, which is its right.
                if run.iter().any(|write| write.message.is_some()) {
                    batch.extend(with(guards, run));
                }
            }
        }
        if batch.is_empty() {
            continue;
        }
        let expected = model.dispatch(&batch);
        let mut told = leader.go_on(batch).await;
        for (_, why) in &mut told {
            if let Exception::Refused(words) = why {
                assert!(words.contains("WRONGTYPE"), "{words}");
                words.clear();
            }
            seen.insert(format!("{why:?}"));
        }
        assert_eq!(told, expected, "seed {seed}, round {round}");
        let state = leader.state().await;
        let settled = state.progress.iter().map(|(entry, slot)| (entry.to_string(), slot.0));
        assert_eq!(settled.collect::<BTreeMap<_, _>>(), model.settled, "seed {seed}");
        for (entry, sent) in &state.sent {
            assert_eq!(*sent, u64::from(model.sent[&**entry]), "seed {seed}: {entry}");
        }
        for (queue, key) in &lists {
            let list = ((*queue).to_owned(), key.clone());
            if !model.wrong.contains(&list) {
                let queued = leader.queued(key).len();
                assert_eq!(queued, model.queued.get(&list).copied().unwrap_or(0) as usize);
            }
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}
