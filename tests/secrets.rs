//! No password leaves the place where it was written, whatever else is wrong with the configuration.

mod mutations;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use downbeat::config::{Overrides, ServiceConfig};
use downbeat::text::Problem;

use crate::support::certificates::Authority;
use crate::support::downbeat::{Downbeat, Place};
use crate::support::http::{address, get};
use crate::support::manager::Manager;
use crate::support::redis::{self, RedisServer};
use crate::support::tools::needs;
use crate::support::wait::SOON;

/// Every password in these tests. No four characters of it are found in anything that we print.
const SECRET: &str = "Zq7xWv9kJp";

/// Where in `text` the secret is repeated, in whole or in part.
fn leak(text: &str) -> Option<&str> {
    let parts = SECRET.as_bytes().windows(4).map(|part| std::str::from_utf8(part).unwrap());
    let at = parts.filter_map(|part| text.find(part)).min()?;
    text[..at].rsplit('\n').next().map(|before| &text[at - before.len()..])
}

/// All that can be shown of a configuration: its settings, or what is wrong with it.
fn shown(loaded: Result<ServiceConfig, Vec<Problem>>) -> String {
    match loaded {
        Ok(config) => format!("{:?}\n{config:?}", config.settings()),
        Err(problems) => {
            let lines = problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>();
            let json = serde_json::to_string_pretty(&problems).unwrap();
            format!("{}\n{json}\n{problems:?}", lines.join("\n"))
        }
    }
}

/// Loads a file `name` that says `text`, with these variables.
fn load(name: &str, text: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let env = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    shown(ServiceConfig::load(Overrides { config: Some(path), ..Overrides::default() }, &env))
}

