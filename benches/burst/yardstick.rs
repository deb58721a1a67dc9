//! Other ways of writing the same messages.

use downbeat::worker::{Push, Writes};
use tokio::time::Instant;

use crate::job::Job;
use crate::rig::redis_cpu;
use crate::support::redis::RedisServer;

/// As many messages as a pipeline holds.
const PIPELINED: usize = 500;

/// What it took to write them.
pub(crate) struct Yardstick {
    pub(crate) seconds: f64,
    /// Redis' own CPU a message.
    pub(crate) redis_us: f64,
}

impl Yardstick {
    pub(crate) fn measure(server: &RedisServer, job: &Job, write: impl FnOnce()) -> Yardstick {
        let mut connection = server.connect();
        let (before, began) = (redis_cpu(&mut connection), Instant::now());
        write();
        let seconds = began.elapsed().as_secs_f64();
        let redis_us = job.us_a_message(redis_cpu(&mut connection) - before);
        assert_eq!(job.queued(&mut connection), job.entries, "not all were written");
        Yardstick { seconds, redis_us }
    }
}

/// Pipelined commands of one client, over TCP as downbeat's, which check nothing.
pub(crate) fn raw(server: &RedisServer, job: &Job) -> Yardstick {
    let client = redis::Client::open(server.tcp_url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let () = redis::cmd("FLUSHALL").arg("SYNC").query(&mut connection).unwrap();
    let pipelines: Vec<_> = job.messages.chunks(PIPELINED).map(pipeline).collect();
    Yardstick::measure(server, job, || {
        for pipeline in &pipelines {
            let () = pipeline.query(&mut connection).unwrap();
        }
    })
}

fn pipeline(messages: &[Writes]) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::with_capacity(messages.len());
    for Writes { before, push, key, element } in messages {
        for command in before {
            pipeline.cmd(std::str::from_utf8(&command[0]).unwrap()).arg(&command[1..]).ignore();
        }
        match push {
            Push::Left => pipeline.lpush(key, element),
            Push::Right | Push::RqDependent => pipeline.rpush(key, element),
            Push::Due => pipeline.zadd(key, element, 1_800_000_000_007_i64),
            Push::TaskiqStream => pipeline.cmd("XADD").arg(key).arg("*").arg("data").arg(element),
            Push::Stream => pipeline.cmd("XADD").arg(key).arg("*").arg("message").arg(element),
            Push::Publish => pipeline.publish(key, element),
            Push::Bullmq => {
                let marker = key.replace(":wait", ":marker");
                pipeline.zadd(marker, "0", 0).ignore().lpush(key, element)
            }
        };
        pipeline.ignore();
    }
    pipeline
}
