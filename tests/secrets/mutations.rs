//! One slip of the pen in a configuration that holds passwords, wherever it may happen.

use std::fs;
use std::path::Path;

use downbeat::config::{Overrides, ServiceConfig};
use downbeat::mask::mask;
use fastrand::Rng;

use super::{SECRET, leak, shown};
use crate::support::downbeat::{Downbeat, Place};
use crate::support::http::{address, get};
use crate::support::manager::Manager;
use crate::support::random::seed;
use crate::support::wait::SOON;

/// Addresses of every form, `PW` where a password is. Nobody listens at any of them.
const ADDRESSES: &[&str] = &[
    "redis://:PW@127.0.0.1:1/0",
    "redis://me:PW@127.0.0.1:1",
    "redis://127.0.0.1:1/0?password=PW",
    "rediss://me:PW@localhost:1/1?ssl_cert_reqs=required",
    "unix:///nowhere/redis.sock?db=1&password=PW",
    "unix://me:PW@/nowhere/redis.sock",
    "redis+socket://:PW@/nowhere/redis.sock?virtual_host=1",
    "sentinel://:PW@127.0.0.1:1,127.0.0.1:2/0?master=m&sentinel_password=PW",
    "amqp://me:PW@127.0.0.1:1//",
    "amqps://me:PW@localhost:1/jobs",
];

/// Whole files, `URL` where an address of Redis is and `AMQP` where one of RabbitMQ is.
const FILES: &[(&str, &str)] = &[
    ("yaml", "broker: URL\n"),
    ("yaml", "# the shop's\nbroker: 'URL'   # PW until May\nhttp: 0\ngrace: 20s\n"),
    ("yaml", "broker: \"AMQP\"\nstate: URL\nlog: {format: text, level: info}\n"),
    ("yaml", "broker: AMQP\nstate: &url URL\nqueues:\n  mail: {options: {results: *url}}\n"),
    (
        "yaml",
        "namespace: shop\nbroker: URL\nqueues:\n  mail:\n    worker: celery\n    broker: AMQP\n    \
         options:\n      exchange: tasks\n      results: URL\n  sums: {options: {results: 'URL'}}\n",
    ),
    ("yaml", "{broker: 'URL', queues: {mail: {broker: 'AMQP', options: {exchange: x}}}}\n"),
    ("yaml", "broker: >-\n  URL\nleader: {ttl: 6s}\n"),
    ("yaml", "tls: {password: PW}\nbroker: URL\n"),
    ("yaml", "token: PW\ntls:\n  pin: {localhost: [PW]}\nbroker: URL\n"),
    ("json", "{\"broker\": \"URL\", \"grace\": \"20s\"}\n"),
    (
        "json",
        "{\n  \"broker\": \"AMQP\",\n  \"state\": \"URL\",\n  \"queues\": {\"mail\": {\"options\": \
         {\"results\": \"URL\"}}}\n}\n",
    ),
];

/// Where a password may be handed over but in the file, rightly or not.
const VARIABLES: &[&str] = &[
    "DOWNBEAT_BROKER",
    "DOWNBEAT_STATE",
    "DOWNBEAT_BROKER_FILE",
    "REDIS_URL",
    "DOWNBEAT_NAMESPACE",
    "DOWNBEAT_HTTP",
    "DOWNBEAT_GRACE",
    "DOWNBEAT_LEADER_TTL",
    "DOWNBEAT_LOG_LEVEL",
    "RUST_LOG",
    "PORT",
    "DOWNBEAT_TLS_PIN",
    "DOWNBEAT_TLS_KEY",
];
const FLAGS: &[&str] = &[
    "--broker",
    "--state",
    "--broker-file",
    "--namespace",
    "--http",
    "--grace",
    "--leader-ttl",
    "--log-format",
    "--tls-ca",
    "--tls-pin",
];

/// Keys that a value may be written under by mistake.
const KEYS: &[&str] = &[
    "broker",
    "state",
    "broker_file",
    "schedules",
    "namespace",
    "http",
    "grace",
    "log",
    "leader",
    "events",
    "queues",
    "tls",
    "state_dir",
    "runtime_dir",
    "url",
    "password",
    "Broker",
    "token",
];

/// What is put in, or in another's place.
const PIECES: &[&str] = &[
    ":", ": ", "/", "//", "@", "?", "#", " #", "&", "=", "%", "{", "}", "[", "]", ",", ", ", "\"",
    "'", "\\", "\t", "\n", "\n  ", " ", "!", " !", "*", " *", "|", ">", "-", "- ", "`", "~", "x",
    "0", "\u{e9}", "\u{0}", "\u{feff}", "---\n", "...\n",
];

