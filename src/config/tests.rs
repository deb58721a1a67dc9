//! Rules of loading, on whole files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::schedule::entry::Expires;
use crate::schedule::{CatchUp, Timing, UnixMs};
use crate::tzdata::Tzdata;

/// Loads one text as if it stood in a file of that name.
fn load_text(name: &str, text: &[u8]) -> (Loaded, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    let loaded = load(&[path], &Tzdata::bundled());
    let shown: Vec<String> = loaded.problems.iter().map(|p| p.render(false)).collect();
    let shown = shown.join("\n").replace(&format!("{}/", directory.path().display()), "");
    (loaded, shown)
}

/// Each file in `fixtures/` has its problems beside it. `BLESS=1` writes them anew, to be read.
#[test]
fn bad_files_are_told_exactly() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/fixtures");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&fixtures).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_none_or(|end| end != "txt"));
    files.sort();
    assert!(files.len() > 20);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (_, shown) = load_text(name, &fs::read(&file).unwrap());
        let expected = fixtures.join(format!("{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, shown + "\n").unwrap();
        } else {
            assert_eq!(shown + "\n", fs::read_to_string(&expected).unwrap(), "{name}");
        }
    }
}

fn schedule(text: &str) -> crate::schedule::Schedule {
    let (loaded, shown) = load_text("a.yaml", text.as_bytes());
    assert_eq!(shown, "");
    loaded.schedule.unwrap()
}

fn refused(name: &str, text: impl AsRef<[u8]>) -> String {
    let (loaded, shown) = load_text(name, text.as_ref());
    assert!(loaded.schedule.is_none());
    shown
}

