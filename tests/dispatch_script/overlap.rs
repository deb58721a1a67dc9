//! What an entry's `overlap` does to its slots: the last task is looked for where its workers tell.

use std::num::NonZeroU32;

use downbeat::config::{Overrides, ServiceConfig};
use downbeat::store::{Note, Stage};

use super::*;

const RUNNING: Exception = Exception::Skipped(SkipReason::StillRunning);
const MINUTE: u32 = 60_000;

fn apart(at_most_ms: u32) -> Guards {
    Guards { overlap: NonZeroU32::new(at_most_ms), ..Guards::default() }
}

/// The queue `q` of a service with its state at `url`, of which the configuration says `worker`;
/// `{server}` stands there for the address.
pub(super) fn queue(url: &str, worker: &str, server: &RedisServer) -> Arc<Queue> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("downbeat.yaml");
    let worker = worker.replace("{server}", &server.url());
    std::fs::write(&file, format!("broker: {url}\nqueues: {{q: {worker}}}\n")).unwrap();
    let overrides = Overrides { config: Some(file), ..Overrides::default() };
    ServiceConfig::load(overrides, &|_| None).unwrap().queues.get("q")
}

/// A leader whose state is in database 2.
struct World {
    leader: Leader,
    queue: Arc<Queue>,
    sequence: u64,
}

impl World {
    /// `worker` is what the configuration says of the queue.
    async fn start(worker: &str) -> World {
        let server = RedisServer::start();
        let url = format!("{}?db=2", server.url());
        let address = redis_address(&url);
        let mut lock = Lock::new(&address, &Tls::default(), "test", TTL, DEADLINE);
        let Attempt::Acquired(lease) = lock.acquire("one", true).await.unwrap().0 else { panic!() };
        let mut broker = RedisBroker::new(&address, &Tls::default(), "test", DEADLINE);
        broker.read().await.unwrap();
        let queue = queue(&url, worker, &server);
        World { leader: Leader { server, broker, lease }, queue, sequence: 0 }
    }

    fn send(&self, slot: UnixMs, guards: Guards) -> Write {
        let mut write = Write { guards, ..send("a", slot, "q") };
        if let Some(message) = &mut write.message {
            message.queue = Arc::clone(&self.queue);
        }
        write
    }

    async fn dispatch(&mut self, batch: Batch) -> Vec<(usize, Exception)> {
        let (sequence, exceptions) = written(self.leader.dispatch(self.sequence, batch).await);
        self.sequence = sequence;
        exceptions
    }

    async fn note(&mut self, slot: UnixMs, stage: Stage) -> Vec<(usize, Exception)> {
        let queue = Arc::clone(&self.queue);
        let note = Note { entry: "a".into(), slot, stage, queue, guards: apart(MINUTE) };
        let fence = self.leader.fence(self.sequence);
        let (sequence, exceptions) =
            written(self.leader.broker.note(&fence, &[note]).await.unwrap());
        self.sequence = sequence;
        exceptions
    }

    /// What redis-cli is told in a database.
    fn give(&self, database: u8, words: &[&str]) {
        let mut connection = self.leader.server.connect();
        let mut call = |words: &[&str]| {
            redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut connection).unwrap()
        };
        call(&["SELECT", &database.to_string()]);
        call(words);
    }

    /// What database 2 has in a hash.
    fn field(&self, key: &str) -> Option<String> {
        let mut connection = self.leader.server.connect();
        let () = redis::cmd("SELECT").arg(2).query(&mut connection).unwrap();
        connection.hget(key, "a").unwrap()
    }
}

fn id(slot: UnixMs) -> String {
    TaskIds::new("test").id("a", slot).to_string()
}

/// After what is told of the first task, the second slot is skipped or goes.
async fn a_slot_waits(worker: &str, database: u8, told: &[(&[&str], bool)]) {
    for (words, waits) in told {
        let mut world = World::start(worker).await;
        let first = ago(9);
        assert_eq!(world.dispatch(vec![world.send(first, apart(MINUTE))]).await, []);
        let words: Vec<_> = words.iter().map(|word| word.replace("{id}", &id(first))).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        if !words.is_empty() {
            world.give(database, &words);
        }
        let second = ago(8);
        let exceptions = world.dispatch(vec![world.send(second, apart(MINUTE))]).await;
        let expected = if *waits { vec![(0, RUNNING)] } else { vec![] };
        assert_eq!(exceptions, expected, "{words:?}");
        let record = world.field("test:progress").unwrap();
        let outcome = if *waits { "still_running -" } else { "dispatched" };
        assert!(record.starts_with(&format!("{} {outcome}", second.0)), "{record}");
    }
}

