//! The lease, and what replicas say of themselves.

use super::*;
use crate::support::tools::needs;

#[tokio::test]
async fn a_term_that_redis_gave_out_twice_is_still_another_lease() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.redis().del(&["test:lease", "test:term"]).unwrap();
    let successor = acquire(&mut store(&leader.server), "two").await;
    assert_eq!((&*leader.lease, &*successor), ("1 one", "1 two"));
    let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await;
    assert_eq!(reply, Ok(Reply::Fenced));
    assert_eq!(leader.queued("q").len(), 0);
}

#[tokio::test]
async fn a_lease_is_had_by_one_and_given_up_by_it_alone() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let mut other = store(&leader.server);
    let held = ask_for_lease(&mut other, "two", TTL).await.unwrap();
    let Acquired::Held { lease, left, .. } = held else { panic!("{held:?}") };
    assert_eq!(&*lease, "1 one");
    assert!(left <= TTL && left > TTL / 2);
    other.resign("1 two".into()).await.unwrap();
    assert!(!other.renew("1 two".into(), TTL).await.unwrap().kept);
    let renewed = leader.store.renew(Arc::clone(&leader.lease), 2 * TTL).await.unwrap();
    assert!(renewed.kept && renewed.now.since(ago(5)).as_secs() < 60);
    let left: i64 = leader.redis().pttl("test:lease").unwrap();
    assert!(left > 60_000);
    let lease = Arc::clone(&leader.lease);
    let resigned = other.resigned();
    leader.store.resign(lease).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), resigned).await.unwrap();
    assert_eq!(&*acquire(&mut other, "two").await, "2 two");
}

#[tokio::test]
async fn nobody_leads_an_unknown_namespace_unasked() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut store = store(&server);
    let mut request =
        Acquire { holder: "one".into(), ttl: TTL, even_unmarked: false, replaces: None };
    let acquired = store.acquire(request.clone()).await.unwrap();
    assert!(matches!(acquired, Acquired::Unmarked { .. }), "{acquired:?}");
    request.even_unmarked = true;
    assert!(matches!(store.acquire(request).await.unwrap(), Acquired::Ours { .. }));
}

#[tokio::test]
async fn what_is_no_lease_is_taken_over_after_one_ttl() {
    needs!(Redis);
    let ttl = Duration::from_millis(600);
    let long = "x".repeat(1_000_000);
    for (command, why, taken) in [
        (&["SET", "test:lease", "7 somebody"][..], "without a TTL", "8 one"),
        (&["SET", "test:lease", "garbage", "EX", "99"], "garbage", "1 one"),
        (&["SET", "test:lease", "7 some\nbody", "EX", "99"], "somebody", "8 one"),
        (&["SET", "test:lease", "7 \u{1b}[31m", "EX", "99"], "u001b", "8 one"),
        (&["SET", "test:lease", &long, "EX", "99"], "xxx", "1 one"),
        (&["SET", "test:lease", "", "EX", "99"], "string", "1 one"),
        (&["LPUSH", "test:lease", "7 somebody"], "list", "1 one"),
    ] {
        let server = RedisServer::start();
        let () = redis::cmd(command[0]).arg(&command[1..]).query(&mut server.connect()).unwrap();
        let mut store = store(&server);
        let seen = tokio::time::Instant::now();
        let first = ask_for_lease(&mut store, "one", ttl).await.unwrap();
        let Acquired::Unreadable { why: said, .. } = first else { panic!("{first:?}") };
        assert!(said.len() < 200 && !said.contains(char::is_control), "{said}");
        let shown = why == "somebody" && said.contains("body") || said.contains(why);
        assert!(shown, "{said}: {why}");
        // Whoever asks as somebody else has seen nothing yet.
        let other = ask_for_lease(&mut store, "two", Duration::ZERO).await.unwrap();
        assert!(matches!(other, Acquired::Unreadable { .. }), "{other:?}");
        let again = ask_for_lease(&mut store, "one", ttl).await.unwrap();
        assert!(matches!(again, Acquired::Unreadable { .. }), "{again:?}");
        loop {
            match ask_for_lease(&mut store, "one", ttl).await.unwrap() {
                Acquired::Unreadable { .. } => tokio::time::sleep(ttl / 20).await,
                Acquired::Ours { lease, .. } => break assert_eq!(&*lease, taken),
                other => panic!("{other:?}"),
            }
        }
        assert!(seen.elapsed() >= ttl);
    }
}

