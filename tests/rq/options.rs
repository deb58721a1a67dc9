//! Options that RQ's workers of every supported version act on: the order of jobs, jobs that wait for others,
//! and callbacks.

use super::*;

/// The versions to which jobs must mean the same, the newest last; `None`: that of the other tests.
const VERSIONS: [Option<&str>; 4] =
    [Some("rq==1.16.2"), Some("rq==2.0.0"), None, Some("rq==3.0.0")];

const ENTRIES: &str = "
defaults: {queue: images}
entries:
  usual: {task: rq_jobs.echo, at: 2030-01-01 00:00, args: [usual]}
  urgent: {task: rq_jobs.echo, at: 2030-01-01 00:00, args: [urgent], options: {at_front: true}}
  after:
    task: rq_jobs.echo
    at: 2030-01-01 00:00
    args: [after]
    options: {depends_on: [import-1, never_was]}
  soon-after:
    task: rq_jobs.echo
    at: 2030-01-01 00:00
    args: [soon-after]
    expires: 1h
    options: {depends_on: import-1, at_front: true}
  after-both:
    task: rq_jobs.echo
    at: 2030-01-01 00:00
    args: [after-both]
    options: {depends_on: [import-1, import-2]}
  in-any-case:
    task: rq_jobs.echo
    at: 2030-01-01 00:00
    args: [in-any-case]
    options: {depends_on: {jobs: import-1, allow_failure: true}}
  told:
    task: rq_jobs.echo
    at: 2030-01-01 00:00
    args: [told]
    options: {on_success: rq_jobs.done, on_failure: rq_jobs.failed}
  failing:
    task: rq_jobs.fail
    at: 2030-01-01 00:00
    options: {on_success: rq_jobs.done, on_failure: {func: rq_jobs.failed, timeout: 1m}}
  endless:
    task: rq_jobs.nap
    at: 2030-01-01 00:00
    args: [600]
    options: {on_stopped: {func: rq_jobs.stopped, timeout: 1m}}
";

fn place(server: &RedisServer) -> Place {
    let place = super::place(server);
    place.write_schedule("jobs.yaml", ENTRIES);
    place
}

fn worker(server: &RedisServer, version: Option<&str>) -> RqWorker {
    match version {
        Some(version) => RqWorker::start_version(server, version, &["images"]),
        None => RqWorker::start(server, &["images"]),
    }
}

/// What RQ itself does, given the socket and a line of Python.
fn rq(server: &RedisServer, line: &str) -> Value {
    let script = "
import json, sys
import redis
from rq import Queue
from rq.job import Job
from rq.command import send_stop_job_command
socket, line = json.loads(sys.stdin.readline())
c = redis.Redis(unix_socket_path=socket)
q = Queue('images', connection=c)
print(json.dumps(eval(line)))
";
    let socket = server.socket().display().to_string();
    answers(script, &[json!([socket, line])]).remove(0)
}

/// The first argument of each run, in order.
fn names(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.args[0].as_str().unwrap_or_default()).collect()
}

fn waiting(server: &RedisServer) -> Vec<String> {
    server.connect().lrange("rq:queue:images", 0, -1).unwrap()
}

fn deferred(server: &RedisServer) -> Vec<String> {
    server.connect().zrange("rq:deferred:images", 0, -1).unwrap()
}

#[test]
fn a_job_at_the_front_goes_first() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    for entry in ["usual", "urgent", "usual"] {
        trigger(&place, entry);
    }
    let runs = worker(&server, None).wait_for_runs(3);
    assert_eq!(names(&runs), ["urgent", "usual", "usual"]);
}

#[test]
fn a_job_waits_for_those_that_it_depends_on_whatever_the_version() {
    needs!(Redis, Python, Apart);
    for version in VERSIONS {
        let server = RedisServer::start();
        let place = place(&server);
        let socket = server.socket().display().to_string();
        rq(&server, &format!("q.enqueue('rq_jobs.hold', {socket:?}, job_id='import-1').id"));
        let (after, soon) = (trigger(&place, "after"), trigger(&place, "soon-after"));
        trigger(&place, "usual");
        assert_eq!(waiting(&server).len(), 2, "{version:?}");
        let mut ids = deferred(&server);
        ids.sort();
        let mut both = [after.clone(), soon.clone()];
        both.sort();
        assert_eq!(ids, both);
        assert_eq!(status(&server, &after).as_deref(), Some("deferred"));
        let mut worker = worker(&server, version);
        worker.wait_for_runs(1);
        let () = server.connect().rpush("gate", "x").unwrap();
        let runs = worker.wait_for_runs(4);
        assert_eq!(names(&runs)[1..], ["soon-after", "usual", "after"], "{version:?}");
        assert_eq!(runs[3].id, after);
        assert_eq!(deferred(&server), [""; 0]);
        // By now it has finished.
        let again = trigger(&place, "after");
        assert_eq!(worker.wait_for_runs(5)[4].id, again);
    }
}

