//! What `docs/deploy` promises about containers: downbeat needs nothing writable.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::container::{Container, NOBODY};
use crate::support::downbeat::{Finished, Place};
use crate::support::http::{address, get};
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::{answers, needs, python, tests_folder};

pub(crate) const TICKING: &str = "entries:\n  tick: {task: t, every: 1s, queue: q}\n";

pub(crate) fn redis() -> RedisServer {
    RedisServer::start_with(Options { tcp: true, ..Options::default() })
}

/// A container with this schedule, which publishes to `server`.
fn container(server: &RedisServer, place: &Place) -> Container {
    place.write_schedule("a.yaml", TICKING);
    Container::default()
        .env("DOWNBEAT_BROKER", &server.tcp_url())
        .env("DOWNBEAT_LEADER_TTL", "1s")
        .mount(&place.schedules(), "/etc/downbeat/schedules")
}

#[test]
fn nothing_need_be_writable_and_nothing_else_need_be_there() {
    needs!(Redis);
    let (server, place) = (redis(), Place::new());
    let container = container(&server, &place).env("PORT", "0");
    let Some(mut running) = container.start(&["run"]) else { return };
    let line = running.downbeat.wait_for_log("no control socket");
    for said in ["WARN", "/tmp/downbeat-65532", "Read-only file system", "--runtime-dir"] {
        assert!(line.contains(said), "{said}: {line}");
    }
    let started = running.downbeat.wait_for_log("started");
    assert!(started.contains("(bundled; system has none)"), "{started}");
    server.wait_for_queue("q", 1);
    let address = address(&running.downbeat);
    assert!(address.starts_with("0.0.0.0:"), "{address}");
    assert_eq!(get(&address, "/leaderz").code, 200);
    // A command asks the broker instead.
    let listed = running.exec(&container, &["downbeat", "list"]).ok();
    assert!(listed.contains("tick"), "{listed}");

    place.write_schedule("b.yaml", "entries: {more: {task: t, every: 1h}}\n");
    running.downbeat.wait_for_log("reloaded difference=added more");
    // Process 1 hears only the signals that it asks for.
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
    let log = running.downbeat.log();
    assert!(log.iter().any(|line| line.contains("resigned")), "{log:?}");
    assert_eq!(running.downbeat.out(), [""; 0]);
}

pub(crate) const DEPLOY: &str = "../docs/deploy";

fn dockerfile() -> PathBuf {
    tests_folder().join(DEPLOY).join("Dockerfile")
}

