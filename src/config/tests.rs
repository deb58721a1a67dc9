//! Rules of loading, on whole files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Instants, Timing, UnixMs, Zone};

use super::language::limits::DEFAULT_WITHIN;
use super::*;
use crate::schedule::{CatchUp, Entry, Guards};
use crate::text::expect::MAX_COUNT;
use crate::tzdata::Tzdata;
use crate::worker::{
    CeleryOptions, Expires, Options, Queue, Queues, Route, RqOptions, RqQueue, SidekiqOptions,
    SidekiqQueue, Worker, WorkerKind,
};

mod days;
mod dialects;
mod directories;
mod hostile;
mod kept;
mod large;
mod lints;
mod overlap;
mod reference;
mod registered;
mod replicas;
mod shell;
mod templates;
mod timings;

/// Loads a text as a file of this name. There is a queue for each kind of worker, named like the kind.
fn load_text(name: &str, text: &[u8]) -> (Loaded, String) {
    load_text_for(&queues(), name, text)
}

fn queues() -> Queues {
    let queue = |worker: Worker| Queue {
        name: worker.kind().as_str().into(),
        worker,
        amqp: None,
        catch_up_rate: None,
    };
    let others = WorkerKind::ALL.into_iter().filter(|kind| *kind != WorkerKind::Celery);
    others.map(Worker::usual).map(queue).collect()
}

/// The same for other queues.
fn load_text_for(queues: &Queues, name: &str, text: &[u8]) -> (Loaded, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    let loaded = load(&[path], queues, &Tzdata::bundled());
    let shown: Vec<String> = loaded.problems.iter().map(|p| p.render(false)).collect();
    let shown = shown.join("\n").replace(&format!("{}/", directory.path().display()), "");
    (loaded, shown)
}

/// The same with Celery's queues on an AMQP broker.
fn on_amqp() -> Queues {
    let variables = [("DOWNBEAT_BROKER", "amqp://localhost"), ("REDIS_URL", "redis://localhost")];
    let env = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    queues().with_amqp(ServiceConfig::load(Overrides::default(), &env).unwrap().amqp)
}

#[test]
fn entries_share_equal_calls() {
    let text = "entries:\n  a: {task: t, every: 1d, args: [1]}\n  b: {task: t, every: 2d, args: [2]}\n  \
                c: {task: t, every: 1d, priority: 3}\n";
    let schedule = schedule(text);
    let [a, b, c] = ["a", "b", "c"].map(|name| &schedule.get(name).unwrap().message);
    assert!(Arc::ptr_eq(&a.call, &b.call));
    assert_eq!((&*a.args, &*b.args, &*c.args), ("[1]", "[2]", "[]"));
    assert_eq!((a.priority, c.priority), (None, Some(3)));
}

/// Each file in `fixtures/` has its problems beside it. `BLESS=1` rewrites them, for review.
#[test]
fn problems_of_bad_files_are_exact() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/fixtures");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&fixtures).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_none_or(|end| end != "txt"));
    files.sort();
    assert!(files.len() > 20);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (_, shown) = load_text(name, &fs::read(&file).unwrap());
        let expected = fixtures.join(format!("{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, shown + "\n").unwrap();
        } else {
            assert_eq!(shown + "\n", fs::read_to_string(&expected).unwrap(), "{name}");
        }
    }
}

fn schedule(text: &str) -> crate::schedule::Schedule {
    let (loaded, shown) = load_text("a.yaml", text.as_bytes());
    assert_eq!(shown, "");
    loaded.schedule.unwrap()
}

fn refused(name: &str, text: impl AsRef<[u8]>) -> String {
    let (loaded, shown) = load_text(name, text.as_ref());
    assert!(loaded.schedule.is_none());
    shown
}

