//! The cost of finding and settling 10,000 slots that are due at one instant, compared with checking
//! the same entries' next slots one by one.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use downbeat::config;
use downbeat::schedule::Schedule;
use downbeat::schedule::planner::Planner;
use downbeat::schedule::progress::State;
use downbeat::tzdata::Tzdata;
use downbeat::worker::Queues;
use downbeat_time::UnixMs;

const ENTRIES: usize = 10_000;
const GRACE: Duration = Duration::from_secs(15);
const NOON: UnixMs = UnixMs::from_secs(1_800_014_400);

/// Entries that all fire at each full hour of New York.
fn schedule() -> Arc<Schedule> {
    let folder = tempfile::tempdir().unwrap();
    let entry = |n| format!("  entry-{n:05}: {{task: demo.task, cron: \"0 * * * *\"}}\n");
    let entries: String = (0..ENTRIES).map(entry).collect();
    let text = format!("timezone: America/New_York\nentries:\n{entries}");
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, text).unwrap();
    Arc::new(config::load(&[path], &Queues::default(), &Tzdata::bundled()).schedule.unwrap())
}

fn planner(schedule: &Arc<Schedule>) -> Planner {
    let state = State { now: NOON, ..State::default() };
    Planner::take_over(Arc::clone(schedule), GRACE, &state, None, &|_| None).planner
}

fn plan(criterion: &mut Criterion) {
    let schedule = schedule();
    let due = NOON + Duration::from_secs(3600);
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    group.bench_function("next_slot_of_each", |bencher| {
        let next = || schedule.entries.iter().filter_map(|entry| entry.next_slot(NOON)).count();
        bencher.iter(|| assert_eq!(black_box(next()), ENTRIES));
    });
    group.bench_function("10k_due", |bencher| {
        let first = |mut planner: Planner| {
            assert_eq!(planner.plan(due, ENTRIES, 500).items.len(), ENTRIES);
            planner
        };
        bencher.iter_batched(|| planner(&schedule), first, BatchSize::LargeInput);
    });
    group.bench_function("10k_due_and_settled", |bencher| {
        let all = |mut planner: Planner| {
            let plan = planner.plan(due, ENTRIES, 500);
            plan.items.iter().for_each(|item| planner.settle(item));
            assert_eq!(planner.plan(due, ENTRIES, 500).items.len(), 0);
            planner
        };
        bencher.iter_batched(|| planner(&schedule), all, BatchSize::LargeInput);
    });
    group.bench_function("take_over", |bencher| {
        bencher.iter(|| black_box(planner(&schedule)));
    });
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
