//! The lease, and what replicas say of themselves.

use downbeat::store::contract::{Announced, MAX_ANNOUNCEMENT, MAX_REPLICAS};
use downbeat::store::memory::Damage;

use super::*;

over_every_store! {
    one_at_a_time_has_the_lease
    a_new_tenure_has_a_greater_term_and_ends_the_one_before
    a_term_is_greater_than_all_that_show_though_the_last_one_was_deleted
    the_very_tenure_is_replaced_at_once_and_no_other
    only_the_holder_renews_and_resigns
    a_lease_that_is_not_renewed_runs_out
    a_lease_that_is_renewed_does_not_run_out
    resigning_wakes_those_who_wait
    a_probe_changes_nothing
    a_namespace_without_a_marker_waits_for_who_remembers
    what_is_no_lease_is_taken_over_after_a_ttl
    what_is_no_lease_in_an_unmarked_namespace_is_waited_for_once
    replicas_hear_of_each_other
    what_replicas_say_is_bounded
}

fn term(lease: &str) -> u64 {
    lease.split(' ').next().unwrap().parse().unwrap()
}

async fn one_at_a_time_has_the_lease<R: Rig>(mut rig: R) {
    let mut one = rig.open();
    let mut other = rig.another(&one);
    let lease = acquire(&mut one, "one").await;
    assert!(lease.ends_with(" one"), "{lease}");
    if !Leader::<R>::CAPABILITIES.shared {
        // Whoever has it open is its leader.
        acquire(&mut other, "two").await;
        assert!(!one.renew(lease, TTL).await.unwrap().kept);
        return;
    }
    for store in [&mut one, &mut other] {
        let Acquired::Held { lease: seen, left, .. } = ask_for_lease(store, "two", TTL).await
        else {
            panic!("there are two leaders");
        };
        assert_eq!(*seen, *lease);
        assert!(left <= TTL && left > TTL / 2, "{left:?}");
    }
    assert!(one.renew(lease, TTL).await.unwrap().kept);
}

async fn a_new_tenure_has_a_greater_term_and_ends_the_one_before<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let before = Arc::clone(&leader.lease);
    leader.store.resign(Arc::clone(&before)).await.unwrap();
    leader.lease = acquire(&mut leader.store, "two").await;
    assert!(term(&leader.lease) > term(&before));
    let writes = vec![write("a", leader.slot(1), "q")];
    let fence = Fence::after(&before, leader.sequence);
    let late = leader
        .store
        .dispatch(Batch { pauses: PausesMark::default(), fence, writes: writes.clone() })
        .await;
    assert_eq!(late, Ok(Reply::Fenced));
    leader.dispatch(writes).await.written();
    assert_eq!(leader.history().await[0].term, Some(term(&leader.lease)));
    let before = Arc::clone(&leader.lease);
    leader.store = leader.rig.reopen(leader.store);
    leader.store.resign(before.clone()).await.unwrap();
    leader.lease = acquire(&mut leader.store, "three").await;
    assert!(term(&leader.lease) > term(&before), "the term survives a restart");
}

async fn a_term_is_greater_than_all_that_show_though_the_last_one_was_deleted<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    for _ in 0..3 {
        let lease = acquire(&mut store, "one").await;
        store.resign(lease).await.unwrap();
    }
    drop(store);
    let mut leader = Leader::start(rig).await;
    let in_the_journal = term(&leader.lease);
    leader.dispatch(vec![write("a", leader.slot(1), "q")]).await.written();
    let message = leader.manual("a", "q", (Uuid::new_v4(), 1));
    assert_eq!(leader.send(message).await, Sent::Now);
    leader.store.resign(Arc::clone(&leader.lease)).await.unwrap();
    if !leader.rig.damage(Damage::TermDeleted) {
        return;
    }
    let lease = acquire(&mut leader.store, "two").await;
    assert!(term(&lease) > in_the_journal, "{lease} after {in_the_journal}");
    leader.store.resign(lease).await.unwrap();
    leader.rig.set_endless_lease("77 somebody");
    let ttl = Duration::from_millis(10);
    ask_for_lease(&mut leader.store, "three", ttl).await;
    leader.rig.pass(Duration::from_millis(20)).await;
    leader.rig.damage(Damage::TermDeleted);
    let Acquired::Ours { lease, .. } = ask_for_lease(&mut leader.store, "three", ttl).await else {
        panic!("it has stood there for a TTL");
    };
    assert!(term(&lease) > 77, "{lease}");
}

