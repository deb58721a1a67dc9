//! Brokers that accept only TLS.

use crate::support::certificates::{Authority, Pair};
use crate::support::downbeat::Place;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::tools::needs;

/// A server with a certificate for 127.0.0.1, and its URL.
fn redis(authority: &Authority, clients: &str) -> (RedisServer, String) {
    redis_with(authority.sign("127.0.0.1"), authority, clients)
}

fn redis_with(pair: Pair, authority: &Authority, clients: &str) -> (RedisServer, String) {
    let (port, Pair { cert, key }) = (free_port().to_string(), pair);
    let path = |path: &std::path::Path| path.display().to_string();
    let (cert, key, ca) = (path(&cert), path(&key), path(&authority.ca()));
    let args = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let more =
        ["--tls-ca-cert-file", &ca, "--tls-auth-clients", clients, "--requirepass", "s3cret"];
    let args = args.into_iter().chain(more).map(str::to_owned).collect();
    // Over the socket, tests ask with the password, too.
    let server =
        RedisServer::start_with(Options { args, password: "s3cret", ..Options::default() });
    (server, format!("rediss://:s3cret@127.0.0.1:{port}/0"))
}

fn place(url: &str, authority: &Authority) -> Place {
    let ca = authority.ca().display().to_string();
    let place = Place::new().env("DOWNBEAT_BROKER", url).env("DOWNBEAT_LEADER_TTL", "1s");
    place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1s, queue: q}\n");
    place.env("DOWNBEAT_TLS_CA", &ca)
}

fn as_client(place: Place, Pair { cert, key }: &Pair) -> Place {
    let place = place.env("DOWNBEAT_TLS_CERT", &cert.display().to_string());
    place.env("DOWNBEAT_TLS_KEY", &key.display().to_string())
}

#[test]
fn a_queue_behind_tls_is_fed_and_commands_reach_it_as_well() {
    needs!(Redis);
    let authority = Authority::new();
    let (server, url) = redis(&authority, "no");
    let place = place(&url, &authority);
    let downbeat = place.start(&["run"]);
    server.wait_for_queue("q", 2);
    drop(downbeat);
    assert!(place.run(&["trigger", "tick"]).ok().contains("tick"));
    let status = place.run(&["status"]);
    assert!(status.stdout.contains("rediss://:***@127.0.0.1"), "{status:?}");
    let config = place.run(&["config"]).ok();
    assert!(config.contains("rediss://:***@127.0.0.1") && config.contains("ca.pem"), "{config}");
    assert!(!config.contains("s3cret"), "{config}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    needs!(Redis);
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (mut server, url) = redis(&authority, "yes");
    let client = authority.sign("client");
    let refused = |place: &Place| place.run(&["trigger", "tick"]).refused(3);

    // The first is signed by a CA that is not trusted.
    let place_of = |url: &str, ca: &Authority| as_client(place(url, ca), &client);
    let unknown = refused(&place_of(&url, &stranger));
    assert!(unknown.contains("is not signed by a trusted CA; set `tls: {ca: FILE}`"), "{unknown}");
    let by_name = url.replace("127.0.0.1", "localhost");
    let other_name = refused(&place_of(&by_name, &authority));
    assert!(other_name.contains("is for another name"), "{other_name}");
    let without = refused(&place(&url, &authority));
    assert!(without.contains("`tls: {cert: FILE, key: FILE}`"), "{without}");
    let foreign = as_client(place(&url, &authority), &stranger.sign("client"));
    let foreign = refused(&foreign);
    assert!(foreign.contains("does not trust the client certificate"), "{foreign}");
    place_of(&url, &authority).run(&["trigger", "tick"]).ok();
    for text in [unknown, other_name, without, foreign] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    server.kill();
}

/// A server as Heroku has it: its certificate is signed by itself, is that of an authority, and for
/// no name that anybody writes.
fn heroku() -> (Authority, RedisServer, String) {
    let itself = Authority::new();
    let (server, url) = redis_with(itself.own(), &itself, "no");
    (itself, server, url)
}

/// Trusts nobody but what is pinned, and the system's authorities.
fn pinning(url: &str, tls: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", url).env("DOWNBEAT_LEADER_TTL", "1s");
    place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1s, queue: q}\n");
    let config = place.path().join("c.yaml");
    std::fs::write(&config, format!("tls: {tls}\n")).unwrap();
    place.env("DOWNBEAT_CONFIG", config.to_str().unwrap())
}

