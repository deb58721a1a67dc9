//! Requests to pause, over a store in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::writer::PauseWriter;
use super::*;
use crate::address::Address;
use crate::refused::Refused;
use crate::schedule::entry::About;
use crate::schedule::sample::{every, schedule, zone};
use crate::schedule::{Entry, Guards, Schedule};
use crate::store::Fence;
use crate::store::contract::{
    Acquire, Acquired, Intend, Intent, PausesMark, Reply, Settle, Settled, Store as _,
};
use crate::store::memory::MemoryStore;
use crate::worker::{AmqpQueue, Queue};

/// 2027-01-01T00:00:00Z.
const NOW: UnixMs = UnixMs::from_secs(1_798_761_600);

struct World {
    store: Mutex<MemoryStore>,
    schedule: Arc<Schedule>,
}

fn world() -> World {
    let tagged = |name: &str, zone_name: &str, tags: &[&str]| {
        let tags = tags.iter().map(|tag| (*tag).into()).collect();
        let about = About { tags, ..About::default() }.some();
        Entry { about, zone: Arc::new(zone(zone_name)), ..every(name, 60) }
    };
    let entries = [
        tagged("berlin", "Europe/Berlin", &["night", "eu"]),
        tagged("seoul", "Asia/Seoul", &["night"]),
        tagged("paris", "Europe/Paris", &["eu"]),
    ];
    let store = MemoryStore::new("tests", || NOW);
    World { store: Mutex::new(store), schedule: schedule(entries) }
}

impl World {
    async fn ask(&self, asked: Request) -> Result<Response, Refused> {
        let by = Some("ann@host".to_owned());
        change(&self.store, &self.schedule, &[Request { by, ..asked }]).await.remove(0)
    }

    async fn in_force(&self) -> Vec<String> {
        let reading = self.store.lock().unwrap().pauses();
        let pauses = reading.await.unwrap().to_pauses();
        pauses.in_force(NOW).iter().map(|(subject, _)| subject.to_string()).collect()
    }
}

fn named(names: &[&str]) -> Request {
    Request { entries: names.iter().map(ToString::to_string).collect(), ..Request::default() }
}

fn tag(name: &str) -> Request {
    Request { tags: vec![name.to_owned()], ..Request::default() }
}

fn all() -> Request {
    Request { all: true, ..Request::default() }
}

fn resume(asked: Request) -> Request {
    Request { resume: true, ..asked }
}

fn until(asked: Request, until: &str) -> Request {
    Request { until: Some(until.to_owned()), ..asked }
}

fn changed(answered: &Response) -> Vec<(&str, bool, bool)> {
    let subjects = answered.subjects.iter();
    subjects.map(|one| (&*one.subject, one.changed, one.paused.is_some())).collect()
}

#[tokio::test]
async fn what_is_paused_twice_is_paused_once_and_what_is_resumed_twice_says_so() {
    let world = world();
    let both = || named(&["seoul", "berlin", "seoul"]);
    let answered = world.ask(both()).await.unwrap();
    assert_eq!(changed(&answered), [("entry:seoul", true, true), ("entry:berlin", true, true)]);
    let pause = answered.subjects[0].paused.as_ref().unwrap();
    assert_eq!(pause.from, "2027-01-01T09:00:00+09:00");
    assert_eq!(pause.in_words(), "until resumed, by ann@host");
    let answered = world.ask(both()).await.unwrap();
    assert_eq!(changed(&answered), [("entry:seoul", false, true), ("entry:berlin", false, true)]);
    assert_eq!(world.in_force().await, ["entry:berlin", "entry:seoul"]);
    for is_changed in [true, false] {
        let answered = world.ask(resume(named(&["berlin"]))).await.unwrap();
        assert_eq!(changed(&answered), [("entry:berlin", is_changed, false)]);
        assert_eq!(answered.subjects[0].before.is_some(), is_changed);
    }
    assert_eq!(world.in_force().await, ["entry:seoul"]);
}

#[tokio::test]
async fn pausing_again_moves_the_end_and_reports_the_previous_pause() {
    let world = world();
    world.ask(until(named(&["seoul"]), "2h")).await.unwrap();
    let note = Some("longer\nthan thought".to_owned());
    let answered = world.ask(Request { note, ..named(&["seoul"]) }).await.unwrap();
    let [subject] = &answered.subjects[..] else { panic!("{answered:?}") };
    let before = subject.before.as_ref().unwrap();
    assert_eq!(before.until.as_deref(), Some("2027-01-01T11:00:00+09:00"));
    let paused = subject.paused.as_ref().unwrap();
    assert_eq!(paused.in_words(), "until resumed, by ann@host: longer than thought");
}

