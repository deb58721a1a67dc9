//! Rules of the service configuration.

use std::fs::{self, Permissions};
use std::num::NonZeroU32;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::keys::SERVICE;
use super::service_config::config_file;
use super::*;
use crate::store::Retention;
use crate::text::Problem;
use crate::worker::arq::ArqSerializer;
use crate::worker::taskiq::TaskiqStream;
use crate::worker::{ArqQueue, CeleryQueue, SidekiqQueue, TaskiqQueue, Worker, WorkerKind};

fn load_with(
    overrides: Overrides,
    variables: &[(&str, &str)],
) -> Result<ServiceConfig, Vec<Problem>> {
    let env = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    ServiceConfig::load(overrides, &env)
}

/// Loads a file's text; problems are shown with the file as `c.yaml`.
fn load_file(text: &str, variables: &[(&str, &str)]) -> Result<ServiceConfig, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    fs::write(&path, text).unwrap();
    let overrides = Overrides { config: Some(path), ..Overrides::default() };
    load_with(overrides, variables).map_err(|problems| {
        let shown: Vec<String> = problems.iter().map(|p| p.render(false)).collect();
        shown.join("\n").replace(&format!("{}/", directory.path().display()), "")
    })
}

#[test]
fn everything_has_a_default() {
    let config = load_with(Overrides::default(), &[("HOME", "/home/me")]).unwrap();
    assert_eq!((config.broker, config.namespace.as_str()), (None, "downbeat"));
    assert_eq!(config.ttl, Duration::from_secs(6));
    assert_eq!(config.grace, Duration::from_secs(15));
    let history = Retention { keep: Duration::from_secs(7 * 86_400), slots: 200_000 };
    assert_eq!(config.history, history);
    assert_eq!(config.log_format, LogFormat::Text);
    assert_eq!(config.schedules.len(), 1);
    assert_eq!(config.sources, []);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    fs::write(
        &path,
        "namespace: from-file\ngrace: 1m\nlog: {format: json}\nbroker: redis://file\n",
    )
    .unwrap();
    let overrides = Overrides {
        config: Some(path.clone()),
        namespace: Some("from-flag".into()),
        ..Overrides::default()
    };
    let variables = [
        ("DOWNBEAT_NAMESPACE", "from-env"),
        ("DOWNBEAT_GRACE", "2m"),
        ("DOWNBEAT_LOG_FORMAT", ""),
        ("REDIS_URL", "redis://heroku"),
    ];
    let config = load_with(overrides, &variables).unwrap();
    assert_eq!(config.namespace, "from-flag");
    assert_eq!(config.grace, Duration::from_secs(120));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.broker.unwrap().to_string(), "redis://file:6379/0");
    let sources: Vec<String> =
        config.sources.iter().map(|(key, source)| format!("{key} {source}")).collect();
    let file = path.display();
    assert_eq!(
        sources,
        [
            "config --config".to_owned(),
            format!("broker {file}:4:9"),
            "namespace --namespace".to_owned(),
            "grace environment:DOWNBEAT_GRACE".to_owned(),
            format!("log.format {file}:3:15"),
        ]
    );
}

#[test]
fn the_broker_comes_from_the_strongest_source_that_names_one() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("broker");
    fs::write(&secret, "redis://:s3cret@from-file/1\n").unwrap();
    let secret = secret.to_str().unwrap();
    let shown = |text: &str, variables: &[(&str, &str)]| {
        load_file(text, variables).unwrap().broker.unwrap().to_string()
    };
    let heroku = ("REDIS_URL", "redis://heroku");
    assert_eq!(shown("# nothing\n", &[heroku]), "redis://heroku:6379/0");
    assert_eq!(
        shown(&format!("broker_file: {secret}"), &[heroku]),
        "redis://:***@from-file:6379/1"
    );
    let env = ("DOWNBEAT_BROKER", "redis://env");
    assert_eq!(shown(&format!("broker_file: {secret}"), &[heroku, env]), "redis://env:6379/0");
    let env = ("DOWNBEAT_BROKER_FILE", secret);
    assert_eq!(shown("broker: redis://file", &[heroku, env]), "redis://:***@from-file:6379/1");
}