/// Slips of the pen, with `PW` where the password is.
const MISSPELT: &[&str] = &[
    // The address itself.
    "broker: redis:/me:PW@host/0",
    "broker: redis:me:PW@host",
    "broker: redis//:PW@host",
    "broker: redis://:PW@",
    "broker: redis://:PW",
    "broker: redis://me:PW@:6379",
    "broker: redis://:PW@host:port/0",
    "broker: redis://:PW@host/zero",
    "broker: redis://:a/PW@host",
    "broker: redis://:a@PW@host",
    "broker: redis://:a#PW@host",
    "broker: redis://:a?PW@host",
    "broker: redis://:a PW@host",
    "broker: redis://PW@host",
    "broker: redis://host?password=PW",
    "broker: redis://host?passwrd=PW",
    "broker: redsi://:PW@host",
    "broker: http://:PW@host",
    "broker: PW@host",
    "broker: PW",
    "broker: ':PW@host:6379'",
    "broker: unix:/s?pass=PW",
    "broker: unix://s?pass=PW",
    "broker: unix:///s?passwort=PW",
    "broker: rediss://:PW@host?ssl_cert_reqs=PW",
    "broker: sentinel://a?master=PW%&sentinel_password=abc",
    "broker: sentinel://:PW@a,b",
    "broker: sentinel://a?master=m&password=PW",
    "broker: redis+sentinel://:PW@a?master=m",
    "broker: redis://:PW@a,b",
    "broker: redis://:PW@a;redis://:PW@b",
    "broker: amqp://me:PW@host//",
    "broker: amqp://me:PW@host//?PW=1",
    "broker: amqps:/me:PW@host",
    "broker: amqp://me:PW@host:port",
    "broker: amqp://host\nstate: spool://PW@host",
    "broker: amqp://host\nstate: redis:/PW@host",
    "broker: amqp://host\nstate: amqp://:PW@host",
    "broker: redis://host\nstate: redis://:PW@host",
    "broker: redis://host/PW",
    "broker: redis://host?PW",
    "broker: redis://host#PW",
    "broker: unix:///s?pass=a&PW",
    "broker: rediss://host?ssl_PW=1",
    "broker: sentinel://a?master=m&sentinel_password=abc&PW",
    "broker: spool:redis://:PW@host",
    "broker: spool:PW@host",
    "broker: redis://host?db=PW",
    "broker: redis://host?db=1&password",
    "broker: redis+socket:///s?virtual_host=PW",
    "broker: redis+socket://:PW/s",
    "broker: unix://:PW/s",
    "broker: unix:///s:PW@host",
    "broker: unix:///s&password=PW",
    // Under another key.
    "brokr: redis://:PW@host",
    "Broker: redis://:PW@host",
    "broker_url: redis://:PW@host",
    "broker url: redis://:PW@host",
    "password: PW",
    "redis: {password: PW}",
    "token: PW",
    "PW: redis://host",
    "PW:",
    "broker: {url: redis://host, password: PW}",
    "broker: {redis://host: PW}",
    "broker: {PW}",
    "broker_file: redis://:PW@host",
    "broker_file: PW",
    "namespace: redis://:PW@host",
    "http: redis://:PW@host",
    "grace: PW",
    "grace: redis://:PW@host",
    "leader: {ttl: PW}",
    "leader: PW",
    "log: PW",
    "log: {format: PW, level: PW}",
    "log: {PW: text}",
    "events: PW",
    "schedules: redis://:PW@host",
    "schedules: [redis://:PW@host]",
    "state_dir: redis://:PW@host",
    "runtime_dir: redis:/:PW@host",
    "tls: PW",
    "tls: {password: PW}",
    "tls: {key: redis://:PW@host, cert: a}",
    "tls:\n  cert: a\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    PW\n    -----END PRIVATE KEY-----",
    "queues: PW",
    "queues: redis://:PW@host",
    "queues: {mail: PW}",
    "queues: {mail: {worker: PW}}",
    "queues: {mail: {broker: redis://:PW@host}}",
    "queues: {mail: {broker: amqp:/:PW@host}}",
    "queues: {mail: {broker: PW}}",
    "queues: {mail: {brokr: 'amqp://:PW@host'}}",
    "queues: {mail: {worker: sidekiq, broker: 'amqp://:PW@host'}}",
    "queues: {mail: {options: {results: PW}}}",
    "queues: {mail: {options: {results: 'redis:/:PW@host'}}}",
    "queues: {mail: {options: {result: 'redis://:PW@host'}}}",
    "queues: {mail: {options: {password: PW}}}",
    "queues: {mail: {options: PW}}",
    "queues: {mail: {worker: rq, options: {serializer: PW}}}",
    "queues: {mail: {worker: stream, options: {maxlen: PW}}}",
    "queues: {mail: {options: {declare: PW, priority_steps: PW, separator: PWPWPWPW}}}",
    // Broken YAML.
    "broker: \"redis://:PW@host",
    "broker: 'redis://:PW@host",
    "broker: redis://:PW@host'\nhttp: '9632",
    "broker: \"redis://:\\PW@host\"",
    "broker: [redis://:PW@host",
    "broker: {redis://:PW@host",
    "broker: [redis://:PW@host]",
    "broker: [a, redis://:PW@host}",
    "broker:\n  - redis://:PW@host",
    "broker:\n- redis://:PW@host\nhttp",
    "broker: redis://:PW@host: x",
    "broker: redis://:PW: host",
    "broker: `PW",
    "broker: @PW",
    "broker: %PW",
    "%PW",
    "%PW a: b\n---\n",
    "broker: !PW host",
    "broker: !!PW host",
    "broker: !<PW> host",
    "broker: &PW redis://host",
    "broker: *PW",
    "broker: &a redis://:PW@host\nstate: *a\nhttp: *a\ngrace: *a",
    "broker: redis://:PW@host # PW\nhttp: x",
    "broker: | PW",
    "broker: |\n  redis://:PW@host\nhttp: x",
    "broker: >\n  redis://:\n  PW@host\n",
    "broker: redis://me:\n  PW@host",
    "broker: redis://me:\nPW@host",
    "broker: redis://me:\nPW@host: x",
    " broker: redis://:PW@host\nhttp: 1",
    "http: 9632\n  broker: redis://:PW@host",
    "http: 9632\n\tbroker: redis://:PW@host",
    "broker redis://:PW@host\nhttp: 1",
    "broker = redis://:PW@host",
    "broker:redis://:PW@host",
    "broker:redis://:PW@host\nhttp: 9632",
    "redis://:PW@host",
    "- redis://:PW@host",
    "broker: redis://:PW@host\nbroker: redis://:PW@host",
    "PW: a\nPW: b",
    "queues: {mail: {PW: a, PW: b}}",
    "? [PW]\n: b",
    "? {PW: a}\n: b",
    "<<: {broker: redis://:PW@host}\nhttp: x",
    "--- redis://:PW@host\n--- b",
    "broker: redis://:PW@host\u{0}",
    "broker: redis://:PW\u{7}@host",
    "{broker: redis://:a,PW@host}",
    "{broker: redis://:a, PW: @host}",
];

#[test]
fn no_misspelt_configuration_repeats_its_password() {
    let mut leaks = Vec::new();
    for text in MISSPELT {
        let shown = load("c.yaml", &text.replace("PW", SECRET), &[]);
        leaks.extend(leak(&shown).map(|leak| format!("{text:?}\n{leak}")));
    }
    for value in ["redis:/:PW@host", "redis://:PW@host", "PW@host"] {
        let value = value.replace("PW", SECRET);
        let shown = load("c.yaml", "grace: 20s", &[("DOWNBEAT_SCHEDULES", &value)]);
        leaks.extend(leak(&shown).map(|leak| format!("DOWNBEAT_SCHEDULES={value}\n{leak}")));
    }
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n\n"));
}