#[tokio::test]
async fn a_lease_that_changes_is_not_taken_over() {
    needs!(Redis);
    let server = RedisServer::start();
    let (mut store, ttl) = (store(&server), Duration::from_millis(300));
    let until = tokio::time::Instant::now() + 3 * ttl;
    let mut n = 0;
    while tokio::time::Instant::now() < until {
        n += 1;
        let _: () = server.connect().set("test:lease", format!("{n} somebody")).unwrap();
        let acquired = ask_for_lease(&mut store, "one", ttl).await.unwrap();
        assert!(matches!(acquired, Acquired::Unreadable { .. }), "{acquired:?}");
    }
}

#[tokio::test]
async fn a_counter_of_terms_that_is_none_any_more_is_begun_anew_and_higher() {
    needs!(Redis);
    for command in [
        &["SET", "test:term", "garbage"][..],
        &["SET", "test:term", "9223372036854775807"],
        &["SET", "test:term", "999999999999999999"],
        &["SET", "test:term", "-9"],
        &["LPUSH", "test:term", "x"],
    ] {
        let server = RedisServer::start();
        let () = redis::cmd(command[0]).arg(&command[1..]).query(&mut server.connect()).unwrap();
        let mut store = store(&server);
        let first = acquire(&mut store, "one").await;
        store.resign(Arc::clone(&first)).await.unwrap();
        let second = acquire(&mut store, "one").await;
        let term = |lease: &str| lease.split(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(term(&first) > 1_700_000_000, "{command:?}: {first}");
        assert_eq!(term(&second), term(&first) + 1);
    }
}

#[tokio::test]
async fn a_newer_format_is_left_alone() {
    needs!(Redis);
    let server = RedisServer::start();
    let _: () = server.connect().set("test:marker", "3").unwrap();
    let mut store = store(&server);
    let acquired = ask_for_lease(&mut store, "one", TTL).await;
    let Err(StoreError::Unusable(why)) = acquired else { panic!("{acquired:?}") };
    assert!(why.contains("format 3"), "{why}");
    assert!(matches!(store.read().await, Err(StoreError::Unusable(_))));
    let keys: Vec<String> = server.connect().keys("*").unwrap();
    assert_eq!(keys, ["test:marker"]);
}

#[tokio::test]
async fn whatever_is_published_in_place_of_a_resignation_little_of_it_is_kept() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut store = store(&server);
    acquire(&mut store, "one").await;
    for (payload, heard) in [("x".repeat(2_000), false), ("x".repeat(200), true)] {
        let mut pipeline = redis::Pipeline::new();
        for _ in 0..10_000 {
            pipeline.publish("test:resigned", &payload);
        }
        let sent: Vec<u64> = pipeline.query(&mut server.connect()).unwrap();
        assert_eq!(sent.iter().sum::<u64>(), 10_000);
        // Whatever is answered comes behind all of them.
        store.announce("one".into(), "{}".into(), TTL).await.unwrap();
        let mut count = 0;
        let soon = Duration::from_millis(50);
        while let Ok(lease) = tokio::time::timeout(soon, store.resigned()).await {
            assert_eq!(*lease, *payload);
            count += 1;
        }
        assert!(count <= 16 && (count > 0) == heard, "{count}");
    }
}