#[test]
fn a_credential_is_a_broker_file_that_the_environment_names() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = ("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap());
    let shown = |variables: &[(&str, &str)]| {
        let config = load_file("broker: redis://file", &[&[credentials], variables].concat())?;
        Ok::<_, String>((config.broker.unwrap().to_string(), config.sources.last().cloned()))
    };
    let broker = |variables| shown(variables).unwrap().0;
    // Another service's credentials, or none.
    assert_eq!(broker(&[]), "redis://file:6379/0");
    fs::write(directory.path().join("broker"), "redis://:s3cret@credential\n").unwrap();
    let source = Some(("broker", SettingSource::Env("CREDENTIALS_DIRECTORY")));
    assert_eq!(shown(&[]), Ok(("redis://:***@credential:6379/0".to_owned(), source)));
    assert_eq!(broker(&[("DOWNBEAT_BROKER", "redis://env")]), "redis://env:6379/0");
    let path = directory.path().join("broker");
    assert_eq!(
        broker(&[("DOWNBEAT_BROKER_FILE", path.to_str().unwrap())]),
        "redis://:***@credential:6379/0"
    );
    fs::write(&path, "").unwrap();
    let said = "environment:CREDENTIALS_DIRECTORY: the broker's file holds no address on its first \
                line\nhint: write `redis://…` into it";
    assert_eq!(shown(&[]), Err(said.to_owned()));
}

#[test]
fn relative_paths_of_the_file_count_from_the_file() {
    let config = load_file("schedules: [a, /b]\nstate_dir: state\nbroker: spool:s\n", &[]).unwrap();
    let base = config.file.as_ref().unwrap().parent().unwrap();
    assert_eq!(config.schedules, [base.join("a"), "/b".into()]);
    assert_eq!(config.state_dir, base.join("state"));
    assert_eq!(config.broker, Some(Broker::Spool(base.join("s"))));
    let config = load_file("schedules: a\n", &[("DOWNBEAT_SCHEDULES", "x:/y")]).unwrap();
    assert_eq!(config.schedules, [Path::new("x"), Path::new("/y")]);
}

#[test]
fn grace_follows_the_lease_and_cannot_be_shorter_than_a_takeover() {
    let grace = |text: &str| load_file(text, &[]).unwrap().grace;
    assert_eq!(grace("leader: {ttl: 10s}"), Duration::from_secs(23));
    assert_eq!(grace("leader: {ttl: 2s}"), Duration::from_secs(15));
    assert_eq!(grace("grace: 8s"), Duration::from_secs(8));
    assert_eq!(
        load_file("leader:\n  ttl: 10s\ngrace: 11s\n", &[]).unwrap_err(),
        "c.yaml:3:8: a grace of 11s is shorter than a takeover, which can take 12s\n    \
         grace: …\n           ^\nhint: raise `grace`, or lower `leader: {ttl: …}`"
    );
}

#[test]
fn every_problem_is_reported_at_its_source() {
    let variables = [("DOWNBEAT_LEADER_TTL", "6"), ("DOWNBEAT_BROKER", "redis://:s3cret@")];
    let text = "brokr: x\nnamespace: a b\nlog: {format: xml, colour: true}\nstate: x\n\
                schedules: []\nstate_dir:\n";
    assert_eq!(
        load_file(text, &variables).unwrap_err(),
        "environment:DOWNBEAT_BROKER: the broker address has no host\n\
         hint: write `redis://HOST:6379/0`\n\
         environment:DOWNBEAT_LEADER_TTL: a duration without a unit\n\
         hint: write it like `90s`, `5m`, `1h30m`, `2d`, `1w` or `500ms`\n\
         c.yaml:1:1: unknown key `brokr` in the configuration\n\
         hint: did you mean `broker`?\n\
         c.yaml:2:12: this cannot be a namespace\n    namespace: …\n               ^\n\
         hint: use 1 to 64 letters, digits, `_`, `.` and `-`\n\
         c.yaml:3:15: unknown log format\n    format: …\n            ^\n\
         hint: write `text`, `logfmt` or `json`\n\
         c.yaml:3:20: unknown key in `log`\n\
         hint: known keys: format, level\n\
         c.yaml:5:12: `schedules` is empty\n    schedules: …\n               ^\n\
         c.yaml:6:10: expected text, found nothing\n    state_dir: …\n               ^"
    );
}

