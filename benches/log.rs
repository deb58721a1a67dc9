//! How long it takes to log a sent slot, in each format; a burst logs thousands in a row.
//!
//! The log goes to standard error, so each format is measured in a separate process whose standard
//! error is discarded.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;
use std::process::{Command, Stdio};

use downbeat::config::LogFormat;
use downbeat::schedule::TaskIds;
use downbeat::telemetry::{self, BufferedLog};
use downbeat_time::UnixMs;
use tokio::time::Instant;

/// Lines of one batch.
const BATCH: usize = 500;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let formats = [LogFormat::Text, LogFormat::Logfmt, LogFormat::Json];
    if let [name, batches] = &*args
        && let Some(format) = formats.iter().find(|format| format.as_str() == name)
    {
        return println!("{}", ns_a_line(*format, batches.parse().unwrap()));
    }
    let is_test = args.iter().any(|arg| arg == "--test");
    let (rounds, batches) = if is_test { (1, "1") } else { (21, "200") };
    // Formats alternate, for other programs' load to fall on all alike.
    let mut measured = formats.map(|_| Vec::new());
    for _ in 0..rounds {
        for (format, ns) in formats.iter().zip(&mut measured) {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args([format.as_str(), batches]).env_clear().stderr(Stdio::null());
            let out = String::from_utf8(child.output().unwrap().stdout).unwrap();
            ns.push(out.trim().parse::<f64>().unwrap());
        }
    }
    for (format, mut ns) in formats.iter().zip(measured) {
        ns.sort_by(f64::total_cmp);
        let (format, median) = (format.as_str(), ns[rounds / 2]);
        println!("log/dispatched/{format}: {median:.0} ns ({:.0} to {:.0})", ns[0], ns[rounds - 1]);
    }
}

fn ns_a_line(format: LogFormat, batches: usize) -> f64 {
    telemetry::init(format, "info");
    let (entry, queue, lateness_ms) = ("nightly-report", "reports", 3);
    let slot = UnixMs(1_800_000_000_000);
    let task_id = TaskIds::new("downbeat").id(entry, slot);
    let none = None::<&str>;
    let began = Instant::now();
    for _ in 0..batches {
        let _buffered = BufferedLog::start();
        for _ in 0..BATCH {
            let (entry, slot) = (black_box(entry), black_box(slot));
            tracing::info!(entry, queue, %slot, lateness_ms, %task_id, kind = none, "dispatched");
        }
    }
    began.elapsed().as_secs_f64() * 1e9 / (batches * BATCH) as f64
}
