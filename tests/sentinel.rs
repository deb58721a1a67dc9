//! A failover: the Sentinels name the new master, and nothing is lost that Redis did not lose.

use std::collections::HashMap;
use std::time::Duration;

use redis::Commands as _;

use crate::support::certificates::Authority;
use crate::support::cluster::{Cluster, QUEUE, busy_schedule, slot_of, wait_until_all_advance};
use crate::support::downbeat::Place;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::sent::Sent;
use crate::support::sentinels::{NAME, Node, Sentinels};
use crate::support::tools::needs;
use crate::support::wait::wall_clock;

#[test]
fn a_failover_loses_no_slot_and_doubles_only_what_the_old_master_alone_had() {
    needs!(Redis);
    let mut group = Sentinels::start();
    group.first.connect().set::<_, _, ()>("downbeat:marker", "1").unwrap();
    let mut cluster = Cluster::start_with(&vec![group.url(); 2], &busy_schedule());
    wait_until_all_advance(&group.first);
    group.cut_off_the_second();
    let cut_at = wall_clock();
    wait_until_all_advance(&group.first);
    group.first.kill();
    group.wait_for_the_second();
    cluster.wait_for_leader();
    // Every slot is in the new master's queue, once.
    let new = cluster.finish(&group.second);

    let old = group.first.start_from_same_data().queue(QUEUE);
    let by_id: HashMap<&str, &Sent> = new.iter().map(|sent| (&*sent.id, sent)).collect();
    // What a worker may have taken from the old master and takes from the new one again.
    let twice: Vec<&Sent> =
        old.iter().filter(|sent| by_id[&*sent.id].properties != sent.properties).collect();
    let marked = twice.iter().filter(|sent| by_id[&*sent.id].kind == "resent").count();
    let (all, had, twice_over) = (new.len(), old.len(), twice.len());
    println!("{all} messages; of {had} on the old master {twice_over} went again, {marked} marked");
    assert!(twice.len() >= 100, "the second was cut off for a second or more");
    let early = twice.iter().find(|sent| slot_of(sent) + Duration::from_secs(1) < cut_at);
    assert!(early.is_none(), "the second had it: {early:?}");
}

#[test]
fn a_master_that_makes_way_is_followed_with_the_help_of_the_sentinels_that_are_left() {
    needs!(Redis);
    let mut group = Sentinels::start();
    group.first.connect().set::<_, _, ()>("downbeat:marker", "1").unwrap();
    let mut cluster = Cluster::start_with(&vec![group.url(); 2], &busy_schedule());
    wait_until_all_advance(&group.first);
    // The one that was asked so far.
    group.node(0).process().kill();
    group.node(1).fail_over();
    group.wait_for_the_second();
    wait_until_all_advance(&group.second);
    let leader = cluster.wait_for_leader();
    let said =
        cluster.replica(leader).downbeat().wait_for_log("followed a failover to another master");
    assert!(said.contains(&format!("master=127.0.0.1:{}", group.second.port())), "{said}");
    cluster.finish(&group.second);
}

#[test]
fn what_the_sentinels_do_not_know_is_told() {
    needs!(Redis);
    let master = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let open = Node::start(master.port(), 1, "");
    let closed = Node::start(master.port(), 1, "requirepass s3cret\n");
    let mut stuck = Node::start(master.port(), 1, "");
    let said = |url: &str| {
        let place = Place::new().env("DOWNBEAT_BROKER", url);
        place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1s}\n");
        let run = place.run(&["trigger", "tick"]);
        assert!(!run.stderr.contains("s3cret"), "{run:?}");
        if run.code == Some(0) { String::new() } else { run.refused(3) }
    };
    let (open, closed) = (open.address(), closed.address());
    let unknown = said(&format!("sentinel://{open}/0?master=other"));
    assert!(unknown.contains(&format!("{open} knows no master named `other`")), "{unknown}");
    let locked = said(&format!("sentinel://:s3cret@{closed}/0?master={NAME}"));
    assert!(locked.contains("requires a password (NOAUTH); `sentinel_user` and"), "{locked}");
    let wrong = said(&format!("sentinel://{closed}/0?master={NAME}&sentinel_password=s3cret2"));
    assert!(wrong.contains("refused the login: WRONGPASS"), "{wrong}");
    assert!(wrong.contains("; `sentinel_user` and `sentinel_password` are"), "{wrong}");
    assert!(!wrong.contains("ACL LIST"), "that is about the master's: {wrong}");
    let away = said(&format!("sentinel://127.0.0.1:{}/0?master={NAME}", free_port()));
    assert!(away.contains("no master was found: 127.0.0.1:"), "{away}");
    // One that can answer is enough.
    for url in [
        format!("{closed},{open}/0?master={NAME}"),
        format!("{closed}?master={NAME}&sentinel_password=s3cret"),
    ] {
        assert_eq!(said(&format!("sentinel://{url}")), "");
    }
    // One that hangs costs its share of the time, and no more.
    stuck.process().pause();
    let url = format!("sentinel://{},{open}/0?master={NAME}", stuck.address());
    assert_eq!(said(&url), "");
    let alone = said(&format!("sentinel://{}/0?master={NAME}", stuck.address()));
    assert!(alone.contains("did not answer in time"), "{alone}");
    assert_eq!(master.queue("celery").len(), 3);
}

