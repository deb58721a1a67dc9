//! What each kind of worker takes is in Redis just as if its own producer had written it.

use super::*;
use crate::support::tools::needs;

/// The writes of the `n`th message.
type Kind = fn(usize) -> Writes;

fn rq(n: usize) -> Writes {
    let (job, big) = (format!("rq:job:{n}"), format!("data of {n} {}", "x".repeat(80)));
    let mut before = vec![
        command(&["DEL", &job]),
        command(&["HSET", &job, "created_at", "now", "status", "queued", "data", &big]),
    ];
    if n.is_multiple_of(3) {
        before[1].extend(command(&["ttl", "60"]));
        before.push(command(&["PEXPIREAT", &job, "1893456000000"]));
    }
    before.push(command(&["SADD", "rq:queues", "rq:queue:q"]));
    let (key, element) = ("rq:queue:q".to_owned(), n.to_string().into());
    Writes { before, push: Push::Right, key, element }
}

fn bullmq(n: usize) -> Writes {
    let job = format!("bull:q:{n}");
    let data = format!("{{\"n\":{n}}}");
    let before = vec![command(&["HSET", &job, "name", "t", "data", &data, "delay", "0"])];
    Writes {
        before,
        push: Push::Bullmq,
        key: "bull:q:wait".to_owned(),
        element: n.to_string().into(),
    }
}

fn dramatiq(n: usize) -> Writes {
    let id = format!("id-{n}");
    let before = vec![command(&["HSET", "dramatiq:q.msgs", &id, &format!("message {n}")])];
    Writes { before, push: Push::Right, key: "dramatiq:q".to_owned(), element: id.into() }
}

fn sidekiq(n: usize) -> Writes {
    let before = vec![command(&["SADD", "queues", "q"])];
    Writes { before, push: Push::Left, key: "queue:q".to_owned(), element: n.to_string().into() }
}

fn rq_dependent(n: usize) -> Writes {
    let (job, ids) = (format!("rq:job:{n}"), "[\"import\"]");
    let words = ["HSET", &job, "enqueued_at", "now", "status", "queued", "dependency_ids", ids];
    let queues = command(&["SADD", "rq:queues", "rq:queue:q"]);
    let before = vec![command(&["DEL", &job]), command(&words), queues];
    let (key, element) = ("rq:queue:q".to_owned(), n.to_string().into());
    Writes { before, push: Push::RqDependent, key, element }
}

fn arq(n: usize) -> Writes {
    let (job, id) = (format!("arq:job:{n}"), n.to_string());
    // None of these expires within a test: it is not in the content that is compared.
    let before = vec![command(&["PSETEX", &job, "86400000", &format!("job {n}")])];
    Writes { before, push: Push::Due, key: "arq:queue".to_owned(), element: id.into() }
}

fn taskiq(n: usize) -> Writes {
    let before = vec![command(&["XGROUP", "CREATE", "taskiq", "workers", "$", "MKSTREAM"])];
    let key = "taskiq".to_owned();
    Writes { before, push: Push::TaskiqStream, key, element: n.to_string().into() }
}

fn plain(n: usize) -> Writes {
    let key = "list".to_owned();
    Writes { before: vec![], push: Push::Left, key, element: n.to_string().into() }
}

fn stream(n: usize) -> Writes {
    let key = "stream".to_owned();
    Writes { before: vec![], push: Push::Stream, key, element: n.to_string().into() }
}

const KINDS: [(&str, Kind); 9] = [
    ("rq", rq),
    ("rq dependent", rq_dependent),
    ("arq", arq),
    ("taskiq", taskiq),
    ("bullmq", bullmq),
    ("dramatiq", dramatiq),
    ("sidekiq", sidekiq),
    ("plain", plain),
    ("stream", stream),
];

fn batch(kind: Kind, count: usize, guards: Guards) -> Vec<Write> {
    let write = |n: usize| {
        let mut write = Write { guards, ..send(&format!("e{n}"), ago(1), "q") };
        write.message.as_mut().unwrap().writes = kind(n);
        write
    };
    (0..count).map(write).collect()
}

/// What the producer of the kind would do.
fn produce(server: &RedisServer, kind: Kind, count: usize) {
    let mut redis = server.connect();
    for (n, Writes { before, push, key, element }) in (0..count).map(kind).enumerate() {
        for words in &before {
            let name = std::str::from_utf8(&words[0]).unwrap();
            let done = redis::cmd(name).arg(&words[1..]).exec(&mut redis);
            assert!(done.is_ok() || name == "XGROUP" && n > 0, "{done:?}");
        }
        match push {
            Push::Left => redis.lpush(key, element).unwrap(),
            Push::Right | Push::RqDependent => redis.rpush(key, element).unwrap(),
            Push::Due => redis.zadd(key, element, n).unwrap(),
            Push::Stream | Push::TaskiqStream => {
                let field = if push == Push::Stream { "message" } else { "data" };
                let mut add = redis::cmd("XADD");
                add.arg(key).arg("*").arg(field).arg(element).query(&mut redis).unwrap()
            }
            Push::Publish => panic!("a message to every worker waits nowhere"),
            Push::Bullmq => {
                let _: () = redis.zadd("bull:q:marker", "0", 0).unwrap();
                redis.lpush(key, element).unwrap()
            }
        }
    }
}

