//! Completions, and what the package has shells read, which asks for them.

use std::path::Path;
use std::process::Command;

use crate::support::downbeat::{Finished, Place};
use crate::support::machine::units_folder;
use crate::support::tools::needs;

/// Neither what is printed nor what is installed has mistakes of syntax.
fn parses(shell: &str) {
    let place = Place::new();
    let printed = place.path().join("completions");
    std::fs::write(&printed, place.run(&["completions", shell]).ok()).unwrap();
    for script in [printed, units_folder().join(format!("deb/completions.{shell}"))] {
        let finished = Command::new(shell).arg("-n").arg(&script).output().unwrap();
        let finished = Finished::from(finished);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{script:?}");
    }
}

const SCHEDULE: &str = "entries:
  nightly: {task: t, cron: '0 3 * * *', queue: reports, tags: [money]}
  digest: {task: t, every: 1h, queue: mail, tags: [often]}
  'two words': {task: t, every: 1h}
";

/// A place with that schedule, and the variable by which programs in `PATH` are found.
fn place() -> (Place, String) {
    let place = Place::new();
    place.write_schedule("jobs.yaml", SCHEDULE);
    let folder = Path::new(env!("CARGO_BIN_EXE_downbeat")).parent().unwrap();
    (place, format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()))
}

#[test]
fn bash_completes_commands_flags_and_values() {
    parses("bash");
    let (place, path) = place();
    let complete = |words: &[&str]| {
        let script = ". \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
            _clap_complete_downbeat \"$1\" \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
            echo \"${COMPREPLY[*]}\"";
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).arg(units_folder().join("deb/completions.bash")).args(words);
        bash.current_dir(place.path()).env("PATH", &path);
        Finished::from(bash.output().unwrap()).ok()
    };
    for (words, completed) in [
        (&["tr"][..], "trigger\n"),
        (&["trigger", "--dry"], "--dry-run\n"),
        (&["explain", "--day-match", ""], "and or\n"),
        // Names that a shell would read otherwise are left out.
        (&["trigger", "n"], "nightly\n"),
        (&["trigger", "t"], "\n"),
        (&["pause", "nightly", "d"], "digest\n"),
        (&["peek", "r"], "reports\n"),
        (&["list", "--queue", "m"], "mail\n"),
        (&["resume", "--tag", ""], "money often\n"),
        (&["explain", "--timezone", "Asia/Seo"], "Asia/Seoul\n"),
        (&["run", "--log-level", "d"], "debug\n"),
        (&["run", "--log-format", "log"], "logfmt\n"),
        // The settings before are read.
        (&["--schedules", "elsewhere", "trigger", "n"], "\n"),
        (&["history", "--sched"], "--schedules\n"),
    ] {
        assert_eq!(complete(&[&["downbeat"], words].concat()), completed, "{words:?}");
    }
}

#[test]
fn zsh_reads_its_completions() {
    needs!(Zsh);
    parses("zsh");
    let (place, path) = place();
    // What the shell's own function would show.
    let script = "compdef() { :; }; _describe() { print -l ${(P)3}; }
        words=(downbeat trigger n); CURRENT=3; . \"$0\"";
    let mut zsh = Command::new("zsh");
    zsh.args(["-f", "-c", script]).arg(units_folder().join("deb/completions.zsh"));
    zsh.current_dir(place.path()).env("PATH", path);
    let shown = Finished::from(zsh.output().unwrap()).ok();
    assert_eq!(shown, "nightly\n");
}

#[test]
fn fish_reads_its_completions() {
    if !Path::new("/usr/bin/fish").exists() {
        println!("skipped: fish is missing");
        return;
    }
    parses("fish");
    let (place, path) = place();
    let script = units_folder().join("deb/completions.fish");
    let mut fish = Command::new("fish");
    fish.arg("-c").arg(format!("source {}; complete -C 'downbeat trigger n'", script.display()));
    fish.current_dir(place.path()).env("PATH", path);
    assert_eq!(Finished::from(fish.output().unwrap()).ok(), "nightly\n");
}