#[test]
fn a_flag_is_named_as_it_is_typed() {
    let overrides = Overrides { grace: Some("3s".into()), ..Overrides::default() };
    let problems = load_with(overrides, &[]).unwrap_err();
    assert_eq!(
        problems[0].render(false),
        "--grace: a grace of 3s is shorter than a takeover, which can take 8s\n\
         hint: raise `grace`, or lower `leader: {ttl: …}`"
    );
}

#[test]
fn no_problem_of_the_configuration_quotes_a_value() {
    let shown = load_file("broker: redis://me:s3cret@host:x/0\n", &[]).unwrap_err();
    assert_eq!(
        shown,
        "c.yaml:1:9: the port of the broker address is not a number\n    \
         broker: …\n            ^\n\
         hint: write it like `:6379`"
    );
    assert!(!load_file("broker: \"redis://me:s3cret@host\n", &[]).unwrap_err().contains("s3cret"));
    let both = load_file("broker: redis://a\nbroker_file: b\n", &[]).unwrap_err();
    assert!(both.starts_with("c.yaml:2:14: `broker` and `broker_file` are both set"));
}

#[test]
fn a_missing_file_that_was_named_is_an_error() {
    let overrides = Overrides { config: Some("/nowhere/c.yaml".into()), ..Overrides::default() };
    let problems = load_with(overrides, &[]).unwrap_err();
    assert!(problems[0].render(false).starts_with("/nowhere/c.yaml: cannot be read: no such file"));
    let overrides = Overrides { broker_file: Some("/nowhere/b".into()), ..Overrides::default() };
    let problems = load_with(overrides, &[]).unwrap_err();
    assert!(
        problems[0]
            .render(false)
            .starts_with("--broker-file: the broker's file cannot be read: no")
    );
}

#[test]
fn a_password_warning_names_the_source_of_that_password() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("broker");
    fs::write(&file, "amqp://host\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let overrides = Overrides {
        broker_file: Some(file.clone()),
        state: Some("redis://:s3cret@host".to_owned().into()),
        ..Overrides::default()
    };
    let warned = |config: ServiceConfig| {
        config.warnings.into_iter().map(|warning| warning.file).collect::<Vec<_>>()
    };
    assert!(!format!("{overrides:?}").contains("s3cret"));
    assert_eq!(warned(load_with(overrides.clone(), &[]).unwrap()), ["--state"]);
    fs::write(&file, "amqp://me:s3cret@host\n").unwrap();
    let both = [file.display().to_string(), "--state".to_owned()];
    assert_eq!(warned(load_with(overrides, &[]).unwrap()), both);
}

#[test]
fn secret_and_configuration_files_have_their_own_size_limits_and_hints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    let load = |overrides| load_with(overrides, &[]).unwrap_err()[0].render(false);
    fs::write(&path, " ".repeat(64 * 1024 + 1)).unwrap();
    let secret = Overrides { broker_file: Some(path.clone()), ..Overrides::default() };
    let said = "--broker-file: the broker's file cannot be read: it is larger than 64 KiB\n\
                hint: it should hold nothing but the address";
    assert_eq!(load(secret), said);
    fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    let config = Overrides { config: Some(path.clone()), ..Overrides::default() };
    let said = "cannot be read: it is larger than 1 MiB\n\
                hint: it should hold nothing but settings; entries belong in schedule files";
    assert_eq!(load(config), format!("{}: {said}", path.display()));
}

#[test]
fn an_unreachable_default_file_does_not_count_as_missing() {
    let folder = tempfile::tempdir().unwrap();
    // Root can enter every directory, but not follow a link to itself.
    let (unknown, none) = (folder.path().join("loop/c.yaml"), folder.path().join("none/c.yaml"));
    symlink("loop", folder.path().join("loop")).unwrap();
    let file = |default: &Path| config_file(&Overrides::default(), &|_| None, default).0;
    assert_eq!((file(&unknown), file(&none)), (Some(unknown.clone()), None));
}