#[tokio::test]
async fn replicas_tell_each_other_of_themselves_until_they_leave() {
    needs!(Redis);
    let server = RedisServer::start();
    let (mut one, mut two) = (store(&server), store(&server));
    one.announce("one".into(), r#"{"a":1}"#.into(), TTL).await.unwrap();
    let mut output = two.announce("two".into(), r#"{"b":2}"#.into(), TTL).await.unwrap();
    output.replicas.sort_by(|a, b| a.replica.cmp(&b.replica));
    let [first, second] = &output.replicas[..] else { panic!("{output:?}") };
    assert_eq!((&*first.replica, &*first.said, output.count), ("one", r#"{"a":1}"#, 2));
    assert_eq!((&*second.said, second.age.as_secs()), (r#"{"b":2}"#, 0));
    let seen = store(&server).replicas(TTL).await.unwrap();
    assert_eq!(seen.count, 2);
    let output = two.announce("two".into(), String::new(), TTL).await.unwrap();
    assert_eq!((output.replicas.len(), output.count), (1, 1));
    // Nobody hears of what was said too long ago.
    let output = two.announce("two".into(), "{}".into(), Duration::ZERO).await.unwrap();
    assert!(output.count <= 1, "{output:?}");
}

#[tokio::test]
async fn an_announcement_of_the_future_is_forgotten() {
    needs!(Redis);
    let server = RedisServer::start();
    let said = format!("{} {{}}", wall_clock().0 + 60_000);
    let _: () = server.connect().hset("test:replicas", "future", said).unwrap();
    let output = store(&server).announce("one".into(), "{}".into(), TTL).await.unwrap();
    assert_eq!((&*output.replicas[0].replica, output.count), ("one", 1));
}

#[tokio::test]
async fn sixty_thousand_replicas_that_are_none_are_dropped_in_bounded_work() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut redis = server.connect();
    let now = wall_clock();
    for (from, said) in [
        (0, "garbage".to_owned()),
        (20_000, format!("{} {{}}", now.0 + 3_600_000)),
        (40_000, format!("{} {{}}", now.0 - 3_600_000)),
    ] {
        let fields: Vec<_> = (from..from + 20_000).map(|n| (format!("r{n}"), &said)).collect();
        let _: () = redis.hset_multiple("test:replicas", &fields).unwrap();
    }
    let huge = "x".repeat(50_000_000);
    let _: () = redis.hset("test:replicas", "huge", format!("{} {huge}", now.0)).unwrap();
    let mut store = store(&server);
    let () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut redis).unwrap();
    let mut calls = 0;
    loop {
        let output = store.announce("one".into(), "{}".into(), TTL).await.unwrap();
        calls += 1;
        assert!(output.replicas.iter().all(|output| output.replica == "one"), "{output:?}");
        if output.count == 1 {
            break;
        }
        assert!(calls < 400, "{} are left", output.count);
    }
    assert!(calls > 20, "one call dropped them all");
    // Real ones are told of, but not without end.
    let said = |n: usize| (format!("s{n}"), format!("{} {{}}", wall_clock().0));
    let fields: Vec<_> = (0..60_000).map(said).collect();
    let _: () = redis.hset_multiple("test:replicas", &fields).unwrap();
    let output = store.announce("one".into(), "{}".into(), TTL).await.unwrap();
    assert_eq!((output.replicas.len(), output.count), (MAX_REPLICAS, 60_001));
    let () = redis::cmd("SET").arg("test:replicas2").arg("x").query(&mut redis).unwrap();
    let _: () = redis.rename("test:replicas2", "test:replicas").unwrap();
    let said = "x".repeat(MAX_ANNOUNCEMENT + 1);
    let output = store.announce("one".into(), said, TTL).await.unwrap();
    assert_eq!(output.count, 0, "too long to be said");
    assert_eq!(store.announce("one".into(), "{}".into(), TTL).await.unwrap().count, 1);
}