/// A configuration, and where it stands.
#[derive(Clone, Debug)]
enum Case {
    File {
        end: &'static str,
        text: String,
    },
    Variable {
        name: &'static str,
        value: String,
    },
    Flag {
        name: &'static str,
        value: String,
    },
    /// What `broker_file` names.
    Secret(String),
}

impl Case {
    fn any(rng: &mut Rng) -> Case {
        let address = |rng: &mut Rng, amqp: bool| {
            let fit = |address: &&&str| address.starts_with("amqp") == amqp;
            let fit: Vec<_> = ADDRESSES.iter().filter(fit).collect();
            fit[rng.usize(..fit.len())].replace("PW", SECRET)
        };
        let amqp = rng.u8(..4) == 0;
        match rng.u8(..10) {
            0 | 1 => {
                let name = VARIABLES[rng.usize(..VARIABLES.len())];
                Case::Variable { name, value: slip(&address(rng, amqp), rng) }
            }
            2 | 3 => {
                let name = FLAGS[rng.usize(..FLAGS.len())];
                Case::Flag { name, value: slip(&address(rng, amqp), rng) }
            }
            4 => Case::Secret(slip(&(address(rng, amqp) + "\n"), rng)),
            _ => {
                let (end, text) = FILES[rng.usize(..FILES.len())];
                let (url, amqp) = (address(rng, false), address(rng, true));
                let text = text.replace("URL", &url).replace("AMQP", &amqp);
                let text = text.replace("PW", SECRET);
                let slips = [slip, slip, other_key, other_shape];
                Case::File { end, text: slips[rng.usize(..slips.len())](&text, rng) }
            }
        }
    }

    /// The same as flags, variables and files of a folder.
    fn written(&self, folder: &Path) -> (Vec<String>, Vec<(&'static str, String)>) {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        match self {
            Case::File { end, text } => {
                (vec!["--config".to_owned(), write(&format!("c.{end}"), text)], vec![])
            }
            Case::Secret(text) => (vec!["--broker-file".to_owned(), write("secret", text)], vec![]),
            Case::Flag { name, value } => (vec![format!("{name}={value}")], vec![]),
            Case::Variable { name, value } => (vec![], vec![(*name, value.clone())]),
        }
    }
}

/// A place in a line that holds a secret.
fn place(text: &str, rng: &mut Rng) -> usize {
    let secrets: Vec<_> = text.match_indices(SECRET).map(|(at, _)| at).collect();
    let at = secrets[rng.usize(..secrets.len())];
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    rng.usize(start..=end)
}

/// One character dropped, doubled, swapped or replaced, or one piece too many.
fn slip(text: &str, rng: &mut Rng) -> String {
    let at = place(text, rng);
    let (before, after) = text.split_at(at);
    let (first, rest) = match after.chars().next() {
        Some(first) => (&after[..first.len_utf8()], &after[first.len_utf8()..]),
        None => ("", ""),
    };
    let piece = PIECES[rng.usize(..PIECES.len())];
    match rng.u8(..7) {
        0 => format!("{before}{rest}"),
        1 => format!("{before}{first}{after}"),
        2 => format!("{before}{piece}{rest}"),
        3 => {
            let mut rest = rest.chars();
            let second = rest.next().map(String::from).unwrap_or_default();
            format!("{before}{second}{first}{}", rest.as_str())
        }
        4 => format!("{before}{}{rest}", first.to_uppercase()),
        _ => format!("{before}{piece}{after}"),
    }
}

/// The value of a secret's line under another key.
fn other_key(text: &str, rng: &mut Rng) -> String {
    let at = place(text, rng);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let indent = text[start..].find(|c: char| c != ' ').unwrap_or(0);
    let Some(colon) = text[start..].find(':') else { return slip(text, rng) };
    let key = KEYS[rng.usize(..KEYS.len())];
    let is_json = text[start..].trim_start_matches(['{', ' ']).starts_with('"');
    let key = if is_json { format!("\"{key}\"") } else { key.to_owned() };
    format!("{}{key}{}", &text[..start + indent], &text[start + colon..])
}