#[test]
fn an_unreachable_credential_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "").unwrap();
    for (name, target) in [("dangling", "nowhere"), ("loop", "broker")] {
        fs::create_dir(path(name)).unwrap();
        symlink(target, path(name).join("broker")).unwrap();
    }
    for name in ["dangling", "loop", "file", "missing"] {
        let credentials = path(name).display().to_string();
        let variables: &[_] = &[("CREDENTIALS_DIRECTORY", &*credentials)];
        let said = load_file("broker: redis://file", variables).unwrap_err();
        let expected = "environment:CREDENTIALS_DIRECTORY: the broker's file";
        assert!(said.starts_with(expected), "{name}: {said}");
    }
}

/// Each file in `fixtures/` has its problems beside it. `BLESS=1` rewrites them, for review.
#[test]
fn problems_of_bad_files_are_exact() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/settings/fixtures");
    let files = fs::read_dir(&fixtures).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(files.len() >= 8);
    for file in files {
        let shown = load_file(&fs::read_to_string(&file).unwrap(), &[]).unwrap_err() + "\n";
        let expected = file.with_extension("yaml.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, shown).unwrap();
        } else {
            assert_eq!(shown, fs::read_to_string(&expected).unwrap(), "{}", file.display());
        }
    }
}

#[test]
fn http_is_served_only_at_a_configured_address() {
    let http = |text: &str| load_file(text, &[]).unwrap().http.map(|address| address.to_string());
    assert_eq!(http("# nothing\n"), None);
    assert_eq!(http("http: 9632").as_deref(), Some("127.0.0.1:9632"));
    assert_eq!(http("http: 0.0.0.0:80").as_deref(), Some("0.0.0.0:80"));
    assert_eq!(http("http: '[::1]:9632'").as_deref(), Some("[::1]:9632"));
    let config = load_file("http: 1", &[("DOWNBEAT_HTTP", "2")]).unwrap();
    assert_eq!(config.http.unwrap().port(), 2);
}

#[test]
fn the_hosts_port_counts_unless_our_own_setting_names_an_address() {
    let http = |text: &str, variables: &[(&str, &str)]| {
        let config = load_file(text, variables)?;
        let source = config.sources.into_iter().find(|(key, _)| *key == "http");
        let source = source.map(|(_, source)| source.to_string());
        Ok((config.http.map(|address| address.to_string()), source))
    };
    let port = ("PORT", "8080");
    let said = |address: &str, by: &str| Ok((Some(address.to_owned()), Some(by.to_owned())));
    assert_eq!(http("# nothing\n", &[port]), said("0.0.0.0:8080", "environment:PORT"));
    let (address, source) = http("http: 9632", &[port]).unwrap();
    assert_eq!(address.as_deref(), Some("127.0.0.1:9632"));
    assert!(source.unwrap().ends_with("c.yaml:1:7"));
    let ours = ("DOWNBEAT_HTTP", "1.2.3.4:5");
    assert_eq!(http("# nothing\n", &[port, ours]), said("1.2.3.4:5", "environment:DOWNBEAT_HTTP"));
    assert_eq!(http("# nothing\n", &[("PORT", "")]), Ok((None, None)));
    assert_eq!(
        http("# nothing\n", &[("PORT", "tcp://10.0.0.1:80")]),
        Err("environment:PORT: this is not a port\n\
             hint: unset it, or set `http`, which goes before it"
            .to_owned())
    );
}

