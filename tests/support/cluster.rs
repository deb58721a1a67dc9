//! Several replicas of one schedule on one broker, and the rule that no fault may break: every slot
//! once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use downbeat::schedule::TaskIds;
use downbeat_time::UnixMs;
use redis::Commands as _;

use super::downbeat::{Downbeat, Finished, Place};
use super::redis::RedisServer;
use super::sent::Sent;
use super::wait::{SOON, eventually, wall_clock};

/// The shortest possible lease, to keep tests short.
pub(crate) const TTL: Duration = Duration::from_secs(1);
/// The promised takeover time after a crash.
pub(crate) const TAKEOVER: Duration = Duration::from_secs(3);
/// The queue of [`busy_schedule`].
pub(crate) const QUEUE: &str = "tasks";
/// The interval of every entry of [`busy_schedule`].
pub(crate) const STEP: Duration = Duration::from_secs(1);
/// 200 messages a second: half of them at the same instant, half of them spread evenly.
pub(crate) fn busy_schedule() -> String {
    bursting_schedule(100)
}

/// A schedule with this many messages at each full second, and a hundred more spread evenly.
pub(crate) fn bursting_schedule(burst: usize) -> String {
    let mut text = format!("defaults: {{queue: {QUEUE}}}\nentries:\n");
    for number in 0..burst + 100 {
        let phase = 10 * number.saturating_sub(burst);
        let when = format!("every: 1s, phase: {phase}ms");
        let args = "args: ['{{ slot | unix }}']";
        text += &format!("  entry-{number:04}: {{task: demo.echo, {when}, {args}}}\n");
    }
    text
}

/// Replicas, each as on its own machine.
#[derive(Debug)]
pub(crate) struct Cluster {
    replicas: Vec<Replica>,
    /// How many entries use the busy queue.
    entries: usize,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    place: Place,
    downbeat: Downbeat,
}

impl Replica {
    fn start(url: &str, schedule: &str) -> Replica {
        let ttl = format!("{}ms", TTL.as_millis());
        let place = Place::new()
            .env("DOWNBEAT_BROKER", url)
            .env("DOWNBEAT_LEADER_TTL", &ttl)
            // However busy the machine, no slot is missed for which a later one would stand.
            .env("DOWNBEAT_GRACE", "5m");
        place.write_schedule("all.yaml", schedule);
        let downbeat = run(&place);
        Replica { place, downbeat }
    }

    /// The running binary.
    pub(crate) fn downbeat(&mut self) -> &mut Downbeat {
        &mut self.downbeat
    }

    /// Starts it again after it has ended or been killed. Its log starts empty.
    pub(crate) fn start_again(&mut self) {
        assert!(self.downbeat.process().exited().is_some(), "still running");
        self.downbeat = run(&self.place);
    }

    /// Sends SIGTERM, and expects exit code 0.
    pub(crate) fn stop(&mut self) {
        self.downbeat.process().terminate();
        assert_eq!(self.downbeat.wait(SOON).code(), Some(0), "{:?}", self.downbeat.log());
    }

    /// Its control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.runtime().join("control.sock")
    }

    /// Runs a command on its machine.
    pub(crate) fn command(&self, args: &[&str]) -> Finished {
        self.place.run(args)
    }

    /// Whether it leads, according to its log.
    pub(crate) fn leads(&self) -> bool {
        let changes = ["became leader", "stepped down", " resigned ", "lost the lease"];
        let is_change = |line: &str| changes.iter().any(|change| line.contains(change));
        self.downbeat.last_log(is_change).is_some_and(|line| line.contains("became leader"))
    }

    /// How many lines of its log contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.downbeat.log().iter().filter(|line| line.contains(text)).count()
    }

    /// The slots of each entry that it logged as dispatched, in that order.
    pub(crate) fn dispatched(&self) -> BTreeMap<String, Vec<UnixMs>> {
        let mut slots: BTreeMap<String, Vec<UnixMs>> = BTreeMap::new();
        for line in self.downbeat.log().iter().filter(|line| line.contains(" dispatched entry=")) {
            let entry = field(line, "entry").trim_matches('"').to_owned();
            slots.entry(entry).or_default().push(instant(field(line, "slot")));
        }
        slots
    }
}

fn run(place: &Place) -> Downbeat {
    place.start(&["run", "--schedules", "schedules"])
}

/// The value of a field in a log line.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let value = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{name}: {line}")).1;
    value.split(' ').next().unwrap()
}

/// When a line was logged.
pub(crate) fn time_of(line: &str) -> UnixMs {
    instant(line.split(' ').next().unwrap())
}

fn instant(text: &str) -> UnixMs {
    text.parse::<jiff::Timestamp>().unwrap().into()
}

impl Cluster {
    /// Replicas with the [`busy_schedule`], all on `server`.
    pub(crate) fn start(server: &RedisServer, replicas: usize) -> Cluster {
        Cluster::start_with(&vec![server.url(); replicas], &busy_schedule())
    }

