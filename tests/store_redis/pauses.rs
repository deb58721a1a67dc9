//! Pauses: whatever stands in their keys, and whether another server has them.

use downbeat::schedule::pause::{Edit, Pause, PauseRequest, Subject};
use downbeat::store::contract::{ChangePauses, PausesChanged, SubjectPauses};

use super::*;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const PAUSE: PauseRequest = PauseRequest::Pause { until: None, by: None, note: None };

fn entry(name: &str) -> Subject {
    Subject::Entry(name.into())
}

async fn change(store: &mut RedisStore, subject: Subject, request: &PauseRequest) -> PausesChanged {
    let read = store.pauses().await.unwrap();
    let (pauses, etag) = read.of(&subject);
    let Edit::Write { pauses, forbids, .. } = request.edit(pauses, read.now) else {
        panic!("nothing to write");
    };
    let subjects = vec![SubjectPauses { subject, pauses, etag }];
    store.change_pauses(ChangePauses { subjects, forbids }).await.unwrap()
}

#[track_caller]
fn replicated(changed: PausesChanged) -> Option<bool> {
    match changed {
        PausesChanged::Written { replicated, .. } => replicated,
        other => panic!("{other:?}"),
    }
}

async fn dispatch(leader: &mut Leader, pauses: PausesMark) -> Reply {
    let batch = Batch { fence: leader.fence(), pauses, writes: vec![send("a", ago(1), "q")] };
    let reply = leader.store.dispatch(batch).await;
    leader.note(reply).unwrap()
}

#[tokio::test]
async fn an_unreadable_pause_is_named_pauses_nothing_and_can_be_replaced() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    change(&mut leader.store, entry("a"), &PAUSE).await;
    let long = "1 - {}\n".repeat(10_000);
    let values: [&[u8]; 7] =
        [b"garbage", b"1 2", b"1 2 {", b"\xff\xfe", b"now - {}", b"1 2 {}\n", long.as_bytes()];
    for value in values {
        for name in ["entry:b", "all", "neither"] {
            let _: () = leader.redis().hset("test:pauses", name, value).unwrap();
        }
        let read = leader.store.pauses().await.unwrap();
        let mut named: Vec<_> = read.unreadable.iter().map(|(name, _)| &**name).collect();
        named.sort_unstable();
        assert_eq!(named, ["all", "entry:b", "neither"], "{value:?}");
        for (_, what) in &read.unreadable {
            assert!(what.len() < 120 && !what.contains(char::is_control), "{what:?}");
        }
        let in_force = read.to_pauses().in_force(read.now).len();
        assert_eq!((in_force, read.of(&entry("a")).0.len()), (1, 1));
        change(&mut leader.store, entry("b"), &PAUSE).await;
        let read = leader.store.pauses().await.unwrap();
        assert_eq!(read.of(&entry("b")).0.len(), 1);
    }
}

#[tokio::test]
async fn whatever_is_in_the_place_of_the_pauses_is_replaced_by_the_next() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.redis().set("test:pauses", "x".repeat(1_000_000)).unwrap();
    let read = leader.store.pauses().await.unwrap();
    assert_eq!((read.subjects.len(), read.unreadable.len()), (0, 1));
    for value in
        ["", "7", "nan 7", "-1 7", "7 7 7", "007 7", &"9".repeat(40), "99999999999999999 1"]
    {
        let _: () = leader.redis().set("test:revision", value).unwrap();
        let before = leader.store.pauses().await.unwrap().mark;
        // Readers and scripts take it for the same.
        let reply = dispatch(&mut leader, before).await;
        assert!(matches!(reply, Reply::Written { .. }), "{value}: {reply:?}");
        change(&mut leader.store, entry("a"), &PAUSE).await;
        assert_eq!(dispatch(&mut leader, before).await, Reply::Revised, "{value}");
        change(&mut leader.store, entry("a"), &PauseRequest::Resume).await;
    }
    let read = leader.store.pauses().await.unwrap();
    assert_eq!((read.subjects.len(), read.unreadable.len()), (1, 0));
    let _: () = leader.redis().lpush("test:revision", "x").unwrap_or(());
    let _: () = leader.redis().del("test:revision").unwrap();
    let _: () = leader.redis().lpush("test:revision", "x").unwrap();
    let before = leader.store.pauses().await.unwrap().mark;
    assert_eq!(before, PausesMark::default());
    change(&mut leader.store, entry("b"), &PAUSE).await;
    assert_eq!(dispatch(&mut leader, before).await, Reply::Revised);
}

