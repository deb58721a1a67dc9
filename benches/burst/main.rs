//! A burst: many entries due at one instant, from the real binary to a real Redis, for each kind of
//! worker. Two baselines run on the same server: a raw client that writes the same messages with
//! pipelined commands and checks nothing, and the calls that downbeat itself sends, prepared beforehand
//! and sent as fast as Redis takes them. It prints medians.
//!
//! `cargo bench --bench burst` (10,000 entries, all kinds), `cargo bench --bench burst -- 100000 celery`;
//! with `delayed`, also at a round trip of 2 ms, and with `tls` over TLS.

#![allow(
    missing_docs,
    dead_code,
    unused_imports,
    unused_macros,
    clippy::unwrap_used,
    reason = "a bench, sharing the tests' rigs"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod job;
mod recording;
mod relay;
mod rig;
mod yardstick;

use std::thread;

use downbeat::worker::{Worker, WorkerKind};
use job::Job;
use recording::Recording;
use rig::{Burst, Patience, Way};
use yardstick::Yardstick;

/// What is measured of one kind.
struct Measured {
    direct: Vec<Burst>,
    raw: Vec<Yardstick>,
    prepared: Vec<Yardstick>,
    others: Vec<(Way, Vec<Burst>)>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let is_test = args.iter().any(|arg| arg == "--test");
    let asked_for = |word: &str| is_test || args.iter().any(|arg| arg == word);
    let ways: Vec<_> = Way::OTHERS.into_iter().filter(|way| asked_for(way.word())).collect();
    let mut kinds = WorkerKind::ALL.map(Worker::usual).to_vec();
    if kinds.iter().any(|worker| args.iter().any(|arg| arg == worker.kind().as_str())) {
        kinds.retain(|worker| args.iter().any(|arg| arg == worker.kind().as_str()));
    }
    if is_test {
        let patience = Patience::TEST;
        // Mostly they wait.
        thread::scope(|scope| {
            for worker in kinds {
                let others = if worker.kind().as_str() == "celery" { &*ways } else { &[] };
                scope.spawn(move || measure(&Job::new(worker, 500), 1, others, patience));
            }
        });
        return;
    }
    let mut sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(10_000);
    }
    for worker in kinds {
        for entries in &sizes {
            measure(&Job::new(worker.clone(), *entries), 7, &ways, Patience::BENCH);
        }
    }
}

fn measure(job: &Job, runs: usize, others: &[Way], patience: Patience) {
    let recording = Recording::make(job, patience);
    let others = others.iter().map(|way| (*way, Vec::new())).collect();
    let mut measured =
        Measured { direct: Vec::new(), raw: Vec::new(), prepared: Vec::new(), others };
    for _ in 0..runs {
        let (server, burst) = rig::burst(job, Way::Direct, patience);
        measured.direct.push(burst);
        measured.raw.push(yardstick::raw(&server, job));
        measured.prepared.push(recording.replay(&server, job));
        for (way, bursts) in &mut measured.others {
            bursts.push(rig::burst(job, *way, patience).1);
        }
    }
    measured.print(job);
}

impl Measured {
    fn print(&self, job: &Job) {
        let Measured { direct, raw, prepared, others } = self;
        let k_a_second = |seconds: f64| (job.entries as f64 / seconds / 1000.0).round();
        let name = format!("burst/{}/{}", job.worker.kind(), job.entries);
        let seconds = median(direct.iter().map(|burst| burst.seconds));
        println!(
            "{name}: {} k/s ({:.1} ms, the first message after {:.1} ms), {} bytes a message, {} runs",
            k_a_second(seconds),
            seconds * 1e3,
            median(direct.iter().map(|burst| burst.first_ms)),
            job.bytes(),
            direct.len(),
        );
        for (what, yardsticks) in [("raw", raw), ("the same calls, prepared,", prepared)] {
            println!(
                "{name}: {what} {} k/s; ratio {}",
                k_a_second(median(yardsticks.iter().map(|yardstick| yardstick.seconds))),
                ratio(yardsticks.iter().map(|yardstick| yardstick.seconds), direct),
            );
        }
        let of = |yardsticks: &[Yardstick]| median(yardsticks.iter().map(|one| one.redis_us));
        println!(
            "{name}: CPU a message: Redis {:.1} µs, {:.1} with what follows when it is idle (raw {:.1}, \
             prepared {:.1}); downbeat {:.1} µs",
            median(direct.iter().map(|burst| burst.redis_us)),
            median(direct.iter().map(|burst| burst.redis_us_in_all)),
            of(raw),
            of(prepared),
            median(direct.iter().map(|burst| burst.own_us)),
        );
        for (way, bursts) in others {
            let seconds = median(bursts.iter().map(|burst| burst.seconds));
            println!(
                "{name}/{}: {} k/s; ratio to direct {}",
                way.word(),
                k_a_second(seconds),
                ratio(direct.iter().map(|burst| burst.seconds), bursts),
            );
        }
    }
}

/// The median, least and greatest of baseline / bursts.
fn ratio(baseline: impl Iterator<Item = f64>, bursts: &[Burst]) -> String {
    let ratios = baseline.zip(bursts).map(|(baseline, burst)| baseline / burst.seconds);
    let ratios = sorted(ratios);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    format!("{:.2} ({least:.2} to {most:.2})", ratios[ratios.len() / 2])
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
