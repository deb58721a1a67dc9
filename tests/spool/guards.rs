//! What `limit` and `max_queued` do to slots that go into a spool.

use std::num::NonZeroU32;

use super::*;

fn limit(limit: u32) -> Guards {
    Guards { limit: NonZeroU32::new(limit), ..Guards::default() }
}

fn guarded(guards: Guards, slots: &[(&str, i64)]) -> Batch {
    slots.iter().map(|(entry, slot)| Write { guards, ..write(entry, *slot) }).collect()
}

fn sent(spool: &Path) -> u64 {
    Spool::peek(spool).unwrap().sent.get("a").copied().unwrap_or(0)
}

const EXHAUSTED: Exception = Exception::Exhausted;

#[test]
fn a_limit_counts_over_batches_and_openings() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let batch = guarded(limit(3), &[("a", 1), ("a", 2), ("b", 1)]);
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(vec![]));
    drop(spool);
    let mut spool = bench.open();
    assert_eq!(sent(bench.folder.path()), 2);
    let batch = guarded(limit(3), &[("a", 2), ("a", 3), ("a", 4), ("a", 5), ("b", 2)]);
    let told = [(0, Exception::AlreadyDone), (2, EXHAUSTED), (3, EXHAUSTED)];
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(told.to_vec()));
    assert_eq!(sent(bench.folder.path()), 3);
    let slots: Vec<i64> = bench.slots().iter().map(|(_, slot)| *slot).collect();
    assert_eq!(slots, [1, 2, 1, 3, 2]);
}

#[test]
fn a_slot_is_counted_with_its_record_whatever_a_crash_left() {
    let bench = Bench::new();
    let mut spool = bench.open();
    assert_eq!(bench.dispatch(&mut spool, guarded(limit(3), &[("a", 1), ("a", 2)])), Ok(vec![]));
    drop(spool);
    // Killed in front of a rename, and after staging what is not recorded.
    let name = files(&bench.path("queue"))[1].clone();
    fs::rename(bench.path("queue").join(&name), bench.path("stage").join(&name)).unwrap();
    let staged = message("a", 3, Kind::Scheduled).writes.element;
    fs::write(bench.path("stage/1_x.q.msg"), staged).unwrap();
    let mut spool = bench.open();
    assert_eq!((bench.slots().len(), sent(bench.folder.path())), (2, 2));
    let batch = guarded(limit(3), &[("a", 3), ("a", 4)]);
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(vec![(1, EXHAUSTED)]));
    assert_eq!(bench.slots().len(), 3);
}

#[test]
fn records_from_before_there_were_counts_are_read() {
    let bench = Bench::new();
    let lines = r#"{"sequence":1,"lives":{"a":[0,"1 every 1000+0"]},"settled":{"a":[1,"x -"]}}"#;
    fs::write(bench.path("records"), format!("{lines}\n")).unwrap();
    let mut spool = bench.open();
    assert_eq!(sent(bench.folder.path()), 0);
    let batch = guarded(limit(1), &[("a", 2), ("a", 3)]);
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(vec![(1, EXHAUSTED)]));
}

#[test]
fn a_life_begins_with_its_count_and_leaves_none_when_forgotten() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let adopt = |spool: &mut Spool, change| {
        bench.runtime.block_on(async {
            let fence = Fence::after(&Arc::from("1 sole"), spool.read().await.unwrap().sequence);
            let reply = spool.adopt(&fence, &[change]).await.unwrap();
            assert!(matches!(reply, Reply::Written { .. }));
        });
        sent(bench.folder.path())
    };
    let begin = |sent| LifeChange::Begin {
        entry: "a".into(),
        timing: "1 every 1000+0 limit 3".into(),
        since: UnixMs(0),
        settled: None,
        sent,
    };
    assert_eq!(adopt(&mut spool, begin(2)), 2);
    let batch = guarded(limit(3), &[("a", 1), ("a", 2)]);
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(vec![(1, EXHAUSTED)]));
    assert_eq!(adopt(&mut spool, begin(0)), 0);
    assert_eq!(adopt(&mut spool, begin(3)), 3);
    assert_eq!(adopt(&mut spool, LifeChange::Forget { entry: "a".into() }), 0);
}

