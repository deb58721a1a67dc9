//! Formats the status of a replica as Prometheus metrics.
//!
//! Labels have few values: queues of the schedule, kinds and reasons; never entries, except paused ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use downbeat_time::UnixMs;
use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::core::{Lateness, QueueStatus, RefusedWrites};
use crate::service::status::Status;

/// All metrics, in Prometheus' text format.
pub(super) fn text(status: &Status) -> prometheus::Result<String> {
    let mut families = Families(Vec::new());
    families.of_the_process(status);
    families.of_slots(status);
    families.of_leadership(status);
    families.of_the_schedule(status);
    families.of_pauses(status);
    families.of_the_broker(status);
    TextEncoder::new().encode_to_string(&families.0)
}

struct Families(Vec<MetricFamily>);

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Families {
    fn of_the_process(&mut self, status: &Status) {
        let version = [("version", &*status.version)];
        self.info("downbeat_build_info", "The version that runs.", &version);
        let help = "1 for a shadow run, which sends nothing and only records, else 0.";
        self.gauge("downbeat_shadow", help, Some(flag(status.shadow)));
        let help = "When the main loop last ran; it runs at least every 30 seconds.";
        self.instant("downbeat_last_tick_timestamp_seconds", help, status.last_tick);
    }

    fn of_slots(&mut self, status: &Status) {
        fn counted<'a>(
            status: &'a Status,
            counts: impl Fn(&'a QueueStatus) -> &'a BTreeMap<Cow<'static, str>, u64>,
            label: &str,
        ) -> Vec<Metric> {
            // Totals of the namespace, so only one replica reports them.
            let queues = status.queues.iter().filter(|_| status.leads());
            let queues = queues.flat_map(|(queue, of_queue)| {
                counts(of_queue).iter().map(move |(name, count)| (queue, name, count))
            });
            queues.map(|(queue, name, n)| counter(&[("queue", queue), (label, name)], *n)).collect()
        }
        let help = "Messages dispatched in the namespace, by queue and kind (scheduled, catch_up, resent, manual, backfill); leader only.";
        let samples = counted(status, |queue| &queue.dispatched, "kind");
        self.add("downbeat_slots_dispatched_total", help, MetricType::COUNTER, samples);
        let help = "Slots skipped in the namespace, by queue and reason; leader only.";
        let samples = counted(status, |queue| &queue.skipped, "reason");
        self.add("downbeat_slots_skipped_total", help, MetricType::COUNTER, samples);
        let help = "Time from a slot's due time to its dispatch; only slots of kind scheduled.";
        let samples = vec![histogram(&status.lateness)];
        self.add("downbeat_dispatch_lateness_seconds", help, MetricType::HISTOGRAM, samples);
        let due = status.next.as_ref().map(|next| next.slot_utc);
        let help = "When the next slot is due; leader only, and only if there is one.";
        self.instant("downbeat_next_due_timestamp_seconds", help, due);
    }

    fn of_leadership(&mut self, status: &Status) {
        let leads = Some(flag(status.leads()));
        self.gauge("downbeat_leader", "1 when this replica leads, else 0.", leads);
        let term = status.leader.as_ref().and_then(|leader| leader.split(' ').next()?.parse().ok());
        let help = "The leader's term, as far as this replica knows; it only grows.";
        self.gauge("downbeat_leader_term", help, term);
        let known = |count: usize| (count > 0).then_some(count as f64);
        let help = "Number of replicas that this one knows of, including itself.";
        self.gauge("downbeat_replicas", help, known(status.living_count()));
        let help = "Number of different schedules among the replicas; more than 1 can lose slots.";
        self.gauge("downbeat_replica_schedules", help, known(status.schedules()));
        let help = "How far this machine's clock is ahead of the broker's.";
        let skew = status.skew_ms().map(|skew_ms| skew_ms as f64 / 1000.0);
        self.gauge("downbeat_clock_skew_seconds", help, skew);
    }

    fn of_the_schedule(&mut self, status: &Status) {
        let Some(schedule) = &status.schedule else { return };
        let labels = [("hash", &*schedule.hash), ("tzdata", &*schedule.tzdata)];
        let help =
            "The schedule's hash, equal on replicas with equal files, and the zone rules in use.";
        self.info("downbeat_schedule_info", help, &labels);
        let help = "Number of entries in the schedule, including disabled ones.";
        self.gauge("downbeat_schedule_entries", help, Some(schedule.entries as f64));
        let help = "When the current schedule was loaded.";
        let loaded_at = schedule.loaded_at;
        self.instant("downbeat_schedule_loaded_timestamp_seconds", help, Some(loaded_at));
        let last = schedule.reload.as_ref();
        let help = "1 if the last load of the schedule files succeeded, 0 if it failed.";
        let accepted = last.is_none_or(|last| last.accepted);
        self.gauge("downbeat_last_reload_successful", help, Some(flag(accepted)));
        let help = "When the schedule files were last loaded, with or without success.";
        let at = last.map_or(loaded_at, |last| last.at);
        self.instant("downbeat_last_reload_timestamp_seconds", help, Some(at));
        let help = "1 while kept files are in use because the schedule files were invalid at start, else 0.";
        let started_from_kept = Some(flag(schedule.started_from_kept));
        self.gauge("downbeat_schedule_from_kept_files", help, started_from_kept);
    }

    fn of_pauses(&mut self, status: &Status) {
        let help = "Number of pauses in force, of entries, tags or all.";
        self.gauge("downbeat_pauses", help, Some(status.pause_count as f64));
        let samples = status.pauses.iter().map(|pause| {
            let (by, note) = (pause.by.as_deref(), pause.note.as_deref());
            let labels = [
                ("subject", &*pause.subject),
                ("by", by.unwrap_or_default()),
                ("note", note.unwrap_or_default()),
            ];
            gauge(&labels, pause.until_utc.map_or(f64::INFINITY, |until| until.0 as f64 / 1000.0))
        });
        let samples = samples.collect();
        let help = "When each pause in force ends, by subject, who paused, and why; +Inf if it lasts until somebody resumes. At most 100.";
        self.add("downbeat_pause_end_timestamp_seconds", help, MetricType::GAUGE, samples);
    }

    fn of_the_broker(&mut self, status: &Status) {
        let answers = flag(status.broker_error.is_none());
        self.gauge("downbeat_broker_up", "1 when the broker answers, else 0.", Some(answers));
        let samples = vec![counter(&[], status.broker_errors)];
        let help = "Failed calls to the broker.";
        self.add("downbeat_broker_errors_total", help, MetricType::COUNTER, samples);
        let RefusedWrites { fenced, stale, lost } = status.refused_writes;
        let samples = [("fenced", fenced), ("stale", stale), ("lost", lost)];
        let samples = samples.map(|(reason, count)| counter(&[("reason", reason)], count)).into();
        let help = "Writes that the broker rejected as a whole: `fenced` (another leader has taken over), \
                    `stale` (the leader did not know of an earlier write), `lost` (the journal is gone).";
        self.add("downbeat_refused_writes_total", help, MetricType::COUNTER, samples);
        let refuses = |queue: &String| flag(status.refusing.contains_key(queue));
        let queues = status.queues.keys();
        let samples = queues.map(|queue| gauge(&[("queue", queue)], refuses(queue))).collect();
        let help = "1 while the queue refuses messages (wrong type, no permission), else 0.";
        self.add("downbeat_queue_refusing", help, MetricType::GAUGE, samples);
    }

    fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) {
        self.add(name, help, MetricType::GAUGE, vec![gauge(labels, 1.0)]);
    }

    fn instant(&mut self, name: &str, help: &str, instant: Option<UnixMs>) {
        self.gauge(name, help, instant.map(|instant| instant.0 as f64 / 1000.0));
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        let samples = value.map(|value| gauge(&[], value)).into_iter().collect();
        self.add(name, help, MetricType::GAUGE, samples);
    }

    /// Omits unknown values.
    fn add(&mut self, name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) {
        if samples.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(samples);
        self.0.push(family);
    }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

fn counter(labels: Labels<'_>, count: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(count as f64);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

fn gauge(labels: Labels<'_>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

fn histogram(lateness: &Lateness) -> Metric {
    let bucket = |(bound_ms, slots): (&u64, &u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound_ms as f64 / 1000.0);
        bucket.set_cumulative_count(*slots);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(lateness.within_ms.iter().map(bucket).collect());
    histogram.set_sample_count(lateness.slots);
    histogram.set_sample_sum(lateness.sum_ms as f64 / 1000.0);
    let mut metric = labelled(&[]);
    metric.set_histogram(histogram);
    metric
}
