//! A spool of the first format is continued: nothing in it is sent twice or lost.

use super::*;
use downbeat::schedule::progress::Completeness;
use downbeat::schedule::registration::Registration;

/// As version 0.1 writes it: `a` was sent up to the second slot, `b` was skipped, `c` has left.
fn lines() -> String {
    let (first, second) = (slot(1).0, slot(2).0);
    format!(
        "{{\"sequence\":7,\"lives\":{{\"a\":[5,\"1 every 1000+0\"],\"b\":[6,\"1 every 2000+0\"],\
         \"c\":[7,null],\"d\":[8,\"1 every 1000+0\"]}}}}\n\
         {{\"sequence\":9,\"settled\":{{\"a\":[{first},\"dispatched 6ba7b810-9dad-11d1-80b4-00c04fd430c8\"],\
         \"b\":[{first},\"too_late -\"],\"c\":[{first},\"settled -\"]}},\"sent\":{{\"a\":1}}}}\n\
         {{\"sequence\":30,\"settled\":{{\"a\":[{second},\"dispatched 6ba7b810-9dad-11d1-80b4-00c04fd430c9\"]}},\
         \"sent\":{{\"a\":2}},\"forgotten\":[\"d\"]}}\n"
    )
}

/// A message as it is rendered, with what the first format knows a staged one by.
fn rendered(entry: &str, second: i64, kind: &str) -> String {
    format!(
        "{{\"headers\":{{\"downbeat_entry\":\"{entry}\",\"downbeat_slot\":\"{}\",\
         \"downbeat_kind\":\"{kind}\"}}}}",
        slot(second)
    )
}

#[tokio::test]
async fn what_was_sent_counts_as_sent() {
    let mut bench = Bench::new();
    fs::write(bench.path("records"), lines()).unwrap();
    bench.open().await;
    for _ in 0..2 {
        let state = bench.state().await;
        assert_eq!((state.sequence, state.completeness), (30, Completeness::Whole));
        assert_eq!(state.unreadable_count, 0);
        let mut names: Vec<_> = state.registrations.keys().map(|name| &**name).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "c"]);
        let timing = Some("1 every 1000+0".into());
        assert_eq!(state.registrations["a"], Registration { timing, since: UnixMs(5) });
        assert_eq!(state.registrations["c"], Registration { timing: None, since: UnixMs(7) });
        let a = &state.progress["a"];
        assert_eq!((a.through, a.dispatched, a.count), (slot(2), Some(slot(2)), 2));
        let b = Progress {
            outcome: Some(Outcome::Skipped(SkipReason::TooLate)),
            ..Progress::through(slot(1))
        };
        assert_eq!((&state.progress["b"], state.progress.get("d")), (&b, None));
        assert_eq!(state.progress["c"], Progress::through(slot(1)));
        bench.reopen().await;
    }
    bench.dispatch(vec![write("a", 3)]).await;
    let a = &bench.state().await.progress["a"];
    assert_eq!((a.through, a.count), (slot(3), 3));
}

#[tokio::test]
async fn what_a_crash_left_in_the_stage_goes_if_it_is_settled_and_only_then() {
    let mut bench = Bench::new();
    drop(bench.try_open().unwrap());
    fs::write(bench.path("records"), lines()).unwrap();
    let mut staged = Vec::new();
    for (n, (entry, second, kind)) in [
        ("a", 2, "scheduled"),
        ("a", 3, "scheduled"),
        ("b", 1, "catch_up"),
        ("nobody", 1, "scheduled"),
        ("a", 1, "manual"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{n:021}_{}.q.msg", Uuid::from_u128(n as u128));
        staged.push(rendered(entry, second, kind));
        fs::write(bench.path("stage").join(name), &staged[n]).unwrap();
    }
    bench.open().await;
    assert_eq!(bench.queued(), [staged[0].clone(), staged[2].clone()]);
    assert_eq!(files(&bench.path("stage")), [""; 0]);
    bench.reopen().await;
    assert_eq!(bench.queued().len(), 2);
}

#[tokio::test]
async fn who_knows_the_first_format_only_refuses_a_newer_log() {
    let mut bench = Bench::new();
    fs::write(bench.path("records"), lines()).unwrap();
    bench.open().await;
    bench.dispatch(vec![write("a", 3)]).await;
    bench.close();
    // In the first format each line has a number of that name.
    for line in fs::read_to_string(bench.path("records")).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line.get("sequence"), None, "{line}");
    }
}

#[tokio::test]
async fn a_bad_value_concerns_its_own_entry() {
    for bad in [
        "{\"sequence\":3,\"lives\":{\"b\":\"nan\"}}",
        "{\"sequence\":3,\"lives\":{\"b\":[1e300,\"t\"]}}",
        "{\"sequence\":3,\"settled\":{\"b\":[\"x\",\"y\"]}}",
        "{\"sequence\":3,\"settled\":{\"b\":5}}",
        "{\"sequence\":3,\"sent\":{\"b\":-5}}",
    ] {
        let mut bench = Bench::new();
        fs::write(bench.path("records"), format!("{}{bad}\n", lines())).unwrap();
        bench.open().await;
        for _ in 0..2 {
            let state = bench.state().await;
            assert_eq!(state.unreadable_count, 1, "{bad}");
            assert_eq!(&*state.unreadable[0].0, "b", "{bad}");
            assert_eq!(state.progress["a"].through, slot(2), "{bad}");
            bench.reopen().await;
        }
    }
}
