//! How long it takes to render a message, with and without templates; a burst renders thousands in a
//! row.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use downbeat::config;
use downbeat::schedule::{Kind, Schedule, TaskIds};
use downbeat::tzdata::Tzdata;
use downbeat::worker::{self, Call, Fresh, Message, Queue, Queues, Task};
use downbeat_time::UnixMs;
use tokio::time::Instant;

/// An ordinary entry: a few arguments and an expiry.
fn message() -> Message {
    Message {
        args: r#"["daily"]"#.into(),
        kwargs: r#"{"tenant":42,"day":"2026-11-21"}"#.into(),
        call: Call::new("reports.tasks.build", Queue::unconfigured("reports")).into(),
    }
}

fn task(message: &Message) -> Task<'_> {
    let slot = UnixMs(1_795_230_000_000);
    Task {
        entry_name: "nightly-report",
        message,
        task_id: TaskIds::new("downbeat").id("nightly-report", slot),
        slot,
        kind: Kind::Scheduled.as_str(),
        expires_at: Some(UnixMs(slot.0 + 600_000)),
        now: slot,
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    }
}

fn render(criterion: &mut Criterion) {
    let message = message();
    let task = task(&message);
    let bytes = worker::render(&task).size();
    assert!((900..1500).contains(&bytes), "not the size this bench is about: {bytes} bytes");
    let mut group = criterion.benchmark_group("celery");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("render", |bencher| {
        bencher.iter(|| worker::render(black_box(&task)));
    });
    group.finish();
}

/// The same arguments three times: as they are, from the slot, and from the slot before it.
const TEMPLATES: &str = r#"
timezone: America/New_York
defaults: {queue: reports, args: [daily]}
entries:
  plain: {task: reports.tasks.build, cron: "0 3 * * *", kwargs: {tenant: 42, day: "2026-11-21"}}
  slot: {task: reports.tasks.build, cron: "0 3 * * *", kwargs: {tenant: 42, day: "{{ slot | date }}"}}
  previous_slot:
    task: reports.tasks.build
    cron: "0 3 * * *"
    kwargs: {tenant: 42, day: "{{ previous_slot | date }}"}
"#;

fn schedule() -> Schedule {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("a.yaml");
    std::fs::write(&path, TEMPLATES).expect("the temporary directory can be written to");
    config::load(&[path], &Queues::default(), &Tzdata::bundled())
        .schedule
        .expect("the schedule is valid")
}

/// Runs alternate, for other programs' load to fall on all alike; the median of the ratios holds.
fn templates(_: &mut Criterion) {
    let schedule = schedule();
    let test = std::env::args().any(|arg| arg == "--test");
    let (rounds, count) = if test { (1, 1) } else { (201, 2000) };
    for name in ["slot", "previous_slot"] {
        let mut ratios: Vec<f64> = (0..rounds)
            .map(|_| seconds(&schedule, name, count) / seconds(&schedule, "plain", count))
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!("templates/{name}: {:.2} times as long as without", ratios[rounds / 2]);
    }
}

/// To render that many messages of one entry.
fn seconds(schedule: &Schedule, name: &str, count: usize) -> f64 {
    let entry = schedule.get(name).expect("it is one of the three");
    let slot = UnixMs(1_795_248_000_000);
    let id = TaskIds::new("downbeat").id(name, slot);
    let day = if name == "previous_slot" { "2026-11-20" } else { "2026-11-21" };
    assert!(entry.message_of(slot, id).kwargs.contains(day));
    let begun = Instant::now();
    for _ in 0..count {
        let message = entry.message_of(black_box(slot), id);
        black_box(worker::render(&task(&message)));
    }
    begun.elapsed().as_secs_f64()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = render, templates
}
criterion_main!(benches);