async fn the_very_tenure_is_replaced_at_once_and_no_other<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    if !Leader::<R>::CAPABILITIES.shared {
        return;
    }
    let before = Arc::clone(&leader.lease);
    leader.dispatch(vec![write("a", leader.slot(5), "q")]).await.written();
    let mut other = leader.rig.another(&leader.store);
    let (number, holder) = before.split_once(' ').unwrap();
    let another_term = format!("{} {holder}", term(&before) + 1);
    for another in [
        "",
        number,
        &format!("{number} "),
        &format!("{number} some"),
        &format!("{before} "),
        &before[..before.len() - 1],
        &another_term,
    ] {
        let asked = ask_to_replace(&mut other, "next", &another.into()).await;
        let Acquired::Held { lease, .. } = asked else { panic!("{another:?}: {asked:?}") };
        assert_eq!(*lease, *before, "{another:?}");
    }
    let after = replace(&mut other, &before).await;
    assert!(term(&after) > term(&before) && after.ends_with(" next"), "{after}");
    let asked = ask_to_replace(&mut other, "third", &before).await;
    assert!(matches!(asked, Acquired::Held { .. }), "it was replaced before: {asked:?}");
    assert!(!leader.store.renew(Arc::clone(&before), TTL).await.unwrap().kept);
    let writes = vec![write("a", leader.slot(4), "q")];
    assert_eq!(leader.dispatch(writes.clone()).await, Reply::Fenced);
    leader.lease = after;
    leader.dispatch(writes).await.written();
    // Where nobody leads, there is nothing to replace.
    leader.store.resign(Arc::clone(&leader.lease)).await.unwrap();
    let last = replace(&mut other, &leader.lease).await;
    assert!(term(&last) > term(&leader.lease), "{last}");
}

async fn only_the_holder_renews_and_resigns<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    let lease = acquire(&mut store, "one").await;
    let other: Arc<str> = format!("{} two", term(&lease)).into();
    assert!(!store.renew(Arc::clone(&other), TTL).await.unwrap().kept);
    store.resign(other).await.unwrap();
    assert!(store.renew(Arc::clone(&lease), TTL).await.unwrap().kept);
    store.resign(Arc::clone(&lease)).await.unwrap();
    assert!(!store.renew(lease, TTL).await.unwrap().kept);
}

async fn a_lease_that_is_not_renewed_runs_out<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    if !Leader::<R>::CAPABILITIES.shared {
        leader.rig.pass(TTL * 2).await;
        let lease = Arc::clone(&leader.lease);
        assert!(leader.store.renew(lease, TTL).await.unwrap().kept, "there is nobody else");
        return;
    }
    let mut other = leader.rig.another(&leader.store);
    leader.rig.pass(TTL).await;
    let writes = vec![write("a", leader.slot(1), "q")];
    assert_eq!(leader.dispatch(writes).await, Reply::Fenced);
    assert!(!leader.store.renew(Arc::clone(&leader.lease), TTL).await.unwrap().kept);
    acquire(&mut other, "two").await;
}

async fn a_lease_that_is_renewed_does_not_run_out<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let mut other = leader.rig.another(&leader.store);
    for _ in 0..3 {
        leader.rig.pass(TTL * 2 / 3).await;
        assert!(leader.store.renew(Arc::clone(&leader.lease), TTL).await.unwrap().kept);
    }
    if Leader::<R>::CAPABILITIES.shared {
        let asked = ask_for_lease(&mut other, "two", TTL).await;
        assert!(matches!(asked, Acquired::Held { .. }), "{asked:?}");
    }
    leader.dispatch(vec![write("a", leader.slot(1), "q")]).await.written();
}

