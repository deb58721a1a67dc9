use serde_json::json;

use super::*;

const TOLERANCE: Duration = Duration::from_secs(60);

fn here(entry: &str, at: i64, task: &str, arg: i64) -> Here {
    let values = Arguments::Values { args: json!([arg]), kwargs: json!({}) };
    let text = Arguments::Text { args: format!("[{arg}]"), kwargs: "{}".to_owned() };
    let at = UnixMs(at);
    Here { entry: entry.into(), at, task: task.into(), arguments: Arc::new([values, text]) }
}

fn there(entry: Option<&str>, at: Option<i64>, task: &str, arg: i64) -> There {
    let arguments = Arguments::Values { args: json!([arg]), kwargs: json!(null) };
    let (entry, task) = (entry.map(str::to_owned), task.to_owned());
    There { entry, sender: None, at: at.map(UnixMs), task, arguments }
}

fn span(from: i64, to: i64) -> Span {
    Span { judged: UnixMs(from)..UnixMs(to), tolerance: TOLERANCE }
}

/// Each instant as its entry or task, the instant by which it is known, and the verdict.
fn verdicts(
    here: &[Here],
    there: &[There],
    span: &Span,
) -> Vec<(String, i64, Verdict, Option<i64>)> {
    let instants = compare(here, there, span);
    let shown = |instant: Instant| {
        let (at, by) = (instant.at().unwrap_or_default().0, instant.difference_ms());
        (instant.entry.unwrap_or(instant.task), at, instant.verdict, by)
    };
    instants.into_iter().map(shown).collect()
}

fn row(
    name: &str,
    at: i64,
    verdict: Verdict,
    by: Option<i64>,
) -> (String, i64, Verdict, Option<i64>) {
    (name.to_owned(), at, verdict, by)
}

#[test]
fn instants_are_the_same_early_or_late() {
    let slots = [0, 100_000, 200_000, 300_000].map(|at| here("a", at, "t", 1));
    let messages = [300, 97_000, 203_500, 299_000].map(|at| there(None, Some(at), "t", 1));
    assert_eq!(
        verdicts(&slots, &messages, &span(0, 400_000)),
        [
            row("a", 0, Verdict::Same, Some(300)),
            row("a", 100_000, Verdict::Early, Some(-3_000)),
            row("a", 200_000, Verdict::Late, Some(3_500)),
            row("a", 300_000, Verdict::Same, Some(-1_000)),
        ]
    );
}

#[test]
fn an_interval_in_another_rhythm_is_off_by_the_same_everywhere() {
    let slots = [15, 30, 45].map(|at| here("a", at * 1000, "t", 1));
    let messages = [26, 41, 56].map(|at| there(None, Some(at * 1000), "t", 1));
    assert_eq!(
        verdicts(&slots, &messages, &span(17_000, 57_000)),
        [
            row("a", 30_000, Verdict::Early, Some(-4_000)),
            row("a", 45_000, Verdict::Early, Some(-4_000)),
            row("t", 56_000, Verdict::NotJudged, None),
        ]
    );
}

#[test]
fn what_is_on_one_side_alone_is_named() {
    let slots = [here("kept", 10_000, "t", 1), here("added", 10_000, "t", 2)];
    let messages = [
        there(None, Some(10_050), "t", 1),
        there(Some("removed"), Some(10_060), "u", 1),
        there(None, Some(20_000), "t", 3),
    ];
    assert_eq!(
        verdicts(&slots, &messages, &span(0, 100_000)),
        [
            row("added", 10_000, Verdict::OnlyHere, None),
            row("kept", 10_000, Verdict::Same, Some(50)),
            row("removed", 10_060, Verdict::OnlyThere, None),
            row("t", 20_000, Verdict::OnlyThere, None),
        ]
    );
}

#[test]
fn beyond_the_tolerance_they_are_two_instants() {
    let (slots, messages) = ([here("a", 5_000, "t", 1)], [there(None, Some(65_001), "t", 1)]);
    let found = verdicts(&slots, &messages, &span(0, 100_000));
    let expected =
        [row("a", 5_000, Verdict::OnlyHere, None), row("t", 65_001, Verdict::OnlyThere, None)];
    assert_eq!(found, expected);
    let within = Span { tolerance: Duration::from_millis(60_001), ..span(0, 100_000) };
    assert_eq!(
        verdicts(&slots, &messages, &within),
        [row("a", 5_000, Verdict::Late, Some(60_001))]
    );
}