#[test]
fn the_status_of_a_failed_start_is_one_line_without_an_excerpt() {
    let place = Place::new();
    let manager = Manager::of_path(&place);
    let place = manager.supervises(place);
    let text = format!("http: x\nnamespace: {SECRET} {SECRET}\nbroker: redis:/:{SECRET}@host\n");
    fs::write(place.path().join("c.yaml"), text).unwrap();
    let output = place.run(&["run", "--config", "c.yaml"]).refused(78);
    let status = manager.next(SOON).unwrap();
    let expected = "STATUS=invalid configuration: c.yaml:1:7: this is not an address to listen on \
                    (and 2 more)\nERRNO=22";
    assert_eq!(status, expected);
    assert_eq!(leak(&output), None, "{output}");
}

#[test]
fn a_password_in_the_name_of_a_file_is_hidden_in_every_text_that_names_it() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:spool");
    let manager = Manager::of_path(&place);
    let place = manager.supervises(place);
    place.write_schedule("a.yaml", "entries: {hourly: {task: t, every: 1h}}");
    let downbeat = place.start(&["run", "--http", "127.0.0.1:0"]);
    let web = address(&downbeat);
    place.write_schedule(&format!("redis:me:{SECRET}@host.yaml"), "entries: [");
    let hidden = "redis:me:***@host.yaml:1:10: ";
    let reload = place.run(&["reload", "--wait"]).refused(1);
    let output = manager.wait_for("the refusal", |it| it.contains("STATUS=the last reload")).1;
    let log = downbeat.wait_for_log("redis:me:");
    let check = place.run(&["check"]).refused(1);
    let text = place.run(&["status"]).ok();
    for said in [reload, output, log, check, text, get(&web, "/status").body] {
        assert!(said.contains(hidden), "{said}");
        assert_eq!(leak(&said), None, "{said}");
    }
    for (args, code) in [(["status", "--json"], 0), (["check", "--json"], 1)] {
        let said = place.run(&args).json(code).to_string();
        assert!(said.contains("redis:me:***@host.yaml"), "{said}");
        assert_eq!(leak(&said), None, "{said}");
    }
}