/// What the documented command prints for a server.
fn printed_pin(server: &str) -> String {
    let page = include_str!("../docs/brokers.md");
    let (_, command) = page.split_once("```sh\nopenssl s_client").unwrap();
    let command = command.split("```").next().unwrap().replace("HOST:PORT", server);
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &format!("openssl s_client{command}")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_pinned_certificate_is_accepted_whatever_it_says_and_no_other_is() {
    needs!(Redis);
    let (itself, server, url) = heroku();
    let host = url.rsplit('@').next().unwrap().split('/').next().unwrap();
    let pin = printed_pin(host);
    assert_eq!(pin, itself.own().pin());
    let unpinned = pinning(&url, "{}").run(&["trigger", "tick"]).refused(3);
    assert!(unpinned.contains("`tls: {pin: {HOST: [sha256:…]}}`"), "{unpinned}");

    let place = pinning(&url, &format!("{{pin: {{127.0.0.1: [{pin}]}}}}"));
    let downbeat = place.start(&["run"]);
    server.wait_for_queue("q", 2);
    drop(downbeat);
    let config = place.run(&["config", "--json"]).ok();
    assert!(config.contains(&pin), "{config}");

    // Another server with another certificate, where this one is pinned.
    let (other, _other_server, other_url) = heroku();
    let shown = other.own().pin();
    let place = place.env("DOWNBEAT_BROKER", &other_url);
    let refused = place.run(&["trigger", "tick"]).refused(3);
    assert!(refused.contains("none of those that `tls: {pin: …}` has"), "{refused}");
    assert!(refused.contains(&shown) && !refused.contains("s3cret"), "{refused}");
    // Also one that a trusted authority has signed for this very name.
    let (authority, ca) = (Authority::new(), "--tls-ca");
    let (_signed, signed_url) = redis(&authority, "no");
    let place = place.env("DOWNBEAT_BROKER", &signed_url);
    let path = authority.ca().display().to_string();
    let refused = place.run(&["trigger", "tick", ca, &path]).refused(3);
    assert!(refused.contains("none of those that `tls: {pin: …}` has"), "{refused}");

    // The variable goes before the file, and a port before its host.
    let port = other_url.rsplit(':').next().unwrap().split('/').next().unwrap();
    let pins = format!("127.0.0.1={pin},127.0.0.1:{port}={shown}");
    let place = place.env("DOWNBEAT_BROKER", &other_url).env("DOWNBEAT_TLS_PIN", &pins);
    place.run(&["trigger", "tick"]).ok();
}

#[test]
fn an_address_without_a_pin_is_verified_as_usual_beside_one_that_has_one() {
    needs!(Redis);
    let (itself, _server, url) = heroku();
    let place = pinning(&url, &format!("{{pin: {{127.0.0.1: {}}}}}", itself.own().pin()));
    place.run(&["trigger", "tick"]).ok();
    let place = place.env("DOWNBEAT_BROKER", &url.replace("127.0.0.1", "localhost"));
    let refused = place.run(&["trigger", "tick"]).refused(3);
    assert!(refused.contains("is a CA certificate"), "{refused}");
    // With an authority, the name counts.
    let authority = Authority::new();
    let (_signed, url) = redis(&authority, "no");
    let ca = authority.ca().display().to_string();
    let place = place.env("DOWNBEAT_BROKER", &url.replace("127.0.0.1", "localhost"));
    let refused = place.run(&["trigger", "tick", "--tls-ca", &ca]).refused(3);
    assert!(refused.contains("is for another name"), "{refused}");
}

#[test]
fn a_servers_own_certificate_is_trusted_as_ca_whatever_it_says() {
    needs!(Redis);
    let (itself, _server, url) = heroku();
    place(&url, &itself).run(&["trigger", "tick"]).ok();
    // One of another server, with the same words in it.
    let other = place(&url, &Authority::new()).run(&["trigger", "tick"]).refused(3);
    assert!(other.contains("no TLS connection"), "{other}");
}

#[test]
fn a_pin_that_is_none_is_refused_where_it_stands() {
    let said = |tls: &str| pinning("spool:x", tls).run(&["trigger", "tick"]).refused(2);
    let short = said("{pin: {host: [sha256:abc]}}");
    assert!(short.contains("c.yaml:1:20: this is not the SHA-256 of a certificate"), "{short}");
    assert!(short.contains("    pin: …\n         ^"), "{short}");
    let host = said("{pin: {'a b': []}}");
    assert!(host.contains("c.yaml:1:13: this is not a host to pin"), "{host}");
    assert!(host.contains("no certificate is pinned"), "{host}");
    let list = said("{pin: [sha256:abc]}");
    assert!(list.contains("expected a mapping of hosts"), "{list}");
    let place = pinning("spool:x", "{}").env("DOWNBEAT_TLS_PIN", "host");
    let variable = place.run(&["trigger", "tick"]).refused(2);
    assert!(
        variable.contains("environment:DOWNBEAT_TLS_PIN: this is not the SHA-256"),
        "{variable}"
    );
}

#[test]
fn a_renewed_certificate_needs_no_restart() {
    needs!(Redis);
    let (authority, next) = (Authority::new(), Authority::new());
    let (mut server, url) = redis(&authority, "no");
    let place = place(&url, &authority);
    let downbeat = place.start(&["run"]);
    server.wait_for_queue("q", 1);
    server.kill();
    // The authority is replaced, with the server's certificate.
    let Pair { cert, key } = next.sign("127.0.0.1");
    let old = authority.sign("127.0.0.1");
    std::fs::copy(cert, old.cert).unwrap();
    std::fs::copy(key, old.key).unwrap();
    server.start_again();
    downbeat.wait_for_log("lost the broker");
    std::fs::copy(next.ca(), authority.ca()).unwrap();
    server.wait_for_queue("q", 1);
}

#[test]
fn files_that_cannot_be_used_are_told_where_they_are_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (ours, theirs) = (authority.sign("ours"), other.sign("theirs"));
    let said = |text: String| {
        let place = Place::new();
        place.write_schedule("all.yaml", "entries: {}\n");
        std::fs::write(place.path().join("c.yaml"), text).unwrap();
        place.run(&["check", "--config", "c.yaml"]).refused(1)
    };
    let missing = said("tls: {ca: nowhere.pem}\n".to_owned());
    assert!(missing.contains("c.yaml:1:11: cannot read"), "{missing}");
    let half = said(format!("tls: {{cert: {}}}\n", ours.cert.display()));
    assert!(half.contains("takes both `cert` and `key`"), "{half}");
    let text = format!("tls:\n  cert: {}\n  key: {}\n", ours.cert.display(), theirs.key.display());
    let mixed = said(text);
    assert!(mixed.contains("c.yaml:3:8: ") && mixed.contains("not the key of"), "{mixed}");
    let empty = said(format!("tls: {{ca: {}}}\n", ours.key.display()));
    assert!(empty.contains("there is no certificate in it"), "{empty}");
}

