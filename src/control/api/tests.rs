//! The routes, called like the commands do and otherwise, with a fake loop and fake brokers.

use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request as HttpRequest};
use axum::response::IntoResponse as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use super::*;
use crate::config::Identity;
use crate::control::server::tests::answer_to;
use crate::control::wire::{MAX_REQUEST, service_of};
use crate::control::{Command, LookError, LookErrorKind, Question};
use crate::core::campaign::ResignError;
use crate::http::on_socket;
use crate::manual::{Backfill, Refused, Trigger};
use crate::pausing;
use crate::service::heartbeat::Heartbeat;
use crate::service::history::HistoryRequest;
use crate::service::reload::ReloadError;
use crate::text::{Problem, Severity};

fn problem() -> Problem {
    let (severity, file, message) = (Severity::Error, "a.yaml".to_owned(), "bad".to_owned());
    Problem { severity, file, line: 1, column: 1, message, hint: None, excerpt: None }
}

/// Names that could break a path apart.
const NAMES: [&str; 7] = ["nightly", "a/b c", "100%?#&=+", "%2F", "..", "이름", "a\n\u{202e}b"];

fn identity() -> Identity {
    let broker = Some("redis://me:***@host".to_owned());
    Identity { broker, namespace: "이름".to_owned(), ..Identity::default() }
}

/// What the fake service was asked.
type Seen = Arc<Mutex<Vec<String>>>;

/// A fake service that does everything it is asked, or refuses everything.
fn service(does: bool) -> (Router, Seen) {
    let (service, mut requested) = mpsc::channel(4);
    let seen = Seen::default();
    let loop_saw = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Some(request) = requested.recv().await {
            let asked = answer(request, does);
            loop_saw.lock().unwrap().push(asked);
        }
    });
    let broker_saw = Arc::clone(&seen);
    let look = move |question: Question| {
        let asked = format!("{question:?}");
        broker_saw.lock().unwrap().push(asked.clone());
        let message = "no redis://me:s3cret@host\n\u{202e}".to_owned();
        let detail = json!({"message": message});
        let error = LookError { kind: LookErrorKind::Conflict, message, detail };
        if does { Ok(Value::from(asked)) } else { Err(error) }
    };
    let backend = Backend { identity: identity(), look: Arc::new(look) };
    (on_socket(Heartbeat::new(), Api::new(service, backend)), seen)
}

fn answer(request: Request, does: bool) -> String {
    let text = |text: &str| text.to_owned();
    match request {
        Request::Status(answer) => {
            let _ = answer.send(crate::service::status::Status::default());
            text("status")
        }
        Request::List(answer) => {
            let _ = answer.send(Vec::new());
            text("list")
        }
        Request::Entry(name, answer) => {
            let asked = format!("entry {name}");
            let _ = answer.send(Err(Refused::NoSuchEntry { name, meant: Vec::new() }));
            asked
        }
        Request::Reload(answer) => {
            let refused = || Err(ReloadError([problem()].into()));
            let done = if does { Ok(text("nothing changed")) } else { refused() };
            let _ = answer.send(done);
            text("reload")
        }
        Request::Resign(answer) => {
            let _ = answer.send(if does { Ok(()) } else { Err(ResignError::NotLeading) });
            text("resign")
        }
        Request::Trigger(trigger, answer) => {
            let name = trigger.entry.clone();
            let _ = answer.send(Err(Refused::NoSuchEntry { name, meant: Vec::new() }));
            format!("{trigger:?}")
        }
        Request::Backfill(backfill, answer) => {
            let refused =
                if does { Refused::NotSent(text("x")) } else { Refused::Invalid(text("x")) };
            let _ = answer.send(Err(refused));
            format!("{backfill:?}")
        }
        Request::Pause(asked, answer) => {
            let refused = match does {
                true => Refused::NotChanged(text("x")),
                false => Refused::NoSuchTag { name: text("x"), meant: Vec::new() },
            };
            let _ = answer.send(Err(refused));
            format!("{asked:?}")
        }
        Request::Schedule(_) | Request::LogState | Request::Stop => {
            text("not asked over the socket")
        }
    }
}