#[test]
fn a_service_that_is_aborted_leaves_no_core() {
    let place = Place::new();
    place.write_schedule("a.yaml", "entries: {hourly: {task: t, every: 1h}}");
    let mut command = Command::new("sh");
    // As in containers and under supervisors that limit nothing.
    command.args(["-c", "ulimit -S -c $(ulimit -H -c) && exec \"$@\"", "sh"]);
    let run = place.command(&["run"]);
    command.arg(run.get_program()).args(run.get_args()).current_dir(place.path());
    command.env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut downbeat = Downbeat::spawn(&mut command);
    downbeat.wait_for_log("started");
    let limits = fs::read_to_string(format!("/proc/{}/limits", downbeat.process().id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().next(), Some("0"), "{limits}");
}

#[test]
fn what_cannot_be_understood_on_the_command_line_is_not_repeated() {
    let place = Place::new();
    for (args, shown) in [
        (&["run", "--broker", "redis://:a", "PW@host"][..], "unexpected argument '…' found"),
        (&["redis://:PW@host"], "unrecognized subcommand '…'"),
        (&["PW"], "unrecognized subcommand '…'"),
        (&["check", "--brokr", "redis://:PW@host"], "unexpected argument '--brokr' found"),
        (&["check", "--brokr=redis://:PW@host"], "unexpected argument '--brokr' found"),
        (&["run", "--brokerredis://:PW@host"], "unexpected argument '…' found"),
        (&["run", "-bredis://:PW@host"], "unexpected argument '-b' found"),
        (&["run", "--PW"], "unexpected argument '…' found"),
        (
            &["next", "--count", "redis://:PW@host"],
            "invalid value 'redis://:***@host' for '--count",
        ),
        (&["chekc"], "unrecognized subcommand 'chekc'"),
        (&["backfill", "tick", "--from", "-1h"], "unexpected argument '-1' found"),
        (&["trigger"], "<ENTRY>"),
        (&["next", "--count", "many"], "invalid value 'many' for '--count"),
    ] {
        let args: Vec<_> = args.iter().map(|arg| arg.replace("PW", SECRET)).collect();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let output = place.run(&args).refused(2);
        assert!(output.contains(shown), "{args:?}: {output}");
        assert_eq!(leak(&output), None, "{args:?}: {output}");
        let says_why = output.contains("it is not shown, as it may be part of a password");
        assert_eq!(says_why, output.contains("'…'"), "{args:?}: {output}");
    }
}

#[test]
fn passwords_that_others_on_the_machine_can_read_are_warned_of() {
    let place = Place::new();
    place.write_schedule("a.yaml", "entries: {hourly: {task: t, every: 1h}}");
    let mode = |path: &str, mode| {
        fs::set_permissions(place.path().join(path), Permissions::from_mode(mode)).unwrap();
    };
    mode(".", 0o755);
    let url = format!("redis://:{SECRET}@127.0.0.1:1/0");
    let write = |name: &str, text: &str| {
        fs::write(place.path().join(name), text).unwrap();
        mode(name, 0o644);
    };
    write("broker", &url);
    write("c.yaml", &format!("queues: {{sums: {{options: {{results: '{url}'}}}}}}\n"));
    write("plain.yaml", "broker: redis://127.0.0.1:1/0\n");
    let authority = Authority::new();
    let ours = authority.sign("client");
    fs::copy(&ours.cert, place.path().join("cert.pem")).unwrap();
    write("key.pem", &fs::read_to_string(&ours.key).unwrap());
    let line = "every user of this machine can see a password on the command line";
    let file = "this file holds a password and is world-readable";
    let flag = format!("--broker={url}");
    let state = format!("--state={url}");
    let unsafe_ways: &[(&[&str], String)] = &[
        (
            &[&flag],
            format!("--broker: warning: {line}\nhint: write the address into a file of mode"),
        ),
        (
            &["--broker=amqp://127.0.0.1:1", &state],
            format!("--state: warning: {line}\nhint: set DOWN"),
        ),
        (
            &["--broker-file=broker"],
            format!("broker: warning: {file}\nhint: `chmod 640 broker`, with"),
        ),
        (
            &["--config=c.yaml"],
            format!("c.yaml: warning: {file}\nhint: `chmod 640 c.yaml`, with the"),
        ),
        (
            &["--tls-cert=cert.pem", "--tls-key=key.pem"],
            format!("key.pem: warning: {file}\nhint: `chmod 640 key.pem`, with the"),
        ),
    ];
    for (args, warning) in unsafe_ways {
        let checked = place.run(&[&["check"][..], args].concat());
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert!(checked.stderr.contains(warning), "{args:?}: {checked:?}");
        assert!(checked.stdout.contains("1 warning"), "{checked:?}");
        assert_eq!(leak(&(checked.stdout + &checked.stderr)), None);
        let mut downbeat = place.start(&[&["run"][..], args].concat());
        downbeat.wait_for_log("started");
        let log = downbeat.log().join("\n");
        let warning = warning.split_once('\n').unwrap().0.replace("warning: ", "");
        assert!(log.contains(" WARN ") && log.contains(&warning), "{args:?}: {log}");
        downbeat.process().terminate();
        downbeat.wait(SOON);
    }
    let quiet = |place: &Place, args: &[&str]| {
        let checked = place.run(&[&["check"][..], args].concat());
        assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{args:?}");
    };
    quiet(&place, &["--broker=redis://127.0.0.1:1/0"]);
    quiet(&place, &["--broker=amqp://guest:guest@127.0.0.1:1", "--state=redis://127.0.0.1:1"]);
    quiet(&place, &["--config=plain.yaml"]);
    // As a group of the service's user, systemd and Kubernetes hand them over.
    for closed in [0o640, 0o440, 0o400] {
        mode("broker", closed);
        mode("c.yaml", closed);
        quiet(&place, &["--broker-file=broker"]);
        quiet(&place, &["--config=c.yaml"]);
    }
    let place = place.env("DOWNBEAT_BROKER", &url);
    quiet(&place, &[]);
}

#[test]
fn no_library_logs_the_password_that_it_is_given() {
    needs!(Redis);
    for (requirepass, log) in [(SECRET, "became leader"), ("other", "WARN")] {
        let args = ["--requirepass", requirepass].map(str::to_owned).to_vec();
        let server = RedisServer::start_with(redis::Options {
            tcp: true,
            password: requirepass,
            args,
            ..redis::Options::default()
        });
        let url = format!("redis://:{SECRET}@127.0.0.1:{}/0", server.port());
        let place = Place::new().env("DOWNBEAT_BROKER", &url).env("RUST_LOG", "trace");
        place.write_schedule("a.yaml", "entries: {tick: {task: t, every: 1s}}");
        let mut downbeat = place.start(&["run", "--http", "127.0.0.1:0", "--leader-ttl", "1s"]);
        downbeat.wait_for_log(log);
        let status = place.run(&["status"]);
        let shown = get(&address(&downbeat), "/status").body;
        downbeat.process().terminate();
        downbeat.wait(SOON);
        let said = downbeat.log().join("\n") + &status.stdout + &status.stderr + &shown;
        assert_eq!(leak(&said), None, "{said}");
    }
}
