//! Flower shows sent tasks, before and after a worker takes them.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::celery::CeleryWorker;
use crate::support::http::ask;
use crate::support::kind;
use crate::support::process::Process;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::{RedisServer, free_port};
use crate::support::tools::{needs, python};
use crate::support::wait::{SOON, START, eventually};

const SCHEDULE: &str = r#"
defaults: {queue: seen}
entries:
  nightly: {task: demo.echo, cron: "0 3 * * *", args: [1, "é"], kwargs: {k: v}}
"#;

struct Flower {
    _process: Process,
    address: String,
    _folder: tempfile::TempDir,
}

impl Flower {
    fn start(broker: &str) -> Flower {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let port = address.rsplit_once(':').unwrap().1;
        let mut command = Command::new(python());
        command.args(["-m", "celery", "--broker", broker, "flower", "--address=127.0.0.1"]);
        command.args([&format!("--port={port}"), "--enable_events=True", "--inspect_timeout=100"]);
        command.env("FLOWER_UNAUTHENTICATED_API", "true").env("PYTHONDONTWRITEBYTECODE", "1");
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::spawn("flower", &mut command);
        let flower = Flower { _process: process, address, _folder: folder };
        eventually(START, "flower is up", || {
            std::net::TcpStream::connect(&flower.address).ok().map(drop)
        });
        flower
    }

    /// Every task that it knows, by id.
    fn tasks(&self) -> Value {
        let request = format!(
            "GET /api/tasks HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let answer = ask(&self.address, &request);
        assert_eq!(answer.code, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// Triggers until Flower, which begins to listen some time after its start, has heard of it.
fn shows_the_send_and_the_run(server: &RedisServer, configuration: &str, broker: &str) {
    let place = kind::place(server, configuration, SCHEDULE);
    // Makes the queue where that is the worker's business, and is gone before anything is sent.
    drop(CeleryWorker::start(broker, &["seen"]));
    let flower = Flower::start(broker);
    let sent = eventually(SOON, "flower shows what was sent", || {
        let triggered = place.run(&["trigger", "nightly", "--json"]).ok();
        let triggered: Value = serde_json::from_str(&triggered).unwrap();
        let id = triggered["task_id"].as_str().unwrap_or_else(|| panic!("{triggered}"));
        let task = flower.tasks()[id].clone();
        (!task.is_null()).then(|| (id.to_owned(), task))
    });
    let (id, task) = sent;
    assert_eq!(task["state"], "PENDING");
    assert_eq!((&task["name"], &task["kwargs"]), (&json!("demo.echo"), &json!("{'k': 'v'}")));
    assert_eq!(task["args"], "[1, 'é']");
    assert!(task["client"].as_str().unwrap().starts_with("downbeat@"), "{task}");
    let sent = task["sent"].as_f64().unwrap();

    let settings = json!({"worker_send_task_events": true});
    let _worker = CeleryWorker::start_with(broker, &["seen"], &settings);
    eventually(SOON, "flower shows that it has run", || {
        let task = flower.tasks()[&id].clone();
        (task["state"] == "SUCCESS" && task["sent"].as_f64() == Some(sent)).then_some(())
    });
}

#[test]
fn flower_shows_what_is_sent_over_redis() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    shows_the_send_and_the_run(&server, "events: true", &server.celery_url());
}

#[test]
fn flower_shows_what_is_sent_over_rabbitmq() {
    needs!(Redis, Python, RabbitMq);
    let (server, rabbitmq) = (RedisServer::start(), RabbitMq::start());
    let queues = format!("queues: {{seen: {{broker: '{}'}}}}", rabbitmq.url());
    shows_the_send_and_the_run(&server, &format!("events: true\n{queues}"), &rabbitmq.url());
}