/// Status code and body.
async fn ask(routes: &Router, request: HttpRequest<Body>) -> (u16, String) {
    let answer = TowerToHyperService::new(routes.clone()).call(request).await.unwrap();
    assert_eq!(service_of(answer.headers()), Some(identity()));
    let code = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

async fn send(routes: &Router, method: Method, path: &str, body: &str) -> (u16, Value) {
    let request = HttpRequest::builder().method(method).uri(path);
    let (code, body) = ask(routes, request.body(Body::from(body.to_owned())).unwrap()).await;
    (code, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
}

#[tokio::test]
async fn every_command_reaches_its_route_whatever_the_names() {
    let (routes, seen) = service(true);
    let (from, to) = ("2026-01-01 00:00".to_owned(), "2026-01-02".to_owned());
    for name in NAMES {
        let entry = name.to_owned();
        let trigger = Trigger {
            slot: Some("2026-01-01T00:00:00+09:00".to_owned()),
            args: Some(json!([1, {"a": name}])),
            kwargs: Some(Value::Null),
            queue: Some(entry.clone()),
            wants_result: true,
            entry: entry.clone(),
            ..Trigger::default()
        };
        let (from, to) = (from.clone(), to.clone());
        let backfill =
            Backfill { entry: entry.clone(), from, to, dry_run: true, ..Backfill::default() };
        let pause = pausing::Request {
            entries: vec![entry.clone()],
            note: Some(entry.clone()),
            until: Some("2h".to_owned()),
            by: Some(entry.clone()),
            ..pausing::Request::default()
        };
        let tags = vec![entry.clone()];
        let resume = pausing::Request { resume: true, tags, all: true, ..Default::default() };
        let (queue, queues) = (entry.clone(), vec![entry.clone(), "b".to_owned()]);
        let (task_id, timeout) = (entry.clone(), Duration::from_millis(1500));
        for (command, code, asked) in [
            (Command::Status, 200, "status".to_owned()),
            (Command::List, 200, "list".to_owned()),
            (Command::Entry(entry.clone()), 404, format!("entry {entry}")),
            (Command::Reload { wait: true }, 200, "reload".to_owned()),
            (Command::Reload { wait: false }, 202, "reload".to_owned()),
            (Command::Resign, 204, "resign".to_owned()),
            (Command::Trigger(Box::new(trigger.clone())), 404, format!("{trigger:?}")),
            (Command::Backfill(Box::new(backfill.clone())), 503, format!("{backfill:?}")),
            (Command::Pause(Box::new(pause.clone())), 503, format!("{pause:?}")),
            (Command::Pause(Box::new(resume.clone())), 503, format!("{resume:?}")),
        ] {
            let (answered, _) = ask(&routes, command.request().unwrap()).await;
            assert_eq!(answered, code, "{command:?}");
            let seen = || seen.lock().unwrap().pop();
            let seen = loop {
                if let Some(seen) = seen() {
                    break seen;
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(seen, asked);
        }
        let within = Duration::from_millis(700);
        let (from, to) = (Some("2026-01-01T00:00+09:00".to_owned()), Some(entry.clone()));
        for question in [
            Question::Peek { queue: queue.clone(), count: 7 },
            Question::Workers { queues, timeout },
            Question::Outcome { queue, task_id, within },
            Question::History(HistoryRequest { entry: Some(entry.clone()), from, to, count: 9 }),
            Question::History(HistoryRequest { count: 50, ..HistoryRequest::default() }),
            Question::Leader,
        ] {
            let command = Command::Look(question.clone());
            let (code, _) = ask(&routes, command.request().unwrap()).await;
            assert_eq!((code, seen.lock().unwrap().pop()), (200, Some(format!("{question:?}"))));
        }
    }
}

#[tokio::test]
async fn an_error_is_json_with_a_status_code_of_its_kind() {
    let (routes, _) = service(false);
    let ask = |method, path, body| send(&routes, method, path, body);
    let range = r#"{"from": "a", "to": "b"}"#;
    let too_many = "`count` is a number from 1 to 1000";
    for (method, path, body, code, error) in [
        (Method::GET, "/v1/nowhere", "", 404, "nothing is at this path; `GET /` lists all paths"),
        (Method::POST, "/v1/entries//trigger", "", 404, "no entry is named ``"),
        (Method::DELETE, "/v1/status", "", 405, "this path takes other methods"),
        (Method::GET, "/v1/reload", "", 405, "this path takes other methods"),
        (Method::POST, "/v1/reload?wait=true", "", 422, "a.yaml:1:1: bad"),
        (Method::POST, "/v1/reload?wait", "", 422, "a.yaml:1:1: bad"),
        (Method::POST, "/v1/reload?wait=soon", "", 422, "`wait` is `true` or `false`"),
        (Method::POST, "/v1/reload?now=true", "", 422, "the query takes `wait` only, and once"),
        (Method::POST, "/v1/reload?wait=true&wait=true", "", 422, "the query takes `wait` only"),
        (Method::POST, "/v1/resign", "", 409, "this replica does not lead"),
        (Method::POST, "/v1/entries/a/trigger", "", 404, "no entry is named `a`"),
        (Method::POST, "/v1/entries/a/trigger", "{", 400, "the body is not JSON: "),
        (Method::POST, "/v1/entries/a/trigger", "[1]", 422, "the body does not fit: "),
        (Method::POST, "/v1/entries/a/trigger", r#"{"argz": []}"#, 422, "the body does not fit: "),
        (Method::POST, "/v1/entries/%ff/trigger", "", 400, "Invalid UTF-8"),
        (Method::POST, "/v1/entries/a/backfill", "", 422, "the body does not fit: "),
        (Method::POST, "/v1/entries/a/backfill", range, 422, "x"),
        (Method::POST, "/v1/pause", r#"{"tags": ["x"]}"#, 404, "no entry has the tag `x`"),
        (Method::POST, "/v1/pause", r#"{"resume": true}"#, 422, "the body does not fit: "),
        (Method::POST, "/v1/resume", r#"{"until": "2h"}"#, 422, "resuming takes neither"),
        (Method::GET, "/v1/queues/a/messages?count=0", "", 422, too_many),
        (Method::GET, "/v1/queues/a/messages?count=1001", "", 422, too_many),
        (Method::GET, "/v1/queues/a/messages?count=-1", "", 422, too_many),
        (Method::GET, "/v1/entries/a", "", 404, "no entry is named `a`"),
        (Method::GET, "/v1/history?count=10001", "", 422, "`count` is a number from 1 to 10000"),
        (
            Method::GET,
            "/v1/history?entry=a&entry=b",
            "",
            422,
            "the query takes `entry`, `from`, `to`, `count`, each once",
        ),
        (Method::GET, "/v1/history?from=%ff", "", 422, "`from` is not UTF-8"),
        (Method::GET, "/v1/queues/a/messages", "", 409, "no redis://me:***@host\n\u{202e}"),
        (Method::GET, "/v1/queues/a/tasks/b?within=1", "", 422, "`within`: the duration `1` has"),
        (Method::POST, "/v1/workers/inspect", "{}", 422, "the body does not fit: "),
        (
            Method::POST,
            "/v1/workers/inspect",
            r#"{"queues": [], "timeout": "61s"}"#,
            422,
            "`timeout` is at most 1m",
        ),
    ] {
        let (answered, body) = ask(method.clone(), path, body).await;
        let said = body["error"].as_str().unwrap();
        assert_eq!(answered, code, "{method} {path}: {said}");
        assert!(said.contains(error), "{method} {path}: {said}");
    }
    let (_, body) = ask(Method::POST, "/v1/entries/a/trigger", "").await;
    let detail = json!({"reason": "no_such_entry", "about": {"name": "a", "meant": []}});
    assert_eq!(body["detail"], detail);
}

#[tokio::test]
async fn an_unfinished_backfill_says_how_to_continue() {
    let [from, to] = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"].map(str::to_owned);
    let refused = Refused::Unfinished { run: uuid::Uuid::nil(), from, to, queue: None };
    let response = Refusal::from(refused).into_response();
    assert_eq!(response.status().as_u16(), 409);
    let body = to_bytes(response.into_body(), MAX_REQUEST).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let way_out = "; name that run as `run` to go on with it, or set `again` to send them again";
    assert!(body["error"].as_str().unwrap().ends_with(way_out), "{body}");
    assert_eq!(body["detail"]["reason"], "unfinished");
}

#[tokio::test]
async fn nothing_hidden_and_no_password_leaves_in_an_error() {
    let (routes, _) = service(false);
    let request = Command::Look(Question::Leader).request().unwrap();
    let (code, body) = ask(&routes, request).await;
    assert_eq!(code, 409);
    assert!(body.ends_with('\n') && !body.trim_end().contains(char::is_control), "{body:?}");
    assert!(!body.contains("s3cret") && !body.contains('\u{202e}'), "{body}");
    assert_eq!(body.matches(r"redis://me:***@host\n\u202e").count(), 2, "{body}");
}

#[tokio::test]
async fn a_stopping_service_says_so_in_every_response() {
    let (service, requested) = mpsc::channel(1);
    drop(requested);
    let look = |_: Question| Ok(Value::Null);
    let backend = Backend { identity: identity(), look: Arc::new(look) };
    let routes = on_socket(Heartbeat::new(), Api::new(service, backend));
    for (method, path) in [
        (Method::GET, "/v1/status"),
        (Method::GET, "/v1/entries"),
        (Method::GET, "/status"),
        (Method::GET, "/metrics"),
        (Method::POST, "/v1/reload"),
        (Method::POST, "/v1/reload?wait=true"),
        (Method::POST, "/v1/resign"),
        (Method::POST, "/v1/entries/a/trigger"),
    ] {
        let (code, body) = send(&routes, method, path, "").await;
        assert_eq!((code, &body["error"]), (503, &"the service is stopping".into()), "{path}");
    }
    assert_eq!(send(&routes, Method::GET, "/v1/leader", "").await, (200, Value::Null));
}

#[tokio::test]
async fn every_path_that_the_index_names_is_there() {
    let (routes, _) = service(true);
    let (_, index) = ask(&routes, HttpRequest::get("/").body(Body::empty()).unwrap()).await;
    let mut paths = 0;
    for line in index.lines().filter(|line| line.contains('/')) {
        let path = line.split(' ').find(|word| word.starts_with('/')).unwrap();
        let method = if line.starts_with("POST") { Method::POST } else { Method::GET };
        let request = HttpRequest::builder().method(method).uri(path);
        let (code, body) = ask(&routes, request.body(Body::empty()).unwrap()).await;
        let is_there = body.contains("no entry") || ![404, 405].contains(&code);
        assert!(is_there && !body.contains("the query takes"), "{line}: {code} {body}");
        paths += 1;
    }
    let routes = reading_routes().len() + acting_routes().len();
    assert_eq!(paths, routes + 5, "and health, status and metrics");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_or_too_slow_is_refused() {
    let head = "POST /v1/entries/a/trigger HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let (routes, seen) = service(true);
    let announced = format!("{head}content-length: {}\r\n\r\n", MAX_REQUEST + 1);
    let (answer, _) = answer_to(routes.clone(), announced.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#"{"error":"the body is longer than 1048576 bytes"}"#), "{answer}");
    let slow = format!("{head}content-length: 9\r\n\r\n{{");
    let (answer, after) = answer_to(routes, slow.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("the body did not arrive within 10 s"), "{answer}");
    assert_eq!(after.as_secs(), 10);
    assert!(seen.lock().unwrap().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn bytes_beyond_the_bound_are_refused_without_being_announced() {
    let (routes, _) = service(true);
    let chunk = format!("{:x}\r\n{}\r\n", MAX_REQUEST + 1, " ".repeat(MAX_REQUEST + 1));
    let head = "POST /v1/entries/a/trigger HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let (answer, _) = answer_to(routes, format!("{head}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
