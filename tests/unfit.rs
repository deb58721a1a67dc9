//! A server that is unusable, however often it is retried: nothing is written to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use crate::support::downbeat::Place;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::tools::needs;
use crate::support::wait::SOON;

/// A cluster of one node, on which a script with keys of one hash slot would work.
fn cluster() -> RedisServer {
    let port = free_port().to_string();
    let args = ["--cluster-enabled", "yes", "--cluster-port", &port];
    let args = args.map(str::to_owned).to_vec();
    let server = RedisServer::start_with(Options { tcp: true, args, ..Options::default() });
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("ADDSLOTSRANGE").arg(0).arg(16383).exec(&mut server.connect()).unwrap();
    server
}

fn place(url: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", url).env("DOWNBEAT_LEADER_TTL", "1s");
    place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1s, queue: q}\n");
    place
}

/// The commands that the server was sent so far, but for those that look and those that connect.
fn written(server: &RedisServer) -> Vec<String> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connect()).unwrap();
    let commands = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    let harmless = ["hello", "info", "ping", "select", "dbsize", "auth"];
    let of_tests = |name: &str| name.starts_with("cluster|") || name.starts_with("client|");
    let other = |name: &&str| !harmless.contains(name) && !of_tests(name);
    commands.filter(other).map(str::to_owned).collect()
}

#[test]
fn nothing_is_written_to_a_cluster_and_the_service_ends_for_good() {
    needs!(Redis);
    let server = cluster();
    let place = place(&server.tcp_url().replace("redis://", "redis://:s3cret@"));
    let mut downbeat = place.start(&["run"]);
    let said = downbeat.wait_for_log("it is a Redis Cluster");
    assert!(said.contains("redis://:***@127.0.0.1:"), "{said}");
    assert_eq!(downbeat.wait(SOON).code(), Some(78));
    for command in [&["trigger", "tick"][..], &["check", "--workers"], &["peek", "q"]] {
        let said = place.run(command);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.stderr.contains("it is a Redis Cluster"), "{said:?}");
    }
    let keys: u64 = redis::cmd("DBSIZE").query(&mut server.connect()).unwrap();
    assert_eq!((keys, written(&server)), (0, Vec::new()));
}

#[test]
fn a_cluster_that_answers_only_later_ends_the_service_as_well() {
    needs!(Redis);
    let mut server = cluster();
    server.kill();
    let place = place(&server.url());
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_log("found the broker unavailable");
    server.start_again();
    assert_eq!(downbeat.wait(SOON).code(), Some(78));
    downbeat.wait_for_log("it is a Redis Cluster");
    let keys: u64 = redis::cmd("DBSIZE").query(&mut server.connect()).unwrap();
    assert_eq!((keys, written(&server)), (0, Vec::new()));
}

#[test]
fn a_server_that_is_too_old_ends_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // As Redis 5 answers.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.starts_with('*') {
                    let _ = (&stream).write_all(b"-ERR unknown command `HELLO`, with args\r\n");
                }
            }
        }
    });
    let said = place(&format!("redis://127.0.0.1:{port}")).run(&["run"]).refused(78);
    assert!(said.contains("too old; 6.2 or newer is needed"), "{said}");
}
