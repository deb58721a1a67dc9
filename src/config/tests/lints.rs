//! Warnings that depend on the time.

use super::*;
use crate::text::{Problem, Severity};
use crate::worker::celery::{LiveWorker, TaskDefaults, WorkerAnswers};

/// The warnings about a valid schedule at an instant.
fn said(text: &str, now: &str) -> Vec<String> {
    let (loaded, shown) = load_text("a.yaml", text.as_bytes());
    assert_eq!(shown, "");
    let now = now.parse::<jiff::Timestamp>().unwrap();
    let problems = warnings(&loaded, UnixMs::from(now));
    problems.into_iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
}

#[test]
fn a_past_one_off_causes_a_warning() {
    let (loaded, _) = load_text("a.yaml", b"entries:\n  once: {task: t, at: 2026-01-01 00:00}\n");
    let new_year = UnixMs::from_secs(1_767_225_600);
    assert_eq!(warnings(&loaded, UnixMs(new_year.0 - 1)), []);
    let warned = &warnings(&loaded, new_year)[0];
    assert_eq!((warned.severity, warned.line, warned.column), (Severity::Warning, 2, 3));
    assert_eq!(warned.message, "`at` of `once` has passed: it never fires");
}

#[test]
fn a_list_of_instants_reports_how_many_have_passed() {
    let text =
        "entries:\n  a: {task: t, at: [2026-01-01 00:00, 2026-01-03 00:00, 2026-01-02 00:00]}\n";
    let (loaded, _) = load_text("a.yaml", text.as_bytes());
    let said = |days: i64| {
        let now = UnixMs::from_secs(1_767_225_600 + days * 86_400);
        let said = warnings(&loaded, now).into_iter().map(|problem| problem.message);
        said.collect::<Vec<_>>()
    };
    assert_eq!(said(-1), [""; 0]);
    assert_eq!(said(0), ["1 of 3 instants of `a` has passed"]);
    assert_eq!(said(1), ["2 of 3 instants of `a` have passed"]);
    assert_eq!(said(2), ["all 3 instants of `a` have passed: it never fires"]);
}

#[test]
fn an_enabled_entry_whose_last_slot_has_passed_causes_a_warning() {
    let text = "entries:\n  a: {task: t, every: 1d, end: 2026-03-01 12:00}\n  \
                b: {task: t, every: 1d, end: 2026-03-01 12:00, enabled: false}\n  \
                c: {task: t, cron: \"0 3 * * sun\", except: sun}\n";
    let never = "4: `except` of `c` leaves out every slot: it never fires";
    assert_eq!(said(text, "2026-02-01T00:00:00Z"), [never]);
    let over = "2: the last slot of `a` was at 2026-03-01T00:00:00+00:00: it never fires again";
    assert_eq!(said(text, "2026-03-01T00:00:00Z"), [over, never]);
}

#[test]
fn a_fixed_time_in_a_clock_change_gap_of_the_next_year_causes_a_warning() {
    let text = "timezone: America/New_York\nentries:\n  a: {task: t, cron: \"30 2 * * *\"}\n  \
                b: {task: t, cron: \"*/30 2 * * *\"}\n  c: {task: t, cron: \"0 3 * * *\"}\n  \
                d: {task: t, cron: \"*/30 * * * *\"}\n  \
                e: {task: t, cron: \"30 2 * * mon-sat\"}\n  f: {task: t, every: 1h}\n";
    let expected = "3: on 2027-03-14 `a` fires after the gap 02:00–03:00 of America/New_York";
    assert_eq!(said(text, "2026-11-21T00:00:00Z"), [expected]);
    assert_eq!(said(text, "2027-03-14T06:00:00Z"), [expected]);
    let next = "3: on 2028-03-12 `a` fires after the gap 02:00–03:00 of America/New_York";
    assert_eq!(said(text, "2027-03-14T07:00:00Z"), [next]);
}

#[test]
fn a_hundred_messages_in_one_second_cause_a_warning_until_they_are_spread() {
    let entry = |n: u32| format!("  e{n}: {{task: t, every: 1h, tags: [x]}}\n");
    let crowd = |count| format!("entries:\n{}", (0..count).map(entry).collect::<String>());
    let now = "2026-11-21T00:30:00Z";
    assert_eq!(said(&crowd(99), now), [""; 0]);
    let expected = "2: 100 entries are due in the second 2026-11-21T01:00:00+00:00, `e0` first";
    assert_eq!(said(&crowd(100), now), [expected]);
    assert_eq!(said(&format!("spread: {{x: 10m}}\n{}", crowd(100)), now), [""; 0]);
}