#[tokio::test]
async fn a_revision_that_was_deleted_does_not_come_again() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    change(&mut leader.store, entry("a"), &PAUSE).await;
    let seen = leader.store.pauses().await.unwrap().mark;
    let _: () = leader.redis().del("test:revision").unwrap();
    assert_eq!(dispatch(&mut leader, seen).await, Reply::Revised);
    for _ in 0..3 {
        change(&mut leader.store, entry("b"), &PAUSE).await;
        let now = leader.store.pauses().await.unwrap().mark;
        assert!(now.revision > seen.revision);
        assert_eq!(dispatch(&mut leader, seen).await, Reply::Revised);
        change(&mut leader.store, entry("b"), &PauseRequest::Resume).await;
    }
}

#[tokio::test]
async fn instants_that_look_like_now_in_a_note_stay_as_they_are() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let note = "now now\nnow now ";
    let request = PauseRequest::Pause { until: None, by: None, note: Some(note.into()) };
    change(&mut leader.store, entry("a"), &request).await;
    let text: String = leader.redis().hget("test:pauses", "entry:a").unwrap();
    assert!(text.ends_with(" - {\"note\":\"now now\\nnow now \"}"), "{text}");
    let read = leader.store.pauses().await.unwrap();
    let [Pause { note: Some(note), .. }] = read.of(&entry("a")).0 else { panic!("{read:?}") };
    assert_eq!(&**note, "now now now now");
}

/// A server that follows another.
fn follower(server: &RedisServer) -> RedisServer {
    let address = ["--replicaof", "127.0.0.1", &server.port().to_string()].map(str::to_owned);
    let args = [&address[..], &["--repl-diskless-sync-delay".to_owned(), "0".to_owned()]].concat();
    let follower = RedisServer::start_with(Options { args, ..Options::default() });
    eventually(SOON, "the replica follows", || {
        let info: String =
            redis::cmd("INFO").arg("replication").query(&mut follower.connect()).unwrap();
        info.contains("master_link_status:up").then_some(())
    });
    follower
}

#[tokio::test]
async fn a_pause_says_whether_another_server_has_it() {
    needs!(Redis);
    let args = ["--repl-diskless-sync-delay", "0"].map(str::to_owned).into();
    let server = RedisServer::start_with(Options { tcp: true, args, ..Options::default() });
    let mut leader = Leader::on(server).await;
    assert_eq!(replicated(change(&mut leader.store, entry("a"), &PAUSE).await), None);
    let mut follower = follower(&leader.server);
    // On a busy machine an answer may take too long.
    let mut pauses = 1;
    loop {
        let another = entry(&format!("b{pauses}"));
        pauses += 1;
        match replicated(change(&mut leader.store, another, &PAUSE).await) {
            Some(true) => break,
            said => assert!(said == Some(false) && pauses < 50, "{said:?}"),
        }
    }
    let there: usize = follower.connect().hlen("test:pauses").unwrap();
    assert_eq!(there, pauses);
    follower.process().pause();
    let mut other = store(&leader.server);
    let waiting = tokio::spawn(async move { change(&mut other, Subject::All, &PAUSE).await });
    // Who sends does not wait for that.
    let sends = async {
        let mut sent = 0;
        while !waiting.is_finished() {
            let mark = leader.store.pauses().await.unwrap().mark;
            sent += usize::from(matches!(dispatch(&mut leader, mark).await, Reply::Written { .. }));
        }
        sent
    };
    let sent = sends.await;
    assert_eq!(replicated(waiting.await.unwrap()), Some(false));
    assert!(sent > 2, "{sent}");
}