/// A secret's line with its value in a list, in a mapping, folded, anchored, tagged or quoted badly,
/// or indented otherwise, or twice.
fn other_shape(text: &str, rng: &mut Rng) -> String {
    let at = place(text, rng);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    let (before, line, after) = (&text[..start], &text[start..end], &text[end..]);
    let (key, value) = line.split_once(": ").unwrap_or(("broker", line));
    let changed = match rng.u8(..16) {
        0 => format!("{key}: [{value}]"),
        1 => format!("{key}: {{{value}}}"),
        2 => format!("{key}: {{url: {value}}}"),
        3 => format!("{key}: {{password: {value}}}"),
        4 => format!("{key}:\n  - {value}"),
        5 => format!("{key}: |\n    {value}"),
        6 => format!("{key}: &a {value}\ngrace: *a\nhttp: *a"),
        7 => format!("{key}: !{value}"),
        8 => format!("{key}: *{value}"),
        9 => format!("{key}: \"{value}"),
        10 => format!("  {line}"),
        11 => format!("\t{line}"),
        12 => format!("{line}\n{line}"),
        13 => format!("{key} {value}"),
        14 => format!("? {value}\n: {key}"),
        _ => format!("{value}: {key}"),
    };
    format!("{before}{changed}{after}")
}

fn load(case: &Case) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (flags, variables) = case.written(folder.path());
    let mut overrides = Overrides::default();
    if let Some((name, value)) = flags.first().and_then(|flag| flag.split_once('=')) {
        let value = Some(value.to_owned());
        match name {
            "--broker" => overrides.broker = value.map(Into::into),
            "--state" => overrides.state = value.map(Into::into),
            "--broker-file" => overrides.broker_file = value.map(Into::into),
            "--namespace" => overrides.namespace = value,
            "--http" => overrides.http = value,
            "--grace" => overrides.grace = value,
            "--leader-ttl" => overrides.leader_ttl = value,
            "--log-format" => overrides.log_format = value,
            "--tls-ca" => overrides.tls_ca = value.map(Into::into),
            "--tls-pin" => overrides.tls_pin = value,
            other => panic!("{other}"),
        }
    } else if let [name, value] = &flags[..] {
        let path = Some(value.into());
        match name.as_str() {
            "--config" => overrides.config = path,
            _ => overrides.broker_file = path,
        }
    }
    let env = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.clone())
    };
    // As everything that is printed.
    mask(&shown(ServiceConfig::load(overrides, &env))).into_owned()
}

#[test]
fn no_slip_of_the_pen_shows_a_password() {
    let mut rng = Rng::with_seed(seed());
    let mut leaks = Vec::new();
    for _ in 0..1_000 {
        let case = Case::any(&mut rng);
        let shown = load(&case);
        leaks.extend(leak(&shown).map(|leak| format!("{case:?}\n    {leak}")));
    }
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks[..leaks.len().min(20)].join("\n")
    );
}

/// All that a service says until it has been asked everything.
fn said_by_run(place: &Place, manager: &Manager, args: &[&str]) -> String {
    let mut downbeat: Downbeat = place.start(args);
    let mut said = manager.next(SOON).unwrap_or_default();
    // Invalid ones end by themselves.
    if said.contains("READY=1") {
        if args.contains(&"127.0.0.1:0") {
            let address = address(&downbeat);
            said += &["/status", "/metrics"].map(|path| get(&address, path).body).concat();
        }
        let status = place.run(&[&["status", "--json"], &args[1..]].concat());
        said += &(status.stdout + &status.stderr);
        downbeat.process().terminate();
    }
    downbeat.wait(SOON);
    said + &downbeat.log().join("\n") + &downbeat.out().join("\n")
}

#[test]
fn no_command_shows_a_password_whatever_the_slip() {
    let mut rng = Rng::with_seed(seed());
    let mut ready = 0;
    for _ in 0..24 {
        let case = Case::any(&mut rng);
        let place = Place::new();
        place.write_schedule("a.yaml", "entries: {hourly: {task: t, every: 1h}}");
        let manager = Manager::of_path(&place);
        let (flags, variables) = case.written(place.path());
        // No variable can hold a NUL, and no argument.
        if format!("{flags:?}{variables:?}").contains("\\0") {
            continue;
        }
        let mut place = manager.supervises(place).env("DOWNBEAT_LOG_LEVEL", "trace");
        for (name, value) in variables {
            place = place.env(name, &value);
        }
        let with = |args: &[&'static str]| -> Vec<String> {
            args.iter().map(|arg| (*arg).to_owned()).chain(flags.iter().cloned()).collect()
        };
        let mut said = String::new();
        for args in [&["check"][..], &["check", "--json"], &["config"], &["config", "--json"]] {
            let args = with(args);
            let finished = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            said += &(finished.stdout + &finished.stderr);
        }
        let serves = !matches!(case, Case::Flag { name: "--http", .. });
        let args = with(if serves { &["run", "--http", "127.0.0.1:0"] } else { &["run"] });
        let run =
            said_by_run(&place, &manager, &args.iter().map(String::as_str).collect::<Vec<_>>());
        ready += usize::from(run.contains("READY=1"));
        said += &run;
        assert_eq!(leak(&said), None, "{case:?}\n{said}");
    }
    println!("{ready} of them began to serve");
}
