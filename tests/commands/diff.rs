//! `diff`: what an edit changes, with an exit status like that of diff(1); and the hook for pre-commit.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::output::on_a_terminal;
use crate::support::downbeat::{Finished, Place};
use crate::support::tools::tests_folder;

const OLD: &str = r#"
timezone: Asia/Seoul
defaults: {queue: reports}
calendars: {bank: [12-25]}
entries:
  nightly: {task: reports.build, cron: "0 3 * * *", args: [daily], kwargs: {tenant: 42, day: "{{ slot | date }}"}}
  digest: {task: mails.send, every: 1h, queue: mail}
  quiet: {task: t, cron: "0 5 * * *"}
  old-name: {task: t, cron: "0 6 * * *", except: [bank]}
  limited: {task: t, cron: "0 7 * * *", limit: 3, options: {time_limit: 5m}}
"#;
const NEW: &str = r#"
timezone: Asia/Seoul
defaults: {queue: reports}
calendars: {bank: [12-25]}
entries:
  nightly: {task: reports.build, cron: "0 4 * * *", args: [daily, 7], kwargs: {tenant: 43, month: "{{ slot | format('%Y-%m') }}"}}
  digest: {task: mails.send, every: 1h, queue: bulk-mail, expires: next, headers: {x-a: 1}}
  # A comment, and another order of keys, change nothing.
  quiet: {cron: "0 5 * * *", task: t}
  new-name: {task: t, cron: "0 6 * * *", except: [bank]}
  limited: {task: t, cron: "0 7 * * *", limit: 5, options: {time_limit: 6m}, description: Words.}
  fresh: {task: t, cron: "0 8 1 * *", enabled: false}
"#;

fn place(old: &str, new: &str) -> Place {
    let place = Place::new();
    for (folder, text) in [("old", old), ("new", new)] {
        fs::create_dir(place.path().join(folder)).unwrap();
        fs::write(place.path().join(folder).join("jobs.yaml"), text).unwrap();
    }
    place
}

const FROM: [&str; 2] = ["--from", "2027-01-01"];

fn diff(place: &Place, args: &[&str]) -> Finished {
    place.run(&[&["diff", "old", "new"], &FROM[..], args].concat())
}

#[test]
fn an_edit_is_shown_entry_by_entry_and_key_by_key() {
    let finished = diff(&place(OLD, NEW), &[]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(1), ""));
    let starts_afresh =
        "new: it starts afresh, so slots missed before are not sent, and `limit` counts from 0";
    let expected = format!(
        "\
changed\tdigest\tqueue\tmail\tbulk-mail
changed\tdigest\texpires\t-\tnext
changed\tdigest\theaders.x-a\t-\t1
added\tfresh\twhen\t-\tat 08:00 on the 1st of every month, Asia/Seoul
added\tfresh\ttask\t-\tt
added\tfresh\tqueue\t-\treports
added\tfresh\tenabled\t-\tfalse
changed\tlimited\tlimit\t3\t5
changed\tlimited\toptions\t-\tchanged
changed\tlimited\tdescription\t-\tchanged
changed\tlimited\tregistration\t-\t{starts_afresh}
added\tnew-name\twhen\t-\tat 06:00 every day, Asia/Seoul
added\tnew-name\ttask\t-\tt
added\tnew-name\tqueue\t-\treports
added\tnew-name\tnext\t-\t2027-01-01T06:00:00+09:00, 2027-01-02T06:00:00+09:00, 2027-01-03T06:00:00+09:00
added\tnew-name\tregistration\t-\t`old-name` under another name; {starts_afresh}
changed\tnightly\twhen\tat 03:00 every day\tat 04:00 every day
changed\tnightly\targs[1]\t-\t7
changed\tnightly\tkwargs.tenant\t42\t43
changed\tnightly\tkwargs.month\t-\t\"{{{{ slot | format('%Y-%m') }}}}\"
changed\tnightly\tkwargs.day\t\"{{{{ slot | date }}}}\"\t-
changed\tnightly\tnext\t2027-01-01T03:00:00+09:00, 2027-01-02T03:00:00+09:00, 2027-01-03T03:00:00+09:00\t\
2027-01-01T04:00:00+09:00, 2027-01-02T04:00:00+09:00, 2027-01-03T04:00:00+09:00
changed\tnightly\tregistration\t-\t{starts_afresh}
removed\told-name\twhen\tat 06:00 every day, Asia/Seoul\t-
removed\told-name\ttask\tt\t-
removed\told-name\tqueue\treports\t-
removed\told-name\tnext\t2027-01-01T06:00:00+09:00, 2027-01-02T06:00:00+09:00, 2027-01-03T06:00:00+09:00\t-
"
    );
    assert_eq!(finished.stdout, expected);
}

