//! The dispatch script on a real Redis: each way in which a batch can meet the unexpected.

mod guards;
mod notes;
mod overlap;

use std::sync::Arc;
use std::time::Duration;

use downbeat::envelope::{Command, Push, Writes};
use downbeat::queue::Queue;
use downbeat::schedule::legacy::{LifeChange, SkipReason, State};
use downbeat::schedule::{Guards, TaskIds, UnixMs};
use downbeat::store::redis::{Attempt, Lock, RedisBroker};
use downbeat::store::{
    Batch, Broker, BrokerError, Exception, Fence, Outcome, Outgoing, Reply, Write,
};
use downbeat::tls::Tls;
use redis::Commands as _;

use crate::support::redis::{Options, RedisServer, redis_address};
use crate::support::tools::needs;
use crate::support::wait::wall_clock;

const DEADLINE: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(60);

/// A leader with nothing but a lease.
struct Leader {
    server: RedisServer,
    broker: RedisBroker,
    lease: Arc<str>,
}

impl Leader {
    async fn start() -> Leader {
        Leader::on(RedisServer::start()).await
    }

    async fn on(server: RedisServer) -> Leader {
        let mut broker = RedisBroker::new(&server.address(), &Tls::default(), "test", DEADLINE);
        broker.read().await.unwrap();
        let lease = acquire(&server, "one").await;
        Leader { server, broker, lease }
    }

    /// A write numbered one above the one before it, for tests to name.
    fn fence(&self, sequence: u64) -> Fence {
        Fence { next: sequence + 1, ..Fence::after(&self.lease, sequence) }
    }

    async fn dispatch(&mut self, sequence: u64, batch: Batch) -> Reply {
        self.try_dispatch(sequence, batch).await.unwrap()
    }

    async fn try_dispatch(&mut self, sequence: u64, batch: Batch) -> Result<Reply, BrokerError> {
        let fence = self.fence(sequence);
        self.broker.dispatch(&fence, batch).await
    }

    async fn state(&mut self) -> State {
        self.broker.read().await.unwrap()
    }

    fn queued(&self, queue: &str) -> Vec<String> {
        let items: Vec<String> = self.server.connect().lrange(queue, 0, -1).unwrap();
        items.into_iter().rev().collect()
    }
}

async fn acquire(server: &RedisServer, holder: &str) -> Arc<str> {
    let mut lock = Lock::new(&server.address(), &Tls::default(), "test", TTL, DEADLINE);
    match lock.acquire(holder, true).await.unwrap().0 {
        Attempt::Acquired(lease) => lease,
        other => panic!("not acquired: {other:?}"),
    }
}

fn command(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn send(entry: &str, slot: UnixMs, queue: &str) -> Write {
    let element = format!("{entry}@{}", slot.0).into_bytes();
    let writes = Writes { before: Vec::new(), push: Push::Left, key: queue.to_owned(), element };
    let task_id = TaskIds::new("test").id(entry, slot);
    Write {
        entry: entry.into(),
        slot,
        outcome: Outcome::Dispatched(task_id),
        message: Some(Outgoing { queue: Queue::unconfigured(queue), writes, event: None }),
        guards: Guards::default(),
    }
}

fn skip(entry: &str, slot: UnixMs) -> Write {
    let outcome = Outcome::Skipped(SkipReason::Superseded);
    Write { entry: entry.into(), slot, outcome, message: None, guards: Guards::default() }
}

fn written(reply: Reply) -> (u64, Vec<(usize, Exception)>) {
    match reply {
        Reply::Written { sequence, exceptions, .. } => (sequence, exceptions),
        other => panic!("not written: {other:?}"),
    }
}

fn ago(secs: u64) -> UnixMs {
    wall_clock() - Duration::from_secs(secs)
}

#[tokio::test]
async fn a_batch_is_pushed_in_order_and_recorded() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (first, second) = (ago(2), ago(1));
    let batch = vec![
        skip("a", ago(9)),
        send("a", first, "q"),
        send("a", second, "q"),
        send("b", first, "r"),
    ];
    assert_eq!(written(leader.dispatch(0, batch).await), (1, vec![]));
    assert_eq!(leader.queued("q"), [format!("a@{}", first.0), format!("a@{}", second.0)]);
    assert_eq!(leader.queued("r").len(), 1);
    let state = leader.state().await;
    assert_eq!((state.sequence, state.progress["a"], state.progress["b"]), (1, second, first));
}

#[tokio::test]
async fn queues_are_bound_to_their_exchanges_as_the_producer_does() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.server.connect().set("_kombu.binding.wrong", "not a set").unwrap();
    let batch = vec![send("a", ago(1), "q"), send("b", ago(1), "wrong")];
    assert_eq!(written(leader.dispatch(0, batch).await).1, []);
    // They are sent beside the batch, so they may come a moment after it.
    for key in ["_kombu.binding.q", "_kombu.binding_permanent.q"] {
        let mut members: Vec<String> = Vec::new();
        let deadline = wall_clock() + DEADLINE;
        while members.is_empty() && wall_clock() < deadline {
            leader.broker.leader().await.unwrap();
            members = leader.server.connect().smembers(key).unwrap();
        }
        assert_eq!(members, ["q\u{6}\u{16}\u{6}\u{16}q"], "{key}");
    }
}