/// What follows the word `instruction` on each line of the Dockerfile's last stage.
fn instructions(instruction: &str) -> Vec<String> {
    let text = fs::read_to_string(dockerfile()).unwrap();
    let stage = &text[text.rfind("\nFROM ").unwrap()..];
    let lines = stage.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

/// The words of an instruction that is written as a list, without a shell.
pub(crate) fn list(instruction: &str) -> Vec<String> {
    let text = instructions(instruction).remove(0);
    serde_json::from_str(&text[text.find('[').unwrap()..]).unwrap()
}

#[test]
fn the_health_check_of_the_image_tells_whether_the_loop_turns_with_redis_or_without() {
    needs!(Redis);
    let (mut server, place) = (redis(), Place::new());
    let container = container(&server, &place).tmpfs("/run/downbeat");
    let Some(mut running) = container.start(&["run"]) else { return };
    running.downbeat.wait_for_log("became leader");
    let check = list("HEALTHCHECK");
    let check: Vec<&str> = check.iter().map(String::as_str).collect();
    let healthy = running.exec(&container, &check).ok();
    assert!(healthy.contains(", leader, pid 1, "), "{healthy}");
    running.signal(Signal::STOP);
    let said = running.exec(&container, &check).refused(3);
    assert!(said.contains("/run/downbeat/control.sock did not answer within 5 s"), "{said}");
    running.signal(Signal::CONT);
    running.exec(&container, &check).ok();

    // A restart of every replica would not bring Redis back.
    let from = running.downbeat.log().len();
    server.kill();
    running.downbeat.wait_for_log_from(from, "stepped down");
    let healthy = running.exec(&container, &check).ok();
    assert!(healthy.contains(", follower, pid 1, ") && healthy.contains("TROUBLE"), "{healthy}");
    running.exec(&container, &["downbeat", "status"]).refused(1);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn what_a_container_lacks_is_named() {
    let place = Place::new();
    place.write_schedule("a.yaml", TICKING);
    let container = Container::default().mount(&place.schedules(), "/etc/downbeat/schedules");
    let Some(finished) = container.run(&["run"]) else { return };
    let said = finished.refused(78);
    let expected = "cannot make the folder /var/lib/downbeat/spool: Read-only file system";
    assert!(said.contains(expected), "{said}");
    let file = place.schedules().join("a.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let said = container.run(&["run", "--broker", "redis://127.0.0.1:1"]).unwrap().refused(78);
    for part in ["schedules/a.yaml: cannot be read: permission denied (os error 13)", "uid 65532;"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = container.run(&["run", "--broker-file", "/run/secrets/broker"]).unwrap();
    let said = said.refused(78);
    assert!(said.contains("--broker-file: the broker's file cannot be read: no such"), "{said}");
}

#[test]
fn the_image_is_the_binary_alone_run_as_nobody() {
    needs!(Python);
    let linter = python().with_file_name("hadolint");
    let linted = Command::new(linter).arg(dockerfile()).output().unwrap();
    assert_eq!(Finished::from(linted).ok(), "");
    assert_eq!(list("ENTRYPOINT"), ["/usr/bin/downbeat"]);
    assert_eq!(list("CMD"), ["run"]);
    assert_eq!(instructions("USER"), [format!("{NOBODY}:{NOBODY}")]);
    // What it is built from is there, and let through.
    let text = fs::read_to_string(dockerfile()).unwrap();
    let let_through = fs::read_to_string(dockerfile().with_extension("dockerignore")).unwrap();
    let copied = text.lines().filter_map(|line| line.strip_prefix("COPY "));
    let copied = copied.filter(|words| !words.starts_with("--from"));
    let copied: Vec<&str> = copied
        .flat_map(|words| words.rsplit_once(' ').unwrap().0.split(' '))
        .inspect(|source| assert!(tests_folder().join("..").join(source).exists(), "{source}"))
        .collect();
    let expected: Vec<String> = copied.iter().map(|source| format!("!{source}")).collect();
    assert_eq!(let_through.lines().skip(1).collect::<Vec<_>>(), expected);
}

/// Prints the documents of a YAML file, unless one of them is not valid.
const VALIDATE: &str = r#"
import json, sys, yaml, compose_spec, kubernetes_validate
for line in sys.stdin:
    path = json.loads(line)
    text = open(path).read()
    documents = list(yaml.safe_load_all(text))
    if path.endswith("compose.yaml"):
        compose_spec.PyCompose.from_yaml(text).validate()
    else:
        for document in documents:
            newest = kubernetes_validate.latest_version()
            kubernetes_validate.validate(document, newest, strict=True)
    print(json.dumps(documents), flush=True)
"#;

/// The documents of a valid file.
pub(crate) fn documents(path: &Path) -> Vec<Value> {
    let Value::Array(documents) = answers(VALIDATE, &[json!(path)]).remove(0) else { panic!() };
    documents
}

#[test]
fn the_compose_file_runs_replicas_that_can_write_to_nothing_but_their_socket() {
    needs!(Python);
    let compose = documents(&tests_folder().join(DEPLOY).join("compose.yaml")).remove(0);
    let service = &compose["services"]["downbeat"];
    assert_eq!(service["deploy"]["replicas"], 2);
    assert_eq!(service["read_only"], true);
    let tmpfs = format!("/run/downbeat:mode=0700,uid={NOBODY},gid={NOBODY}");
    assert_eq!(service["tmpfs"], json!([tmpfs]));
    let build = &service["build"];
    let root = tests_folder().join(DEPLOY).join(build["context"].as_str().unwrap());
    let file = root.join(build["dockerfile"].as_str().unwrap());
    assert_eq!(file.canonicalize().unwrap(), dockerfile().canonicalize().unwrap());
    let mount = service["volumes"][0].as_str().unwrap();
    let from = mount.strip_suffix(":/etc/downbeat/schedules:ro").unwrap();
    assert!(tests_folder().join(DEPLOY).join(from).join("shop.yaml").exists());
    // Each variable is one that the program knows.
    let mut place = Place::new();
    for (name, value) in service["environment"].as_object().unwrap() {
        place = place.env(name, value.as_str().unwrap());
    }
    let settings = place.run(&["config", "--json"]).json(0);
    let set =
        settings.as_object().unwrap().values().filter_map(|setting| setting["source"].as_str());
    assert_eq!(set.collect::<Vec<_>>().len(), service["environment"].as_object().unwrap().len());
}

/// Every image that a file of `docs/deploy` names.
fn images(text: &str) -> Vec<String> {
    let named = text.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches("# ");
        let image = line.strip_prefix("image: ").or(line.strip_prefix("FROM "));
        image.or(line.split_once(" -t ").map(|(_, image)| image))
    });
    let named = named.filter_map(|image| image.split([' ', '`']).next());
    named.map(str::to_owned).collect()
}

#[test]
fn every_image_has_a_tag_of_its_version() {
    let files = ["Dockerfile", "README.md", "compose.yaml", "kubernetes/deployment.yaml"];
    let text = |file| fs::read_to_string(tests_folder().join(DEPLOY).join(file)).unwrap();
    let images: Vec<String> = files.iter().flat_map(|file| images(&text(file))).collect();
    let ours = format!("downbeat:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(images.iter().filter(|image| **image == ours).count(), 5, "{images:?}");
    for image in images {
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{image}");
        assert!(image == ours || !image.starts_with("downbeat"), "{image}");
    }
}
