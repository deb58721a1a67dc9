//! Whatever dies, no slot is missing, and one that is repeated is the same task.

use std::time::Duration;

use redis::Commands as _;

use super::{Client, Taken, assert_whole, by_slot, configure, place, servers};
use crate::support::downbeat::Place;
use crate::support::proxy::Proxy;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

fn intents(redis: &RedisServer) -> usize {
    redis.connect().hlen("downbeat:intents").unwrap()
}

fn wait_for_intents(redis: &RedisServer) {
    eventually(SOON, "a slot is intended", || (intents(redis) > 0).then_some(()));
}

/// How often the entry of [`one_entry`] fires.
const STEP_MS: i64 = 2000;

/// One entry on its own queue.
fn one_entry(place: &Place, queue: &str) {
    let text = format!("entries:\n  tick: {{task: t, every: {STEP_MS}ms, queue: {queue}}}\n");
    place.write_schedule("all.yaml", &text);
}

/// Waits until a slot was just published and recorded, so that the next one is some time away.
fn wait_for_a_lull(client: &Client, queue: &str, redis: &RedisServer) -> Vec<Taken> {
    let mut taken = client.wait_for(queue, 1);
    taken.extend(client.wait_for(queue, 1));
    eventually(SOON, "everything is recorded", || (intents(redis) == 0).then_some(()));
    taken
}

#[test]
fn killed_after_the_intent_it_publishes_the_slot_when_it_is_back() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("killed-1");
    let place = place(&proxy.url(), &redis.url());
    one_entry(&place, "killed-1");
    let mut downbeat = place.start(&["run"]);
    let mut taken = wait_for_a_lull(&client, "killed-1", &redis);
    proxy.cut();
    wait_for_intents(&redis);
    downbeat.process().kill();
    taken.extend(client.take("killed-1"));
    let before = taken.len();
    drop(proxy);
    let proxy = Proxy::amqp(&rabbitmq);
    let place = place.env("DOWNBEAT_BROKER", &proxy.url());
    let _downbeat = place.start(&["run"]);
    taken.extend(client.wait_for("killed-1", 3));
    assert_whole(&taken, STEP_MS);
    // What the cut held back may come through as well, as it can on any network.
    assert!(taken[before..].iter().any(|message| message.kind == "resent"), "{taken:?}");
}

#[test]
fn killed_before_the_confirmation_it_repeats_the_slot_with_the_same_id() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("killed-2");
    let place = place(&proxy.url(), &redis.url());
    one_entry(&place, "killed-2");
    let mut downbeat = place.start(&["run"]);
    let mut taken = wait_for_a_lull(&client, "killed-2", &redis);
    proxy.cut_answers();
    taken.extend(client.wait_for("killed-2", 1));
    assert_eq!(intents(&redis), 1, "it is not known yet that it was published");
    downbeat.process().kill();
    proxy.mend();
    let _downbeat = place.start(&["run"]);
    taken.extend(client.wait_for("killed-2", 3));
    assert_eq!(assert_whole(&taken, STEP_MS), 1);
}

#[test]
fn killed_before_the_record_it_repeats_the_slot_with_the_same_id() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let client = Client::connect(&rabbitmq);
    let (to_rabbitmq, to_redis) = (Proxy::amqp(&rabbitmq), Proxy::start(&redis));
    client.declare("killed-3");
    let place = place(&to_rabbitmq.url(), &to_redis.url());
    one_entry(&place, "killed-3");
    let mut downbeat = place.start(&["run"]);
    let mut taken = wait_for_a_lull(&client, "killed-3", &redis);
    to_rabbitmq.cut_answers();
    taken.extend(client.wait_for("killed-3", 1));
    to_redis.cut();
    let answers = to_rabbitmq.answers();
    to_rabbitmq.mend();
    eventually(SOON, "the confirmation arrives", || {
        (to_rabbitmq.answers() > answers).then_some(())
    });
    downbeat.process().kill();
    assert_eq!(intents(&redis), 1, "it is published, and nobody has recorded that");
    // Past the proxy, which still holds the record back.
    let place = place.env("DOWNBEAT_STATE", &redis.url());
    let _downbeat = place.start(&["run"]);
    taken.extend(client.wait_for("killed-3", 3));
    assert_eq!(assert_whole(&taken, STEP_MS), 1);
}

#[test]
fn a_confirmation_that_never_comes_is_a_slot_sent_again_by_the_same_leader() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("unanswered");
    let place = place(&proxy.url(), &redis.url());
    one_entry(&place, "unanswered");
    let downbeat = place.start(&["run"]);
    let mut taken = client.wait_for("unanswered", 2);
    proxy.cut_answers();
    downbeat.wait_for_log("queue refused messages");
    proxy.mend();
    downbeat.wait_for_log("queue accepted messages again");
    taken.extend(client.wait_for("unanswered", 4));
    assert!(assert_whole(&taken, STEP_MS) >= 1);
}

#[test]
fn a_broker_that_is_killed_under_load_loses_no_slot() {
    needs!(Redis, RabbitMq);
    let mut rabbitmq = RabbitMq::start();
    let redis = RedisServer::start();
    Client::connect(&rabbitmq).declare("busy");
    let place = place(&rabbitmq.url(), &redis.url());
    let mut text = "defaults: {queue: busy}\nentries:\n".to_owned();
    for number in 0..100 {
        text += &format!("  e{number:03}: {{task: t, every: 1s, phase: {}ms}}\n", number * 10);
    }
    place.write_schedule("all.yaml", &text);
    let mut downbeat = place.start(&["run"]);
    eventually(SOON, "messages go", || (downbeat.dispatches().len() > 200).then_some(()));
    rabbitmq.kill();
    downbeat.wait_for_log("queue refused messages");
    rabbitmq.start_again();
    downbeat.wait_for_log("queue accepted messages again");
    let before = downbeat.dispatches().len();
    eventually(SOON, "messages go on", || {
        (downbeat.dispatches().len() > before + 300).then_some(())
    });
    downbeat.process().terminate();
    assert!(downbeat.wait(SOON).success());
    let taken = Client::connect(&rabbitmq).take("busy");
    let repeated = assert_whole(&taken, 1000);
    let slots = by_slot(&taken);
    println!("{} slots, {repeated} of them repeated", slots.len());
    for dispatch in downbeat.dispatches() {
        assert!(slots.contains_key(&(dispatch.entry.clone(), dispatch.slot_ms)), "{dispatch:?}");
    }
    assert!(repeated <= 100, "no more than one slot of an entry can have been in doubt");
}