#[test]
fn a_replica_that_passes_for_the_master_is_not_written_to() {
    needs!(Redis);
    let options = |args| Options { tcp: true, args, ..Options::default() };
    let master = RedisServer::start_with(options(Vec::new()));
    let replica = ["--replicaof", "127.0.0.1", &master.port().to_string()].map(str::to_owned);
    let replica = RedisServer::start_with(options(replica.to_vec()));
    let (wrong, right) = (Node::start(replica.port(), 1, ""), Node::start(master.port(), 1, ""));
    let url = format!("sentinel://{},{}/0?master={NAME}", wrong.address(), right.address());
    let place = Place::new().env("DOWNBEAT_BROKER", &url);
    place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1s}\n");
    place.run(&["trigger", "tick"]).ok();
    let url = format!("sentinel://{}/0?master={NAME}", wrong.address());
    let said = place.env("DOWNBEAT_BROKER", &url).run(&["trigger", "tick"]).refused(3);
    assert!(said.contains("that server is currently not a master"), "{said}");
    assert_eq!(master.queue("celery").len(), 1);
}

#[test]
fn sentinels_and_master_are_reached_by_tls_each_with_its_login() {
    needs!(Redis);
    let authority = Authority::new();
    let pair = authority.sign("127.0.0.1");
    let pin = pair.pin();
    let files = [
        ("tls-cert-file", pair.cert),
        ("tls-key-file", pair.key),
        ("tls-ca-cert-file", authority.ca()),
    ];
    let files = files.map(|(name, path)| format!("{name} {}\n", path.display())).concat();
    let tls_port = free_port();
    let more = format!("{files}tls-auth-clients no\n");
    let config = more.lines().flat_map(|line| {
        let (name, value) = line.split_once(' ').unwrap();
        [format!("--{name}"), value.to_owned()]
    });
    let args = config.chain(["--tls-port".to_owned(), tls_port.to_string()]).collect();
    let master = RedisServer::start_with(Options { args, ..Options::default() });
    let login = ["SETUSER", "me", "on", ">s3cret", "~*", "&*", "+@all"];
    redis::cmd("ACL").arg(&login).exec(&mut master.connect()).unwrap();
    let more = format!(
        "{more}tls-replication yes\nuser watcher on >s3cret2 ~* &* +@all\n\
         sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n\
         sentinel monitor capitals LOCALHOST {tls_port} 1\n"
    );
    let node = Node::start(tls_port, 1, &more);
    let url = format!(
        "rediss+sentinel://me:s3cret@{}/2?master={NAME}&sentinel_user=watcher&sentinel_password=s3cret2",
        node.address()
    );
    let ca = authority.ca().display().to_string();
    let place = Place::new().env("DOWNBEAT_BROKER", &url).env("DOWNBEAT_LEADER_TTL", "1s");
    let place = place.env("DOWNBEAT_TLS_CA", &ca);
    place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1s}\n");
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_dispatches("tick", 0, 2);
    let status = place.run(&["status"]).ok();
    let shown = url.replace("s3cret2", "***").replace("s3cret", "***");
    assert!(status.contains(&shown), "{status}");
    assert!(!downbeat.log().concat().contains("s3cret"));
    let mut database = master.connect();
    redis::cmd("SELECT").arg(2).exec(&mut database).unwrap();
    assert!(database.llen::<_, usize>("celery").unwrap() >= 2);
    drop(downbeat);

    // A pin counts where the connection goes, for the Sentinel and the master each.
    let place = place.env("DOWNBEAT_TLS_CA", "");
    let pinned =
        |url: &str, pins: &str| place.run(&["trigger", "tick", "--broker", url, "--tls-pin", pins]);
    let of_node = format!("{}={pin}", node.address());
    pinned(&url, &format!("{of_node},127.0.0.1:{tls_port}={pin}")).ok();
    // A Sentinel may name the master in capitals.
    let capitals = url.replace(&format!("master={NAME}"), "master=capitals");
    pinned(&capitals, &format!("{of_node},localhost={pin}")).ok();
    let said = pinned(&url, &of_node).refused(3);
    assert!(said.contains(&format!("names 127.0.0.1:{tls_port}: no TLS connection")), "{said}");
}