#[test]
fn a_period_that_loses_all_of_its_slots_causes_a_warning() {
    let bank = "timezone: Europe/London\ncalendars:\n  bank: [2027-01-01, 2026-12-25, 2026-12-28, 2027-05-31]\nentries:\n";
    let warned = |entry: &str| {
        said(&format!("{bank}  a: {{task: t, except: [bank], {entry}}}\n"), "2026-11-30T00:00:00Z")
    };
    let rule =
        "rrule: \"DTSTART:20260101T090000\\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1\"";
    assert_eq!(warned(rule), ["5: `except` leaves `a` no slot in January 2027"]);
    assert_eq!(warned("cron: \"0 17 LW * *\""), ["5: `except` leaves `a` no slot in May 2027"]);
    assert_eq!(warned("cron: \"0 9 25 * *\""), ["5: `except` leaves `a` no slot in December 2026"]);
    assert_eq!(warned("cron: \"0 9 1 1 *\""), ["5: `except` leaves `a` no slot in 2027"]);
    let fridays = "5: `except` leaves `a` no slot in the week of 2026-12-21, nor in another week";
    assert_eq!(warned("cron: \"0 9 * * fri\""), [fridays]);
    for fine in [
        "every: 10m",
        "cron: \"0 9 * * *\"",
        "cron: \"0 9 * * mon-fri\"",
        "cron: \"0 9 1 1 *\", enabled: false",
    ] {
        assert_eq!(warned(fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_slot_that_moves_nowhere_causes_a_warning_and_one_that_moves_does_not() {
    let warned = |days: &str| {
        let text = format!(
            "entries:\n  a: {{task: t, cron: \"0 9 1 7 *\", except: {{days: [{days}], move: next}}}}\n"
        );
        said(&text, "2026-11-30T00:00:00Z")
    };
    assert_eq!(warned("07-01, 2027-07-02..2027-08-31"), [""; 0]);
    let lost = "2: the slot of `a` at 2027-07-01T09:00:00+00:00 moves nowhere: it is left out";
    assert_eq!(warned("2027-01-01..2028-12-31"), [lost]);
}

fn worker(name: &str, key_prefix: &str, queues: &[&str], tasks: &[&str]) -> LiveWorker {
    LiveWorker {
        name: name.to_owned(),
        tasks: tasks.iter().map(|task| ((*task).to_owned(), TaskDefaults::default())).collect(),
        queues: queues.iter().map(ToString::to_string).collect(),
        channel: format!("{key_prefix}/{{db}}.celery.pidbox"),
        ..LiveWorker::default()
    }
}

fn against(text: &str, workers: &[LiveWorker], silent: u64) -> Vec<String> {
    let (loaded, shown) = load_text("a.yaml", text.as_bytes());
    assert_eq!(shown, "");
    let channels = vec!["/0.celery.pidbox".to_owned()];
    let answers = WorkerAnswers { workers: workers.to_vec(), silent, channels, others: Vec::new() };
    let problems = against_workers(&loaded, "redis://host", &answers);
    let shown = |problem: Problem| format!("{}: {}", problem.line, problem.message);
    problems.into_iter().map(shown).collect()
}

#[test]
fn a_task_must_be_known_to_some_worker_of_its_queue_and_key_prefix() {
    let text = "entries:\n  a: {task: t, every: 1h, queue: q}\n";
    assert_eq!(against(text, &[worker("one", "", &["q"], &["t"])], 0), [""; 0]);
    let both = [worker("one", "", &["q"], &[]), worker("two", "", &["q"], &["t"])];
    assert_eq!(against(text, &both, 0), [""; 0], "one of them is enough to warn of no slip");
    let other = [worker("one", "", &["p"], &["t"]), worker("two", "shop-", &["q"], &["t"])];
    assert_eq!(against(text, &other, 0), ["2: no live worker takes from the queue `q` of `a`"]);
    let other = [worker("one", "", &["q"], &["u"]), worker("two", "", &["p"], &["t"])];
    let missing = "2: `t` of `a` is registered by no live worker that takes from `q` (one)";
    assert_eq!(against(text, &other, 0), [missing]);
}

#[test]
fn workers_that_listen_and_do_not_answer_are_counted() {
    let text = "entries:\n  a: {task: t, every: 1h, queue: q}\n";
    let one = [worker("one", "", &["q"], &["t"])];
    let more = "0: 2 more Celery workers listen and did not answer in time";
    assert_eq!(against(text, &one, 2), [more]);
    assert_eq!(against(text, &[], 1), ["0: 1 Celery worker listens and did not answer in time"]);
    assert_eq!(against(text, &[], 0), ["0: no Celery worker listens on `/0.celery.pidbox`"]);
    let disabled = "entries:\n  a: {task: t, every: 1h, queue: q, enabled: false}\n";
    assert_eq!(against(disabled, &[], 0), [""; 0], "nobody needs a worker");
}