    /// Starts a replica for each of `urls`; the first one leads when this returns.
    ///
    /// The namespace must be [`used_before`], or the first one leads only after one TTL.
    pub(crate) fn start_with(urls: &[String], schedule: &str) -> Cluster {
        let first = Replica::start(&urls[0], schedule);
        first.downbeat.wait_for_log("became leader");
        let others = urls[1..].iter().map(|url| Replica::start(url, schedule));
        let replicas = std::iter::once(first).chain(others).collect();
        let cluster = Cluster { replicas, entries: schedule.matches("  entry-").count() };
        for follower in &cluster.replicas[1..] {
            follower.downbeat.wait_for_log("became follower");
        }
        cluster
    }

    /// A replica by number.
    pub(crate) fn replica(&mut self, number: usize) -> &mut Replica {
        &mut self.replicas[number]
    }

    /// All replicas.
    pub(crate) fn replicas(&mut self) -> &mut [Replica] {
        &mut self.replicas
    }

    /// Who leads, according to the logs.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.replicas.iter().position(Replica::leads)
    }

    /// Waits until one leads, and returns its number.
    pub(crate) fn wait_for_leader(&self) -> usize {
        eventually(SOON, "a leader", || self.leader())
    }

    /// Waits until another one than `old` leads, and returns its number.
    pub(crate) fn wait_for_leader_after(&self, old: usize) -> usize {
        let others = || (0..self.replicas.len()).filter(|number| *number != old);
        eventually(SOON, "another leader", || {
            others().find(|number| self.replicas[*number].leads())
        })
    }

    /// Waits until everything due until now is done, stops all replicas cleanly, checks the messages of
    /// the busy queue and returns them.
    pub(crate) fn finish(&mut self, server: &RedisServer) -> Vec<Sent> {
        let until = wall_clock();
        wait_until_all_advance(server);
        // After an outage, one entry may have caught up while another waits for its batch.
        eventually(SOON, "the last slots of all entries", || {
            let sent = newest(server, 10 * self.entries);
            let last = by_entry(&sent).into_values().map(|messages| slot_of(messages[0]));
            (last.filter(|slot| *slot + STEP > until).count() == self.entries).then_some(())
        });
        for replica in &mut self.replicas {
            replica.stop();
        }
        let sent = server.queue(QUEUE);
        assert_every_slot_once(&sent, self.entries, until);
        sent
    }
}

/// Makes the namespace look as if it had been used before: its first leader then need not wait for a
/// replica that remembers more.
pub(crate) fn used_before(server: RedisServer) -> RedisServer {
    server.connect().set::<_, _, ()>("downbeat:marker", "1").unwrap();
    server
}

/// Waits until every entry has advanced beyond now.
pub(crate) fn wait_until_all_advance(server: &RedisServer) {
    // The entries take turns within one step: after the next step, each has had its turn.
    wait_for_slot(server, wall_clock() + STEP);
}

/// Waits until the newest message is for this slot or a later one.
pub(crate) fn wait_for_slot(server: &RedisServer, slot: UnixMs) {
    let mut connection = server.connect();
    eventually(SOON, &format!("the slot {slot}"), || {
        let newest: Option<Vec<u8>> = connection.lindex(QUEUE, 0).unwrap();
        newest.filter(|message| slot_of(&Sent::decode(message)) >= slot)
    });
}

/// The newest messages of the busy queue, newest first.
fn newest(server: &RedisServer, count: usize) -> Vec<Sent> {
    let messages: Vec<Vec<u8>> = server.connect().lrange(QUEUE, 0, count as isize - 1).unwrap();
    messages.iter().map(|message| Sent::decode(message)).collect()
}

/// The slot of a message.
pub(crate) fn slot_of(sent: &Sent) -> UnixMs {
    instant(&sent.slot)
}

/// The messages of each entry, in the order of the queue.
pub(crate) fn by_entry(sent: &[Sent]) -> BTreeMap<&str, Vec<&Sent>> {
    let mut entries: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for message in sent {
        entries.entry(&message.entry).or_default().push(message);
    }
    entries
}

/// Asserts that all `count` entries of the busy queue began together and that, from there on, every
/// slot before `until` is in the queue once, in order, with its own id.
pub(crate) fn assert_every_slot_once(sent: &[Sent], count: usize, until: UnixMs) {
    let entries = by_entry(sent);
    assert_eq!(entries.len(), count, "entries that were sent at all");
    let began = entries.values().map(|messages| slot_of(messages[0])).min().unwrap();
    let ids = TaskIds::new("downbeat");
    for (entry, messages) in entries {
        let slots: Vec<UnixMs> = messages.iter().map(|sent| slot_of(sent)).collect();
        assert!(slots[0] < began + STEP, "{entry} began at {}, others at {began}", slots[0]);
        assert_no_gap(entry, &slots);
        let last = slots[slots.len() - 1];
        assert!(last + STEP > until, "{entry} stopped at {last}, before {until}");
        for (message, slot) in messages.iter().zip(slots) {
            assert_eq!(message.id, ids.id(entry, slot).to_string(), "{entry} at {slot}");
        }
    }
}

/// Asserts that each slot is one step after the previous one.
pub(crate) fn assert_no_gap(entry: &str, slots: &[UnixMs]) {
    for pair in slots.windows(2) {
        assert_eq!(pair[1], pair[0] + STEP, "{entry}: after {}", pair[0]);
    }
}