#[tokio::test]
async fn a_leader_that_was_replaced_writes_nothing() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.server.connect().del("test:lease").unwrap();
    assert_eq!(leader.dispatch(0, vec![send("a", ago(1), "q")]).await, Reply::Fenced);
    let successor = acquire(&leader.server, "two").await;
    assert_eq!(leader.dispatch(0, vec![send("a", ago(1), "q")]).await, Reply::Fenced);
    assert_eq!(leader.queued("q").len(), 0);
    leader.lease = successor;
    assert_eq!(written(leader.dispatch(0, vec![send("a", ago(1), "q")]).await).0, 1);
}

#[tokio::test]
async fn a_term_that_redis_gave_out_twice_is_still_another_lease() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let mut connection = leader.server.connect();
    let _: () = connection.del(&["test:lease", "test:term"]).unwrap();
    let successor = acquire(&leader.server, "two").await;
    assert_eq!((&*leader.lease, &*successor), ("1 one", "1 two"));
    assert_eq!(leader.dispatch(0, vec![send("a", ago(1), "q")]).await, Reply::Fenced);
}

#[tokio::test]
async fn a_call_whose_reply_was_lost_cannot_be_repeated_blindly() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let slot = ago(1);
    leader.dispatch(0, vec![send("a", slot, "q")]).await;
    // The leader saw no reply, so it still names 0.
    let again = vec![send("a", slot, "q"), send("b", slot, "q")];
    assert_eq!(leader.dispatch(0, again).await, Reply::Stale);
    assert_eq!(leader.queued("q").len(), 1);
    // Having read anew, it meets its own record.
    let sequence = leader.state().await.sequence;
    let batch = vec![send("a", slot, "q"), send("b", slot, "q")];
    let reply = leader.dispatch(sequence, batch).await;
    assert_eq!(written(reply).1, [(0, Exception::AlreadyDone)]);
    assert_eq!(leader.queued("q").len(), 2);
}

#[tokio::test]
async fn a_call_that_arrives_after_its_successor_does_nothing() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let slot = ago(1);
    // The first was given up after its deadline; what the leader sent then was quicker.
    assert_eq!(written(leader.dispatch(0, vec![send("a", slot, "q")]).await).0, 1);
    assert_eq!(leader.dispatch(0, vec![send("a", slot, "q")]).await, Reply::Stale);
    assert_eq!(leader.queued("q").len(), 1);
}

#[tokio::test]
async fn a_call_sent_ahead_is_done_only_if_the_one_before_it_was() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let slot = ago(1);
    let first = Fence::after(&leader.lease, 0);
    let second = Fence::after(&leader.lease, first.next);
    let one = leader.broker.dispatch(&first, vec![send("a", slot, "q")]).await.unwrap();
    let two = leader.broker.dispatch(&second, vec![send("b", slot, "q")]).await.unwrap();
    assert_eq!((written(one).0, written(two).0), (first.next, second.next));
    // Redis forgets both, and the first of the next two is lost on the way.
    let third = Fence::after(&leader.lease, second.next);
    let fourth = Fence::after(&leader.lease, third.next);
    for number in [0, first.next, second.next] {
        let _: () = leader.server.connect().set("test:sequence", number).unwrap();
        let reply = leader.broker.dispatch(&fourth, vec![send("c", slot, "q")]).await.unwrap();
        assert_eq!(reply, Reply::Stale);
    }
    assert_eq!(leader.queued("q").len(), 2);
}

#[tokio::test]
async fn redis_rolled_back_behind_the_leader_is_noticed() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (first, second) = (ago(2), ago(1));
    leader.dispatch(0, vec![send("a", first, "q")]).await;
    let snapshot = leader.server.snapshot();
    leader.dispatch(1, vec![send("a", second, "q")]).await;
    leader.server.restore(&snapshot);
    leader.state().await;
    // The same lease is still good, but the sequence number is of the past.
    assert_eq!(leader.dispatch(2, vec![send("a", ago(0), "q")]).await, Reply::Stale);
    let state = leader.state().await;
    assert_eq!((state.sequence, state.progress["a"]), (1, first));
    let again = vec![send("a", second, "q")];
    assert_eq!(written(leader.dispatch(1, again).await), (2, vec![]));
    assert_eq!(leader.queued("q").len(), 2);
}

#[tokio::test]
async fn a_slot_ahead_of_redis_waits_and_holds_back_only_its_entry() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let ahead = wall_clock() + Duration::from_secs(5);
    let batch = vec![
        send("a", ago(1), "q"),
        send("a", ahead, "q"),
        skip("a", ahead + Duration::from_secs(1)),
        send("b", wall_clock() + Duration::from_millis(500), "q"),
        skip("c", ahead),
    ];
    let early = [1, 2, 4].map(|index| (index, Exception::Early));
    assert_eq!(written(leader.dispatch(0, batch).await).1, early);
    assert_eq!(leader.queued("q").len(), 2);
    assert!(!leader.state().await.progress.contains_key("c"));
}

