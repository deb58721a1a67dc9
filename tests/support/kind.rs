//! What every kind of worker must show: from YAML to a task that runs, once per slot.

use std::collections::HashSet;
use std::fs;

use downbeat::schedule::TaskIds;
use serde_json::Value;
use uuid::Uuid;

use super::downbeat::Place;
use super::redis::RedisServer;
use super::sent::instant;
use super::tools::tests_folder;
use super::wait::SOON;
use super::worker::Worker;

/// A place with its own configuration and one schedule file.
pub(crate) fn place(server: &RedisServer, configuration: &str, schedule: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    let file = place.path().join("downbeat.yaml");
    fs::write(&file, configuration).unwrap();
    place.write_schedule("kind.yaml", schedule);
    place.env("DOWNBEAT_CONFIG", file.to_str().unwrap())
}

/// What the kind's own client wrote, as captured.
pub(crate) fn fixture(name: &str) -> Value {
    let path = tests_folder().join("fixtures/kinds").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What a worker reports about a message that it ran.
#[derive(Debug)]
pub(crate) struct Ran<'a> {
    /// The id as this kind writes it.
    pub(crate) id: &'a str,
    /// The object with `downbeat_entry` and `downbeat_slot`.
    pub(crate) provenance: &'a Value,
}

impl Ran<'_> {
    fn text(&self, name: &str) -> String {
        let text = self.provenance[name].as_str();
        text.unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }
}

/// Two schedulers run the schedule of `place`, which has an entry for every second. The leader is
/// killed, the other one takes over and is stopped at the end. Every slot must have run once, under the
/// id that `id` derives from its task id.
pub(crate) fn every_slot_runs_once(
    place: &Place,
    worker: &mut Worker,
    read: impl for<'a> Fn(&'a Value) -> Ran<'a>,
    id: impl Fn(Uuid) -> String,
) -> Vec<Value> {
    let args = ["run", "--leader-ttl", "1s"];
    let mut first = place.start(&args);
    first.wait_for_log("became leader");
    let other = place.path().join("other");
    fs::create_dir(&other).unwrap();
    let mut second =
        place.start(&[&args[..], &["--runtime-dir", other.to_str().unwrap()]].concat());
    worker.wait_for_events(2);
    first.process().kill();
    second.wait_for_log("became leader");
    let before = worker.events().len();
    worker.wait_for_events(before + 2);
    second.process().terminate();
    assert_eq!(second.wait(SOON).code(), Some(0));

    let logged =
        [first, second].iter().flat_map(|downbeat| downbeat.dispatches()).collect::<Vec<_>>();
    assert!(!logged.is_empty());
    let slot = |ran: &Ran<'_>| (ran.text("downbeat_entry"), instant(&ran.text("downbeat_slot")).0);
    let events = worker.wait_for("all that was sent has run", |events| {
        let slots: HashSet<_> = events.iter().map(|event| slot(&read(event))).collect();
        let ran = |entry: &str, ms: i64| slots.contains(&(entry.to_owned(), ms));
        let all = logged.iter().all(|sent| ran(&sent.entry, sent.slot_ms));
        all.then(|| events.to_vec())
    });
    let ids = TaskIds::new("downbeat");
    let mut slots = HashSet::new();
    for event in &events {
        let ran = read(event);
        let (entry, ms) = slot(&ran);
        assert_eq!(ran.id, id(ids.id(&entry, downbeat_time::UnixMs(ms))), "{event}");
        assert!(ran.text("traceparent").starts_with("00-"));
        assert!(slots.insert((entry, ms)), "ran twice: {event}");
    }
    events
}
