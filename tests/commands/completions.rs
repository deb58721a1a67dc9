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

#[test]
fn bash_completes_commands_flags_and_values() {
    parses("bash");
    let folder = Path::new(env!("CARGO_BIN_EXE_downbeat")).parent().unwrap();
    let complete = |words: &[&str]| {
        let script = ". \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
            _downbeat \"$1\" \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; echo ${COMPREPLY[@]}";
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).arg(units_folder().join("deb/completions.bash")).args(words);
        let path = std::env::var("PATH").unwrap();
        bash.env("PATH", format!("{}:{path}", folder.display()));
        Finished::from(bash.output().unwrap()).ok()
    };
    assert_eq!(complete(&["downbeat", "tr"]), "trigger\n");
    assert_eq!(complete(&["downbeat", "trigger", "--dry"]), "--dry-run\n");
    assert_eq!(complete(&["downbeat", "explain", "--day-match", ""]), "and or\n");
}

#[test]
fn zsh_reads_its_completions() {
    needs!(Zsh);
    parses("zsh");
}

#[test]
fn fish_reads_its_completions() {
    if !Path::new("/usr/bin/fish").exists() {
        println!("skipped: fish is missing");
        return;
    }
    parses("fish");
}
