//! The history beside the log.

use super::*;

async fn ten_slots() -> Bench {
    let mut bench = Bench::open_new().await;
    bench.register(vec![begin("a")]).await;
    for second in 0..10 {
        bench.dispatch(vec![write("a", second)]).await;
    }
    bench
}

async fn trim(bench: &mut Bench, slots: u64, outcomes: usize) -> u64 {
    let lease = Arc::clone(&bench.lease);
    let request = Trim { lease, keep: Duration::from_secs(3600), slots, outcomes };
    bench.store().trim(request).await.unwrap().slots
}

#[tokio::test]
async fn what_is_missing_at_its_end_is_taken_from_the_log() {
    let whole: Vec<i64> = (0..10).collect();
    let mut bench = ten_slots().await;
    bench.close();
    let [records, history] = ["records", "history"].map(|name| bench.path(name));
    let (log, text) = (fs::read(&records).unwrap(), fs::read(&history).unwrap());
    for length in (0..=text.len()).step_by(11) {
        fs::write(&records, &log).unwrap();
        fs::write(&history, &text[..length]).unwrap();
        bench.open().await;
        assert_eq!(bench.slots().await, whole, "{length} bytes are there");
        bench.reopen().await;
        assert_eq!(bench.slots().await, whole, "nothing is repeated");
        bench.dispatch(vec![write("a", 10)]).await;
        assert_eq!(bench.slots().await.len(), 11);
        bench.close();
    }
}

#[tokio::test]
async fn without_it_slots_are_sent_all_the_same() {
    let mut bench = ten_slots().await;
    bench.reopen().await;
    fs::remove_file(bench.path("history")).unwrap();
    assert!(bench.slots().await.is_empty());
    bench.dispatch(vec![write("a", 10)]).await;
    assert_eq!(bench.slots().await, [10]);
    fs::remove_file(bench.path("history")).unwrap();
    fs::create_dir(bench.path("history")).unwrap();
    bench.dispatch(vec![write("a", 11)]).await;
    bench.dispatch(vec![write("a", 12)]).await;
    let lost = bench.store().history(HistoryQuery { limit: 9, ..Default::default() }).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert_eq!(bench.queued().len(), 13);
    fs::remove_dir(bench.path("history")).unwrap();
    bench.dispatch(vec![write("a", 13)]).await;
    assert_eq!(bench.slots().await, [11, 12, 13], "what was kept back is written");
}

#[tokio::test]
async fn what_cannot_be_read_in_it_is_passed_over() {
    let mut bench = ten_slots().await;
    bench.close();
    let text = fs::read_to_string(bench.path("history")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(3, "nonsense\u{7}");
    lines.insert(5, "{\"a\":7,\"b\":\"flown\"}");
    lines.insert(7, "[\"1-1\",\"1\",\"q\"]");
    fs::write(bench.path("history"), lines.join("\n") + "\n").unwrap();
    bench.open().await;
    assert_eq!(bench.slots().await, (0..10).collect::<Vec<_>>());
    assert_eq!(trim(&mut bench, 4, 0).await, 6);
    assert_eq!(bench.slots().await, [6, 7, 8, 9]);
}

#[tokio::test]
async fn trimming_makes_it_short_and_survives_a_restart() {
    let mut bench = ten_slots().await;
    let long = fs::metadata(bench.path("history")).unwrap().len();
    let counted = bench.store().counters().await.unwrap();
    assert_eq!(trim(&mut bench, 3, 2).await, 7);
    assert!(fs::metadata(bench.path("history")).unwrap().len() < long * 2 / 3);
    for _ in 0..2 {
        assert_eq!(bench.slots().await, [5, 6, 7, 8, 9], "two of them are kept outcomes");
        assert_eq!(bench.store().counters().await.unwrap(), counted);
        bench.reopen().await;
    }
    for second in 10..14 {
        bench.dispatch(vec![write("a", second)]).await;
    }
    assert_eq!(trim(&mut bench, 3, 2).await, 4);
    assert_eq!(bench.slots().await, [9, 10, 11, 12, 13]);
}

#[tokio::test]
async fn it_is_rewritten_for_no_less_than_a_tenth() {
    let mut bench = Bench::open_new().await;
    let writes = |from: i64| (from..from + 100).map(|second| write("a", second)).collect();
    bench.dispatch(writes(0)).await;
    for second in 100..110 {
        bench.dispatch(vec![write("a", second)]).await;
    }
    assert_eq!(trim(&mut bench, 100, 0).await, 0);
    bench.dispatch(vec![write("a", 110)]).await;
    assert_eq!(trim(&mut bench, 100, 0).await, 0, "the oldest record has more than may be dropped");
    bench.dispatch(writes(111)).await;
    assert_eq!(trim(&mut bench, 100, 0).await, 111);
}