#[test]
fn entries_with_the_same_call_are_told_apart_by_the_name_in_the_message() {
    let slots = [here("a", 0, "t", 1), here("b", 5_000, "t", 1)];
    let named = [there(Some("a"), Some(4_000), "t", 1), there(Some("b"), Some(9_000), "t", 1)];
    assert_eq!(
        verdicts(&slots, &named, &span(0, 100_000)),
        [row("a", 0, Verdict::Late, Some(4_000)), row("b", 5_000, Verdict::Late, Some(4_000))]
    );
    // A name that is not known here says nothing.
    let renamed = [there(Some("x"), Some(100), "t", 1), there(None, Some(5_100), "t", 1)];
    assert_eq!(
        verdicts(&slots, &renamed, &span(0, 100_000)),
        [row("a", 0, Verdict::Same, Some(100)), row("b", 5_000, Verdict::Same, Some(100))]
    );
}

#[test]
fn at_the_edges_of_what_was_seen_nothing_is_judged() {
    let slots = [9_900, 10_100, 20_000, 39_900].map(|at| here("a", at, "t", 1));
    let messages = [20_100, 39_000].map(|at| there(None, Some(at), "u", 1));
    assert_eq!(
        verdicts(&slots, &messages, &span(10_000, 40_000)),
        [
            row("a", 10_100, Verdict::NotJudged, None),
            row("a", 20_000, Verdict::OnlyHere, None),
            row("u", 20_100, Verdict::OnlyThere, None),
            row("u", 39_000, Verdict::NotJudged, None),
            row("a", 39_900, Verdict::NotJudged, None),
        ]
    );
}

#[test]
fn an_entry_that_is_always_late_is_judged_by_how_late_it_is() {
    // Every 10 s, sent 4 s later; the one for 46 s comes after the end.
    let slots = [-4_000, 6_000, 16_000, 26_000, 36_000, 46_000].map(|at| here("a", at, "t", 1));
    let messages = [0, 10_000, 20_000, 30_000, 40_000].map(|at| there(None, Some(at), "t", 1));
    let mut found = verdicts(&slots, &messages, &span(0, 50_000));
    assert_eq!(found.pop(), Some(row("a", 46_000, Verdict::NotJudged, None)));
    assert!(found.iter().all(|(.., verdict, by)| (*verdict, *by) == (Verdict::Late, Some(4_000))));
    assert_eq!(found.len(), 5);
}

#[test]
fn without_times_only_an_entry_that_is_missing_on_one_side_is_certain() {
    let slots = [
        here("same", 10_000, "t", 1),
        here("fewer", 10_000, "t", 2),
        here("added", 10_000, "t", 3),
    ];
    let messages = [
        there(None, None, "t", 1),
        there(None, None, "t", 2),
        there(None, None, "t", 2),
        there(None, None, "removed", 1),
    ];
    let instants = compare(&slots, &messages, &span(0, 100_000));
    let found = |name: &str| {
        let of_name = instants
            .iter()
            .filter(|instant| instant.entry.as_deref().unwrap_or(&instant.task) == name);
        let mut verdicts: Vec<_> = of_name.map(|instant| instant.verdict).collect();
        verdicts.sort_unstable();
        verdicts
    };
    assert_eq!(found("same"), [Verdict::NoTime]);
    assert_eq!(found("fewer"), [Verdict::NoTime]);
    // One more of `fewer`: it may be older than the records.
    assert_eq!(found("t"), [Verdict::NotJudged]);
    assert_eq!(found("added"), [Verdict::OnlyHere]);
    assert_eq!(found("removed"), [Verdict::OnlyThere]);
    assert!(Counts::of(&instants).differ());
    assert!(
        !Counts::of(instants.iter().filter(|instant| instant.verdict == Verdict::NoTime)).differ()
    );
}

#[test]
fn hostile_times_overflow_nothing() {
    let slots = [i64::MIN, 0, i64::MAX].map(|at| here("a", at, "t", 1));
    let messages = [i64::MIN, i64::MAX].map(|at| there(None, Some(at), "t", 1));
    let span = Span { judged: UnixMs::MIN..UnixMs::MAX, tolerance: Duration::MAX };
    assert_eq!(compare(&slots, &messages, &span).len(), 2);
}