/// Every key but those of the namespace, with what is in it.
fn content(server: &RedisServer) -> Vec<(String, String, Vec<String>)> {
    let mut redis = server.connect();
    let mut keys: Vec<String> = redis.keys("*").unwrap();
    keys.retain(|key| !key.starts_with("test:") && !key.starts_with("_kombu"));
    keys.sort();
    let mut content = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut redis).unwrap();
        if kind == "string" {
            let left: i64 = redis.pttl(&key).unwrap();
            assert!((86_300_000..=86_400_000).contains(&left), "{key}: {left}");
            content.push((key.clone(), kind, vec![redis.get(&key).unwrap()]));
            continue;
        }
        let (command, rest): (_, &[&str]) = match kind.as_str() {
            "list" => ("LRANGE", &["0", "-1"]),
            "hash" => ("HGETALL", &[]),
            "set" => ("SMEMBERS", &[]),
            "zset" => ("ZRANGE", &["0", "-1"]),
            "stream" => ("XRANGE", &["-", "+"]),
            other => panic!("{other}"),
        };
        let value: redis::Value =
            redis::cmd(command).arg(&key).arg(rest).query(&mut redis).unwrap();
        let mut values = Vec::new();
        flatten(value, &mut values);
        if kind == "stream" {
            // The ids are those of the instant.
            values.retain(|value| !value.contains('-'));
        }
        if kind == "hash" || kind == "set" {
            let pairs = if kind == "hash" { 2 } else { 1 };
            let mut sorted: Vec<_> = values.chunks(pairs).map(<[String]>::to_vec).collect();
            sorted.sort();
            values = sorted.concat();
        }
        let ttl: i64 = redis::cmd("PEXPIRETIME").arg(&key).query(&mut redis).unwrap();
        content.push((key, format!("{kind} {ttl}"), values));
    }
    content
}

fn flatten(value: redis::Value, values: &mut Vec<String>) {
    match value {
        redis::Value::Array(all) => all.into_iter().for_each(|value| flatten(value, values)),
        value => values.push(redis::from_redis_value(value).unwrap()),
    }
}

