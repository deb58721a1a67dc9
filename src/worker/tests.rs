//! What is rendered for each kind is decoded again.

use downbeat_time::UnixMs;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::arq::ArqSerializer;
use super::decode::inflated;
use super::rq::Serializer;
use super::taskiq::TaskiqStream;
use super::*;

/// Every kind, and other forms of some.
fn workers() -> Vec<Worker> {
    let arq = |serializer| Worker::Arq(ArqQueue { serializer });
    let stream = Some(TaskiqStream::default());
    let others = [
        Worker::Rq(RqQueue { serializer: Serializer::Json }),
        arq(ArqSerializer::Json),
        arq(ArqSerializer::Msgpack),
        Worker::Taskiq(TaskiqQueue { stream, ..TaskiqQueue::default() }),
    ];
    WorkerKind::ALL.map(Worker::usual).into_iter().chain(others).collect()
}

/// When a message is pushed by the clock of the store.
const SENT: i64 = 1_795_230_000_250;

/// What Redis would hold for the element after these writes, in the form in which the script reads it.
fn stored(writes: &Writes, location: &Location) -> Vec<Option<Vec<u8>>> {
    let hash = |key: &str| {
        let is_hset =
            |command: &&RedisCommand| command[0] == b"HSET" && command[1] == key.as_bytes();
        writes.before.iter().find(is_hset).map(|command| &command[2..]).unwrap_or_default()
    };
    let field = |hash: &[Vec<u8>], name: &[u8]| {
        hash.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone())
    };
    let id = String::from_utf8(writes.element.clone()).unwrap();
    match &location.bodies {
        None => Vec::new(),
        Some(Bodies::Text { prefix }) => {
            let key = format!("{prefix}{id}").into_bytes();
            let store = writes.before.iter().find(|command| command[1] == key).unwrap();
            let lifetime: i64 = std::str::from_utf8(&store[2]).unwrap().parse().unwrap();
            let at = |ms: i64| Some((SENT + ms).to_string().into_bytes());
            vec![Some(store[3].clone()), at(lifetime), at(1)]
        }
        Some(Bodies::Field { key }) => vec![field(hash(key), id.as_bytes())],
        Some(Bodies::Hash { prefix, fields }) => {
            let hash = hash(&format!("{prefix}{id}"));
            fields.iter().map(|name| field(hash, name.as_bytes())).collect()
        }
    }
}

/// Decodes a message of `queue`.
fn read(queue: &Queue, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    queue.worker.protocol().decode(element, stored)
}

fn read_back(task: &Task<'_>) -> Waiting {
    let (queue, writes) = (&task.message.queue, render(task));
    let locations = queue.locations();
    let location = locations.iter().find(|location| location.key == writes.key).unwrap();
    if location.next == Next::Oldest {
        let field = if writes.push == Push::TaskiqStream { "data" } else { "message" };
        let fields = [Some(field.into()), Some(writes.element)];
        return read(queue, b"1795230000250-0", &fields).unwrap();
    }
    read(queue, &writes.element, &stored(&writes, location)).unwrap()
}

