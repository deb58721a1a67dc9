//! Records what downbeat sends to Redis in a burst, to send it again without downbeat.
//!
//! The calls are fenced: they only take effect on a server with the state it had when they were first
//! sent. So its keys are kept, too, and restored without expiry.

use std::time::Duration;

use redis::Connection;

use crate::job::Job;
use crate::relay::Relay;
use crate::rig::{self, Patience};
use crate::support::downbeat::Place;
use crate::support::redis::{Options, RedisServer};
use crate::yardstick::Yardstick;

/// The calls of one burst.
pub(crate) struct Recording {
    /// The keys that were there before, each as `DUMP` gives it.
    keys: Vec<(Vec<u8>, Vec<u8>)>,
    calls: Vec<Vec<u8>>,
}

impl Recording {
    pub(crate) fn make(job: &Job, patience: Patience) -> Recording {
        let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
        let relay = Relay::start(server.port(), Duration::ZERO, true);
        let (place, mut connection) = (Place::new(), server.connect());
        let (leader, due) = rig::lead(job, &place, &relay.url(), &mut connection, patience);
        let (keys, lengths) = loop {
            let before = relay.lengths();
            let keys = dump(&mut connection);
            if relay.lengths() == before {
                break (keys, before);
            }
        };
        rig::watch(job, &place, &mut connection, due);
        let calls = commands(&relay.longest_since(&lengths));
        drop(leader);
        Recording { keys, calls }
    }

    /// Sends the calls to a server that knows the scripts.
    pub(crate) fn replay(&self, server: &RedisServer, job: &Job) -> Yardstick {
        let client = redis::Client::open(server.tcp_url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let () = redis::cmd("FLUSHALL").arg("SYNC").query(&mut connection).unwrap();
        for (key, value) in &self.keys {
            let mut restore = redis::cmd("RESTORE");
            let () = restore.arg(key).arg(0).arg(value).query(&mut connection).unwrap();
        }
        Yardstick::measure(server, job, || {
            // One is carried out while the next one travels.
            for (index, call) in self.calls.iter().enumerate() {
                connection.send_packed_command(call).unwrap();
                if index > 0 {
                    connection.recv_response().unwrap();
                }
            }
            connection.recv_response().unwrap();
        })
    }
}

fn dump(connection: &mut Connection) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(connection).unwrap();
    let mut value = |key: Vec<u8>| {
        let value: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query(connection).unwrap();
        Some((key, value?))
    };
    keys.into_iter().filter_map(&mut value).collect()
}

/// The whole commands that `bytes` hold.
fn commands(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut commands = Vec::new();
    while let Some(length) = command(bytes) {
        let (command, rest) = bytes.split_at(length);
        commands.push(command.to_vec());
        bytes = rest;
    }
    commands
}

/// The length of the command that `bytes` begin with, if all of it is there.
fn command(bytes: &[u8]) -> Option<usize> {
    let (words, mut at) = header(bytes, b'*')?;
    for _ in 0..words {
        let (length, start) = header(bytes.get(at..)?, b'$')?;
        at += start + length + 2;
    }
    (at <= bytes.len()).then_some(at)
}

/// A number after `sign`, and where its line ends.
fn header(bytes: &[u8], sign: u8) -> Option<(usize, usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    assert_eq!(bytes[0], sign, "not the beginning of a command");
    let number = std::str::from_utf8(&bytes[1..end - 1]).unwrap();
    Some((number.parse().unwrap(), end + 1))
}