#[test]
fn json_has_the_same_for_programs() {
    let json = diff(&place(OLD, NEW), &["--json"]).json(1);
    assert_eq!(json["unchanged"], 1);
    let names = |key: &str| -> Vec<Value> {
        json[key].as_array().unwrap().iter().map(|entry| entry["entry"].clone()).collect()
    };
    assert_eq!(names("added"), ["fresh", "new-name"]);
    assert_eq!(names("removed"), ["old-name"]);
    assert_eq!(names("changed"), ["digest", "limited", "nightly"]);
    assert_eq!(json["added"][1]["renamed_from"], "old-name");
    let digest = &json["changed"][0];
    assert_eq!(digest["new_registration"], false);
    assert_eq!(digest["next"]["old"], digest["next"]["new"]);
    let queue = json!({"key": "queue", "old": "mail", "new": "bulk-mail"});
    assert_eq!(digest["changes"][0], queue);
    let nightly = &json["changed"][2];
    assert_eq!(nightly["new_registration"], true);
    assert_eq!(nightly["next"]["old"][0], "2027-01-01T03:00:00+09:00");
    assert_eq!(nightly["next"]["new"][0], "2027-01-01T04:00:00+09:00");
}

#[test]
fn the_order_of_cron_lines_makes_no_difference() {
    let jobs = |lines: &str| format!("entries: {{a: {{task: t, cron: [{lines}]}}}}\n");
    let [one, other] = ["30 23 * * sat", "0 0 * * sun"].map(|line| format!("'{line}'"));
    let place = place(&jobs(&format!("{one}, {other}")), &jobs(&format!("{other}, {one}")));
    assert_eq!(diff(&place, &["--json"]).json(0)["unchanged"], 1);
}

#[test]
fn entries_with_one_timing_are_told_apart_by_what_they_send() {
    let jobs = |prefix: &str| {
        let entry =
            |task: &str| format!("  {prefix}-{task}: {{task: {task}, cron: '0 3 * * *'}}\n");
        format!("entries:\n{}", ["a", "b", "c"].map(entry).concat())
    };
    let added = diff(&place(&jobs("old"), &jobs("new")), &["--json"]).json(1)["added"].take();
    let renamed: Vec<_> =
        added.as_array().unwrap().iter().map(|entry| &entry["renamed_from"]).collect();
    assert_eq!(renamed, ["old-a", "old-b", "old-c"]);
}

