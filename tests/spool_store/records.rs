//! The log of records.

use downbeat::store::contract::{Intend, Intent};

use super::*;

async fn three_slots() -> Bench {
    let mut bench = Bench::open_new().await;
    bench.register(vec![begin("a"), begin("b"), begin("c")]).await;
    bench.dispatch(vec![write("a", 1), write("b", 1)]).await;
    bench.dispatch(vec![write("a", 2)]).await;
    bench
}

/// Adds to the log what a process that was killed, or somebody else, left there.
fn append(bench: &mut Bench, bytes: &[u8]) {
    bench.close();
    let mut records = fs::read(bench.path("records")).unwrap();
    records.extend_from_slice(bytes);
    fs::write(bench.path("records"), records).unwrap();
}

#[tokio::test]
async fn a_line_cut_short_counts_as_not_written() {
    let mut bench = three_slots().await;
    bench.dispatch(vec![write("a", 3)]).await;
    bench.close();
    let records = fs::read(bench.path("records")).unwrap();
    let whole = records[..records.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in whole..records.len() {
        let mut bench = three_slots().await;
        bench.close();
        fs::write(bench.path("records"), &records[..length]).unwrap();
        fs::remove_file(bench.path("history")).unwrap();
        bench.open().await;
        assert_eq!(bench.state().await.progress["a"].through, slot(2), "{length} bytes");
        // What is written next is not swallowed by it.
        bench.dispatch(vec![write("a", 4)]).await;
        bench.reopen().await;
        assert_eq!(bench.state().await.progress["a"].through, slot(4), "{length} bytes");
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_refused_with_its_line() {
    for bad in [
        "nonsense",
        "{}",
        "[]",
        "{\"seq\":\"x\"}",
        "{\"seq\":5,\"progress\":7}",
        "{\"intents\":{}}",
    ] {
        let mut bench = three_slots().await;
        bench.close();
        let lines = fs::read_to_string(bench.path("records")).unwrap().lines().count();
        append(&mut bench, format!("{bad}\n{{\"seq\":99}}\n").as_bytes());
        let before = fs::read(bench.path("records")).unwrap();
        let error = bench.refusal();
        let SpoolError::Corrupt { line, .. } = &error else { panic!("{error}") };
        assert_eq!(*line, lines + 1, "{bad}");
        assert!(error.to_string().contains("move it away to start every entry anew"), "{error}");
        assert_eq!(fs::read(bench.path("records")).unwrap(), before, "it is left as it is");
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_by_its_number() {
    let mut bench = three_slots().await;
    append(&mut bench, b"{\"format\":3,\"seq\":100}\n");
    let error = bench.refusal();
    assert!(matches!(error, SpoolError::Newer { format: 3, .. }), "{error}");
}

#[tokio::test]
async fn a_bad_value_concerns_its_own_entry_until_that_is_written_anew() {
    for (bad, is_lost) in [
        ("\"progress\":{\"b\":\"nan\"}", true),
        ("\"progress\":{\"b\":5}", true),
        ("\"progress\":{\"b\":\"99999999999999999999999\"}", true),
        ("\"registrations\":{\"b\":\"\"}", false),
        ("\"registrations\":{\"b\":{}}", false),
        ("\"intents\":{\"b\":\"soon\"}", false),
        ("\"journal\":[[\"1-1\",\"1\",\"q\",\"b\\tnan\\nc\\t1750000009000\"]]", false),
    ] {
        let mut bench = three_slots().await;
        append(&mut bench, format!("{{\"seq\":500,{bad}}}\n").as_bytes());
        bench.open().await;
        for _ in 0..3 {
            let state = bench.state().await;
            assert_eq!(state.unreadable_count, 1, "{bad}: {:?}", state.unreadable);
            assert_eq!(&*state.unreadable[0].0, "b", "{bad}");
            assert_eq!(state.progress["a"].through, slot(2), "{bad}");
            assert_eq!(state.progress.contains_key("b"), !is_lost, "{bad}");
            assert_eq!(state.sequence, 500);
            let counters = bench.store().counters().await.unwrap().0;
            let sent = if bad.contains("journal") { 4 } else { 3 };
            assert_eq!(counters[&("q".into(), "scheduled")], sent, "counted once: {bad}");
            bench.reopen().await;
        }
        bench.register(vec![begin("b")]).await;
        for _ in 0..2 {
            let state = bench.state().await;
            assert_eq!((state.unreadable_count, state.registrations.len()), (0, 3), "{bad}");
            bench.reopen().await;
        }
    }
}

#[tokio::test]
async fn a_record_that_is_none_concerns_nobody() {
    let mut bench = three_slots().await;
    append(&mut bench, b"{\"seq\":500,\"journal\":[7,[\"x\"],[\"x-y\",\"1\",\"q\",\"a\\t1\"]]}\n");
    bench.open().await;
    let state = bench.state().await;
    assert_eq!((state.unreadable_count, &*state.unreadable[0].0), (1, ""));
    assert_eq!(state.progress["a"].through, slot(2));
    bench.dispatch(vec![write("a", 3)]).await;
}

#[tokio::test]
async fn a_log_that_has_become_long_is_rewritten_with_everything_in_it() {
    let mut bench = three_slots().await;
    let intent = Intent {
        entry: "c".into(),
        slot: slot(5),
        queue: Queue::unconfigured("q"),
        guards: Guards::default(),
    };
    let request =
        Intend { pauses: PausesMark::default(), fence: bench.fence(), slots: vec![intent] };
    let reply = bench.store().intend(request).await;
    bench.note(reply).unwrap();
    assert_eq!(bench.send(1).await, Ok(Sent::Now));
    let names: Vec<String> = (0..500).map(|n| format!("{n:0200}")).collect();
    let timing = "x".repeat(3_000);
    let change = |name: &String| RegistrationChange::Begin {
        entry: name.as_str().into(),
        timing: timing.as_str().into(),
        since: UnixMs(5),
        progress: None,
    };
    let length = |bench: &Bench| fs::metadata(bench.path("records")).unwrap().len();
    let mut longest = 0;
    for n in 0..12 {
        bench.register(names.iter().map(change).collect()).await;
        bench.dispatch(vec![write("a", 10 + n)]).await;
        longest = longest.max(length(&bench));
    }
    // 18 MiB were written.
    assert!(longest > 6 << 20 && longest < 11 << 20, "{longest}");
    for _ in 0..2 {
        let state = bench.state().await;
        assert_eq!(state.registrations.len(), 503);
        assert_eq!((state.progress["a"].through, state.intents["c"]), (slot(21), slot(5)));
        let counters = bench.store().counters().await.unwrap().0;
        let count = |word| counters[&("q".into(), word)];
        assert_eq!((count("scheduled"), count("manual")), (15, 1));
        assert_eq!(bench.history().await.len(), 16);
        assert_eq!(bench.send(1).await, Ok(Sent::Already));
        bench.reopen().await;
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_rewritten_loses_nothing() {
    let mut bench = three_slots().await;
    // Nothing can be written aside, as on a disk that is full but for the log's last block.
    fs::create_dir(bench.path("records.new")).unwrap();
    let length = |bench: &Bench| fs::metadata(bench.path("records")).unwrap().len();
    for _ in 0..40 {
        let timing = "x".repeat(250 << 10).into();
        let (since, progress) = (UnixMs(5), None);
        let change = RegistrationChange::Begin { entry: "b".into(), timing, since, progress };
        bench.register(vec![change]).await;
    }
    assert!(length(&bench) > 9 << 20, "it would be rewritten at 8 MiB");
    bench.dispatch(vec![write("a", 3)]).await;
    bench.close();
    assert!(matches!(bench.refusal(), SpoolError::InTheWay { .. }));
    fs::remove_dir(bench.path("records.new")).unwrap();
    bench.open().await;
    assert!(length(&bench) < 1 << 20);
    assert_eq!(bench.state().await.progress["a"].through, slot(3));
    assert_eq!(bench.history().await.len(), 4);
}