fn message(worker: Worker) -> Message {
    let takes_args = !matches!(worker, Worker::Bullmq(_));
    let takes_kwargs = !matches!(worker, Worker::Sidekiq(_));
    let mut message = sample::message("reports", worker);
    message.headers = Some(r#"{"x-trace":"abc"}"#.into());
    if !takes_args {
        message.args = "[]".into();
    }
    if !takes_kwargs {
        message.kwargs = "{}".into();
    }
    message
}

#[test]
fn what_downbeat_sends_is_read_back_whatever_the_kind() {
    for worker in workers() {
        let message = message(worker);
        let kind = message.queue.worker.kind().as_str();
        let task = sample::task(&message);
        let waiting = read_back(&task);
        let id = match kind {
            "sidekiq" => task.task_id.simple().to_string()[..24].to_owned(),
            _ => task.task_id.to_string(),
        };
        assert_eq!(waiting.task_id, Some(id), "{kind}");
        assert_eq!(waiting.task.as_deref(), Some("demo.add"), "{kind}");
        if kind != "bullmq" {
            assert_eq!(waiting.args, Some(json!([1, "zwei"])), "{kind}");
        }
        if kind != "sidekiq" {
            assert_eq!(waiting.kwargs, Some(json!({"deep": {"ü": [null, true]}})), "{kind}");
        }
        assert_eq!(waiting.entry.as_deref(), Some(task.entry_name), "{kind}");
        assert_eq!((waiting.slot, waiting.kind.as_deref()), (Some(task.slot), Some("catch_up")));
        assert_eq!(waiting.headers["x-trace"], "abc", "{kind}");
        assert_eq!((waiting.call, waiting.unread), (None, None), "{kind}");
        let is_on_list = queue_is_list(&message);
        let tells_time = !(["celery", "json"].contains(&kind) || kind == "taskiq" && is_on_list);
        assert_eq!(waiting.sent_at, tells_time.then_some(task.now), "{kind}");
        // arq's jobs expire after a day if nothing else is said.
        let expires_at = (kind == "arq").then_some(UnixMs(SENT + 86_400_000));
        assert_eq!((waiting.expires_at, waiting.not_before), (expires_at, None), "{kind}");
    }
}

#[test]
fn the_page_on_queues_has_a_row_for_every_kind() {
    let page = include_str!("../../docs/queues.md");
    let (_, rows) = page.split_once("\n| kind | task id |").unwrap();
    let rows = rows.split("\n\n").next().unwrap();
    for kind in WorkerKind::ALL {
        assert!(rows.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[test]
fn an_expiry_is_read_back_if_the_kind_has_one() {
    for worker in workers() {
        let message = message(worker);
        let kind = message.queue.worker.kind().as_str();
        let expires_at = Some(UnixMs(1_795_230_060_250));
        let waiting = read_back(&Task { expires_at, ..sample::task(&message) });
        let has_one = !["sidekiq", "bullmq", "taskiq"].contains(&kind);
        assert_eq!(waiting.expires_at, expires_at.filter(|_| has_one), "{kind}");
    }
}

fn queue_is_list(message: &Message) -> bool {
    !message.queue.keeps_read_messages()
}

fn celery(element: &str) -> Result<Waiting, DecodeError> {
    read(&Queue::unconfigured("reports"), element.as_bytes(), &[])
}

#[test]
fn the_first_protocol_of_celery_is_read() {
    let body = r#"{"task":"tasks.add","id":"7","args":[1],"kwargs":{"b":2},"eta":null,"expires":"2026-11-21T03:00:00","retries":1}"#;
    let envelope =
        json!({"body": body, "content-type": "application/json", "headers": {}, "properties": {}});
    let waiting = celery(&envelope.to_string()).unwrap();
    assert_eq!(
        (waiting.task.as_deref(), waiting.task_id.as_deref()),
        (Some("tasks.add"), Some("7"))
    );
    assert_eq!((waiting.args, waiting.kwargs), (Some(json!([1])), Some(json!({"b": 2}))));
    assert_eq!(waiting.expires_at, Some(UnixMs(1_795_230_000_000)));
    assert_eq!(waiting.headers["retries"], 1);
}

#[test]
fn an_unreadable_body_is_reported_with_the_producers_description() {
    let said = |content_type: Value, compression: Value, body: &str| {
        let envelope = json!({
            "body": body,
            "content-type": content_type,
            "headers": {"task": "t", "id": "7", "compression": compression, "argsrepr": "(1, 2)", "kwargsrepr": "{}"},
            "properties": {"body_encoding": "base64"},
        });
        let waiting = celery(&envelope.to_string()).unwrap();
        assert_eq!((waiting.task.as_deref(), waiting.args), (Some("t"), None));
        assert_eq!(waiting.call.as_deref(), Some("(1, 2)"));
        waiting.unread.unwrap()
    };
    let (json, none) = (json!("application/json"), Value::Null);
    let pickle = json!("application/x-python-serialize");
    assert_eq!(
        said(json!("application/x-yaml"), none.clone(), "kA=="),
        "a body of the type application/x-yaml"
    );
    // A type of its own in MessagePack.
    assert_eq!(
        said(json!("application/x-msgpack"), none.clone(), "1AEA"),
        "MessagePack with extension types"
    );
    assert_eq!(
        said(json.clone(), json!("application/x-bz2"), "kA=="),
        "a body compressed as application/x-bz2"
    );
    assert!(said(json.clone(), none.clone(), "!").starts_with("a body that is not base64"));
    assert!(said(json, none.clone(), "kA==").starts_with("a body that is not JSON"));
    assert_eq!(
        said(pickle, none.clone(), "gARjb3MKc3lzdGVtCi4="),
        "a pickle of more than plain values"
    );
    assert_eq!(said(none.clone(), none, "kA=="), "a body without a type, which ends workers");
}

#[test]
fn what_is_not_a_message_is_described_in_words() {
    let queue = |worker| Queue { name: "q".into(), worker, amqp: None, catch_up_rate: None };
    for worker in workers() {
        let queue = queue(worker);
        for element in ["", "\u{1b}[2J", "[1]", "{}", "{\"headers\":7}"] {
            let said = match queue.worker {
                // Everything in a stream is an entry, and any object could be a message.
                Worker::Stream(_) => continue,
                Worker::Json if element.starts_with('{') => continue,
                Worker::Rq(_) | Worker::Bullmq(_) => {
                    let Some(Bodies::Hash { fields, .. }) = &queue.locations()[0].bodies else {
                        panic!()
                    };
                    read(&queue, element.as_bytes(), &vec![None; fields.len()])
                }
                Worker::Dramatiq(_) | Worker::Arq(_) => {
                    read(&queue, b"id", &[Some(element.into())])
                }
                Worker::Taskiq(TaskiqQueue { stream: Some(_), .. }) => {
                    read(&queue, b"1-0", &[Some(b"data".to_vec()), Some(element.into())])
                }
                _ => read(&queue, element.as_bytes(), &[]),
            };
            assert!(!said.unwrap_err().to_string().is_empty(), "{queue:?}: {element}");
        }
        let gone = read(&queue, b"id", &[None]);
        assert!(gone.is_err() || queue.worker.kind().as_str() == "stream", "{queue:?}");
    }
}

#[test]
fn what_unpacks_without_end_is_not_unpacked() {
    let zeros = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; MAX_PEEK_BYTES + 1], 1);
    assert!(matches!(inflated(&zeros), Err(DecodeError::TooLarge)));
    assert_eq!(&*inflated(b"plain").unwrap(), b"plain");
}

fn any_stored() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
    let value = prop_oneof![
        any::<Vec<u8>>().boxed(),
        any::<Vec<u8>>().prop_map(|bytes| [b"\x80\x04".to_vec(), bytes].concat()).boxed(),
        r#"\{"(options|message|headers|id|eta|data)":[0-9{}"\[\]e.-]*\}"#.prop_map(String::into_bytes).boxed(),
        "-?[0-9]{0,20}(\\.[0-9]+)?".prop_map(String::into_bytes).boxed(),
    ];
    prop::collection::vec(prop::option::of(value), 0..8)
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(element: Vec<u8>, stored in any_stored()) {
        for worker in workers() {
            let _ = read(&Queue { name: "q".into(), worker, amqp: None, catch_up_rate: None }, &element, &stored);
        }
    }

    #[test]
    fn no_change_of_a_message_makes_reading_panic(at: prop::sample::Index, byte: u8, n: usize) {
        let workers = workers();
        let message = message(workers[n % workers.len()].clone());
        let mut writes = render(&sample::task(&message));
        let locations = message.queue.locations();
        let location = locations.iter().find(|location| location.key == writes.key).unwrap();
        let mut stored = stored(&writes, location);
        let parts = stored.iter_mut().flatten().chain([&mut writes.element]);
        for part in parts {
            let at = at.index(part.len());
            part[at] = byte;
        }
        let _ = read(&message.queue, &writes.element, &stored);
        let _ = read(&message.queue, &writes.element, &[Some(b"message".to_vec()), Some(writes.element.clone())]);
    }
}
