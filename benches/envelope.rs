//! How long one message takes to render; a burst renders thousands in a row.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use downbeat::envelope::{Fresh, Kind, Task, celery};
use downbeat::schedule::{Message, TaskIds, UnixMs};

/// An ordinary entry: a few arguments and an expiry.
fn message() -> Message {
    Message {
        task: "reports.tasks.build".into(),
        queue: "reports".into(),
        args: r#"["daily"]"#.into(),
        kwargs: r#"{"tenant":42,"day":"2026-11-21"}"#.into(),
        headers: None,
        priority: None,
        expires: None,
        options: None,
    }
}

fn task(message: &Message) -> Task<'_> {
    let slot = UnixMs(1_795_230_000_000);
    Task {
        entry_name: "nightly-report",
        message,
        task_id: TaskIds::new("downbeat").id("nightly-report", slot),
        slot,
        kind: Kind::Scheduled,
        expires_at: Some(UnixMs(slot.0 + 600_000)),
        now: slot,
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    }
}

fn render(criterion: &mut Criterion) {
    let message = message();
    let task = task(&message);
    let bytes = celery::render(&task).len();
    assert!((900..1500).contains(&bytes), "not the size this bench is about: {bytes} bytes");
    let mut group = criterion.benchmark_group("celery");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("render", |bencher| {
        bencher.iter(|| celery::render(black_box(&task)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = render
}
criterion_main!(benches);