#[tokio::test]
async fn a_job_of_rqs_counts_until_its_status_is_final_or_it_is_gone() {
    needs!(Redis);
    let mut told: Vec<([&str; 4], bool)> = Vec::new();
    for status in ["queued", "started", "scheduled", "deferred", "whatever"] {
        told.push((["HSET", "rq:job:{id}", "status", status], true));
    }
    for status in ["finished", "failed", "stopped", "canceled"] {
        told.push((["HSET", "rq:job:{id}", "status", status], false));
    }
    let mut told: Vec<(&[&str], bool)> =
        told.iter().map(|(words, waits)| (&words[..], *waits)).collect();
    told.push((&[], false));
    a_slot_waits("{worker: rq}", 2, &told).await;
}

#[tokio::test]
async fn a_job_of_bullmqs_counts_until_it_is_finished_or_gone() {
    needs!(Redis);
    let key = "shop:q:{id}";
    a_slot_waits(
        "{worker: bullmq, options: {prefix: shop}}",
        2,
        &[
            (&["HSET", key, "name", "t"], true),
            (&["HSET", key, "name", "t", "processedOn", "1"], true),
            (&["HSET", key, "name", "t", "finishedOn", "1"], false),
            (&[], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_task_of_celerys_counts_until_it_has_a_final_result_in_its_own_database() {
    needs!(Redis);
    let key = "celery-task-meta-{id}";
    let large = format!("{{\"status\": \"SUCCESS\", \"result\": \"{}\"}}", "x".repeat(100_000));
    let options = "{options: {results: '{server}?db=5'}}";
    a_slot_waits(
        options,
        5,
        &[
            (&[], true),
            (&["SET", key, r#"{"status": "STARTED", "result": {}}"#], true),
            (&["SET", key, r#"{"status": "RETRY", "result": {}}"#], true),
            (&["SET", key, r#"{"status": "half done", "result": "SUCCESS"}"#], true),
            (&["SET", key, r#"{"status": "SUCCESS", "result": null}"#], false),
            (&["SET", key, r#"{"status":"FAILURE","result":null}"#], false),
            (&["SET", key, r#"{"status": "REVOKED", "result": null}"#], false),
            (&["SET", key, &large], false),
            // A pickle: something is there, though nobody here can read it.
            (&["SET", key, "\u{1}}q"], false),
        ],
    )
    .await;
    // In the database of the state it is nothing to anybody.
    a_slot_waits(options, 2, &[(&["SET", key, r#"{"status": "SUCCESS"}"#], true)]).await;
}

#[tokio::test]
async fn the_last_task_that_was_sent_counts_whatever_was_skipped_since() {
    needs!(Redis);
    let mut world = World::start("{worker: rq}").await;
    let first = ago(9);
    // Of several slots at once one goes.
    let batch = vec![
        world.send(first, apart(MINUTE)),
        Write { guards: apart(MINUTE), ..skip("a", ago(8)) },
        world.send(ago(7), apart(MINUTE)),
        world.send(ago(6), apart(MINUTE)),
    ];
    assert_eq!(world.dispatch(batch).await, [(2, RUNNING), (3, RUNNING)]);
    world.give(2, &["HSET", &format!("rq:job:{}", id(first)), "status", "started"]);
    for secs in [5, 4] {
        let batch = vec![world.send(ago(secs), apart(MINUTE))];
        assert_eq!(world.dispatch(batch).await, [(0, RUNNING)]);
    }
    // An edit of the queue does not end it.
    let queue = std::mem::replace(&mut world.queue, Queue::unconfigured("q"));
    assert_eq!(world.dispatch(vec![world.send(ago(3), apart(MINUTE))]).await, [(0, RUNNING)]);
    world.queue = queue;
    world.give(2, &["HSET", &format!("rq:job:{}", id(first)), "status", "finished"]);
    assert_eq!(world.dispatch(vec![world.send(ago(2), apart(MINUTE))]).await, []);
}

#[tokio::test]
async fn a_task_that_is_never_seen_to_end_holds_up_its_entry_for_so_long_only() {
    needs!(Redis);
    let mut world = World::start("{options: {results: '{server}'}}").await;
    let (first, most) = (ago(9), 400);
    assert_eq!(world.dispatch(vec![world.send(first, apart(most))]).await, []);
    let sent_at = wall_clock();
    let mut slot = first;
    loop {
        slot = slot + Duration::from_millis(1);
        let exceptions = world.dispatch(vec![world.send(slot, apart(most))]).await;
        if exceptions.is_empty() {
            break;
        }
        assert_eq!(exceptions, [(0, RUNNING)]);
        assert!(wall_clock().since(sent_at) < DEADLINE);
    }
    assert!(wall_clock().since(sent_at) >= Duration::from_millis(u64::from(most) - 50));
    assert!(slot.since(first) > Duration::from_millis(1));
}

#[tokio::test]
async fn what_cannot_be_looked_at_refuses_only_who_asks() {
    needs!(Redis);
    let mut world = World::start("{worker: rq}").await;
    let first = ago(9);
    assert_eq!(world.dispatch(vec![world.send(first, apart(MINUTE))]).await, []);
    world.give(2, &["SET", &format!("rq:job:{}", id(first)), "not a job"]);
    let batch = vec![world.send(ago(8), apart(MINUTE)), send("b", ago(8), "q")];
    let refused = world.dispatch(batch).await;
    assert!(matches!(&refused[..], [(0, Exception::Refused(why))] if why.contains("WRONGTYPE")));
    assert!(world.field("test:progress").unwrap().starts_with(&first.0.to_string()));
}

#[tokio::test]
async fn a_task_goes_with_its_entry_and_not_with_its_life() {
    needs!(Redis);
    let mut world = World::start("{worker: rq}").await;
    assert_eq!(world.dispatch(vec![world.send(ago(9), apart(MINUTE))]).await, []);
    let begin = LifeChange::Begin {
        entry: "a".into(),
        timing: "1 every 1000+0".into(),
        since: ago(5),
        settled: None,
        sent: 0,
    };
    for (change, stays) in [
        (begin, true),
        (LifeChange::Retire { entry: "a".into(), at: ago(1) }, true),
        (LifeChange::Forget { entry: "a".into() }, false),
    ] {
        let fence = world.leader.fence(world.sequence);
        let reply = world.leader.broker.adopt(&fence, &[change]).await.unwrap();
        world.sequence = written(reply).0;
        assert_eq!(world.field("test:running").is_some(), stays);
    }
}

#[tokio::test]
async fn an_intent_waits_for_the_task_before_it_unless_it_was_let_through_already() {
    needs!(Redis);
    let mut world = World::start("{options: {results: '{server}?db=5'}}").await;
    let [first, second, third, fourth] = [9, 8, 7, 6].map(ago);
    let sent = |slot| Stage::Settled(Outcome::Dispatched(TaskIds::new("test").id("a", slot)));
    assert_eq!(world.note(first, Stage::Intended).await, []);
    // Not known to be published, so there is nothing to wait for, and it may be sent again.
    assert_eq!(world.note(first, Stage::Intended).await, []);
    assert_eq!(world.note(first, sent(first)).await, []);
    assert_eq!(world.note(second, Stage::Intended).await, [(0, RUNNING)]);
    assert_eq!(world.field("test:progress"), Some(format!("{} still_running -", second.0)));
    assert_eq!(world.field("test:intents"), None);
    assert_eq!(world.note(second, Stage::Intended).await, [(0, Exception::AlreadyDone)]);
    let result = format!("celery-task-meta-{}", id(first));
    world.give(5, &["SET", &result, r#"{"status": "SUCCESS"}"#]);
    assert_eq!(world.note(third, Stage::Intended).await, []);
    // In doubt: it is not held up by the task before it, should that be sent anew by a retry.
    world.give(5, &["SET", &result, r#"{"status": "RETRY"}"#]);
    assert_eq!(world.note(third, Stage::Intended).await, []);
    assert_eq!(world.note(third, sent(third)).await, []);
    assert_eq!(world.note(fourth, Stage::Intended).await, [(0, RUNNING)]);
    world.give(5, &["LPUSH", &format!("celery-task-meta-{}", id(third)), "x"]);
    let refused = world.note(ago(5), Stage::Intended).await;
    assert!(matches!(&refused[..], [(0, Exception::Refused(why))] if why.contains("WRONGTYPE")));
    assert_eq!(world.field("test:intents"), None);
}
