//! Once a pause is confirmed, nothing that it forbids is sent, whoever leads and whatever crashes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use redis::Connection;
use serde_json::{Value, json};

use crate::support::cluster::{
    Cluster, QUEUE, STEP, by_entry, used_before, wait_until_all_advance,
};
use crate::support::http::Answer;
use crate::support::recorded::{Recorded, recorded, server_ms};
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// So many messages a second, spread evenly.
const ENTRIES: usize = 500;

fn schedule() -> String {
    let mut text = format!("defaults: {{queue: {QUEUE}}}\nentries:\n");
    for n in 0..ENTRIES {
        let phase = 1000 * n / ENTRIES;
        writeln!(text, "  entry-{n:04}: {{task: t, every: 1s, phase: {phase}ms}}").unwrap();
    }
    text
}

fn name(n: usize) -> String {
    format!("entry-{n:04}")
}

/// Asks a replica over its socket; `None`: it has not answered, and may have done it or not.
fn ask(socket: &Path, path: &str, body: &Value) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let request = format!(
        "{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok().filter(|_| text.contains("\r\n\r\n"))?;
    let answer = Answer::read(&text);
    assert_eq!(answer.code, 200, "{answer:?}");
    Some(answer.json())
}

/// Pauses and resumes, and keeps in mind when that was answered, by the server's clock.
struct Operator {
    redis: Connection,
    paused_at: BTreeMap<String, i64>,
    resumed_at: BTreeMap<String, i64>,
}

impl Operator {
    fn pause(&mut self, socket: &Path, n: usize) {
        let body = json!({"entries": [name(n)], "by": "test"});
        if let Some(answer) = ask(socket, "/v1/pause", &body) {
            assert_eq!(answer["may_still_go"], json!([]));
            self.paused_at.insert(name(n), server_ms(&mut self.redis));
        }
    }

    fn resume(&mut self, socket: &Path, n: usize) {
        let asked_at = server_ms(&mut self.redis);
        ask(socket, "/v1/resume", &json!({"entries": [name(n)]})).unwrap();
        self.resumed_at.insert(name(n), asked_at);
    }
}

/// Each slot from the first to the last has one line, or is one of those that a line counts.
fn assert_every_slot_once(entry: &str, lines: &[Recorded]) {
    let step_ms = i64::try_from(STEP.as_millis()).unwrap();
    let mut next = None;
    for Recorded { line, .. } in lines {
        let first = line.slot.0 - step_ms * (i64::try_from(line.count).unwrap() - 1);
        assert!(next.is_none_or(|next| next == first), "{entry}: {next:?} is not {line:?}");
        next = Some(line.slot.0 + step_ms);
    }
}

#[test]
fn the_first_pause_holds_from_its_answer_on_though_another_replica_leads() {
    needs!(Redis);
    let server = used_before(RedisServer::start());
    let mut cluster = Cluster::start_with(&vec![server.url(); 2], &schedule());
    let socket = cluster.replicas()[1].socket();
    let (redis, paused_at, resumed_at) = (server.connect(), BTreeMap::new(), BTreeMap::new());
    let mut operator = Operator { redis, paused_at, resumed_at };
    wait_until_all_advance(&server);
    operator.pause(&socket, 7);
    wait_until_all_advance(&server);
    wait_until_all_advance(&server);
    let lines = &recorded(&mut server.connect())[&name(7)];
    let after = lines.iter().filter(|one| one.at_ms > operator.paused_at[&name(7)]);
    let after: Vec<_> = after.map(Recorded::is_paused).collect();
    assert!(after.len() >= 2 && !after.contains(&false), "{lines:?}");
    for replica in cluster.replicas() {
        replica.stop();
    }
}

#[test]
fn after_the_answer_nothing_goes_while_others_take_the_lead_and_die() {
    needs!(Redis);
    let server = used_before(RedisServer::start());
    let mut cluster = Cluster::start_with(&vec![server.url(); 3], &schedule());
    let sockets: Vec<PathBuf> = cluster.replicas().iter().map(|replica| replica.socket()).collect();
    let (redis, paused_at, resumed_at) = (server.connect(), BTreeMap::new(), BTreeMap::new());
    let mut operator = Operator { redis, paused_at, resumed_at };
    wait_until_all_advance(&server);
    for round in 0..6 {
        let leader = cluster.wait_for_leader();
        let taking = (leader + 1 + round % 2) % 3;
        // Who leads dies or makes way in the midst of it, or who takes the commands dies.
        let victim = if round % 3 == 2 { taking } else { leader };
        for (step, n) in (0..40).map(|step| (step, 80 * round + 2 * step)) {
            if step == 15 {
                match round % 3 {
                    1 => drop(cluster.replica(leader).command(&["resign"])),
                    _ => cluster.replica(victim).downbeat().process().kill(),
                }
            }
            operator.pause(&sockets[taking], n);
        }
        if cluster.replica(victim).downbeat().process().exited().is_some() {
            if victim == leader {
                cluster.wait_for_leader_after(leader);
            }
            cluster.replica(victim).start_again();
            eventually(SOON, "it listens again", || UnixStream::connect(&sockets[victim]).ok());
        }
    }
    let leader = cluster.wait_for_leader();
    assert!(operator.paused_at.len() > 150, "{}", operator.paused_at.len());
    let mut redis = server.connect();
    eventually(SOON, "slots are counted as paused", || {
        let all = recorded(&mut redis);
        let is_seen =
            |entry: &String| all.get(entry).is_some_and(|lines| lines.last().unwrap().is_paused());
        operator.paused_at.keys().all(is_seen).then_some(())
    });
    for n in (0..480).step_by(8) {
        if operator.paused_at.contains_key(&name(n)) {
            operator.resume(&sockets[(leader + 1) % 3], n);
        }
    }
    wait_until_all_advance(&server);
    wait_until_all_advance(&server);
    for replica in cluster.replicas() {
        replica.stop();
    }
    let all = recorded(&mut redis);
    let (mut paused, mut resumed) = (0, 0);
    for (entry, lines) in &all {
        assert_every_slot_once(entry, lines);
        let Some(paused_at) = operator.paused_at.get(entry) else { continue };
        let resumed_at = operator.resumed_at.get(entry).copied();
        let after = lines.iter().filter(|one| one.at_ms > *paused_at && one.is_sent());
        let forbidden = after.clone().find(|one| resumed_at.is_none_or(|at| one.at_ms < at));
        assert!(forbidden.is_none(), "{entry}: paused at {paused_at}, and {forbidden:?}");
        paused += lines.iter().filter(|one| one.is_paused()).map(|one| one.line.count).sum::<u64>();
        // It goes again, and nothing is caught up.
        if let Some(at) = resumed_at {
            assert!(after.clone().count() > 0, "{entry}: resumed at {at}");
            assert!(after.clone().all(|one| one.line.slot.0 >= at), "{entry}: resumed at {at}");
            resumed += 1;
        }
    }
    println!("{paused} slots were paused, and {resumed} entries resumed");
    // What the journal says was sent is in the queue, and nothing else.
    let queue = server.queue(QUEUE);
    for (entry, messages) in by_entry(&queue) {
        let lines = all[entry].iter().filter(|one| one.is_sent());
        let slots: Vec<i64> = lines.map(|one| one.line.slot.0).collect();
        let sent: Vec<i64> = messages.iter().map(|message| message.slot_ms()).collect();
        assert_eq!(sent, slots, "{entry}");
    }
}