#[test]
fn the_log_level_is_ours_before_everybodys_before_the_files() {
    let level = |variables: &[(&str, &str)]| {
        let config = load_file("log: {level: warn}", variables).unwrap();
        let source = config.source("log.level").unwrap().to_string();
        (config.log_level, source)
    };
    let (rust_log, ours) = (("RUST_LOG", "info,downbeat=debug"), ("DOWNBEAT_LOG_LEVEL", "error"));
    let given = level(&[]);
    assert!(given.0 == "warn" && given.1.ends_with("c.yaml:1:14"), "{given:?}");
    let said = |level: &str, by: &str| (level.to_owned(), format!("environment:{by}"));
    assert_eq!(level(&[rust_log]), said("info,downbeat=debug", "RUST_LOG"));
    assert_eq!(level(&[rust_log, ours]), said("error", "DOWNBEAT_LOG_LEVEL"));
    let refused = load_file("# nothing\n", &[("RUST_LOG", "downbeat=loud")]).unwrap_err();
    assert!(refused.starts_with("environment:RUST_LOG: "), "{refused}");
}

#[test]
fn every_setting_is_shown_with_what_set_it_and_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("broker");
    fs::write(&secret, "redis://:s3cret@host/1\n").unwrap();
    let variables =
        [("DOWNBEAT_BROKER_FILE", secret.to_str().unwrap()), ("REDIS_URL", "redis://:s3cret@x")];
    let config = load_file("broker: redis://:s3cret@file\nhttp: 9632\n", &variables).unwrap();
    let file = config.file.as_ref().unwrap().display().to_string();
    let settings = config.settings();
    let shown = |key: &str| settings.iter().find(|setting| setting.0 == key).unwrap();
    let (_, value, source) = shown("broker");
    assert_eq!(value, "redis://:***@host:6379/1");
    assert_eq!(*source, Some(&SettingSource::Env("DOWNBEAT_BROKER_FILE")));
    assert_eq!(shown("http").1, "127.0.0.1:9632");
    assert_eq!(shown("http").2.unwrap().to_string(), format!("{file}:2:7"));
    let flag = SettingSource::Flag("--config");
    assert_eq!((&shown("config").1, shown("config").2), (&json!(file), Some(&flag)));
    assert_eq!((&shown("grace").1, shown("grace").2), (&json!("15s"), None));
    assert!(!format!("{settings:?}").contains("s3cret"));
    // The file may name the broker's file, which is shown as what set the broker.
    for key in SERVICE.known.iter().filter(|key| **key != "broker_file") {
        let inner = format!("{key}.");
        let is_shown = |shown: &str| shown == *key || shown.starts_with(&inner);
        assert!(settings.iter().any(|setting| is_shown(setting.0)), "`{key}` is not shown");
    }
}

#[test]
fn the_history_is_kept_as_long_as_the_file_says() {
    let config = load_file("history: {keep: 12h, slots: 5000}", &[]).unwrap();
    assert_eq!(config.history, Retention { keep: Duration::from_secs(12 * 3600), slots: 5_000 });
    let file = config.file.as_ref().unwrap().display();
    let sources: Vec<String> =
        config.sources.iter().skip(1).map(|(key, source)| format!("{key} {source}")).collect();
    let expected = [format!("history.keep {file}:1:17"), format!("history.slots {file}:1:29")];
    assert_eq!(sources, expected);
    // One of them alone does not change the other.
    let config = load_file("history: {slots: 5000}", &[]).unwrap();
    assert_eq!(config.history, Retention { slots: 5_000, ..Retention::default() });
}

#[test]
fn queues_have_a_kind_of_worker() {
    let text = "queues:\n  mail: {worker: sidekiq, options: {namespace: shop}}\n  jobs: {worker: json}\n  \
         late: {catch_up_rate: 30/m}\n";
    let config = load_file(text, &[]).unwrap();
    let worker = |name: &str| config.queues.get(name).worker.clone();
    let namespace = Some("shop".into());
    assert_eq!(worker("mail"), Worker::Sidekiq(SidekiqQueue { namespace }));
    assert_eq!(
        (worker("jobs"), worker("any other")),
        (Worker::Json, Worker::Celery(CeleryQueue::default()))
    );
    let shown = config.settings().into_iter().find(|(key, ..)| *key == "queues");
    let expected = json!({
        "jobs": {"worker": "json"},
        "late": {"worker": "celery", "catch_up_rate": "30/m"},
        "mail": {"worker": "sidekiq", "options": {"namespace": "shop"}},
    });
    assert_eq!(shown.map(|(_, value, _)| value), Some(expected));
}