async fn resigning_wakes_those_who_wait<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    let mut other = rig.another(&store);
    let lease = acquire(&mut store, "one").await;
    // Whoever waits is connected: it has asked for the lease, or for anything else.
    other.announce("two".into(), "{}".to_owned(), TTL).await.unwrap();
    let nobody = tokio::time::timeout(Duration::from_millis(20), other.resigned()).await;
    assert!(nobody.is_err(), "nobody has resigned");
    store.resign(Arc::clone(&lease)).await.unwrap();
    assert_eq!(other.resigned().await, lease);
    let twice = tokio::time::timeout(Duration::from_millis(20), other.resigned()).await;
    assert!(twice.is_err(), "one resignation wakes once");
    let mut last = lease;
    for _ in 0..3 {
        last = acquire(&mut store, "one").await;
        store.resign(Arc::clone(&last)).await.unwrap();
    }
    while other.resigned().await != last {}
    acquire(&mut other, "two").await;
}

async fn a_probe_changes_nothing<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(1), "q")]).await.written();
    let sequence = leader.store.read().await.unwrap().sequence;
    leader.store.probe().await.unwrap();
    assert_eq!(leader.store.read().await.unwrap().sequence, sequence);
    leader.dispatch(vec![write("a", leader.slot(2), "q")]).await.written();
}

async fn a_namespace_without_a_marker_waits_for_who_remembers<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    let ask = || Acquire { holder: "one".into(), ttl: TTL, even_unmarked: false, replaces: None };
    let asked = store.acquire(ask()).await.unwrap();
    if !Leader::<R>::CAPABILITIES.shared {
        // Nobody else can remember.
        assert!(matches!(asked, Acquired::Ours { .. }), "{asked:?}");
        return;
    }
    assert!(matches!(asked, Acquired::Unmarked { .. }), "{asked:?}");
    let lease = acquire(&mut store, "one").await;
    let sequence = store.read().await.unwrap().sequence;
    let request = |last, sequence| {
        let (fence, changes, ended) = (Fence::after(&lease, sequence), Vec::new(), Vec::new());
        Register { fence, changes, ended, last }
    };
    let first = store.register(request(false, sequence)).await.unwrap();
    let Reply::Written { sequence, .. } = first else { panic!("{first:?}") };
    store.resign(Arc::clone(&lease)).await.unwrap();
    let asked = store.acquire(ask()).await.unwrap();
    assert!(matches!(asked, Acquired::Unmarked { .. }), "the last part is missing: {asked:?}");
    let lease = acquire(&mut store, "one").await;
    let fence = Fence::after(&lease, sequence);
    let last = Register { fence, ..request(true, 0) };
    store.register(last).await.unwrap().written();
    store.resign(lease).await.unwrap();
    let asked = store.acquire(ask()).await.unwrap();
    assert!(matches!(asked, Acquired::Ours { .. }), "{asked:?}");
}

async fn what_is_no_lease_is_taken_over_after_a_ttl<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    for garbage in ["1 somebody", "nan", "", "\u{1b}[31m"] {
        if !rig.set_endless_lease(garbage) {
            return;
        }
        let is_unreadable = |asked| matches!(asked, Acquired::Unreadable { .. });
        let asked = ask_to_replace(&mut store, "next", &garbage.into()).await;
        assert!(is_unreadable(asked), "{garbage:?}");
        assert!(is_unreadable(ask_for_lease(&mut store, "one", TTL).await), "{garbage:?}");
        assert!(is_unreadable(ask_for_lease(&mut store, "one", TTL).await), "{garbage:?}");
        rig.pass(Duration::from_millis(20)).await;
        let short = Duration::from_millis(10);
        assert!(is_unreadable(ask_for_lease(&mut store, "other", short).await), "{garbage:?}");
        assert!(is_unreadable(ask_for_lease(&mut store, "one", short).await), "{garbage:?}");
        rig.pass(Duration::from_millis(20)).await;
        let asked = ask_for_lease(&mut store, "one", short).await;
        let Acquired::Ours { lease, .. } = asked else { panic!("{garbage:?}: {asked:?}") };
        let other = format!("{garbage} ");
        assert!(!store.renew(other.as_str().into(), TTL).await.unwrap().kept);
        store.resign(lease).await.unwrap();
    }
}

