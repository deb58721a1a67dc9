//! A pause, and the message that a broker is being handed at that very moment.

use std::thread;

use super::{Client, place, servers};
use crate::support::downbeat::Place;
use crate::support::proxy::Proxy;
use crate::support::recorded::recorded;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// Two entries on a queue each; the second shows that time goes on.
fn two_entries(place: &Place, queue: &str) {
    let text = format!(
        "entries:\n  tick: {{task: t, every: 2s, queue: {queue}}}\n  \
         tock: {{task: t, every: 1s, queue: {queue}-other}}\n"
    );
    place.write_schedule("all.yaml", &text);
}

/// Waits for the confirmation of the first message: without it, no second one is sent.
fn wait_for_recorded(redis: &RedisServer) {
    let mut connection = redis.connect();
    eventually(SOON, "the first slot is recorded", || {
        recorded(&mut connection).contains_key("tick").then_some(())
    });
}

fn wait_for_paused(redis: &RedisServer, count: usize) {
    let mut connection = redis.connect();
    eventually(SOON, "slots are counted as paused", || {
        let all = recorded(&mut connection);
        let paused = all.get("tick")?.iter().filter(|one| one.is_paused());
        (paused.count() >= count).then_some(())
    });
}

#[test]
fn a_pause_waits_for_the_confirmation_and_nothing_goes_after_it() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("paused-1");
    client.declare("paused-1-other");
    let place = place(&proxy.url(), &redis.url());
    two_entries(&place, "paused-1");
    let _downbeat = place.start(&["run"]);
    client.wait_for("paused-1", 1);
    wait_for_recorded(&redis);
    proxy.cut_answers();
    client.wait_for("paused-1", 1);
    thread::scope(|scope| {
        let pausing = scope.spawn(|| place.run(&["pause", "tick"]).ok());
        // It is written, and the confirmation is waited for.
        let mut connection = redis.connect();
        eventually(SOON, "it is written", || {
            let there: bool = redis::cmd("HEXISTS")
                .arg("downbeat:pauses")
                .arg("entry:tick")
                .query(&mut connection)
                .unwrap();
            there.then_some(())
        });
        assert!(!pausing.is_finished());
        proxy.mend();
        let said = pausing.join().unwrap();
        assert!(said.starts_with("paused tick ") && !said.contains("may still be sent"), "{said}");
    });
    let before = client.take("paused-1").len();
    assert_eq!(before, 0, "what was confirmed was taken");
    wait_for_paused(&redis, 2);
    assert_eq!(client.take("paused-1").len(), 0);
    place.run(&["resume", "tick"]).ok();
    client.wait_for("paused-1", 1);
}

#[test]
fn what_no_confirmation_comes_for_may_still_go_and_is_not_sent_again() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("paused-2");
    client.declare("paused-2-other");
    let place = place(&proxy.url(), &redis.url());
    two_entries(&place, "paused-2");
    let _downbeat = place.start(&["run"]);
    client.wait_for("paused-2", 1);
    wait_for_recorded(&redis);
    proxy.cut_answers();
    client.wait_for("paused-2", 1);
    let said = place.run(&["pause", "tick"]).ok();
    assert!(said.contains("\n1 message may still be sent, ") && said.contains(": tick"), "{said}");
    proxy.mend();
    wait_for_paused(&redis, 2);
    assert_eq!(client.take("paused-2").len(), 0);
}