#[test]
fn an_entry_gets_every_value_that_is_written() {
    let schedule = schedule(
        r#"
timezone: Asia/Seoul
entries:
  full:
    task: shop.report
    cron: "0 3 1 * mon"
    day_match: and
    args: [daily, 1, -2, 1.5, 0x1f, +3, .5, true, null, ~, "no", no-show, 2026-01-01]
    kwargs: {tenant: 42, deep: {list: [[], {}]}, text: "é\n\"x\""}
    headers: {origin-app: shop}
    queue: reports
    priority: 9
    expires: 10m
    options: {time_limit: 5m, soft_time_limit: 240.5, ignore_result: true, shadow: report}
    catch_up: all
    within: 2d
    limit: 1000
    max_queued: 1000000000
    enabled: false
    description: "  Builds the report.  "
    tags: [finance, nightly]
    timezone: Europe/Berlin
"#,
    );
    let entry = schedule.get("full").unwrap();
    assert_eq!(entry.zone.name(), "Europe/Berlin");
    assert_eq!(entry.catch_up, CatchUp::All);
    assert_eq!(entry.within, Duration::from_secs(2 * 86_400));
    let number = std::num::NonZeroU32::new;
    let guards = Guards { limit: number(1000), max_queued: number(MAX_COUNT), overlap: None };
    assert_eq!(entry.guards, guards);
    assert!(!entry.enabled);
    let about = entry.about.as_ref().unwrap();
    assert_eq!(about.description.as_deref(), Some("Builds the report."));
    assert_eq!(about.tags, ["finance", "nightly"].map(Box::<str>::from));
    let message = &entry.message;
    assert_eq!((&*message.task, &*message.queue.name), ("shop.report", "reports"));
    assert_eq!(
        &*message.args,
        r#"["daily",1,-2,1.5,31,3,0.5,true,null,null,"no","no-show","2026-01-01"]"#
    );
    assert_eq!(&*message.kwargs, r#"{"tenant":42,"deep":{"list":[[],{}]},"text":"é\n\"x\""}"#);
    assert_eq!(message.headers.as_deref(), Some(r#"{"origin-app":"shop"}"#));
    assert_eq!(message.priority, Some(9));
    assert_eq!(message.expires, Some(Expires::After(Duration::from_secs(600))));
    let Some(Options::Celery(options)) = message.options.as_deref() else { panic!("no options") };
    assert_eq!((options.time_limit, options.soft_time_limit), (Some(300.0), Some(240.5)));
    assert_eq!((options.ignore_result, options.shadow.as_deref()), (Some(true), Some("report")));
}

#[test]
fn an_entry_that_says_little_gets_the_documented_defaults() {
    let schedule = schedule("entries:\n  a: {task: t, every: 1h}\n");
    let entry = schedule.get("a").unwrap();
    assert_eq!((entry.zone.name(), entry.enabled, entry.catch_up), ("UTC", true, CatchUp::Latest));
    assert_eq!((entry.within, &entry.about), (DEFAULT_WITHIN, &None));
    assert_eq!(entry.guards, Guards::default());
    let message = &entry.message;
    assert_eq!((&*message.queue.name, &*message.args, &*message.kwargs), ("celery", "[]", "{}"));
    assert_eq!((&message.headers, message.priority, message.expires), (&None, None, None));
    assert_eq!(message.options, None);
}

#[test]
fn defaults_fill_in_whole_values_wherever_they_stand_in_the_file() {
    let entries = "entries:\n  a: {task: t, at: 2030-01-01 09:00}\n  \
                   b: {task: t, at: 2030-01-01 09:00, queue: own, kwargs: {x: 1}, headers: {}, \
                   max_queued: 9}\n";
    let head = "timezone: Asia/Seoul\ndefaults: {queue: shared, kwargs: {y: 2}, \
                headers: {h: 1}, priority: 3, expires: next, catch_up: none, within: 1h, \
                max_queued: 7}\n";
    for text in [format!("{head}{entries}"), format!("{entries}{head}")] {
        let schedule = schedule(&text);
        let (a, b) = (schedule.get("a").unwrap(), schedule.get("b").unwrap());
        assert_eq!((&*a.message.queue.name, &*b.message.queue.name), ("shared", "own"));
        assert_eq!((&*a.message.kwargs, &*b.message.kwargs), (r#"{"y":2}"#, r#"{"x":1}"#));
        assert_eq!(a.message.headers.as_deref(), Some(r#"{"h":1}"#));
        assert_eq!(b.message.headers, None);
        assert_eq!((b.message.priority, b.message.expires), (Some(3), Some(Expires::Next)));
        let room = |entry: &Entry| entry.guards.max_queued.map(|room| room.get());
        assert_eq!((room(a), room(b)), (Some(7), Some(9)));
        assert_eq!((b.catch_up, b.within), (CatchUp::None, Duration::from_secs(3600)));
        assert_eq!(a.timing, Timing::At(UnixMs::from_secs(1_893_456_000).into()));
    }
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = r#"{"timezone": "Asia/Seoul", "entries": {
        "a": {"task": "t\u00e9 \ud83d\ude00", "cron": {"minute": 0, "hour": "3"}, "args": [1e2, "\/"]}
    }}"#;
    let yaml = "timezone: Asia/Seoul\nentries:\n  a:\n    task: té 😀\n    cron: {minute: 0, hour: 3}\n    args: [1e2, /]\n";
    let (loaded, shown) = load_text("a.json", json.as_bytes());
    assert_eq!(shown, "");
    let (from_json, from_yaml) = (loaded.schedule.unwrap(), schedule(yaml));
    let (a, b) = (from_json.get("a").unwrap(), from_yaml.get("a").unwrap());
    assert_eq!((&a.message, &a.timing), (&b.message, &b.timing));
    assert_eq!(&*a.message.args, r#"[100.0,"/"]"#);
}

#[test]
fn a_quartz_line_is_alone_in_its_mapping() {
    let schedule = schedule(
        "timezone: Asia/Seoul\nentries:\n  \
         a: {task: t, cron: {quartz: &q \"15 30 9 ? * MON-FRI\"}}\n  b: {task: t, cron: {quartz: *q}}\n",
    );
    let (a, b) = (schedule.get("a").unwrap(), schedule.get("b").unwrap());
    assert_eq!(a.timing, b.timing);
    let slot = a.next_slot(UnixMs::from_secs(1_800_000_000)).unwrap();
    assert_eq!(a.zone.to_rfc3339(slot), "2027-01-18T09:30:15+09:00");
}

#[test]
fn a_hash_comes_from_the_name_of_the_entry() {
    let text = |file: &str| format!("{file}  a: {{task: t, cron: H 3 * * *}}\n");
    let alone = schedule(&text("entries:\n"));
    let among = schedule(&text("entries:\n  0: &h {task: t, cron: H 3 * * *}\n  b: *h\n"));
    let timing = |schedule: &crate::schedule::Schedule, name| {
        schedule.get(name).unwrap().timing.describe(&downbeat_time::Zone::utc())
    };
    assert_eq!(timing(&alone, "a"), "at 03:54 every day");
    assert_eq!(timing(&among, "a"), timing(&alone, "a"));
    assert_ne!(timing(&among, "b"), timing(&among, "0"));
}

#[test]
fn anchors_and_aliases_stand_for_whole_values() {
    let schedule = schedule(
        "entries:\n  a: {task: t, every: 1h, kwargs: &common {x: [1]}}\n  \
         b: &b {task: t, every: 1h, kwargs: *common, args: [*common, *common]}\n  c: *b\n",
    );
    let message = |name: &str| &schedule.get(name).unwrap().message;
    assert_eq!(&*message("b").args, r#"[{"x":[1]},{"x":[1]}]"#);
    assert_eq!(message("c"), message("b"));
}

#[test]
fn equal_queues_and_zones_are_kept_once() {
    let schedule = schedule(
        "timezone: Asia/Seoul\nentries:\n  a: {task: t, every: 1h, queue: q}\n  \
         b: {task: t, every: 1h, queue: q, timezone: Asia/Seoul}\n",
    );
    let (a, b) = (schedule.get("a").unwrap(), schedule.get("b").unwrap());
    assert!(Arc::ptr_eq(&a.message.queue, &b.message.queue));
    assert!(Arc::ptr_eq(&a.zone, &b.zone));
}

#[test]
fn a_list_of_instants_is_sorted_and_each_is_kept_once() {
    let (loaded, shown) = load_text(
        "a.yaml",
        b"timezone: Asia/Seoul\nentries:\n  a:\n    task: t\n    at:\n      - 2030-01-02 09:00\n      \
          - 2030-01-01 09:00\n      - 2030-01-01T00:00:00Z\n",
    );
    assert!(shown.starts_with(
        "a.yaml:8:9: warning: this instant is in the list already, at line 7, column 9\n"
    ));
    let new_year = UnixMs::from_secs(1_893_456_000);
    let instants = Instants::new(vec![new_year, UnixMs(new_year.0 + 86_400_000)]).unwrap();
    assert_eq!(loaded.schedule.unwrap().get("a").unwrap().timing, Timing::At(instants));
}

/// The first slots of entries with these keys, in Berlin's time.
fn first_slots(keys: &str, count: usize) -> Vec<String> {
    let text = format!("timezone: Europe/Berlin\nentries: {{a: {{task: t, {keys}}}}}\n");
    // Warnings about whole days are another rule's.
    let (loaded, shown) = load_text("a.yaml", text.as_bytes());
    let schedule = loaded.schedule.unwrap_or_else(|| panic!("{shown}"));
    let entry = schedule.get("a").unwrap();
    let next = |slot: &UnixMs| entry.next_slot(*slot);
    let slots = std::iter::successors(entry.next_slot(UnixMs(0)), next).take(count);
    slots.map(|slot| entry.zone.to_rfc3339(slot)).collect()
}

#[test]
fn equal_steps_are_counted_from_the_start_unless_an_anchor_is_named() {
    let start = "start: 2027-01-01 09:00";
    let daily = ["2027-01-01T09:00:00+01:00", "2027-01-02T09:00:00+01:00"];
    assert_eq!(first_slots(&format!("every: 1d, {start}"), 2), daily);
    let from = "every: 1h, start: 2026-12-01T16:44:30.250+01:00";
    assert_eq!(first_slots(from, 1), ["2026-12-01T16:44:30.25+01:00"]);
    // A phase is added to it, as to an anchor.
    let phase = format!("every: 1d, phase: 30m, {start}");
    assert_eq!(first_slots(&phase, 1), ["2027-01-01T09:30:00+01:00"]);
    // An explicit anchor wins, and the start is only a bound.
    let anchored = format!("every: 1d, anchor: 2026-01-05 12:00, {start}");
    assert_eq!(first_slots(&anchored, 1), ["2027-01-01T12:00:00+01:00"]);
    let nothing = "every: 2d, end: 1970-01-04 00:00";
    assert_eq!(first_slots(nothing, 9), ["1970-01-03T01:00:00+01:00"]);
}

#[test]
fn a_start_at_one_of_the_slots_leaves_the_registered_timing_as_it_was() {
    let timing = |keys: &str| {
        let schedule = schedule(&format!("entries: {{a: {{task: t, {keys}}}}}\n"));
        schedule.get("a").unwrap().canonical_timing()
    };
    let midnight = timing("every: 1d, start: 2027-01-01 00:00");
    assert_eq!(midnight, "1 every 86400000+0 from 1798761600000");
    let morning = timing("every: 1d, start: 2027-01-01 09:00");
    assert_eq!(morning, "1 every 86400000+32400000 from 1798794000000");
    // However it is written.
    assert_eq!(timing("every: 24h, phase: 0s, start: 2027-01-01T10:00:00+01:00"), morning);
    let anchored = timing("every: 1d, anchor: 2020-05-05 09:00, start: 2027-01-01 09:00");
    assert_eq!(anchored, morning);
}

#[test]
fn a_thousand_instants_are_one_entry_and_one_more_is_too_many() {
    let entry = |count: u32| {
        let day =
            |n: u32| format!("{}-01-{:02} 00:{:02}", 2030 + n / 1800, 1 + n / 60 % 30, n % 60);
        let days: Vec<String> = (0..count).map(day).collect();
        format!("entries:\n  a: {{task: t, at: [{}]}}\n", days.join(", "))
    };
    let timing = schedule(&entry(1000)).get("a").unwrap().timing.clone();
    assert_eq!(timing.count_between(&Zone::utc(), UnixMs::MIN, UnixMs::MAX, u64::MAX), 1000);
    assert!(refused("a.yaml", entry(1001)).contains("1001 instants, more than 1000"));
}

#[test]
fn a_place_is_kept_as_it_is_written() {
    let place = "latitude: -54.8019, longitude: 1.8e2";
    let text = format!("entries:\n  a: {{task: t, solar: {{event: sunset, {place}}}}}\n");
    let timing = schedule(&text).get("a").unwrap().timing.clone();
    assert_eq!(timing.canonical(&Zone::utc()), "1 solar sunset -54801900 180000000");
}

#[test]
fn the_examples_load_without_a_word() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
    let loaded = load(&[examples], &Queues::default(), &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    // They must not go stale, either.
    assert_eq!(warnings(&loaded, UnixMs::from_secs(1_830_000_000)), []);
    let schedule = loaded.schedule.unwrap();
    assert!(schedule.entries.len() >= 10);
    let heartbeat = schedule.get("heartbeat").unwrap();
    let now = UnixMs::from_secs(1_800_000_001);
    assert!(heartbeat.next_slot(now).unwrap().since(now) < Duration::from_secs(10));
}

/// Loads `text` for a Sidekiq queue `mail`, a plain queue `jobs` and an RQ queue `images`; the
/// entries or the problems.
fn load_for_queues(text: &str) -> Result<Vec<Entry>, String> {
    let queue =
        |name: &str, worker| Queue { name: name.into(), worker, amqp: None, catch_up_rate: None };
    let mail = queue("mail", Worker::Sidekiq(SidekiqQueue::default()));
    let images = queue("images", Worker::Rq(RqQueue::default()));
    let queues: Queues = [mail, queue("jobs", Worker::Json), images].into_iter().collect();
    let (loaded, said) = load_text_for(&queues, "a.yaml", text.as_bytes());
    loaded.schedule.map(|schedule| schedule.entries).ok_or(said)
}

#[test]
fn options_are_those_of_the_queues_workers() {
    let entries = load_for_queues(
        "defaults: {queue: mail, options: {retry: 3}}\nentries:\n  \
         a: {task: T, every: 1h}\n  \
         b: {task: T, every: 1h, options: {}}\n  \
         c: {task: t, every: 1h, queue: celery, options: {time_limit: 5}}\n  \
         d: {task: t, every: 1h, queue: jobs, options: {}}\n",
    );
    let options: Vec<_> = entries
        .unwrap()
        .into_iter()
        .map(|entry| entry.message.options.as_deref().cloned())
        .collect();
    let sidekiq = Options::Sidekiq(SidekiqOptions { retry: Some(3) });
    let celery = CeleryOptions { time_limit: Some(5.0), ..CeleryOptions::default() };
    assert_eq!(options, [Some(sidekiq), None, Some(Options::Celery(celery)), None]);
}

#[test]
fn a_route_is_for_amqp_only() {
    let text = "defaults: {routing_key: slow.all}\nentries:\n  \
                a: {task: t, every: 1h, exchange: tasks}\n  b: {task: t, every: 1h}\n";
    let (loaded, said) = load_text_for(&on_amqp(), "a.yaml", text.as_bytes());
    assert_eq!(said, "");
    let route =
        |name: &str| loaded.schedule.as_ref().unwrap().get(name).unwrap().message.route.clone();
    let slow = Route { exchange: None, routing_key: Some("slow.all".into()) };
    assert_eq!(route("b").as_deref(), Some(&slow));
    assert_eq!(route("a").as_deref(), Some(&Route { exchange: Some("tasks".into()), ..slow }));
    let expected = "\
a.yaml:3:27: `celery`: only an AMQP broker routes messages
      a: {task: t, every: 1h, exchange: tasks}
                              ^~~~~~~~
a.yaml:4:3: `celery`: only an AMQP broker routes messages
      b: {task: t, every: 1h}
      ^
hint: `routing_key` comes from `defaults`: override it here";
    assert_eq!(refused("a.yaml", text), expected);
}

#[test]
fn what_means_nothing_to_the_queues_workers_is_refused() {
    let said = load_for_queues(
        "defaults: {queue: mail, options: {retry: 3}}\nentries:\n  \
         a: {task: T, every: 1h, kwargs: {a: 1}}\n  \
         b: {task: T, every: 1h, queue: jobs}\n  \
         c: {task: T, every: 1h, options: {time_limit: 5}}\n  \
         d: {task: T, every: 1h, headers: {jid: x}}\n",
    );
    let expected = "\
a.yaml:3:27: `mail`: Sidekiq jobs have no kwargs, only args
      a: {task: T, every: 1h, kwargs: {a: 1}}
                              ^~~~~~
a.yaml:4:3: `jobs`: the options are for sidekiq workers, the queue's are json
      b: {task: T, every: 1h, queue: jobs}
      ^
hint: `options` comes from `defaults`: override it here
a.yaml:5:37: unknown key `time_limit` in `options` of a Sidekiq queue
      c: {task: T, every: 1h, options: {time_limit: 5}}
                                        ^~~~~~~~~~
hint: known keys: retry
a.yaml:6:37: the header `jid` is set by downbeat itself
      d: {task: T, every: 1h, headers: {jid: x}}
                                        ^~~
hint: choose another name";
    assert_eq!(said.unwrap_err(), expected);
}

#[test]
fn options_of_rq_are_whole_seconds() {
    let entries = load_for_queues(
        "defaults: {queue: images}\nentries:\n  \
         a:\n    task: t\n    every: 1h\n    options:\n      \
         {timeout: 1h, result_ttl: 0, failure_ttl: -1, retry: 3, retry_intervals: [10, 5m],\n       \
         description: Thumbnails}\n  \
         b: {task: t, every: 1h, options: {timeout: -1, retry: 1, retry_intervals: 30s}}\n",
    );
    let options: Vec<_> = entries
        .unwrap()
        .into_iter()
        .map(|entry| entry.message.options.as_deref().cloned())
        .collect();
    let all = RqOptions {
        timeout: Some(3600),
        result_ttl: Some(0),
        failure_ttl: Some(-1),
        retry: Some(3),
        retry_intervals: vec![10, 300],
        description: Some("Thumbnails".into()),
        ..RqOptions::default()
    };
    let few = RqOptions {
        timeout: Some(-1),
        retry: Some(1),
        retry_intervals: vec![30],
        ..RqOptions::default()
    };
    assert_eq!(options, [Some(Options::Rq(all)), Some(Options::Rq(few))]);
}

#[test]
fn what_rq_cannot_handle_is_refused() {
    let said = load_for_queues(
        "defaults: {queue: images}\nentries:\n  \
         a: {task: t, every: 1h, priority: 3}\n  \
         b: {task: t, every: 1h, options: {timeout: 1500ms, result_ttl: 1.5, failure_ttl: -2}}\n  \
         c: {task: t, every: 1h, options: {timeout: 0, retry: 0, ttl: 5m, meta: {}}}\n  \
         d: {task: t, every: 1h, options: {retry_intervals: [1, -1], description: 5}}\n  \
         e: {task: t, every: 1h, headers: {traceparent: x}}\n",
    );
    let expected = "\
a.yaml:3:27: `images`: RQ's queues know no priorities: `options: {at_front: true}`
      a: {task: t, every: 1h, priority: 3}
                              ^~~~~~~~
a.yaml:4:46: expected a length of whole seconds like `5m`, or -1 for no limit, found the text `1500ms`
      b: {task: t, every: 1h, options: {timeout: 1500ms, result_ttl: 1.5, failure_ttl: -2}}
                                                 ^~~~~~
a.yaml:4:66: expected a length of whole seconds like `1h`, 0 for not at all, or -1 for ever, found the number 1.5
      b: {task: t, every: 1h, options: {timeout: 1500ms, result_ttl: 1.5, failure_ttl: -2}}
                                                                     ^~~
a.yaml:4:84: expected a length of whole seconds like `1h`, 0 for not at all, or -1 for ever, found the number -2
      b: {task: t, every: 1h, options: {timeout: 1500ms, result_ttl: 1.5, failure_ttl: -2}}
                                                                                       ^~
a.yaml:5:46: expected a length of whole seconds like `5m`, or -1 for no limit, found the number 0
      c: {task: t, every: 1h, options: {timeout: 0, retry: 0, ttl: 5m, meta: {}}}
                                                 ^
a.yaml:5:56: expected a whole number from 1 to 1000, found the number 0
      c: {task: t, every: 1h, options: {timeout: 0, retry: 0, ttl: 5m, meta: {}}}
                                                           ^
a.yaml:5:59: unknown key `ttl` in `options` of an RQ queue
      c: {task: t, every: 1h, options: {timeout: 0, retry: 0, ttl: 5m, meta: {}}}
                                                              ^~~
hint: write `expires: 5m` beside `options`
a.yaml:5:68: unknown key `meta` in `options` of an RQ queue
      c: {task: t, every: 1h, options: {timeout: 0, retry: 0, ttl: 5m, meta: {}}}
                                                                       ^~~~
hint: write `headers: {}` beside `options`
a.yaml:6:37: `retry_intervals` without `retry`
      d: {task: t, every: 1h, options: {retry_intervals: [1, -1], description: 5}}
                                        ^~~~~~~~~~~~~~~
hint: say how often: `retry: 3`
a.yaml:6:58: expected a length of whole seconds like `30s`, or 0, found the number -1
      d: {task: t, every: 1h, options: {retry_intervals: [1, -1], description: 5}}
                                                             ^~
a.yaml:6:76: expected text, found the number 5
      d: {task: t, every: 1h, options: {retry_intervals: [1, -1], description: 5}}
                                                                               ^
hint: quote it: `\"5\"`
a.yaml:7:37: the header `traceparent` is set by downbeat itself
      e: {task: t, every: 1h, headers: {traceparent: x}}
                                        ^~~~~~~~~~~
hint: choose another name";
    assert_eq!(said.unwrap_err(), expected);
}

#[test]
fn entries_copied_from_celery_beat_are_refused_with_what_to_write_instead() {
    let said = load_for_queues(
        "entries:\n  \
         a: {task: t, every: 1h, options: {expires: 8, priority: 3, countdown: 5}}\n  \
         b: {task: t, schedule: 10}\n  \
         c: {task: t, schedule: '0 3 * * *'}\n  \
         d: {task: t, cron: 'crontab(minute=0, hour=3)'}\n",
    );
    let said = said.unwrap_err();
    let hints: Vec<_> = said.lines().filter(|line| line.starts_with("hint: ")).collect();
    let expected = [
        "hint: write `expires: 8s` beside `options`",
        "hint: write `priority: 3` beside `options`",
        "hint: a task is due at its slot: move the slots instead, by a later minute in `cron`, or by \
         `phase` beside `every`",
        "hint: write `every: 10s`",
        "hint: write `cron: \"0 3 * * *\"`",
        "hint: write `cron: {minute: 0, hour: 3}`",
    ];
    assert_eq!(hints, expected, "{said}");
    assert!(!said.contains("does not say when"), "{said}");
}
