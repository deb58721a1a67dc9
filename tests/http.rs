//! Health and metrics over HTTP, on the real binary.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::cluster::{
    QUEUE, assert_every_slot_once, busy_schedule, used_before, wait_for_slot,
    wait_until_all_advance,
};
use crate::support::downbeat::{Downbeat, Finished, Place};
use crate::support::http::{address, ask, get, sample, scrape};
use crate::support::redis::{RedisServer, free_port};
use crate::support::tools::{needs, promtool, tests_folder};
use crate::support::wait::{SOON, eventually, wall_clock};

const RUN: [&str; 5] = ["run", "--leader-ttl", "1s", "--http", "127.0.0.1:0"];

/// Two queues, one of them with a message a second.
const TICKING: &str = "defaults: {queue: reports}\nentries:\n  tick: {task: t, every: 1s}\n  \
                       yearly: {task: t, cron: '@yearly', queue: mail}\n";

fn place(broker: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", broker);
    place.write_schedule("jobs.yaml", TICKING);
    place
}

/// A leader that has sent something.
fn ticking(server: &RedisServer) -> (Place, Downbeat, String) {
    let place = place(&server.url());
    let downbeat = place.start(&RUN);
    downbeat.wait_for_dispatches("tick", 0, 1);
    let address = address(&downbeat);
    (place, downbeat, address)
}

#[test]
fn probes_tell_leader_from_follower() {
    needs!(Redis);
    let server = used_before(RedisServer::start());
    let (_here, mut leader, led) = ticking(&server);
    let there = place(&server.url());
    let follower = there.start(&RUN);
    follower.wait_for_log("became follower");
    let followed = address(&follower);
    for address in [&led, &followed] {
        let live = get(address, "/livez");
        assert!(live.code == 200 && live.body.starts_with("the main loop last ran "), "{live:?}");
        let ready = get(address, "/readyz");
        assert_eq!((ready.code, ready.body.as_str()), (200, "2 entries are loaded\n"));
    }
    let leads = |address: &str| (get(address, "/leaderz").code, get(address, "/leaderz").body);
    assert_eq!(leads(&led), (200, "leader\n".to_owned()));
    assert_eq!(leads(&followed), (503, "follower\n".to_owned()));
    leader.process().terminate();
    assert_eq!(leader.wait(SOON).code(), Some(0));
    eventually(SOON, "the follower leads", || (leads(&followed).0 == 200).then_some(()));
}

#[test]
fn status_over_http_is_that_of_the_command() {
    let place = Place::new();
    place.write_schedule("jobs.yaml", "entries: {yearly: {task: t, cron: '@yearly'}}");
    let downbeat = place.start(&RUN);
    let address = address(&downbeat);
    eventually(SOON, "it leads", || (get(&address, "/leaderz").code == 200).then_some(()));
    let asked = eventually(SOON, "it knows that its schedule is kept", || {
        let asked = get(&address, "/status");
        asked.body.contains("\"kept_at\": \"").then_some(asked)
    });
    assert!(asked.head.contains("content-type: application/json"), "{asked:?}");
    let tidy = |mut status: Value| {
        assert!(status["last_tick"].take().is_string());
        status
    };
    let http = tidy(serde_json::from_str(&asked.body).unwrap());
    assert_eq!(http, tidy(place.run(&["status", "--json"]).json(0)));
    assert_eq!((&http["role"], &http["schedule"]["entries"]), (&"leader".into(), &1.into()));
}