#[tokio::test]
async fn a_queue_of_another_type_fails_alone() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.server.connect().set("wrong", "not a list").unwrap();
    let (first, second, third) = (ago(3), ago(2), ago(1));
    let batch = vec![
        skip("a", first),
        send("a", second, "wrong"),
        send("a", third, "wrong"),
        skip("a", ago(0)),
        send("b", second, "fine"),
        send("c", second, "wrong"),
        skip("d", second),
    ];
    let (sequence, mut exceptions) = written(leader.dispatch(0, batch).await);
    exceptions.sort_by_key(|(index, _)| *index);
    let refused: Vec<usize> = exceptions.iter().map(|(index, _)| *index).collect();
    assert_eq!(refused, [1, 2, 3, 5]);
    let words = |why: &Exception| format!("{why:?}").contains("WRONGTYPE");
    assert!(exceptions.iter().all(|(_, why)| words(why)), "{exceptions:?}");
    let state = leader.state().await;
    assert_eq!(state.progress["a"], first);
    assert_eq!((state.progress["b"], state.progress["d"]), (second, second));
    assert!(!state.progress.contains_key("c"));
    // Mended, the same slots go.
    let _: () = leader.server.connect().del("wrong").unwrap();
    let batch = vec![send("a", second, "wrong"), send("a", third, "wrong")];
    assert_eq!(written(leader.dispatch(sequence, batch).await).1, []);
    assert_eq!(leader.queued("wrong").len(), 2);
}

#[tokio::test]
async fn a_queue_that_an_acl_forbids_fails_alone() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let rules = ["ACL", "SETUSER", "beat", "on", ">pass/word", "~test:*", "~fine", "&*", "+@all"];
    let () = redis::cmd(rules[0]).arg(&rules[1..]).query(&mut server.connect()).unwrap();
    let url = server.tcp_url().replace("redis://", "redis://beat:pass%2Fword@");
    let mut leader = Leader::on(server).await;
    leader.broker = RedisBroker::new(&redis_address(&url), &Tls::default(), "test", DEADLINE);
    leader.state().await;
    let batch = vec![send("a", ago(1), "secret"), send("b", ago(1), "fine")];
    let (_, exceptions) = written(leader.dispatch(0, batch).await);
    assert_eq!(exceptions.len(), 1);
    assert!(matches!(&exceptions[0], (0, Exception::Refused(_))), "{exceptions:?}");
    assert_eq!(leader.queued("fine").len(), 1);
    assert!(!leader.state().await.progress.contains_key("a"));
}

#[tokio::test]
async fn a_full_redis_does_nothing_at_all_and_loses_nothing() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { maxmemory: Some("64mb"), ..Options::default() });
    let mut leader = Leader::on(server).await;
    let mut connection = leader.server.connect();
    let full = || redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1mb").clone();
    let () = full().query(&mut connection).unwrap();
    let slot = ago(1);
    let error = leader.try_dispatch(0, vec![send("a", slot, "q")]).await.unwrap_err();
    assert!(error.to_string().contains("OOM"), "{error}");
    let () =
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).query(&mut connection).unwrap();
    let state = leader.state().await;
    assert!(state.progress.is_empty() && state.sequence == 0 && leader.queued("q").is_empty());
    assert_eq!(written(leader.dispatch(0, vec![send("a", slot, "q")]).await), (1, vec![]));
}

#[tokio::test]
async fn a_life_begins_behind_the_last_progress_and_under_the_fence() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let last = ago(1);
    leader.dispatch(0, vec![send("a", last, "q")]).await;
    let begin = |entry: &str, settled| LifeChange::Begin {
        entry: entry.into(),
        timing: "1 every 1000+0".into(),
        since: ago(100),
        settled,
        sent: 0,
    };
    let changes = [begin("a", None), begin("b", Some(ago(50)))];
    let stale = leader.fence(0);
    assert_eq!(leader.broker.adopt(&stale, &changes).await.unwrap(), Reply::Stale);
    assert!(!leader.state().await.marked);
    let fence = leader.fence(1);
    let reply = leader.broker.adopt(&fence, &changes).await.unwrap();
    assert_eq!(written(reply).0, 2);
    let state = leader.state().await;
    assert!(state.marked);
    assert_eq!(state.lives["a"].since, last);
    assert!(state.lives["b"].since < state.progress["b"]);
}

#[tokio::test]
async fn many_changes_are_written_in_parts_and_read_back() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let begin = |n: usize| LifeChange::Begin {
        entry: format!("entry {n}").into(),
        timing: "1 every 1000+0".into(),
        since: UnixMs(5),
        settled: None,
        sent: 0,
    };
    let changes: Vec<_> = (0..4500).map(begin).collect();
    let fence = leader.fence(0);
    let reply = leader.broker.adopt(&fence, &changes).await.unwrap();
    let (sequence, _) = written(reply);
    let state = leader.state().await;
    assert_eq!((state.lives.len(), state.sequence), (4500, sequence));
}
