//! Warnings about large messages.

use super::*;
use crate::worker;

/// What `check` says of an entry with that many bytes of arguments, and the length of its message.
fn said(queues: &Queues, queue: &str, key: &str, bytes: usize) -> (String, usize) {
    let value = match key {
        "args" => format!("[{}]", "x".repeat(bytes)),
        _ => format!("{{a: {}}}", "x".repeat(bytes)),
    };
    let text = format!("entries:\n  a: {{task: t, every: 1h, queue: {queue}, {key}: {value}}}\n");
    let (loaded, said) = load_text_for(queues, "a.yaml", text.as_bytes());
    let schedule = loaded.schedule.unwrap_or_else(|| panic!("{said}"));
    let message = &schedule.get("a").unwrap().message;
    (said, worker::size("a", message, UnixMs::from_secs(1_800_000_000)))
}

#[test]
fn a_message_over_64_kib_is_warned_of_for_every_kind_of_worker() {
    let kinds = WorkerKind::ALL.map(|kind| kind.as_str());
    let all = kinds.map(|kind| (queues(), kind)).into_iter().chain([(on_amqp(), "celery")]);
    let mut warned = 0;
    for (queues, kind) in all {
        for bytes in [100, 7_000, 20_000, 40_000, 60_000, 65_400] {
            // Sidekiq and BullMQ take one of the two.
            let key = if kind == "bullmq" { "kwargs" } else { "args" };
            let (said, length) = said(&queues, kind, key, bytes);
            assert_eq!(!said.is_empty(), length > 64 * 1024, "{kind} {bytes} {length}: {said}");
            if !said.is_empty() {
                let kib = length.div_ceil(1024);
                let start = format!("warning: its messages are {kib} KiB long, more than 64 KiB\n");
                assert!(said.contains(&start), "{kind}: {said:.200}");
                assert!(said.contains("hint: pass the key of a row or a file, not the data"));
                warned += 1;
            }
        }
    }
    assert!(warned >= 8, "{warned}");
}

#[test]
fn the_longest_key_is_pointed_at_and_templates_count_as_they_are_filled_in() {
    let long = "x".repeat(62_000);
    let text = format!(
        "defaults:\n  args: [{long}]\nentries:\n  a: {{task: t, every: 1h}}\n  c: {{task: t, every: 2h}}\n  b:\n    task: t\n    \
         every: 1h\n    args: []\n    kwargs: {{a: {long}}}\n"
    );
    let (loaded, _) = load_text("a.yaml", text.as_bytes());
    // What `defaults` say is warned of once.
    let places: Vec<_> = loaded.problems.iter().map(|found| (found.line, found.column)).collect();
    assert_eq!(places, [(4, 3), (10, 5)]);
    // Each takes two bytes in JSON.
    let name = "\"".repeat(200);
    let templates = "{{ entry }}".repeat(160);
    let text = format!("entries: {{'{name}': {{task: t, every: 1h, args: ['{templates}']}}}}");
    let (loaded, said) = load_text("a.yaml", text.as_bytes());
    assert_eq!(loaded.problems.len(), 1, "{said:.300}");
}