#[test]
fn a_refused_reload_is_shown_with_its_place_and_nothing_of_the_file() {
    let place = Place::new();
    place.write_schedule("jobs.yaml", "entries: {yearly: {task: t, cron: '@yearly'}}");
    let downbeat = place.start(&RUN);
    let address = address(&downbeat);
    eventually(SOON, "it leads", || (get(&address, "/leaderz").code == 200).then_some(()));
    place.write_schedule("jobs.yaml", "entries: {yearly: {task: t, crom: 1, args: [s3cret]}}");
    let output = place.run(&["reload", "--wait"]).refused(1);
    assert!(output.contains("args: [s3cret]"), "whoever may reload is shown the line: {output}");
    let shown = eventually(SOON, "the refusal is shown", || {
        Some(get(&address, "/status").body).filter(|body| body.contains("\"accepted\": false"))
    });
    assert!(shown.contains("jobs.yaml:1:29: unknown key `crom` in an entry"), "{shown}");
    let printed = place.run(&["status"]).ok();
    for text in [shown, printed] {
        assert!(!text.contains("s3cret") && !text.contains("task: t"), "{text}");
    }
    place.write_schedule(
        "jobs.yaml",
        "entries: {a: {task: t, cron: '@yearly', args: ['{{ s3cret }}']}}",
    );
    place.run(&["reload", "--wait"]).refused(1);
    let shown = eventually(SOON, "the second refusal is shown", || {
        Some(get(&address, "/status").body)
            .filter(|body| body.contains("unknown name in a template"))
    });
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn what_is_not_there_or_not_asked_properly_is_refused() {
    let place = Place::new();
    place.write_schedule("jobs.yaml", "entries: {yearly: {task: t, cron: '@yearly'}}");
    let downbeat = place.start(&RUN);
    let address = address(&downbeat);
    assert_eq!(get(&address, "/nowhere").code, 404);
    assert!(get(&address, "/").body.contains("/metrics\n"));
    assert_eq!(ask(&address, "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").code, 405);
    let long = "a".repeat(100_000);
    assert_eq!(ask(&address, &format!("GET /{long} HTTP/1.1\r\n\r\n")).code / 100, 4);
    assert_eq!(get(&address, "/livez").code, 200);
}

#[test]
fn a_loopback_listener_answers_requests_for_this_machine_only() {
    let place = Place::new();
    place.write_schedule("jobs.yaml", "entries: {yearly: {task: t, cron: '@yearly'}}");
    let downbeat = place.start(&RUN);
    let address = address(&downbeat);
    let port = address.rsplit_once(':').unwrap().1;
    let code = |head: &str| ask(&address, &format!("GET {head}\r\n\r\n")).code;
    for host in ["localhost", &format!("localhost:{port}"), "127.0.0.1:80", "[::1]", "LOCALHOST"] {
        assert_eq!(code(&format!("/status HTTP/1.1\r\nHost: {host}")), 200, "{host}");
    }
    // A page of this name, which was made to resolve to 127.0.0.1, asks from within a browser.
    for path in ["/", "/livez", "/readyz", "/leaderz", "/status", "/metrics", "/nowhere"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n");
        let answer = ask(&address, &head);
        assert_eq!(answer.code, 421, "{answer:?}");
        assert!(
            answer.body.contains("have the proxy in front send `Host: localhost`"),
            "{answer:?}"
        );
    }
    assert_eq!(code("/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"), 421);
    assert_eq!(code("http://evil.example/status HTTP/1.1\r\nHost: localhost"), 421);
    assert_eq!(code("/status HTTP/1.1\r\nHost: evil\u{e9}.example"), 421);
    // Health checkers of old say no host; browsers always do.
    assert_eq!(code("/livez HTTP/1.0"), 200);
}

#[test]
fn a_listener_for_other_machines_answers_whatever_name_it_is_asked_by() {
    let place = Place::new();
    place.write_schedule("jobs.yaml", "entries: {yearly: {task: t, cron: '@yearly'}}");
    let downbeat = place.start(&["run", "--http", "0.0.0.0:0"]);
    let address = address(&downbeat).replace("0.0.0.0", "127.0.0.1");
    for host in ["downbeat.jobs.svc:9632", "10.1.2.3:9632", "localhost"] {
        let answer = ask(&address, &format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.code, 200, "{host}: {answer:?}");
    }
}

#[test]
fn metrics_count_what_was_sent_and_skipped() {
    needs!(Redis);
    let server = used_before(RedisServer::start());
    let (place, downbeat, address) = ticking(&server);
    place.run(&["trigger", "yearly"]).ok();
    place.run(&["trigger", "yearly", "--queue", "typed-by-hand"]).ok();
    // A page shows what the loop knew at the end of its last turn.
    let page = eventually(SOON, "both messages are counted", || {
        let page = scrape(&address);
        page.contains("{queue=\"typed-by-hand\",kind=\"manual\"} 1\n").then_some(page)
    });
    let sent = |queue: &str, kind: &str| {
        let series =
            format!("downbeat_slots_dispatched_total{{queue=\"{queue}\",kind=\"{kind}\"}}");
        sample(&page, &series)
    };
    assert_eq!((sent("mail", "manual"), sent("mail", "scheduled")), (Some(1.0), Some(0.0)));
    assert_eq!(sent("typed-by-hand", "manual"), Some(1.0));
    let skipped = "downbeat_slots_skipped_total{queue=\"reports\",reason=\"superseded\"}";
    assert_eq!(sample(&page, skipped), Some(0.0));
    let measured = sample(&page, "downbeat_dispatch_lateness_seconds_count").unwrap();
    assert_eq!(sent("reports", "scheduled"), Some(measured));
    assert_eq!(
        sample(&page, "downbeat_dispatch_lateness_seconds_bucket{le=\"+Inf\"}"),
        Some(measured)
    );
    assert_eq!(sample(&page, "downbeat_leader"), Some(1.0));
    assert_eq!(sample(&page, "downbeat_schedule_entries"), Some(2.0));
    // A refused reload is seen, and the schedule from before goes on.
    assert_eq!(sample(&page, "downbeat_last_reload_successful"), Some(1.0));
    place.write_schedule("jobs.yaml", "entries: {a: {task: t}}");
    place.run(&["reload", "--wait"]).refused(1);
    downbeat.wait_for_dispatches("tick", wall_clock().0, 1);
    let page = scrape(&address);
    assert_eq!(sample(&page, "downbeat_last_reload_successful"), Some(0.0));
    assert_eq!(sample(&page, "downbeat_schedule_entries"), Some(2.0));
    let shown = place.run(&["status"]).ok();
    assert!(shown.contains("queue      mail: 1 manual\n"), "{shown}");
    assert!(shown.contains("lateness   50 % within "), "{shown}");
}

#[test]
fn a_follower_without_a_broker_is_live_and_ready_and_says_what_is_wrong() {
    let place = place(&format!("redis://:s3cret@127.0.0.1:{}/0", free_port()));
    let downbeat = place.start(&RUN);
    downbeat.wait_for_log("WARN");
    let address = address(&downbeat);
    let page = eventually(SOON, "the failure is counted", || {
        let page = scrape(&address);
        (sample(&page, "downbeat_broker_errors_total")? >= 1.0).then_some(page)
    });
    assert_eq!(sample(&page, "downbeat_broker_up"), Some(0.0));
    assert_eq!(sample(&page, "downbeat_leader"), Some(0.0));
    assert_eq!(sample(&page, "downbeat_next_due_timestamp_seconds"), None);
    let code = |path: &str| get(&address, path).code;
    assert_eq!(["/livez", "/readyz", "/leaderz"].map(code), [200, 200, 503]);
    let all = ["/status", "/metrics"].map(|path| get(&address, path).body).concat();
    assert!(!all.contains("s3cret"), "{all}");
}

#[test]
fn run_says_what_to_do_about_an_address_that_cannot_be_had() {
    let place = place("spool:spool");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let output = place.run(&["run", "--http", &taken]).refused(4);
    let expected = format!(
        "downbeat: cannot serve health and metrics on {taken}: Address already in use (os error \
         98)\nhint: stop what listens there, or choose another address with `http:` or --http\n"
    );
    assert!(output.ends_with(&expected), "{output}");
    // An address of the networks that are kept for documentation: RFC 5737.
    let output = place.run(&["run", "--http", "192.0.2.1:9632"]).refused(4);
    assert!(output.contains("on 192.0.2.1:9632: Cannot assign requested address"), "{output}");
}

#[test]
fn clients_that_hang_cost_no_slot() {
    needs!(Redis);
    let server = used_before(RedisServer::start());
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    // 200 messages a second.
    place.write_schedule("all.yaml", &busy_schedule());
    let mut downbeat = place.start(&RUN);
    downbeat.wait_for_log("became leader");
    let address = address(&downbeat);
    wait_for_slot(&server, wall_clock());
    let before = downbeat.dispatches().len();

    // Some say nothing, some half of something, some never read, and all of them stay.
    let until = wall_clock() + Duration::from_secs(3);
    let mut hanging = Vec::new();
    while wall_clock() < until {
        for said in ["", "GET /metr", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
            let mut stream = TcpStream::connect(&address).unwrap();
            // It may have been hung up on already, which is as it should be.
            let _ = stream.write_all(said.as_bytes());
            hanging.push(stream);
        }
        let mut deaf = TcpStream::connect(&address).unwrap();
        let _ = deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        hanging.push(deaf);
        // What is asked properly is answered in between.
        assert_eq!(get(&address, "/livez").code, 200);
        if hanging.len() > 400 {
            hanging.drain(..200);
        }
    }
    wait_for_slot(&server, until);
    let beside = downbeat.dispatches().split_off(before);
    assert!(beside.len() > 400, "{} dispatches beside them", beside.len());
    assert!(beside.iter().all(|dispatch| dispatch.kind.is_none()), "none was missed");
    let page = scrape(&address);
    let skipped = page.lines().filter(|line| line.starts_with("downbeat_slots_skipped_total"));
    assert!(skipped.clone().count() > 0 && skipped.clone().all(|line| line.ends_with(" 0")));
    let open = fs::read_dir(format!("/proc/{}/fd", downbeat.process().id())).unwrap().count();
    assert!(open < 150, "{open} descriptors are open");
    let until = wall_clock();
    wait_until_all_advance(&server);
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    let entries = busy_schedule().matches("  entry-").count();
    assert_every_slot_once(&server.queue(QUEUE), entries, until);
}

/// Every name of a metric that a document speaks of.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("downbeat_")).map(str::to_owned).collect()
}