#[test]
fn an_entry_gets_every_value_that_is_written() {
    let schedule = schedule(
        r#"
timezone: Asia/Seoul
entries:
  full:
    task: shop.report
    cron: "0 3 1 * mon"
    day_match: and
    args: [daily, 1, -2, 1.5, 0x1f, +3, .5, true, null, ~, "no", no-show, 2026-01-01]
    kwargs: {tenant: 42, deep: {list: [[], {}]}, text: "é\n\"x\""}
    headers: {origin-app: shop}
    queue: reports
    priority: 9
    expires: 10m
    options: {time_limit: 5m, soft_time_limit: 240.5, ignore_result: true, shadow: report}
    catch_up: all
    within: 2d
    enabled: false
    description: "  Builds the report.  "
    tags: [finance, nightly]
    timezone: Europe/Berlin
"#,
    );
    let entry = schedule.get("full").unwrap();
    assert_eq!(entry.zone.name(), "Europe/Berlin");
    assert_eq!(entry.catch_up, CatchUp::All);
    assert_eq!(entry.within, Duration::from_secs(2 * 86_400));
    assert!(!entry.enabled);
    let about = entry.about.as_ref().unwrap();
    assert_eq!(about.description.as_deref(), Some("Builds the report."));
    assert_eq!(about.tags, ["finance", "nightly"].map(Box::<str>::from));
    let message = &entry.message;
    assert_eq!((&*message.task, &*message.queue), ("shop.report", "reports"));
    assert_eq!(
        &*message.args,
        r#"["daily",1,-2,1.5,31,3,0.5,true,null,null,"no","no-show","2026-01-01"]"#
    );
    assert_eq!(&*message.kwargs, r#"{"tenant":42,"deep":{"list":[[],{}]},"text":"é\n\"x\""}"#);
    assert_eq!(message.headers.as_deref(), Some(r#"{"origin-app":"shop"}"#));
    assert_eq!(message.priority, Some(9));
    assert_eq!(message.expires, Some(Expires::After(Duration::from_secs(600))));
    let options = message.options.as_ref().unwrap();
    assert_eq!((options.time_limit, options.soft_time_limit), (Some(300.0), Some(240.5)));
    assert_eq!((options.ignore_result, options.shadow.as_deref()), (Some(true), Some("report")));
}

#[test]
fn an_entry_that_says_little_gets_the_documented_defaults() {
    let schedule = schedule("entries:\n  a: {task: t, every: 1h}\n");
    let entry = schedule.get("a").unwrap();
    assert_eq!((entry.zone.name(), entry.enabled, entry.catch_up), ("UTC", true, CatchUp::Latest));
    assert_eq!((entry.within, &entry.about), (DEFAULT_WITHIN, &None));
    let message = &entry.message;
    assert_eq!((&*message.queue, &*message.args, &*message.kwargs), ("celery", "[]", "{}"));
    assert_eq!((&message.headers, message.priority, message.expires), (&None, None, None));
    assert_eq!(message.options, None);
}

#[test]
fn defaults_fill_in_whole_values_wherever_they_stand_in_the_file() {
    let entries = "entries:\n  a: {task: t, at: 2030-01-01 09:00}\n  \
                   b: {task: t, at: 2030-01-01 09:00, queue: own, kwargs: {x: 1}, headers: {}}\n";
    let head = "timezone: Asia/Seoul\ndefaults: {queue: shared, kwargs: {y: 2}, \
                headers: {h: 1}, priority: 3, expires: next, catch_up: none, within: 1h}\n";
    for text in [format!("{head}{entries}"), format!("{entries}{head}")] {
        let schedule = schedule(&text);
        let (a, b) = (schedule.get("a").unwrap(), schedule.get("b").unwrap());
        assert_eq!((&*a.message.queue, &*b.message.queue), ("shared", "own"));
        assert_eq!((&*a.message.kwargs, &*b.message.kwargs), (r#"{"y":2}"#, r#"{"x":1}"#));
        assert_eq!(a.message.headers.as_deref(), Some(r#"{"h":1}"#));
        assert_eq!(b.message.headers, None);
        assert_eq!((b.message.priority, b.message.expires), (Some(3), Some(Expires::Next)));
        assert_eq!((b.catch_up, b.within), (CatchUp::None, Duration::from_secs(3600)));
        assert_eq!(a.timing, Timing::At(UnixMs::from_secs(1_893_456_000)));
    }
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = r#"{"timezone": "Asia/Seoul", "entries": {
        "a": {"task": "t\u00e9 \ud83d\ude00", "cron": {"minute": 0, "hour": "3"}, "args": [1e2, "\/"]}
    }}"#;
    let yaml = "timezone: Asia/Seoul\nentries:\n  a:\n    task: té 😀\n    cron: {minute: 0, hour: 3}\n    args: [1e2, /]\n";
    let (loaded, shown) = load_text("a.json", json.as_bytes());
    assert_eq!(shown, "");
    let (from_json, from_yaml) = (loaded.schedule.unwrap(), schedule(yaml));
    let (a, b) = (from_json.get("a").unwrap(), from_yaml.get("a").unwrap());
    assert_eq!((&a.message, &a.timing), (&b.message, &b.timing));
    assert_eq!(&*a.message.args, r#"[100.0,"/"]"#);
}

#[test]
fn anchors_and_aliases_stand_for_whole_values() {
    let schedule = schedule(
        "entries:\n  a: {task: t, every: 1h, kwargs: &common {x: [1]}}\n  \
         b: &b {task: t, every: 1h, kwargs: *common, args: [*common, *common]}\n  c: *b\n",
    );
    let message = |name: &str| &schedule.get(name).unwrap().message;
    assert_eq!(&*message("b").args, r#"[{"x":[1]},{"x":[1]}]"#);
    assert_eq!(message("c"), message("b"));
}

#[test]
fn equal_queues_and_zones_are_kept_once() {
    let schedule = schedule(
        "timezone: Asia/Seoul\nentries:\n  a: {task: t, every: 1h, queue: q}\n  \
         b: {task: t, every: 1h, queue: q, timezone: Asia/Seoul}\n",
    );
    let (a, b) = (schedule.get("a").unwrap(), schedule.get("b").unwrap());
    assert!(Arc::ptr_eq(&a.message.queue, &b.message.queue));
    assert!(Arc::ptr_eq(&a.zone, &b.zone));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let (loaded, shown) =
        load_text("a.yaml", b"\xef\xbb\xbfentries:\r\n  a:\r\n    task: t\r\n    every: 1h\r\n");
    assert_eq!((shown.as_str(), loaded.schedule.unwrap().entries.len()), ("", 1));
}

#[test]
fn an_empty_file_is_refused() {
    let expected = "a.yaml: the file is empty\n\
                    hint: write at least `entries: {}`, or remove the file";
    for text in ["", "\n\n", "# only this\n", "\u{feff}"] {
        assert_eq!(refused("a.yaml", text), expected, "{text:?}");
    }
    assert!(refused("a.json", " \n").contains("the file is empty"));
}

#[test]
fn a_file_of_50_mb_is_refused_without_being_read() {
    let expected = "a.yaml: the file is larger than 32 MiB\nhint: split it into several files";
    assert_eq!(refused("a.yaml", vec![b'#'; 50_000_000]), expected);
}

#[test]
fn bytes_that_are_not_utf_8_are_named() {
    assert_eq!(
        refused("a.yaml", b"entries:\n  \xc3\xa9\xff: {}\n"),
        "a.yaml:2:4: byte 0xff at offset 13 is not UTF-8\nhint: save the file as UTF-8"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |open: &str| format!("entries: {{a: {{args: {}", open.repeat(100_000));
    assert!(refused("a.yaml", deep("[")).contains("nested more than 64 deep"));
    assert!(refused("a.yaml", deep("{a: ")).contains("nested more than 64 deep"));
    assert!(
        refused("a.yaml", format!("entries:\n  a:\n    {}x", "- ".repeat(100_000)))
            .contains("deep")
    );
    assert!(refused("a.yaml", "? ".repeat(100_000)).contains("nested more than 64 deep"));
    let json = format!(
        r#"{{"entries": {{"a": {{"args": {}{}}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(refused("a.json", json).contains("nested more than 64 deep"));
}

#[test]
fn aliases_cannot_blow_up_a_small_file() {
    let mut bomb = String::from("entries:\n  a:\n    task: t\n    every: 1h\n    kwargs:\n");
    bomb += "      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("      a{level}: &a{level} [{aliases}]\n");
    }
    assert!(refused("a.yaml", &bomb).contains("more than 64 KiB of JSON"));

    let mut deep = String::from("entries:\n  a:\n    kwargs:\n      a0: &a0 []\n");
    for level in 1..100 {
        deep += &format!("      a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(refused("a.yaml", &deep).contains("nested more than 64 deep"));

    let big = format!("defaults: {{args: [{}]}}\nentries:\n", "x".repeat(60_000));
    let many: String = (0..10_000).map(|n| format!("  e{n}: {{task: t, every: 1h}}\n")).collect();
    assert!(refused("a.yaml", big + &many).contains("take more than 256 MiB"));
}

#[test]
fn only_the_first_hundred_problems_of_a_file_are_told() {
    let bad: String = (0..150).map(|n| format!("  e{n}: {{}}\n")).collect();
    let shown = refused("a.yaml", format!("entries:\n{bad}"));
    assert!(shown.ends_with("a.yaml: 200 more problems in this file are not shown"));
}

#[test]
fn a_million_mistakes_on_one_line_take_no_time() {
    let line = format!("entries: {{{}}}", "a: {x: 1}, ".repeat(200_000));
    assert!(refused("a.yaml", line).contains("more problems in this file"));
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

const ONE: &str = "entries:\n  a: {task: t, every: 1h}\n";

#[test]
fn a_directory_is_its_visible_yaml_and_json_files_in_name_order() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "b.yml", "entries:\n  b: {task: t, every: 1h}\n");
    write(root, "a.yaml", ONE);
    write(root, "c.json", r#"{"entries": {"c": {"task": "t", "every": "1h"}}}"#);
    for ignored in [".hidden.yaml", "a.yaml~", "notes.txt", ".a.yaml.swp", "yaml"] {
        write(root, ignored, "not: a schedule");
    }
    fs::create_dir(root.join("below.yaml")).unwrap();
    // As Kubernetes mounts a ConfigMap.
    fs::create_dir(root.join("..data")).unwrap();
    write(&root.join("..data"), "d.yaml", "entries:\n  d: {task: t, every: 1h}\n");
    std::os::unix::fs::symlink("..data/d.yaml", root.join("d.yaml")).unwrap();
    let loaded = load(&[root.to_owned()], &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    let names = ["a.yaml", "b.yml", "c.json", "d.yaml"].map(|name| root.join(name));
    assert_eq!(loaded.files, names);
    let entries = loaded.schedule.unwrap().entries;
    assert_eq!(entries.iter().map(|e| &*e.name).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn names_are_unique_over_all_files_and_all_files_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", ONE);
    write(root, "b.yaml", "entries: [");
    write(root, "c.yaml", "# again\nentries:\n  a: {task: t, every: 2h}\n  x: {}\n");
    let loaded = load(&[root.to_owned()], &Tzdata::bundled());
    let shown: Vec<String> = loaded.problems.iter().map(|p| p.render(false)).collect();
    let shown = shown.join("\n").replace(&format!("{}/", root.display()), "");
    let starts: Vec<&str> = shown.lines().filter(|line| line.contains(".yaml:")).collect();
    assert_eq!(
        starts,
        [
            "b.yaml:1:10: `[` is never closed",
            "c.yaml:3:3: duplicate entry `a`, first at a.yaml:2",
            "c.yaml:4:3: this entry has no `task`",
            "c.yaml:4:3: this entry does not say when",
        ]
    );
}

#[test]
fn the_hash_depends_on_names_and_content_alone() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hash = |root: &Path| load(&[root.to_owned()], &Tzdata::bundled()).schedule.unwrap().hash;
    write(one.path(), "a.yaml", ONE);
    write(two.path(), "a.yaml", ONE);
    let first = hash(one.path());
    assert_eq!(first, hash(two.path()));
    assert_eq!(first.to_string(), "2604026f-9e2c-5d64-b323-45ffa34542cc");
    write(two.path(), "a.yaml", &ONE.replace("1h", "2h"));
    assert_ne!(first, hash(two.path()));
    write(two.path(), "a.yaml", ONE);
    write(two.path(), "b.yaml", "entries: {}\n");
    assert_ne!(first, hash(two.path()));
}

#[test]
fn paths_that_cannot_be_read_are_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let shown = |path: PathBuf| {
        let loaded = load(&[path], &Tzdata::bundled());
        assert!(loaded.schedule.is_none());
        loaded.problems[0].render(false).replace(&root.display().to_string(), "DIR")
    };
    assert_eq!(
        shown(root.join("none")),
        "DIR/none: cannot be read: no such file or directory (os error 2)\n\
         hint: create it, or name another path"
    );
    assert_eq!(
        shown(root.to_owned()),
        "DIR: no schedule files in this directory\n\
         hint: add a file `*.yaml`, `*.yml` or `*.json` with at least `entries: {}`"
    );
    assert_eq!(shown("/dev/null".into()), "/dev/null: cannot be read: not a regular file");
    std::os::unix::fs::symlink("nowhere", root.join("gone.yaml")).unwrap();
    assert!(shown(root.to_owned()).starts_with("DIR/gone.yaml: cannot be read: no such file"));
    let loaded = load(&[], &Tzdata::bundled());
    assert_eq!(loaded.problems[0].message, "no schedule file or directory is named");
}

#[test]
fn a_one_off_that_has_passed_is_warned_of() {
    let (loaded, _) = load_text("a.yaml", b"entries:\n  once: {task: t, at: 2026-01-01 00:00}\n");
    let new_year = UnixMs::from_secs(1_767_225_600);
    assert_eq!(warnings(&loaded, UnixMs(new_year.0 - 1)), []);
    let warned = &warnings(&loaded, new_year)[0];
    assert_eq!((warned.severity, warned.line, warned.column), (Severity::Warning, 2, 3));
    assert_eq!(warned.message, "`at` of `once` has passed: it never fires");
}

#[test]
fn big_schedules_are_read_by_several_threads_with_the_same_result() {
    let directory = tempfile::tempdir().unwrap();
    for file in 0..5 {
        let entries: String = (0..2_000)
            .map(|n| format!("  e{file}-{n}:\n    task: {:>90}\n    every: 1h\n", "t"))
            .collect();
        write(directory.path(), &format!("{file}.yaml"), &format!("entries:\n{entries}"));
    }
    let loaded = load(&[directory.path().to_owned()], &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    let schedule = loaded.schedule.unwrap();
    assert_eq!(schedule.entries.len(), 10_000);
    assert!(schedule.entries.is_sorted_by(|a, b| a.name < b.name));
}

/// Damage in every form: none of it may panic or hang, and what loads must be whole.
#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/fixtures");
    let texts: Vec<(bool, Vec<u8>)> = fs::read_dir(fixtures)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end != "txt"))
        .map(|path| (path.extension().unwrap() == "json", fs::read(path).unwrap()))
        .collect();
    let tzdata = Tzdata::bundled();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..4000 {
        let (json, mut text) = texts[random.usize(..texts.len())].clone();
        for _ in 0..random.usize(1..6) {
            damage(&mut text, &mut random);
        }
        let text = String::from_utf8_lossy(&text);
        let contents = schedule_file::read("a", &text, json, &tzdata);
        let problems = report::Report::resume("a", &text, contents.found).finish();
        for problem in problems {
            assert!(!problem.render(true).is_empty());
        }
    }
}

fn damage(text: &mut Vec<u8>, random: &mut fastrand::Rng) {
    const STUFF: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\"",
        "'",
        "\n",
        "\t",
        "  ",
        "#",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "? ",
        "%",
        "\0",
        "é",
        "\u{feff}",
        "999999999999",
    ];
    let at = random.usize(..=text.len());
    match random.u8(..4) {
        0 => drop(text.splice(at..at, STUFF[random.usize(..STUFF.len())].bytes())),
        1 => drop(text.drain(at..(at + random.usize(..9)).min(text.len()))),
        2 => text.truncate(at),
        _ if at < text.len() => text[at] = random.u8(..),
        _ => {}
    }
}

#[test]
fn the_examples_load_without_a_word() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
    let loaded = load(&[examples], &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    // They must not go stale, either.
    assert_eq!(warnings(&loaded, UnixMs::from_secs(1_830_000_000)), []);
    let schedule = loaded.schedule.unwrap();
    assert!(schedule.entries.len() >= 10);
    let heartbeat = schedule.get("heartbeat").unwrap();
    let now = UnixMs::from_secs(1_800_000_001);
    assert!(heartbeat.next_slot(now).unwrap().since(now) < Duration::from_secs(10));
}