async fn what_is_no_lease_in_an_unmarked_namespace_is_waited_for_once<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    if !rig.set_endless_lease("nan") {
        return;
    }
    let ttl = Duration::from_millis(10);
    let ask = |even_unmarked| Acquire { holder: "one".into(), ttl, even_unmarked, replaces: None };
    let asked = store.acquire(ask(false)).await.unwrap();
    assert!(matches!(asked, Acquired::Unreadable { .. }), "{asked:?}");
    rig.pass(Duration::from_millis(20)).await;
    for _ in 0..2 {
        let asked = store.acquire(ask(false)).await.unwrap();
        assert!(matches!(asked, Acquired::Unmarked { .. }), "{asked:?}");
    }
    let asked = store.acquire(ask(true)).await.unwrap();
    assert!(matches!(asked, Acquired::Ours { .. }), "{asked:?}");
}

/// Who speaks, in the order of their names.
fn speakers(announced: &Announced) -> Vec<(&str, &str)> {
    let replicas = announced.replicas.iter();
    let mut said: Vec<_> = replicas.map(|one| (&*one.replica, &*one.said)).collect();
    said.sort_unstable();
    said
}

async fn replicas_hear_of_each_other<R: Rig>(mut rig: R) {
    let mut one = rig.open();
    let mut other = rig.another(&one);
    one.announce("one".into(), "{\"n\":1}".to_owned(), TTL).await.unwrap();
    let heard = other.announce("two".into(), "{\"n\":2}".to_owned(), TTL).await.unwrap();
    assert_eq!(speakers(&heard), [("one", "{\"n\":1}"), ("two", "{\"n\":2}")]);
    assert!(heard.replicas.iter().all(|one| one.age < TTL / 2), "{heard:?}");
    rig.pass(TTL / 2).await;
    let heard = one.announce("one".into(), "{\"n\":3}".to_owned(), TTL).await.unwrap();
    assert_eq!(speakers(&heard), [("one", "{\"n\":3}"), ("two", "{\"n\":2}")]);
    let two = heard.replicas.iter().find(|one| one.replica == "two").unwrap();
    assert!(two.age >= TTL / 2 && two.age < TTL, "{two:?}");
    rig.pass(TTL * 2 / 3).await;
    let heard = one.announce("one".into(), "{}".to_owned(), TTL).await.unwrap();
    assert_eq!(speakers(&heard), [("one", "{}")], "the other has been silent for too long");
    other.announce("two".into(), "{}".to_owned(), TTL).await.unwrap();
    let heard = other.announce("two".into(), String::new(), TTL).await.unwrap();
    assert_eq!(speakers(&heard), [("one", "{}")], "the other has left");
    assert_eq!(heard.count, 1);
}

async fn what_replicas_say_is_bounded<R: Rig>(mut rig: R) {
    let mut store = rig.open();
    let long = "x".repeat(MAX_ANNOUNCEMENT + 1);
    store.announce("long".into(), long, TTL).await.unwrap();
    let heard = store.announce("one".into(), "x".repeat(MAX_ANNOUNCEMENT), TTL).await.unwrap();
    assert_eq!(speakers(&heard), [("one", &*"x".repeat(MAX_ANNOUNCEMENT))]);
    for n in 0..MAX_REPLICAS + 50 {
        store.announce(format!("{n}").into(), "{}".to_owned(), TTL).await.unwrap();
    }
    let heard = store.announce("one".into(), "{}".to_owned(), TTL).await.unwrap();
    assert_eq!((heard.replicas.len(), heard.count), (MAX_REPLICAS, MAX_REPLICAS + 51));
}