#[test]
fn a_queue_of_rabbitmq_behind_tls_is_fed() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, state) = (RabbitMq::shared(), RedisServer::start());
    let schedule = "entries:\n  tick: {task: t, every: 1s, queue: behind-tls}\n";
    let place =
        place(&rabbitmq.tls_url(), rabbitmq.authority()).env("DOWNBEAT_STATE", &state.url());
    place.write_schedule("all.yaml", schedule);
    let config = "queues: {behind-tls: {options: {declare: true}}}\n";
    std::fs::write(place.path().join("c.yaml"), config).unwrap();

    // The server asks for a certificate.
    let refused = place.run(&["trigger", "tick", "--config", "c.yaml"]).refused(3);
    assert!(refused.contains("`tls: {cert: FILE, key: FILE}`"), "{refused}");
    assert!(!refused.contains("guest:guest"), "{refused}");
    let stranger = Authority::new();
    let ca = stranger.ca().display().to_string();
    let args = ["trigger", "tick", "--config", "c.yaml", "--tls-ca", &ca];
    let unknown = place.run(&args).refused(3);
    assert!(unknown.contains("is not signed by a trusted CA; set `tls: {ca: FILE}`"), "{unknown}");

    let place = as_client(place, &rabbitmq.authority().sign("client"));
    place.run(&["trigger", "tick", "--config", "c.yaml"]).ok();
    // A pinned one needs no trusted CA.
    let pinned = |pin: &str| {
        let pin = format!("127.0.0.1={pin}");
        place.run(&["trigger", "tick", "--config", "c.yaml", "--tls-ca", &ca, "--tls-pin", &pin])
    };
    pinned(&rabbitmq.server_pin()).ok();
    let refused = pinned(&stranger.own().pin()).refused(3);
    assert!(refused.contains(&rabbitmq.server_pin()), "{refused}");
    let downbeat = place.start(&["run", "--config", "c.yaml"]);
    downbeat.wait_for_dispatches("tick", 0, 2);
}