#[test]
fn queues_of_arq_and_taskiq_have_the_settings_of_their_workers() {
    let text = "broker: redis://host\nqueues:\n  \
         packed: {worker: arq, options: {serializer: msgpack}}\n  \
         usual: {worker: arq}\n  \
         list: {worker: taskiq, options: {stream: false}}\n  \
         stream: {worker: taskiq, options: {stream: true, maxlen: 500}}\n  \
         told: {worker: taskiq, options: {results: 'redis://:s3cret@host/1', result_prefix: shop}}\n";
    let config = load_file(text, &[]).unwrap();
    let worker = |name: &str| config.queues.get(name).worker.clone();
    assert_eq!(worker("packed"), Worker::Arq(ArqQueue { serializer: ArqSerializer::Msgpack }));
    assert_eq!(worker("usual"), Worker::usual(WorkerKind::Arq));
    assert_eq!(worker("list"), Worker::usual(WorkerKind::Taskiq));
    let stream = TaskiqStream { maxlen: NonZeroU32::new(500), ..TaskiqStream::default() };
    let expected = TaskiqQueue { stream: Some(stream), ..TaskiqQueue::default() };
    assert_eq!(worker("stream"), Worker::Taskiq(expected));
    let shown = config.settings().into_iter().find(|(key, ..)| *key == "queues").unwrap().1;
    let expected = json!({
        "list": {"worker": "taskiq"},
        "packed": {"worker": "arq", "options": {"serializer": "msgpack"}},
        "stream": {"worker": "taskiq", "options": {"stream": true, "group": "taskiq", "maxlen": 500}},
        "told": {
            "worker": "taskiq",
            "options": {"results": "redis://:***@host:6379/1", "result_prefix": "shop"},
        },
        "usual": {"worker": "arq"},
    });
    assert_eq!(shown, expected);
}

#[test]
fn a_celery_queue_has_the_transport_options_of_its_workers() {
    let options = r#"{priority_steps: [0, 5, 9], separator: "\x06", key_prefix: "shop-"}"#;
    let text = format!("queues: {{q: {{options: {options}}}, r: {{worker: celery}}}}");
    let config = load_file(&text, &[]).unwrap();
    let expected = CeleryQueue {
        priority_steps: [0, 5, 9].into(),
        separator: "\u{6}".into(),
        key_prefix: "shop-".into(),
        ..CeleryQueue::default()
    };
    assert_eq!(config.queues.get("q").worker, Worker::Celery(expected));
    let shown = config.settings().into_iter().find(|(key, ..)| *key == "queues").unwrap().1;
    assert_eq!(shown["q"]["options"]["priority_steps"], json!([0, 5, 9]));
    assert_eq!(shown["q"]["options"]["separator"], "\u{6}");
    assert_eq!(shown["q"]["options"]["key_prefix"], "shop-");
    assert_eq!(shown["r"], json!({"worker": "celery"}));
}

#[test]
fn results_of_a_celery_queue_may_be_on_another_redis() {
    for broker in ["redis://host", "amqp://host\nstate: redis://host"] {
        let text = "queues: {sums: {options: {results: 'redis://:s3cret@host/1'}}}";
        let config = load_file(&format!("broker: {broker}\n{text}"), &[]).unwrap();
        let sums = config.queues.get("sums");
        assert_eq!(sums.worker.results().unwrap().to_string(), "redis://:***@host:6379/1");
        let shown = config.settings().into_iter().find(|(key, ..)| *key == "queues").unwrap().1;
        assert_eq!(shown["sums"]["options"]["results"], "redis://:***@host:6379/1");
    }
}

#[test]
fn every_configuration_on_the_page_of_queues_loads() {
    let page = include_str!("../../../docs/queues.md");
    let files = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let queues = files.map(|file| load_file(file, &[]).unwrap().queues.iter().count());
    assert!(queues.sum::<usize>() >= 3);
}

