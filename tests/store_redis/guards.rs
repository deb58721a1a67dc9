//! What an entry demands before its slots are sent.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::thread;

use downbeat::config::{Overrides, ServiceConfig};
use downbeat::schedule::TaskIds;

use super::*;
use crate::support::tools::needs;

const RUNNING: Exception = Exception::Skipped(SkipReason::StillRunning);
const FULL: Exception = Exception::Skipped(SkipReason::QueueFull);

fn alone(longest_ms: u32) -> Guards {
    Guards { overlap: NonZeroU32::new(longest_ms), ..Guards::default() }
}

fn at_most(max_queued: u32) -> Guards {
    Guards { max_queued: NonZeroU32::new(max_queued), ..Guards::default() }
}

/// The queue `q` of a service with its state at `url`, of which the configuration says `worker`;
/// `{server}` stands there for the address.
fn queue(url: &str, worker: &str, server: &RedisServer) -> Arc<Queue> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("downbeat.yaml");
    let worker = worker.replace("{server}", &server.url());
    std::fs::write(&file, format!("broker: {url}\nqueues: {{q: {worker}}}\n")).unwrap();
    let overrides = Overrides { config: Some(file), ..Overrides::default() };
    ServiceConfig::load(overrides, &|_| None).unwrap().queues.get("q")
}

const CELERY_ELSEWHERE: &str = "{worker: celery, options: {results: '{server}?db=5'}}";
const CELERY_HERE: &str = "{worker: celery, options: {results: '{server}?db=2'}}";

/// A leader whose state is in database 2, with a queue `q`.
struct World {
    leader: Leader,
    queue: Arc<Queue>,
}

impl World {
    async fn start(worker: &str) -> World {
        let server = RedisServer::start();
        let url = format!("{}?db=2", server.url());
        let queue = queue(&url, worker, &server);
        World { leader: Leader::at(server, &redis_address(&url)).await, queue }
    }

    fn send(&self, entry: &str, slot: UnixMs, guards: Guards) -> Write {
        let mut write = Write { guards, ..send(entry, slot, "q") };
        write.message.as_mut().unwrap().queue = Arc::clone(&self.queue);
        Write { queue: Arc::clone(&self.queue), ..write }
    }

    async fn dispatch(&mut self, writes: Vec<Write>) -> Vec<(usize, Exception)> {
        exceptions(self.leader.dispatch(writes).await)
    }

    fn redis(&self, database: i64) -> Connection {
        let mut redis = self.leader.redis();
        redis::cmd("SELECT").arg(database).exec(&mut redis).unwrap();
        redis
    }

    /// What the entry's last task was told by, so far.
    fn running(&self, entry: &str) -> Option<String> {
        self.redis(2).hget("test:running", entry).unwrap()
    }
}

fn id(entry: &str, slot: UnixMs) -> String {
    TaskIds::new("test").id(entry, slot).to_string()
}