#[tokio::test]
async fn other_pauses_in_force_after_resuming_are_reported() {
    let world = world();
    world.ask(all()).await.unwrap();
    world.ask(tag("night")).await.unwrap();
    world.ask(named(&["paris"])).await.unwrap();
    let left = |answered: &Response| {
        let left = answered.still_paused.iter().map(|pause| pause.subject.clone());
        (left.collect::<Vec<_>>(), answered.still_paused_count)
    };
    let some = |names: &[&str]| (names.iter().map(ToString::to_string).collect(), names.len());
    let answered = world.ask(resume(named(&["berlin"]))).await.unwrap();
    assert_eq!(changed(&answered), [("entry:berlin", false, false)]);
    assert_eq!(left(&answered), some(&["all", "tag:night"]));
    let answered = world.ask(resume(all())).await.unwrap();
    assert_eq!(left(&answered), some(&["tag:night", "entry:paris"]));
    let answered = world.ask(resume(tag("eu"))).await.unwrap();
    assert_eq!(left(&answered), some(&["tag:night", "entry:paris"]));
    let answered = world.ask(resume(tag("night"))).await.unwrap();
    assert_eq!(left(&answered), some(&[]));
    assert_eq!(world.in_force().await, ["entry:paris"]);
}

#[tokio::test]
async fn unknown_names_are_refused_with_a_suggestion() {
    let world = world();
    let near = |refused: Refused| refused.to_string();
    let refused = world.ask(named(&["seoul", "berlim"])).await.unwrap_err();
    assert_eq!(near(refused), "no entry is named `berlim`; did you mean `berlin`?");
    let refused = world.ask(tag("nigth")).await.unwrap_err();
    assert_eq!(near(refused), "no entry has the tag `nigth`; did you mean `night`?");
    let refused = world.ask(resume(tag("weekly reports"))).await.unwrap_err();
    assert_eq!(near(refused), "no entry has the tag `weekly reports`");
    assert!(matches!(world.ask(Request::default()).await, Err(Refused::Invalid(_))));
    assert_eq!(world.in_force().await, [""; 0], "nothing of it is done");
    // Entries that have left the schedule can be resumed.
    world.ask(named(&["seoul"])).await.unwrap();
    let later = World { schedule: schedule([every("other", 60)]), ..world };
    let answered = later.ask(resume(named(&["seoul"]))).await.unwrap();
    assert_eq!(changed(&answered), [("entry:seoul", true, false)]);
    assert!(later.ask(resume(named(&["seoul"]))).await.is_err());
}