#[test]
fn an_amqp_broker_needs_a_state_beside_it_and_is_every_celery_queues() {
    let config = load_file(
        "broker: amqp://me:s3cret@host//\nstate: redis://:s3cret@state/1\n\
         queues:\n  mail: {worker: sidekiq}\n  slow: {options: {exchange: tasks}}\n",
        &[],
    );
    let config = config.unwrap();
    assert_eq!(config.broker.as_ref().unwrap().to_string(), "redis://:***@state:6379/1");
    let url = |name: &str| config.queues.get(name).amqp.as_ref().map(|amqp| amqp.url.to_string());
    assert_eq!(url("any other").as_deref(), Some("amqp://me:***@host:5672//"));
    assert_eq!((url("slow"), url("mail")), (url("any other"), None));
    let settings = config.settings();
    let shown = |key: &str| &settings.iter().find(|setting| setting.0 == key).unwrap().1;
    assert_eq!(shown("broker"), "amqp://me:***@host:5672//");
    assert_eq!(shown("state"), "redis://:***@state:6379/1");
    assert_eq!(shown("queues")["slow"]["options"], json!({"exchange": "tasks"}));
    assert!(!format!("{settings:?} {config:?}").contains("s3cret"));
    let heroku = [("REDIS_URL", "redis://heroku")];
    let config = load_file("broker: amqp://host\n", &heroku).unwrap();
    assert_eq!(config.broker.unwrap().to_string(), "redis://heroku:6379/0");
}

#[test]
fn a_queue_may_have_its_own_amqp_broker() {
    let config = load_file(
        "broker: redis://host\nqueues:\n  slow:\n    broker: amqp://u:s3cret@host/jobs\n    \
         options: {exchange: tasks, routing_key: slow.all, declare: true}\n",
        &[],
    );
    let config = config.unwrap();
    assert_eq!(config.queues.get("other").amqp, None);
    let slow = config.queues.get("slow").amqp.clone().unwrap();
    assert_eq!(
        (slow.url.to_string().as_str(), slow.declare),
        ("amqp://u:***@host:5672/jobs", true)
    );
    let names = (slow.exchange.as_deref(), slow.routing_key.as_deref());
    assert_eq!(names, (Some("tasks"), Some("slow.all")));
    let shown = config.settings().into_iter().find(|(key, ..)| *key == "queues").unwrap().1;
    let options = json!({"exchange": "tasks", "routing_key": "slow.all", "declare": true});
    let broker = "amqp://u:***@host:5672/jobs";
    assert_eq!(shown["slow"], json!({"worker": "celery", "broker": broker, "options": options}));
}

#[test]
fn a_shadow_run_keeps_everything_apart_from_the_service() {
    let env = [("DOWNBEAT_BROKER", "spool:/spool"), ("DOWNBEAT_NAMESPACE", "shop")];
    let dirs = Overrides {
        state_dir: Some("/state".into()),
        runtime_dir: Some("/run/shop".into()),
        ..Overrides::default()
    };
    let service = load_with(dirs.clone(), &env).unwrap();
    let shadow = load_with(Overrides { shadow: true, ..dirs }, &env).unwrap();
    assert!(shadow.shadow && !service.shadow);
    assert_eq!((&*service.namespace, &*shadow.namespace), ("shop", "shop-shadow"));
    assert_eq!(shadow.state_dir, Path::new("/state/shadow"));
    assert_eq!(shadow.runtime_dirs().collect::<Vec<_>>(), [Path::new("/run/shop/shadow")]);
    assert_eq!(shadow.broker, Some(Broker::Spool("/spool/shadow".into())));
    // Its settings are the service's otherwise, so what one accepts is accepted by the other.
    assert_eq!(shadow.queues, service.queues);
}

#[test]
fn no_service_takes_the_namespace_of_a_shadow_run() {
    assert_eq!(
        load_file("namespace: shop-shadow\n", &[]).unwrap_err(),
        "c.yaml:1:12: only a shadow run's namespace ends in `-shadow`\n    namespace: …\n               ^\n\
         hint: for a shadow run, leave that out and add --shadow"
    );
    let overrides =
        Overrides { shadow: true, namespace: Some("x-shadow".into()), ..Overrides::default() };
    assert!(load_with(overrides, &[]).is_err());
}