#[test]
fn what_is_the_same_exits_with_0_and_what_cannot_be_compared_with_2() {
    let place = place(OLD, OLD);
    let same = diff(&place, &[]);
    assert_eq!((same.code, same.stdout.as_str(), same.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(diff(&place, &["--json"]).json(0)["unchanged"], 5);
    let bad = "entries: {a: {task: t, crom: '0 3 * * *'}}";
    fs::write(place.path().join("new/jobs.yaml"), bad).unwrap();
    let said = diff(&place, &[]).refused(2);
    assert!(
        said.starts_with("downbeat: cannot compare: invalid schedule\nnew/jobs.yaml:1:"),
        "{said}"
    );
    assert!(said.contains("did you mean `cron`?"), "{said}");
    let json = diff(&place, &["--json"]).json(2);
    assert_eq!(json["problems"][0]["file"], "new/jobs.yaml");
    let said = place.run(&["diff", "old", "nowhere"]).refused(2);
    assert!(said.contains("nowhere: cannot be read: no such file"), "{said}");
    let said = place.run(&["diff", "old", "old", "--from", "noon"]);
    assert_eq!(said.code, Some(0), "no entry differs, so no time is read");
    // Both sides are reported.
    fs::write(place.path().join("old/jobs.yaml"), "entries: []").unwrap();
    let said = diff(&place, &[]).refused(2);
    assert!(said.contains("old/jobs.yaml:1:") && said.contains("new/jobs.yaml:1:"), "{said}");
}

#[test]
fn files_and_nothing_are_compared_like_folders() {
    let place = place(OLD, NEW);
    let files = ["diff", "old/jobs.yaml", "new/jobs.yaml", "--from", "2027-01-01"];
    assert_eq!(place.run(&files).stdout, diff(&place, &[]).stdout);
    let json = place.run(&["diff", "/dev/null", "old", "--json"]).json(1);
    assert_eq!(json["added"].as_array().map(Vec::len), Some(5));
    let json = place.run(&["diff", "old", "/dev/null", "--json"]).json(1);
    assert_eq!(json["removed"].as_array().map(Vec::len), Some(5));
}

#[test]
fn days_calendars_and_zones_are_differences() {
    let with = |except: &str, bank: &str, zone: &str| {
        format!(
            "calendars: {{bank: [{bank}], other: [02-01]}}\nentries:\n  \
             a: {{task: t, cron: '0 3 * * *', except: [{except}, other], timezone: {zone}}}\n  \
             b: {{task: t, every: 1h, timezone: {zone}, \
             args: [\"{{{{ slot | business_days(1, 'bank') }}}}\"]}}\n"
        )
    };
    let keys = |old: String, new: String| -> Vec<(String, bool)> {
        let json = diff(&place(&old, &new), &["--json"]).json(1);
        let changed = json["changed"].as_array().unwrap();
        let key = |entry: &Value, change: &Value| {
            (change["key"].as_str().unwrap().to_owned(), entry["new_registration"] == true)
        };
        changed
            .iter()
            .flat_map(|entry| {
                entry["changes"].as_array().unwrap().iter().map(move |change| key(entry, change))
            })
            .collect()
    };
    let base = with("12-25", "12-26", "UTC");
    assert_eq!(keys(base.clone(), with("12-24", "12-26", "UTC")), [("except".to_owned(), true)]);
    assert_eq!(
        keys(base.clone(), with("12-25", "12-27", "UTC")),
        [("calendars".to_owned(), false)]
    );
    let zone = ("timezone".to_owned(), true);
    let only_shown = ("timezone".to_owned(), false);
    assert_eq!(keys(base, with("12-25", "12-26", "Asia/Tokyo")), [zone, only_shown]);
}

#[test]
fn a_terminal_shows_blocks_that_fit() {
    let place = place(OLD, NEW);
    let Some(shown) = on_a_terminal(&place, "diff old new --from 2027-01-01") else { return };
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.starts_with("~ digest\n    queue        mail → bulk-mail\n"), "{shown}");
    assert!(shown.contains("\n+ new-name\n") && shown.contains("\n- old-name\n"), "{shown}");
    assert!(shown.contains("    options       changed\n"), "{shown}");
    let next = "    next           2027-01-01 03:00+09:00 → 2027-01-01 04:00+09:00\n";
    assert!(shown.contains(next), "{shown}");
    assert!(shown.ends_with("2 added, 3 changed, 1 removed, 1 unchanged\n"), "{shown}");
    let same = on_a_terminal(&place, "diff old old").unwrap();
    assert_eq!(same, "5 unchanged\n");
}

#[test]
fn a_terminal_shows_where_the_next_slots_begin_to_differ() {
    let [old, new] =
        ["15s", "20s"].map(|every| format!("entries: {{a: {{task: t, every: {every}}}}}"));
    let shown = on_a_terminal(&place(&old, &new), "diff old new --from 2027-01-01");
    let Some(shown) = shown else { return };
    assert!(shown.contains("2027-01-01 00:00:15+00:00 → 2027-01-01 00:00:20+00:00\n"), "{shown}");
}

/// What follows a key in the definition of the hook.
fn of_hook(key: &str) -> String {
    let hooks = fs::read_to_string(tests_folder().join("../.pre-commit-hooks.yaml")).unwrap();
    let line = hooks.lines().map(|line| line.trim_start_matches(['-', ' ']));
    let mut values = line.filter_map(|line| line.strip_prefix(&format!("{key}: ")));
    values.next().unwrap_or_else(|| panic!("no {key}")).to_owned()
}

#[test]
fn the_hook_for_pre_commit_checks_the_schedule() {
    assert_eq!((of_hook("language"), of_hook("pass_filenames")), ("system".into(), "false".into()));
    let place = Place::new();
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_downbeat")).parent().unwrap();
    let run = |text: &str| {
        place.write_schedule("jobs.yaml", text);
        // As pre-commit does: the words of the entry, then the arguments.
        let entry = of_hook("entry");
        let words: Vec<&str> = entry.split(' ').chain(["schedules"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(place.path()).env_clear().env("PATH", folder);
        command.env("HOME", place.path()).stdin(Stdio::null());
        Finished::from(command.output().unwrap())
    };
    assert_eq!(run("entries: {a: {task: t, every: 1h}}").code, Some(0));
    let refused = run("entries: {a: {task: t, evry: 1h}}").refused(1);
    assert!(refused.contains("did you mean `every`?"), "{refused}");
}