#[tokio::test]
async fn an_end_is_an_instant_a_wall_time_or_a_length_and_to_come() {
    let world = world();
    let end = async |asked: Request, text: &str| {
        let answered =
            world.ask(until(asked, text)).await.map_err(|refused| refused.to_string())?;
        let ends = answered.subjects.iter().map(|one| one.paused.as_ref().unwrap().until_utc);
        Ok::<_, String>(ends.map(|end| end.unwrap().to_string()).collect::<Vec<_>>())
    };
    let both = || named(&["berlin", "seoul"]);
    let expected = ["2027-01-01T09:00:00Z", "2027-01-01T01:00:00Z"].map(str::to_owned);
    assert_eq!(end(both(), "2027-01-01 10:00").await, Ok(expected.into()));
    let instant = || vec!["2027-01-01T01:00:00Z".to_owned()];
    assert_eq!(end(tag("night"), "2027-01-01T10:00:00+09:00").await, Ok(instant()));
    assert_eq!(end(all(), "1h").await, Ok(instant()));
    // Two names of the same clock.
    assert_eq!(end(tag("eu"), "2027-01-01 02:00").await, Ok(instant()));
    for (asked, text, why) in [
        (tag("night"), "2027-01-01 10:00", "the entries have several zones"),
        (both(), "2027-01-01T00:00:00Z", "is past: it is 2027-01-01T00:00:00Z now"),
        (both(), "2026-12-31 10:00", "is past"),
        (both(), "0s", "is past"),
        (both(), "tomorrow", "`tomorrow` is not a date and time; write `2026"),
        (both(), "2027-02-30 10:00", "there is no `2027-02-30 10:00`"),
    ] {
        let refused = end(asked, text).await.unwrap_err();
        assert!(refused.starts_with("--until: ") && refused.contains(why), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_gathers_what_comes_at_once_and_answers_everybody() {
    let World { store, schedule } = world();
    let store = store.into_inner().unwrap();
    let mut pause_writer = PauseWriter::open(store.clone());
    let mut answers = Vec::new();
    for _ in 0..3 {
        for asked in [named(&["seoul"]), tag("eu"), resume(named(&["seoul"])), all()] {
            let (answer, answered) = tokio::sync::oneshot::channel();
            pause_writer.ask(asked, Arc::clone(&schedule), answer);
            answers.push(answered);
        }
    }
    let begun = tokio::time::Instant::now();
    for answered in answers {
        assert_eq!(answered.await.unwrap().unwrap().may_still_go, [""; 0]);
    }
    assert!(begun.elapsed() < Duration::from_millis(20), "{:?}", begun.elapsed());
    pause_writer.changed().await;
    let read = store.clone().pauses().await.unwrap();
    let in_force: Vec<_> = read.subjects.iter().map(|one| one.subject.to_string()).collect();
    assert_eq!(in_force, ["all", "tag:eu", "entry:seoul"]);
    assert!(read.of(&"entry:seoul".parse().unwrap()).0.iter().all(|pause| !pause.is_in_force(NOW)));
}

/// A leader that is publishing a slot of the entry on a carrier.
struct Handing {
    store: MemoryStore,
    lease: Arc<str>,
    queue: Arc<Queue>,
}

async fn handing(store: &MemoryStore, entry: &Entry) -> Handing {
    let mut store = store.clone();
    let (holder, ttl) = ("one".into(), Duration::from_secs(60));
    let acquired =
        store.acquire(Acquire { holder, ttl, even_unmarked: true, replaces: None }).await;
    let Ok(Acquired::Ours { lease, .. }) = acquired else { panic!("{acquired:?}") };
    let queue = Arc::clone(&entry.message.queue);
    let (name, guards) = (Arc::clone(&entry.name), Guards::default());
    let slots = vec![Intent { entry: name, slot: NOW, queue: Arc::clone(&queue), guards }];
    let (fence, pauses) = (Fence::after(&lease, 0), PausesMark::default());
    let reply = store.intend(Intend { fence, pauses, slots }).await;
    assert!(matches!(reply, Ok(Reply::Written { .. })), "{reply:?}");
    Handing { store, lease, queue }
}

impl Handing {
    /// The carrier has answered.
    async fn settle(&mut self, entry: &Entry) {
        let sequence = self.store.read().await.unwrap().sequence;
        let (fence, queue) = (Fence::after(&self.lease, sequence), Arc::clone(&self.queue));
        let (entry, guards) = (Arc::clone(&entry.name), Guards::default());
        let settled = Settled { entry, queue, line: None, task_id: uuid::Uuid::nil(), guards };
        let reply = self.store.settle(Settle { fence, slots: vec![settled] }).await;
        assert!(matches!(reply, Ok(Reply::Written { .. })), "{reply:?}");
    }
}

fn carried(name: &str) -> Entry {
    let Ok(Address::Amqp(url)) = Address::parse("amqp://rabbit") else { panic!("no address") };
    let mut entry = every(name, 60);
    let mut queue = Queue::clone(&entry.message.queue);
    queue.amqp = Some(AmqpQueue::on(Arc::new(url)));
    entry.message.queue = Arc::new(queue);
    entry
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_answered_once_no_carrier_is_publishing_its_slots() {
    let store = MemoryStore::new("tests", || NOW);
    let entries = schedule([carried("a"), carried("b")]);
    let entry = entries.get("a").unwrap();
    let mut handing = handing(&store, entry).await;
    let pause_writer = PauseWriter::open(store);
    let ask = |asked: Request| {
        let (answer, answered) = tokio::sync::oneshot::channel();
        pause_writer.ask(asked, Arc::clone(&entries), answer);
        async { answered.await.unwrap().unwrap() }
    };
    let waiting = ask(named(&["a"]));
    let mut waiting = std::pin::pin!(waiting);
    let second = Duration::from_secs(1);
    assert!(tokio::time::timeout(second, waiting.as_mut()).await.is_err());
    // Other requests do not wait, nor does a resume.
    let begun = tokio::time::Instant::now();
    assert_eq!(ask(named(&["b"])).await.may_still_go, [""; 0]);
    assert!(begun.elapsed() < second / 10, "{:?}", begun.elapsed());
    handing.settle(entry).await;
    assert_eq!(waiting.await.may_still_go, [""; 0]);
    assert!(begun.elapsed() < second / 5, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn if_a_carrier_does_not_answer_a_pause_names_what_may_still_go() {
    let store = MemoryStore::new("tests", || NOW);
    let entries = schedule([carried("a"), carried("b"), every("c", 60)]);
    let _handing = handing(&store, entries.get("a").unwrap()).await;
    let store = Mutex::new(store);
    let begun = tokio::time::Instant::now();
    let asked = [all()];
    let done = change(&store, &entries, &asked).await.remove(0).unwrap();
    let left = wait_for_carriers(&store, &entries, &asked[0], &done).await;
    assert_eq!(left, ["a"]);
    assert!((5..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let asked = [resume(all())];
    let done = change(&store, &entries, &asked).await.remove(0).unwrap();
    assert_eq!(wait_for_carriers(&store, &entries, &asked[0], &done).await, [""; 0]);
}
