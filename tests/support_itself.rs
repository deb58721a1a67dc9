//! The test support does what tests rely on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use redis::Commands as _;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::proxy::Proxy;
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::needs;
use crate::support::wait::{SOON, wall_clock};

fn value(server: &RedisServer) -> Option<String> {
    server.connect().get("key").unwrap()
}

fn set(server: &RedisServer, value: &str) {
    server.connect().set::<_, _, ()>("key", value).unwrap();
}

#[test]
fn a_server_keeps_its_data_over_a_clean_stop_and_loses_it_otherwise() {
    needs!(Redis);
    let mut server = RedisServer::start();
    set(&server, "kept");
    server.restart_with_data();
    assert_eq!(value(&server).as_deref(), Some("kept"));
    set(&server, "lost");
    server.kill();
    server.start_again();
    assert_eq!(value(&server).as_deref(), Some("kept"));
    server.restart_empty();
    assert_eq!(value(&server), None);
}

#[test]
fn an_append_only_server_keeps_its_data_when_killed() {
    needs!(Redis);
    let options = Options { appendonly: true, ..Options::default() };
    let mut server = RedisServer::start_with(options);
    set(&server, "kept");
    server.kill();
    server.start_again();
    assert_eq!(value(&server).as_deref(), Some("kept"));
}

#[test]
fn an_older_snapshot_can_be_restored() {
    needs!(Redis);
    for appendonly in [false, true] {
        let mut server = RedisServer::start_with(Options { appendonly, ..Options::default() });
        set(&server, "then");
        let snapshot = server.snapshot();
        set(&server, "now");
        server.restore(&snapshot);
        assert_eq!(value(&server).as_deref(), Some("then"), "appendonly: {appendonly}");
    }
}

#[test]
fn a_server_listens_on_tcp_when_asked_to() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    set(&server, "seen");
    let client = redis::Client::open(server.tcp_url()).unwrap();
    let seen: String = client.get_connection().unwrap().get("key").unwrap();
    assert_eq!(seen, "seen");
}

#[test]
fn a_full_server_refuses_writes() {
    needs!(Redis);
    let maxmemory = Some("2mb");
    let server = RedisServer::start_with(Options { maxmemory, ..Options::default() });
    let mut connection = server.connect();
    let block = "x".repeat(1_000_000);
    let refused = (0..10).any(|n| connection.set::<_, _, ()>(n, &block).is_err());
    assert!(refused);
}

#[test]
fn a_paused_server_answers_once_it_is_resumed() {
    needs!(Redis);
    let mut server = RedisServer::start();
    let mut connection = server.connect();
    server.process().pause();
    connection.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    assert!(redis::cmd("PING").query::<String>(&mut connection).is_err());
    server.process().resume();
    set(&server, "there");
    assert_eq!(value(&server).as_deref(), Some("there"));
}

fn time(connection: &mut redis::Connection) -> i64 {
    let (seconds, _): (i64, i64) = redis::cmd("TIME").query(connection).unwrap();
    seconds
}

#[test]
fn the_clock_of_a_server_can_be_set_while_it_runs() {
    needs!(Redis);
    let mut server =
        RedisServer::start_with(Options { settable_clock: true, ..Options::default() });
    let mut connection = server.connect();
    let () = connection.set_ex("key", "there", 100).unwrap();
    for ahead in [0, 7_200, -7_200] {
        server.set_clock(ahead * 1_000);
        let off = time(&mut connection) - ahead - wall_clock().0 / 1_000;
        assert!(off.abs() <= 2, "{off} s off when {ahead} s ahead");
    }
    assert_eq!(value(&server).as_deref(), Some("there"));
    server.set_clock(200_000);
    assert_eq!(value(&server), None);
    // It shows the same after a start.
    server.restart_empty();
    assert!(time(&mut server.connect()) > wall_clock().0 / 1_000 + 100);
}

/// A connection through the proxy that waits only a little for answers.
fn impatient(proxy: &Proxy) -> redis::Connection {
    let connection = redis::Client::open(proxy.url()).unwrap().get_connection().unwrap();
    connection.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    connection
}

#[test]
fn a_proxy_loses_requests_or_answers_until_it_is_mended() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let mut connection = impatient(&proxy);
    proxy.lose_everything();
    assert!(connection.set::<_, _, ()>("key", "lost").is_err());
    assert_eq!((value(&server), proxy.lost("lost")), (None, 1));
    proxy.mend();
    assert!(redis::cmd("PING").query::<String>(&mut connection).is_err(), "it is closed");
    let mut connection = impatient(&proxy);
    proxy.lose_answers();
    assert!(connection.set::<_, _, ()>("key", "heard").is_err());
    assert_eq!(value(&server).as_deref(), Some("heard"));
    proxy.mend();
    let mut connection = impatient(&proxy);
    proxy.lose_the_reply_to(&["SET", "other"]);
    let () = connection.set("key", "answered").unwrap();
    assert!(connection.set::<_, _, ()>("other", "1").is_err());
    assert_eq!((proxy.replies_lost(), server.connect().exists("other")), (1, Ok(true)));
    let mut connection = impatient(&proxy);
    proxy.hang_up();
    assert!(redis::cmd("PING").query::<String>(&mut connection).is_err());
}

#[test]
fn a_running_command_is_read_and_signalled() {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "trap 'echo bye >&2; exit 7' TERM; echo hello >&2; while :; do sleep 0.01; done",
    ]);
    let mut running = Downbeat::spawn(&mut shell);
    let (number, line) = running.wait_for_log_from(0, "hello");
    assert_eq!((number, line.as_str()), (0, "hello"));
    running.process().pause();
    running.process().resume();
    running.process().terminate();
    assert_eq!(running.wait(SOON).code(), Some(7));
    assert_eq!(running.wait_for_log_from(number + 1, "bye").1, "bye");
}

#[test]
fn a_killed_command_is_gone() {
    let mut running = Downbeat::spawn(Command::new("sleep").arg("1000"));
    running.process().kill();
    assert_eq!(running.wait(SOON).signal(), Some(9));
}

#[test]
fn each_place_has_folders_of_its_own() {
    let (one, other) = (Place::new(), Place::new().env("DOWNBEAT_LOG", "debug"));
    assert_ne!(one.path(), other.path());
    one.write_schedule("a.yaml", "entries: {}\n");
    assert_eq!(std::fs::read_to_string(one.schedules().join("a.yaml")).unwrap(), "entries: {}\n");
    assert!(std::fs::read_dir(other.schedules()).unwrap().next().is_none());
}
