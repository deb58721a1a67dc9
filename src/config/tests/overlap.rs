//! Which entries may use `overlap: skip`.

use super::*;

#[test]
fn tasks_overlap_unless_the_entry_or_its_defaults_say_otherwise() {
    let entries = load_for_queues(
        "defaults: {queue: images, overlap: skip}\nentries:\n  \
         usual: {task: t, every: 1h}\n  \
         brief: {task: t, every: 1h, overlap: {skip: 1h30m}}\n  \
         long: {task: t, every: 1h, overlap: {skip: 30d}}\n  \
         free: {task: t, every: 1h, overlap: allow}\n",
    );
    let overlaps = entries.unwrap().into_iter().map(|entry| entry.guards.overlap);
    let overlaps: Vec<_> = overlaps.map(|most| most.map_or(0, |most| most.get() / 1000)).collect();
    // By name: brief, free, long, usual.
    assert_eq!(overlaps, [5400, 0, 30 * 86_400, 86_400]);
}

#[test]
fn overlap_skip_requests_results_of_celery_workers() {
    let text = |results: &str| format!("queues: {{sums: {{options: {{results: '{results}'}}}}}}\n");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.yaml");
    fs::write(&file, text("redis://host/1") + "broker: redis://host\n").unwrap();
    let overrides = Overrides { config: Some(file), ..Overrides::default() };
    let service = ServiceConfig::load(overrides, &|_| None).unwrap();
    let asks = |entry: &str| {
        let text = format!("entries: {{a: {{task: t, every: 1h, queue: sums, {entry}}}}}");
        let (loaded, shown) = load_text_for(&service.queues, "a.yaml", text.as_bytes());
        assert_eq!(shown, "", "{entry}");
        loaded.schedule.unwrap().entries.remove(0).message.wants_result
    };
    assert!(asks("overlap: skip"));
    assert!(asks("overlap: skip, options: {time_limit: 5}"));
    assert!(!asks("overlap: allow"));
    assert!(!asks("overlap: allow, options: {ignore_result: true}"));
}

#[test]
fn overlap_skip_needs_celery_results_on_the_server_of_the_state() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.yaml");
    let load = |broker: &str, results: &str, options: &str| {
        let text = format!("queues: {{sums: {{options: {{results: '{results}'}}}}}}\n{broker}\n");
        fs::write(&file, text).unwrap();
        let overrides = Overrides { config: Some(file.clone()), ..Overrides::default() };
        let service = ServiceConfig::load(overrides, &|_| None).unwrap();
        let text = format!(
            "entries: {{a: {{task: t, every: 1h, queue: sums, overlap: skip, options: {options}}}}}"
        );
        load_text_for(&service.queues, "a.yaml", text.as_bytes()).1
    };
    for (broker, results) in [
        ("broker: redis://me:pw@host/0", "redis://host:6379/1"),
        ("broker: redis://host:6379", "redis://:pw@host/15"),
        ("broker: unix:///run/redis.sock", "redis+unix:///run/redis.sock?db=3&pass=x"),
        ("broker: amqp://host\nstate: redis://[::1]/2", "redis://[::1]:6379"),
        ("broker: sentinel://a,b/0?master=m", "sentinel://a,b/1?master=m&sentinel_password=x"),
        // Without a broker, it is unknown where the state will be.
        ("namespace: n", "redis://host/1"),
    ] {
        assert_eq!(load(broker, results, "{}"), "", "{broker} {results}");
    }
    for (broker, results) in [
        ("broker: redis://host", "redis://other/1"),
        ("broker: redis://host", "redis://host:6380/1"),
        ("broker: redis://host", "unix:///run/redis.sock?db=1"),
        ("broker: sentinel://a,b?master=m", "sentinel://a,b/1?master=other"),
        ("broker: spool:here", "redis://host/1"),
    ] {
        let said = load(broker, results, "{}");
        assert!(said.contains("`results` of the queue names another server"), "{said}");
    }
    let said = load("broker: redis://host", "redis://host", "{ignore_result: true}");
    assert!(said.contains("`sums`: `ignore_result` leaves no result"), "{said}");
}