#[test]
fn a_full_queue_is_told_by_its_own_files_whoever_wrote_them() {
    let bench = Bench::new();
    let mut spool = bench.open();
    // As kombu names them; of other queues, and what is no message.
    for name in ["1_x.q.msg", "2_x.other.q.msg", "3_x.q2.msg", "4_x.q.part", "q.msg"] {
        fs::write(bench.path("queue").join(name), "{}").unwrap();
    }
    let room = Guards { max_queued: NonZeroU32::new(3), ..Guards::default() };
    let mut batch = vec![write("free", 1)];
    batch.extend(guarded(room, &[("a", 1), ("a", 2), ("b", 1)]));
    batch.push(write("free", 2));
    let full = vec![
        (2, Exception::Skipped(SkipReason::QueueFull)),
        (3, Exception::Skipped(SkipReason::QueueFull)),
    ];
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(full));
    assert_eq!(files(&bench.path("queue")).len(), 7);
    let records = fs::read_to_string(bench.path("records")).unwrap();
    assert!(records.contains(r#""b":[1,"queue_full -"]"#), "{records}");
    // A worker took some: there is room again, though not for what was skipped.
    for name in files(&bench.path("queue")).iter().filter(|name| name.ends_with(".q.msg")) {
        fs::remove_file(bench.path("queue").join(name)).unwrap();
    }
    let batch = guarded(room, &[("a", 2), ("a", 3), ("b", 2)]);
    assert_eq!(bench.dispatch(&mut spool, batch), Ok(vec![(0, Exception::AlreadyDone)]));
}

#[test]
fn what_must_not_overlap_is_refused_as_nobody_tells_a_spool_what_runs() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let apart = Guards { overlap: NonZeroU32::new(1000), ..Guards::default() };
    let mut batch = guarded(apart, &[("a", 1)]);
    batch.push(write("free", 1));
    let refused = bench.dispatch(&mut spool, batch).unwrap();
    assert!(matches!(&refused[..], [(0, Exception::Refused(why))] if why.contains("on Redis")));
    assert_eq!(files(&bench.path("queue")).len(), 1);
}

#[test]
fn kill_9_at_any_instant_sends_no_more_and_no_fewer_than_the_limit() {
    const LIMIT: usize = 20;
    let seed = std::env::var("DOWNBEAT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("DOWNBEAT_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:state/spool");
    let entry = |n| format!("  e{n}: {{task: t, every: 100ms, catch_up: all, limit: {LIMIT}}}\n");
    place.write_schedule("a.yaml", &format!("entries:\n{}", (0..5).map(entry).collect::<String>()));
    let is_done = || {
        let list = place.run(&["list", "--json"]).json(0);
        list.as_array().unwrap().iter().all(|entry| entry["sent"] == LIMIT)
    };
    let mut kills = 0;
    while !is_done() {
        let mut downbeat = place.start(&["run"]);
        downbeat.wait_for_log("became leader");
        std::thread::sleep(Duration::from_micros(random.u64(..250_000)));
        downbeat.process().kill();
        kills += 1;
    }
    // Whoever starts now has nothing left to do.
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    let status = place.run(&["status"]).ok();
    assert!(status.contains("done       5 entries have reached the limit\n"), "{status}");
    println!("killed {kills} times");
    assert!(kills > 1);
    let slots = count_slots(&place.state().join("spool/queue"));
    assert_eq!(slots.len(), 5);
    for (entry, slots) in slots {
        assert!(slots.values().all(|count| *count == 1), "seed {seed}: {entry} {slots:?}");
        assert_eq!(slots.len(), LIMIT, "seed {seed}: {entry} {slots:?}");
    }
}
