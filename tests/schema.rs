//! The schema accepts what the loader accepts, and refuses files of a wrong shape, according to an
//! independent validator.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use downbeat::config::language::reference;
use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::tools::{needs, python};

/// Reads the schema and files as one JSON document; prints for each file what is wrong with it.
/// Scalars are those of YAML's core schema, as editors read them: dates are text.
const VALIDATE: &str = r#"
import json, re, sys
import jsonschema, yaml

class Core(yaml.SafeLoader):
    yaml_implicit_resolvers = {}

for tag, pattern, first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
]:
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)

asked = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(asked["schema"])
validator = jsonschema.Draft202012Validator(asked["schema"])
answers = []
for text in asked["files"]:
    errors = sorted(validator.iter_errors(yaml.load(text, Core)), key=lambda error: error.json_path)
    answers.append([f"{error.json_path}: {error.message}" for error in errors])
print(json.dumps(answers))
"#;

/// What is wrong with each file, by the schema.
fn validate(files: &[String]) -> Vec<Vec<String>> {
    let schema: Value = serde_json::from_str(&Place::new().run(&["schema"]).ok()).unwrap();
    let asked = json!({"schema": schema, "files": files}).to_string();
    let mut validator = Command::new(python());
    validator.args(["-c", VALIDATE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut validator = validator.spawn().unwrap();
    validator.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    serde_json::from_slice(&validator.wait_with_output().unwrap().stdout).unwrap()
}

fn fenced(page: &Path) -> Vec<String> {
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("entries:")).map(str::to_owned).collect()
}

#[test]
fn a_validator_accepts_every_example_by_the_schema() {
    needs!(Python);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = reference::examples().into_iter().map(|(_, file)| file).collect();
    files.extend(fenced(&root.join("docs/schedule-files.md")));
    files.extend(fenced(&root.join("README.md")));
    files.extend(fenced(&root.join("docs/celery-beat.md")));
    let schedules = fs::read_dir(root.join("schedules")).unwrap();
    files.extend(schedules.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()));
    assert!(files.len() > 50, "{}", files.len());
    for (file, errors) in files.iter().zip(validate(&files)) {
        assert_eq!(errors, [] as [String; 0], "{file}");
    }
}

#[test]
fn a_validator_refuses_files_of_a_wrong_shape_by_the_schema() {
    needs!(Python);
    let entries = [
        "cron: \"* * * * *\"",
        "task: t",
        "{task: t, cron: \"* * * * *\", every: 1m}",
        "{task: t, crom: \"* * * * *\"}",
        "{task: t, every: 30}",
        "{task: t, every: 1 hour}",
        "{task: t, cron: \"* * * * *\", phase: 1m}",
        "{task: t, every: 1m, day_match: or}",
        "{task: t, cron: \"* * * * *\", day_match: xor}",
        "{task: t, cron: {minutes: 5}}",
        "{task: t, cron: []}",
        "{task: t, cron: [[\"* * * * *\"]]}",
        "{task: t, solar: {event: sunset, latitude: 0, longitude: 0, offset: -1d}}",
        "{task: t, cron: {minute: 5, quartz: \"0 0 0 ? * 2\"}}",
        "{task: t, at: tomorrow}",
        "{task: t, at: []}",
        "{task: t, solar: {event: moonrise, latitude: 1, longitude: 1}}",
        "{task: t, solar: {event: sunset, latitude: 91, longitude: 1}}",
        "{task: t, solar: {event: sunset, latitude: 1}}",
        "{task: t, every: 1m, args: {a: 1}}",
        "{task: t, every: 1m, kwargs: [1]}",
        "{task: t, every: 1m, priority: 256}",
        "{task: t, every: 1m, limit: 0}",
        "{task: t, every: 1m, max_queued: many}",
        "{task: t, every: 1m, overlap: forbid}",
        "{task: t, every: 1m, overlap: {skip: 2}}",
        "{task: t, every: 1m, overlap: {allow: 2h}}",
        "{task: t, every: 1m, catch_up: some}",
        "{task: t, every: 1m, except: {a: 1}}",
        "{task: t, every: 1m, except: [2026-1-1]}",
        "{task: t, every: 1m, except: [22-06h]}",
        "{task: t, every: 1d, except: {move: next}}",
        "{task: t, every: 1d, except: {days: sat, move: on}}",
        "{task: t, every: 1m, enabled: \"yes\"}",
        "{task: t, every: 1m, options: {time_limits: 5}}",
        "{task: t, every: 1m, tags: nightly}",
    ];
    let entries = entries.map(|entry| format!("entries:\n  a: {entry}\n")).map(|file| {
        file.replacen("a: cron: ", "a:\n    cron: ", 1).replacen("a: task: ", "a:\n    task: ", 1)
    });
    let whole = ["{}", "entries: []", "entries: {}\nextra: 1", "entries: {}\ndefaults: {task: t}"];
    let files: Vec<String> = entries.into_iter().chain(whole.map(str::to_owned)).collect();
    for (file, errors) in files.iter().zip(validate(&files)) {
        assert!(!errors.is_empty(), "accepted: {file}");
    }
}