#[tokio::test]
async fn messages_are_where_the_producer_of_their_kind_writes_them() {
    needs!(Redis);
    let many = Guards { max_queued: std::num::NonZeroU32::new(1_000), ..Guards::default() };
    for (name, kind) in KINDS {
        let producer = RedisServer::start();
        produce(&producer, kind, 10);
        for guards in [Guards::default(), many] {
            if ["stream", "taskiq"].contains(&name) && guards == many {
                continue;
            }
            let mut leader = Leader::start().await;
            // What an earlier job of that id left behind is gone afterwards where a producer deletes it.
            let _: () = leader.redis().hset("rq:job:3", "stale", "x").unwrap();
            assert_eq!(exceptions(leader.dispatch(batch(kind, 10, guards)).await), [], "{name}");
            let _: () = match name {
                "rq" | "rq dependent" => (),
                _ => leader.redis().del("rq:job:3").unwrap(),
            };
            assert_eq!(content(&leader.server), content(&producer), "{name} {guards:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_message_leaves_nothing_behind() {
    needs!(Redis);
    let many = Guards { max_queued: std::num::NonZeroU32::new(1_000), ..Guards::default() };
    for (name, kind) in KINDS {
        let key = kind(0).key;
        for (what, deny) in [("WRONGTYPE", false), ("NOPERM", true)] {
            for guards in [Guards::default(), many] {
                let server = RedisServer::start();
                let mut rules = vec!["SETUSER", "default", "allkeys", "allcommands"];
                let refused = match kind(0).push {
                    Push::Right | Push::RqDependent => "-rpush",
                    Push::Due => "-zadd",
                    Push::Stream | Push::TaskiqStream => "-xadd",
                    Push::Left | Push::Bullmq => "-lpush",
                    Push::Publish => "-publish",
                };
                // The journal is a stream as well.
                if deny && refused == "-xadd" {
                    continue;
                }
                let mut leader = Leader::on(server).await;
                if deny {
                    rules.push(refused);
                    let () = redis::cmd("ACL").arg(&rules).query(&mut leader.redis()).unwrap();
                } else {
                    let _: () = leader.redis().set(&key, "text").unwrap();
                }
                let mut writes = batch(kind, 5, guards);
                // Another queue, which goes on all the same.
                let mut other = send("b", ago(1), "other");
                other.message.as_mut().unwrap().writes.push = match refused {
                    "-rpush" => Push::Left,
                    _ => Push::Right,
                };
                writes.push(other);
                let found = exceptions(leader.dispatch(writes).await);
                assert_eq!(found.len(), 5, "{name} {what}: {found:?}");
                for (item, (index, exception)) in found.into_iter().enumerate() {
                    assert_eq!(item, index);
                    let Exception::Refused(why) = exception else { panic!("{exception:?}") };
                    let shows = why.contains(what) || deny && why.contains("can't run");
                    assert!(shows || name == "stream", "{name}: {why}");
                }
                assert_eq!(leader.queued("other").len(), 1);
                let _: () = leader.redis().del(&[key.as_str(), "other", "bull:q:marker"]).unwrap();
                assert_eq!(content(&leader.server), [], "{name} {what} {guards:?}");
                let snapshot = leader.snapshot().await;
                assert_eq!(snapshot.journal.len(), 1);
                assert_eq!(snapshot.clone().take_state(GRACE).completeness, Completeness::Whole);
                assert_eq!(leader.store.counters().await.unwrap().0.len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_stored_beside_the_list_is_not_pushed_either() {
    needs!(Redis);
    let cases: [(&str, Kind, &str); 5] = [
        ("rq dependent", rq_dependent, "rq:job:import"),
        ("bullmq", bullmq, "bull:q:3"),
        ("bullmq", bullmq, "bull:q:meta"),
        ("dramatiq", dramatiq, "dramatiq:q.msgs"),
        ("sidekiq", sidekiq, "queues"),
    ];
    for (name, kind, key) in cases {
        let mut leader = Leader::start().await;
        let _: () = leader.redis().set(key, "text").unwrap();
        let found = exceptions(leader.dispatch(batch(kind, 5, Guards::default())).await);
        assert_eq!(found.len(), 5, "{name}");
        let _: () = leader.redis().del(key).unwrap();
        assert_eq!(content(&leader.server), [], "{name}");
    }
}

#[tokio::test]
async fn jobs_go_to_the_list_that_is_right_for_the_state_of_the_queue() {
    needs!(Redis);
    let version = |version: &str| vec![("version".to_owned(), version.to_owned())];
    let paused = |version: &str| {
        let paused = [("paused".to_owned(), "1".to_owned())].into_iter();
        let version = (!version.is_empty()).then(|| ("version".to_owned(), version.to_owned()));
        paused.chain(version).collect::<Vec<_>>()
    };
    for (meta, list) in [
        (version("bullmq:5.1.0"), Some("bull:q:wait")),
        (version("bullmq:9.1.0"), None),
        (version("something else"), None),
        (paused("bullmq:4.1.0"), Some("bull:q:paused")),
        (paused("bullmq:6.1.0"), Some("bull:q:wait")),
        (paused(""), None),
    ] {
        let mut leader = Leader::start().await;
        let _: () = leader.redis().hset_multiple("bull:q:meta", &meta).unwrap();
        let found = exceptions(leader.dispatch(batch(bullmq, 3, Guards::default())).await);
        assert_eq!(found.is_empty(), list.is_some(), "{meta:?}: {found:?}");
        let jobs: bool = leader.redis().exists("bull:q:1").unwrap();
        assert_eq!(jobs, list.is_some(), "{meta:?}");
        if let Some(list) = list {
            let length: usize = leader.redis().llen(list).unwrap();
            assert_eq!(length, 3, "{meta:?}");
            let woken: bool = leader.redis().exists("bull:q:marker").unwrap();
            assert_eq!(woken, meta[0].0 != "paused", "{meta:?}");
        }
    }
}

/// A message to every worker.
fn published(n: usize) -> Writes {
    Writes { push: Push::Publish, key: "/0.news/celery".to_owned(), ..plain(n) }
}

#[tokio::test]
async fn a_message_to_every_worker_is_published_once_or_refused_while_nobody_listens() {
    needs!(Redis);
    for channel in ["/0.news/celery", "/0.news"] {
        let mut leader = Leader::start().await;
        let found = exceptions(leader.dispatch(batch(published, 2, Guards::default())).await);
        let [(0, Exception::Refused(why)), (1, Exception::Refused(_))] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(why, "no worker listens (PUBLISH /0.news/celery)");
        let mut connection = leader.redis();
        let mut listener = connection.as_pubsub();
        listener.psubscribe(channel).unwrap();
        let found = exceptions(leader.dispatch(batch(published, 2, Guards::default())).await);
        assert_eq!(found, []);
        listener.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let heard: Vec<Vec<u8>> = std::iter::from_fn(|| listener.get_message().ok())
            .map(|message| message.get_payload().unwrap())
            .collect();
        assert_eq!(heard, [published(0).element, published(1).element], "{channel}");
        assert_eq!(leader.snapshot().await.journal.len(), 1);
    }
}