#[test]
fn a_silent_amqp_broker_delays_nothing_on_redis() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("slow");
    let text =
        format!("broker: {}\nqueues: {{slow: {{broker: \"{}\"}}}}\n", redis.url(), proxy.url());
    let place = configure(Place::new(), &text);
    place.write_schedule(
        "all.yaml",
        "entries:\n  slow: {task: t, every: 1s, queue: slow}\n  \
         quick: {task: t, every: 250ms, queue: quick}\n",
    );
    let downbeat = place.start(&["run"]);
    client.wait_for("slow", 1);
    proxy.cut();
    let (from, _) = downbeat.wait_for_log_from(downbeat.log().len(), "entry=\"quick\"");
    downbeat.wait_for_log_from(from, "queue refused messages");
    let status = place.run(&["status", "--json"]).json(1);
    assert!(status["refusing"]["slow"].as_str().unwrap().contains("did not answer in time"));
    let worst = downbeat.dispatches().into_iter().filter(|dispatch| dispatch.entry == "quick");
    let worst = worst.filter_map(|dispatch| dispatch.lateness_ms).max().unwrap();
    println!("the latest was {worst} ms late");
    assert!(Duration::from_millis(worst.unsigned_abs()) < Duration::from_secs(2));
    proxy.mend();
    let taken = client.wait_for("slow", 6);
    assert_whole(&taken, 1000);
}

#[test]
fn a_manual_message_that_is_not_confirmed_may_have_been_sent_and_a_repeat_may_double_it() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::amqp(&rabbitmq));
    client.declare("doubted");
    let place = place(&proxy.url(), &redis.url());
    place.write_schedule(
        "all.yaml",
        "entries: {daily: {task: t, cron: '0 0 * * *', queue: doubted}}",
    );
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    place.run(&["trigger", "daily"]).ok();
    client.wait_for("doubted", 1);

    proxy.cut_answers();
    let said = place.run(&["trigger", "daily"]).refused(3);
    let [sent] = &client.wait_for("doubted", 1)[..] else { panic!("not one message") };
    assert!(said.contains(&format!("daily may have been sent as {}: ", sent.id)), "{said}");
    let what_to_do = "its broker keeps no record of that, so a repeat may send it twice\n";
    assert!(said.ends_with(what_to_do), "{said}");
    proxy.mend();
    // Over a connection of its own from here on.
    let again = ["trigger", "daily", "--id", &sent.id];
    place.run(&again).ok();
    assert_eq!(client.wait_for("doubted", 1)[0].id, sent.id);
    // Now it is confirmed.
    let said = place.run(&again).ok();
    assert!(said.starts_with(&format!("already sent: daily to doubted as {} ", sent.id)), "{said}");

    proxy.cut_answers();
    let segment = ["--from", "2026-01-01 00:00", "--to", "2026-01-04 00:00"];
    let said = place.run(&[&["backfill", "daily"], &segment[..]].concat()).refused(3);
    let [sent] = &client.wait_for("doubted", 1)[..] else { panic!("not one message") };
    proxy.mend();
    assert_eq!(sent.kind, "backfill");
    let (slot, next) = ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00");
    assert!(said.contains(&format!("the slot {slot} may have been sent: ")), "{said}");
    let may_double = format!("may send it twice; `--from {next}` leaves it out\n");
    assert!(said.ends_with(&may_double), "{said}");
    let refused = place.run(&[&["backfill", "daily"], &segment[..]].concat()).refused(1);
    let in_the_way =
        format!(" from {slot} to 2026-01-04T00:00:00+00:00 has not ended and may have sent ");
    assert!(refused.contains(&in_the_way), "{refused}");
    assert_eq!(client.take("doubted").len(), 0);
}

#[test]
fn a_manual_message_is_recorded_once_whichever_answer_of_the_store_is_lost() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let (client, proxy) = (Client::connect(&rabbitmq), Proxy::start(&redis));
    client.declare("noted");
    let place = place(&rabbitmq.url(), &proxy.url());
    place
        .write_schedule("all.yaml", "entries: {daily: {task: t, cron: '0 0 * * *', queue: noted}}");
    let events = || place.events(&["daily"]).len();
    let id = "8e7a5a8e-7b6a-4d4f-9e0e-3a1f2b3c4d5e";
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    proxy.lose_the_reply_to(&["published", "\tmanual\t"]);
    assert!(place.run(&["trigger", "daily", "--id", id]).ok().starts_with("sent daily "));
    assert_eq!(proxy.replies_lost(), 1);
    assert_eq!((client.wait_for("noted", 1)[0].id.as_str(), events()), (id, 1));
    // Another process knows of it as well.
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    assert!(place.run(&["trigger", "daily", "--id", id]).ok().starts_with("already sent: daily "));
    assert_eq!((client.take("noted").len(), events()), (0, 1));
    let slots = &place.run(&["status", "--json"]).json(1)["slots"];
    assert_eq!(slots["manual"], 1, "{slots}");
}
