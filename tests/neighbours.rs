//! What other users of the machine may have put where downbeat looks.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::downbeat::Place;
use crate::support::wait::SOON;

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_in_the_place_of_any_file_is_refused_instead_of_waited_for() {
    let place = Place::new();
    place.write_schedule("a.yaml", "entries: {}\n");
    let pipe = place.path().join("pipe");
    make_pipe(&pipe);
    make_pipe(&place.schedules().join("pipe.yaml"));
    let pipe = pipe.to_str().unwrap();
    let tls = ["--broker", "rediss://127.0.0.1:1", "--tls-ca", pipe];
    for args in [
        &["check"][..],
        &["check", pipe],
        &["check", "--config", pipe],
        &["check", "--broker-file", pipe],
        &[&["check"], &tls[..]].concat(),
    ] {
        let mut downbeat = place.start(args);
        assert_ne!(downbeat.wait(SOON).code(), Some(0), "{args:?}");
        let log = downbeat.log().join("\n");
        assert!(log.contains("not a regular file but a named pipe"), "{args:?}: {log}");
    }
    // A link that leads to a file is one: so Kubernetes mounts them.
    fs::remove_file(place.schedules().join("pipe.yaml")).unwrap();
    fs::rename(place.schedules().join("a.yaml"), place.schedules().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data", place.schedules().join("a.yaml")).unwrap();
    place.run(&["check"]).ok();
}