/// The table of docs/metrics.md, from a page with every metric on it.
fn table(page: &str) -> String {
    let mut rows = String::from("| metric | type | meaning |\n| --- | --- | --- |\n");
    for help in page.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = help.split_once(' ').unwrap();
        let is_type = |line: &str| Some(line.strip_prefix(&format!("# TYPE {name} "))?.to_owned());
        let kind = page.lines().find_map(is_type).unwrap();
        rows += &format!("| `{name}` | {kind} | {help} |\n");
    }
    rows
}

/// A page of a replica of whom everything is known.
fn full_page(server: &RedisServer) -> String {
    let (place, _downbeat, address) = ticking(server);
    place.run(&["pause", "--all", "--note", "for a page"]).ok();
    eventually(SOON, "the replicas know of each other", || {
        let page = scrape(&address);
        ["downbeat_clock_skew_seconds", "downbeat_next_due_timestamp_seconds"]
            .iter()
            .all(|name| sample(&page, name).is_some())
            .then_some(page)
            .filter(|page| page.contains("\ndownbeat_pause_end_timestamp_seconds{"))
    })
}

#[test]
fn documents_speak_of_the_metrics_that_there_are() {
    needs!(Redis);
    let page = full_page(&used_before(RedisServer::start()));
    let project = tests_folder().join("..");
    let there_are = names_in(&page);
    for file in ["docs/alerts.yaml", "docs/grafana-dashboard.json"] {
        let named = names_in(&fs::read_to_string(project.join(file)).unwrap());
        assert!(named.len() > 5, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&there_are).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    let dashboard = fs::read(project.join("docs/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 5);
    let metrics = fs::read_to_string(project.join("docs/metrics.md")).unwrap();
    let table = table(&page);
    assert!(metrics.contains(&table), "docs/metrics.md should have this table:\n{table}");
}

fn check(arguments: &[&str], input: &str) -> Finished {
    let mut command = Command::new(promtool());
    command.args(arguments).current_dir(tests_folder().join(".."));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Finished::from(child.wait_with_output().unwrap())
}

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    needs!(Redis, Promtool);
    let page = full_page(&used_before(RedisServer::start()));
    let checked = check(&["check", "metrics"], &page);
    assert_eq!(checked.code, Some(0), "{checked:?}\n{page}");
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("", ""), "{page}");
}

#[test]
fn alerts_are_valid_and_fire_when_they_should() {
    needs!(Promtool);
    let checked = check(&["check", "rules", "docs/alerts.yaml"], "");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let tested = check(&["test", "rules", "tests/fixtures/alerts.yaml"], "");
    assert_eq!(tested.code, Some(0), "{tested:?}");
}