#[test]
fn a_job_waits_for_the_last_of_those_that_it_depends_on_whatever_the_version() {
    needs!(Redis, Python, Apart);
    for version in VERSIONS {
        let server = RedisServer::start();
        let place = place(&server);
        let socket = server.socket().display().to_string();
        rq(&server, "q.enqueue('rq_jobs.echo', job_id='import-1').id");
        rq(&server, &format!("q.enqueue('rq_jobs.hold', {socket:?}, job_id='import-2').id"));
        let id = trigger(&place, "after-both");
        trigger(&place, "usual");
        let mut worker = worker(&server, version);
        worker.wait_for_runs(2);
        assert_eq!(deferred(&server), [id.as_str()], "{version:?}");
        let () = server.connect().rpush("gate", "x").unwrap();
        assert_eq!(names(&worker.wait_for_runs(4))[2..], ["usual", "after-both"], "{version:?}");
    }
}

#[test]
fn a_failed_job_holds_up_those_that_need_its_success() {
    needs!(Redis, Python, Apart);
    for version in VERSIONS {
        let server = RedisServer::start();
        let place = place(&server);
        rq(&server, "q.enqueue('rq_jobs.fail', 'import', job_id='import-1').id");
        let before = trigger(&place, "in-any-case");
        let after = trigger(&place, "after");
        let mut worker = worker(&server, version);
        let runs = worker.wait_for_runs(2);
        assert_eq!(names(&runs), ["import", "in-any-case"], "{version:?}");
        assert_eq!(runs[1].id, before);
        eventually(SOON, "it has failed", || {
            (status(&server, "import-1").as_deref() == Some("failed")).then_some(())
        });
        // It has failed already, so nobody would release the job later.
        let later = trigger(&place, "in-any-case");
        assert_eq!(worker.wait_for_runs(3)[2].id, later);
        assert_eq!(deferred(&server), [after.as_str()]);
    }
}

#[test]
fn callbacks_are_called_whatever_the_version() {
    needs!(Redis, Python, Apart);
    for version in VERSIONS {
        let server = RedisServer::start();
        let place = place(&server);
        let mut worker = worker(&server, version);
        trigger(&place, "told");
        let runs = worker.wait_for_runs(2);
        assert_eq!(runs[1].args, json!(["done", [["told"], {}]]), "{version:?}");
        trigger(&place, "failing");
        let runs = worker.wait_for_runs(4);
        assert_eq!(runs[3].args, json!(["failed", "no such ☃"]), "{version:?}");
        let id = trigger(&place, "endless");
        worker.wait_for_runs(5);
        rq(&server, &format!("send_stop_job_command(c, {id:?})"));
        assert_eq!(worker.wait_for_runs(6)[5].args, json!(["stopped"]), "{version:?}");
    }
}

/// Everything in Redis that has to do with one job, whose id is masked, in no order.
fn everything_about(server: &RedisServer, id: &str) -> BTreeMap<String, Value> {
    let line = "{k.decode(): dict(type=c.type(k).decode(), ttl=c.ttl(k) > 0, \
                value=sorted(repr(x) for x in {b'hash': lambda: c.hgetall(k).items(), b'set': lambda: c.smembers(k), \
                b'zset': lambda: c.zrange(k, 0, -1), b'list': lambda: c.lrange(k, 0, -1)}[c.type(k)]())) \
                for k in c.keys('rq:*') if b'import-1' not in k or k.endswith(b':dependents')}";
    let all = rq(server, line).to_string().replace(id, "ID");
    let mut all: BTreeMap<String, Value> = serde_json::from_str(&all).unwrap();
    let job = all.get_mut("rq:job:ID").unwrap()["value"].as_array_mut().unwrap();
    // Times, what we leave out because it is empty, and what we add.
    let differs = ["created_at", "data", "meta", "b'')", "timeout"];
    job.retain(|field| !differs.iter().any(|name| field.as_str().unwrap().contains(name)));
    all
}

#[test]
fn a_deferred_job_is_what_rqs_own_producer_leaves() {
    needs!(Redis, Python);
    let [ours, theirs] = [RedisServer::start(), RedisServer::start()];
    for server in [&ours, &theirs] {
        rq(server, "q.enqueue('rq_jobs.echo', job_id='import-1').id");
    }
    let our_id = trigger(&place(&ours), "soon-after");
    let line = "q.enqueue('rq_jobs.echo', 'soon-after', ttl=3600, \
                depends_on=__import__('rq').job.Dependency(['import-1'], enqueue_at_front=True)).id";
    let their_id = rq(&theirs, line).as_str().unwrap().to_owned();
    let (ours, mut theirs) =
        (everything_about(&ours, &our_id), everything_about(&theirs, &their_id));
    // RQ says what nobody asked for.
    let job = theirs.get_mut("rq:job:ID").unwrap()["value"].as_array_mut().unwrap();
    job.retain(|field| !field.as_str().unwrap().contains("allow_dependency_failures"));
    assert_eq!(ours, theirs);
}

#[test]
fn a_deferral_that_is_refused_leaves_nothing_behind() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    rq(&server, "q.enqueue('rq_jobs.echo', job_id='import-1').id");
    for key in ["rq:job:import-1:dependents", "rq:job:never_was:dependents", "rq:deferred:images"] {
        let () = server.connect().set(key, "text").unwrap();
        let said = place.run(&["trigger", "after"]).refused(1);
        assert!(said.contains("WRONGTYPE") && said.contains(key), "{said}");
        let () = server.connect().del(key).unwrap();
        let keys: BTreeSet<String> = server.connect().keys("rq:*").unwrap();
        let expected = ["rq:job:import-1", "rq:queue:images", "rq:queues"].map(str::to_owned);
        assert_eq!(keys, expected.into(), "{key}");
    }
}