#[tokio::test]
async fn a_full_queue_takes_no_more() {
    needs!(Redis);
    let mut world = World::start("{worker: celery}").await;
    let _: () = world.redis(2).lpush("q\u{6}\u{16}9", "another").unwrap();
    let late = Duration::from_millis(7);
    let mut writes: Vec<Write> =
        [4, 3, 2, 1].map(|secs| world.send("a", ago(secs), at_most(3))).into();
    writes[3].line.delay = late;
    writes.push(world.send("b", ago(1), Guards::default()));
    assert_eq!(world.dispatch(writes).await, [(2, FULL), (3, FULL)]);
    let snapshot = world.leader.snapshot().await;
    let lines = || snapshot.journal.iter().flat_map(|record| &record.lines);
    let full = lines().filter(|line| line.outcome == Outcome::Skipped(SkipReason::QueueFull));
    assert_eq!(full.map(|line| line.delay).collect::<Vec<_>>(), [Duration::ZERO, late]);
    assert_eq!(lines().count(), 5);
    let counters = world.leader.store.counters().await.unwrap().0;
    assert_eq!(
        (counters[&("q".into(), "queue_full")], counters[&("q".into(), "scheduled")]),
        (2, 3)
    );
    assert_eq!(world.leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn a_refused_queue_leaves_no_record_of_guarded_slots() {
    needs!(Redis);
    let mut world = World::start(CELERY_HERE).await;
    let _: () = world.redis(2).set("q", "not a list").unwrap();
    let writes = vec![world.send("a", ago(2), alone(60_000)), world.send("b", ago(1), alone(9))];
    let refused = world.dispatch(writes).await;
    assert!(refused.iter().all(|(_, why)| matches!(why, Exception::Refused(_))), "{refused:?}");
    assert_eq!(refused.len(), 2);
    let snapshot = world.leader.snapshot().await;
    assert_eq!((snapshot.journal.len(), snapshot.head), (0, None));
    assert_eq!((world.running("a"), world.running("b")), (None, None));
    let _: () = world.redis(2).del("q").unwrap();
    let writes = vec![world.send("a", ago(2), alone(60_000))];
    assert_eq!(world.dispatch(writes).await, []);
}

#[tokio::test]
async fn a_task_that_still_runs_keeps_the_next_from_being_sent() {
    needs!(Redis);
    for (worker, database) in [(CELERY_ELSEWHERE, 5), (CELERY_HERE, 2)] {
        let mut world = World::start(worker).await;
        let slots = [6, 5, 4, 3, 2].map(ago);
        let batch: Vec<Write> =
            slots[..2].iter().map(|slot| world.send("a", *slot, alone(60_000))).collect();
        assert_eq!(world.dispatch(batch).await, [(1, RUNNING)]);
        let running = world.running("a").unwrap();
        assert!(running.ends_with(&id("a", slots[0])), "{running}");
        let key = format!("celery-task-meta-{}", id("a", slots[0]));
        for (state, runs) in [("STARTED", true), ("my own words", true), ("SUCCESS", false)] {
            let said = format!("{{\"status\": \"{state}\", \"result\": {:?}}}", "x".repeat(99));
            let _: () = world.redis(database).set(&key, said).unwrap();
            let slot = slots[2];
            let expected = if runs { vec![(0, RUNNING)] } else { vec![] };
            let write = world.send("a", slot, alone(60_000));
            assert_eq!(world.dispatch(vec![write]).await, expected, "{state}");
        }
        assert!(world.running("a").unwrap().ends_with(&id("a", slots[2])));
        // Another entry's task is its own affair, and after a while nobody waits any longer.
        let other = world.send("b", slots[3], alone(60_000));
        assert_eq!(world.dispatch(vec![other]).await, []);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let write = world.send("a", slots[4], alone(1));
        assert_eq!(world.dispatch(vec![write]).await, []);
        assert_eq!(world.leader.completeness().await, Completeness::Whole);
        assert_eq!(world.redis(database).exists::<_, bool>("q").unwrap(), database == 2);
    }
}

#[tokio::test]
async fn the_state_in_a_pickled_result_is_read() {
    needs!(Redis);
    let mut world = World::start(CELERY_ELSEWHERE).await;
    let pickles: [(&[u8], bool); 6] = [
        // Protocols 2, 4 and 5 of {"status": …, "result": None}.
        (b"\x80\x02}q\x00(X\x06\x00\x00\x00statusq\x01X\x07\x00\x00\x00SUCCESSq\x02X\x06\x00\x00\x00resultq\x03Nu.", false),
        (b"\x80\x02}q\x00(X\x06\x00\x00\x00statusq\x01X\x07\x00\x00\x00STARTEDq\x02X\x06\x00\x00\x00resultq\x03Nu.", true),
        (b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x06status\x94\x8c\x07FAILURE\x94\x8c\x06result\x94Nu.", false),
        (b"\x80\x05\x95\x1f\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x06status\x94\x8c\x07PENDING\x94\x8c\x06result\x94Nu.", true),
        // What nobody understands keeps nobody waiting.
        (b"\x80\x05\x95", false),
        (b"\xff\xfe garbage \x00", false),
    ];
    for (n, (pickle, runs)) in pickles.into_iter().enumerate() {
        let (entry, slot) = (format!("e{n}"), ago(9));
        let first = world.send(&entry, slot, alone(60_000));
        assert_eq!(world.dispatch(vec![first]).await, []);
        let key = format!("celery-task-meta-{}", id(&entry, slot));
        let _: () = world.redis(5).set(key, pickle).unwrap();
        let expected = if runs { vec![(0, RUNNING)] } else { vec![] };
        let next = world.send(&entry, ago(1), alone(60_000));
        assert_eq!(world.dispatch(vec![next]).await, expected, "{}", pickle.escape_ascii());
    }
}

#[tokio::test]
async fn jobs_of_rq_and_bullmq_show_their_own_end() {
    needs!(Redis);
    for (worker, key, field, end) in [
        ("{worker: rq}", "rq:job:{id}", "status", "finished"),
        ("{worker: bullmq}", "bull:q:{id}", "finishedOn", "5"),
    ] {
        let mut world = World::start(worker).await;
        let slot = ago(9);
        let first = world.send("a", slot, alone(60_000));
        assert_eq!(world.dispatch(vec![first]).await, []);
        let job = key.replace("{id}", &id("a", slot));
        // A job that is gone is done.
        let begun = [("name", "t"), ("status", "started")];
        let _: () = world.redis(2).hset_multiple(&job, &begun).unwrap();
        let next = |world: &World| vec![world.send("a", ago(1), alone(60_000))];
        let batch = next(&world);
        assert_eq!(world.dispatch(batch).await, [(0, RUNNING)], "{worker}");
        let _: () = world.redis(2).hset(&job, field, end).unwrap();
        let batch = next(&world);
        assert_eq!(world.dispatch(batch).await, [], "{worker}");
        let gone = next(&world);
        assert_eq!(world.dispatch(gone).await, [], "{worker}");
    }
}

#[tokio::test]
async fn what_is_kept_of_a_last_task_and_makes_no_sense_keeps_nobody_waiting() {
    needs!(Redis);
    let mut world = World::start(CELERY_ELSEWHERE).await;
    let future = (wall_clock() + Duration::from_secs(999)).0;
    let task = id("a", ago(9));
    let long = format!("{} {}", ago(9).0, "x".repeat(5_000_000));
    let future = format!("{future} {task}");
    let huge = format!("{} {task}", "4".repeat(40));
    for garbage in ["", "garbage", "5", &long, &future, &huge] {
        let _: () = world.redis(2).hset("test:running", "a", garbage).unwrap();
        let write = world.send("a", ago(1), alone(60_000));
        assert_eq!(world.dispatch(vec![write]).await, [], "{:.30}", garbage);
    }
    let _: () = world.redis(2).del("test:running").unwrap();
    let _: () = world.redis(2).set("test:running", "text").unwrap();
    let write = world.send("a", ago(1), alone(60_000));
    assert_eq!(world.dispatch(vec![write]).await, []);
    assert!(world.running("a").is_some());
}

#[tokio::test]
async fn what_cannot_be_looked_at_holds_back_only_who_asks() {
    needs!(Redis);
    let mut world = World::start(CELERY_ELSEWHERE).await;
    let slot = ago(9);
    let first = world.send("a", slot, alone(60_000));
    assert_eq!(world.dispatch(vec![first]).await, []);
    let key = format!("celery-task-meta-{}", id("a", slot));
    let _: () = world.redis(5).lpush(key, "a list").unwrap();
    let batch = vec![
        world.send("a", ago(2), alone(60_000)),
        world.send("a", ago(1), alone(60_000)),
        world.send("b", ago(1), alone(60_000)),
        world.send("c", ago(1), Guards::default()),
    ];
    let found = world.dispatch(batch).await;
    let refused = |exception: &Exception| matches!(exception, Exception::Refused(_));
    assert_eq!(found.iter().map(|(item, _)| *item).collect::<Vec<_>>(), [0, 1]);
    assert!(found.iter().all(|(_, exception)| refused(exception)), "{found:?}");
    assert_eq!(world.redis(2).llen::<_, usize>("q").unwrap(), 3);
    assert_eq!(world.leader.completeness().await, Completeness::Whole);
}

/// A port that forwards to the server, but turns `SELECT 2` into `SELECT 3`.
fn renumbered(server: &RedisServer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, socket) = (listener.local_addr().unwrap().port(), server.socket());
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let Ok(mut server) = UnixStream::connect(&socket) else { return };
            let (mut answers, mut back) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut answers, &mut back));
            thread::spawn(move || {
                let mut bytes = [0; 65_536];
                while let Ok(length @ 1..) = client.read(&mut bytes) {
                    let sent = &mut bytes[..length];
                    let select = b"SELECT\r\n$1\r\n2";
                    let at = sent.windows(select.len()).position(|bytes| bytes == select);
                    if let Some(at) = at {
                        sent[at + select.len() - 1] = b'3';
                    }
                    if server.write_all(sent).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_connection_to_another_database_than_it_was_told_takes_no_batch_there() {
    needs!(Redis);
    let server = RedisServer::start();
    let port = renumbered(&server);
    let url = |database| format!("redis://127.0.0.1:{port}/{database}");
    let worker = CELERY_ELSEWHERE.replace("{server}?db=5", &url(5));
    let queue = queue(&url(2), &worker, &server);
    let mut world = World { leader: Leader::at(server, &redis_address(&url(2))).await, queue };
    let first = world.send("a", ago(9), alone(60_000));
    assert_eq!(world.dispatch(vec![first]).await, []);
    let batch = vec![world.send("a", ago(1), alone(60_000))];
    let refused = world.leader.dispatch(batch).await;
    assert!(
        matches!(&refused, Err(StoreError::Refused(why)) if why.contains("another database")),
        "{refused:?}"
    );
    let intent = Intend {
        fence: world.leader.fence(),
        pauses: PausesMark::default(),
        slots: vec![Intent {
            entry: "a".into(),
            slot: ago(1),
            queue: Arc::clone(&world.queue),
            guards: alone(60_000),
        }],
    };
    let refused = world.leader.store.intend(intent).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    let written: usize = redis::cmd("DBSIZE").query(&mut world.redis(2)).unwrap();
    assert_eq!(written, 0);
    assert_eq!(world.redis(3).llen::<_, usize>("q").unwrap(), 1);
}

#[tokio::test]
async fn a_database_that_was_swapped_while_another_was_looked_at_takes_no_batch() {
    needs!(Redis);
    let mut world = World::start(CELERY_ELSEWHERE).await;
    let slot = ago(9);
    let first = world.send("a", slot, alone(60_000));
    assert_eq!(world.dispatch(vec![first]).await, []);
    // The results' database becomes the state's, and the connection's own stays what it was.
    let () = redis::cmd("SWAPDB").arg(2).arg(5).query(&mut world.leader.redis()).unwrap();
    let batch = vec![world.send("a", ago(1), alone(60_000))];
    assert_eq!(world.leader.dispatch(batch).await, Ok(Reply::Fenced));
    assert!(!world.redis(2).exists::<_, bool>("q").unwrap());
    assert_eq!(world.redis(5).llen::<_, usize>("q").unwrap(), 1);
}

#[tokio::test]
async fn an_intent_waits_for_the_task_before_it_unless_it_was_let_through_already() {
    needs!(Redis);
    let mut world = World::start(CELERY_ELSEWHERE).await;
    let (slot, next) = (ago(3), ago(2));
    let guards = alone(60_000);
    let queue = Arc::clone(&world.queue);
    let intend = |slot| Intent { entry: "a".into(), slot, queue: Arc::clone(&queue), guards };
    let leader = &mut world.leader;
    let ask = async |leader: &mut Leader, slot| {
        let request = Intend {
            pauses: PausesMark::default(),
            fence: leader.fence(),
            slots: vec![intend(slot)],
        };
        let reply = leader.store.intend(request).await;
        exceptions(leader.note(reply))
    };
    assert_eq!(ask(leader, slot).await, []);
    let settled = Settled {
        entry: "a".into(),
        queue: Arc::clone(&queue),
        line: Some(sent("a", slot)),
        task_id: TaskIds::new("test").id("a", slot),
        guards,
    };
    let settle = Settle { fence: leader.fence(), slots: vec![settled] };
    let reply = leader.store.settle(settle).await;
    assert_eq!(exceptions(leader.note(reply)), []);
    assert_eq!(ask(leader, next).await, [(0, RUNNING)]);
    let snapshot = leader.snapshot().await;
    assert_eq!((snapshot.journal.len(), snapshot.intents.len()), (2, 0));
    // One that is in doubt was let through before.
    let mut redis = leader.redis();
    redis::cmd("SELECT").arg(2).exec(&mut redis).unwrap();
    let _: () = redis.hset("test:intents", "a", next.0).unwrap();
    assert_eq!(ask(leader, next).await, []);
}
