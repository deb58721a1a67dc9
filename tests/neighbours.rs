//! What other users of the machine may have put where downbeat looks.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::process::Process;
use crate::support::tools::{needs, python};
use crate::support::wait::{SOON, eventually};

/// A user who is neither root nor runs anything.
const SOMEBODY: u32 = 65_534;
const YEARLY: &str = "entries: {yearly: {task: t, cron: '0 0 1 1 *'}}\n";

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
        downbeat.wait_for_log("not a regular file but a named pipe");
        assert_ne!(downbeat.wait(SOON).code(), Some(0), "{args:?}");
    }
    // Zone rules that cannot be read are taken from the program itself.
    let zones = place.path().join("zones");
    fs::create_dir(&zones).unwrap();
    fs::write(zones.join("UTC"), "").unwrap();
    make_pipe(&zones.join("tzdata.zi"));
    fs::remove_file(place.schedules().join("pipe.yaml")).unwrap();
    let check = || {
        let mut check = place.command(&["check"]);
        let mut check = Downbeat::spawn(check.env("TZDIR", &zones));
        assert_eq!(check.wait(SOON).code(), Some(0));
    };
    check();
    fs::remove_file(zones.join("tzdata.zi")).unwrap();
    fs::write(zones.join("tzdata.zi"), "# version 9000a\n").unwrap();
    fs::create_dir(zones.join("Asia")).unwrap();
    make_pipe(&zones.join("Asia/Seoul"));
    place.write_schedule(
        "a.yaml",
        "entries: {a: {task: t, cron: '0 3 * * *', timezone: Asia/Seoul}}\n",
    );
    check();
    // A link that leads to a file is one: so Kubernetes mounts them.
    fs::rename(place.schedules().join("a.yaml"), place.schedules().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data", place.schedules().join("a.yaml")).unwrap();
    place.run(&["check"]).ok();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether we are root, who may give a folder away.
fn give_away(path: &Path) -> bool {
    let given = chown(path, Some(SOMEBODY), Some(SOMEBODY));
    given
        .inspect_err(|error| println!("skipped: only root can give a folder away: {error}"))
        .is_ok()
}

/// Whatever is asked, it answers that it was done; what was asked can be received.
fn listen(runtime_dir: &Path) -> mpsc::Receiver<Vec<u8>> {
    let listener = UnixListener::bind(runtime_dir.join("control.sock")).unwrap();
    let (asked_in, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = vec![0; 1 << 16];
            let length = stream.read(&mut bytes).unwrap_or(0);
            bytes.truncate(length);
            let _ = asked_in.send(bytes);
            let answer = "HTTP/1.1 204 No Content\r\ndownbeat-namespace: downbeat\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    asked
}

/// Every command that asks a running service.
const COMMANDS: [&[&str]; 6] = [
    &["status"],
    &["list"],
    &["reload", "--wait"],
    &["resign"],
    &["trigger", "yearly", "--args", "[\"secret\"]"],
    &["backfill", "yearly", "--from", "2025-01-01", "--to", "2026-01-02"],
];

/// Panics unless each command fails with 3 and `reason`, and nothing is sent anywhere.
fn assert_nothing_is_asked(place: &Place, reason: &str, asked: &mpsc::Receiver<Vec<u8>>) {
    for args in COMMANDS {
        let said = place.run(args).refused(3);
        assert!(said.contains("nothing was asked: ") && said.contains(reason), "{args:?}: {said}");
    }
    assert_eq!(asked.try_recv(), Err(mpsc::TryRecvError::Empty));
    assert!(!place.state().join("spool").exists());
}

#[test]
fn no_command_asks_what_listens_in_a_directory_that_others_made_or_may_enter() {
    let place = Place::new();
    place.write_schedule("a.yaml", YEARLY);
    let asked = listen(&place.runtime());
    for mode in [0o755, 0o770, 0o1777] {
        chmod(&place.runtime(), mode);
        let reason = format!("is open to other users (mode {mode:04o}); `chmod 700` it, or set");
        assert_nothing_is_asked(&place, &reason, &asked);
    }
    chmod(&place.runtime(), 0o700);
    let real = place.path().join("real");
    fs::rename(place.runtime(), &real).unwrap();
    symlink(&real, place.runtime()).unwrap();
    assert_nothing_is_asked(&place, "is a symbolic link; name the directory itself", &asked);
    fs::remove_file(place.runtime()).unwrap();
    fs::rename(&real, place.runtime()).unwrap();
    if give_away(&place.runtime()) {
        assert_nothing_is_asked(&place, "belongs to uid 65534, not to uid 0; run this as", &asked);
        // To whoever may be trusted, the same is said.
        chown(place.runtime(), Some(0), Some(0)).unwrap();
    }
    place.run(&["resign"]).ok();
    assert!(!asked.recv_timeout(SOON).unwrap().is_empty());
}

#[test]
fn no_command_asks_what_another_user_runs_in_a_directory_of_ours() {
    needs!(Python);
    let place = Place::new();
    place.write_schedule("a.yaml", YEARLY);
    let owned = place.path().join("owned");
    fs::create_dir(&owned).unwrap();
    if !give_away(&owned) {
        return;
    }
    let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\n\
                  s.listen()\nwhile True:\n c, _ = s.accept()\n print(c.recv(9), flush=True)\n";
    let socket = place.runtime().join("control.sock");
    let mut python_as_somebody = Command::new("setpriv");
    python_as_somebody.args(["--reuid", "65534", "--clear-groups", "--"]).arg(python());
    python_as_somebody.args(["-c", script]).arg(&socket);
    let asked = place.path().join("asked");
    python_as_somebody.stdout(fs::File::create(&asked).unwrap());
    // As long as it takes to get in.
    chmod(place.path(), 0o755);
    chmod(&place.runtime(), 0o777);
    let _listener = Process::spawn("listener", &mut python_as_somebody);
    eventually(SOON, "it listens", || UnixStream::connect(&socket).ok());
    chmod(&place.runtime(), 0o700);
    let (_open, nothing) = mpsc::channel();
    assert_nothing_is_asked(&place, "runs as uid 65534, which is neither root nor uid 0", &nothing);
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.lines().all(|line| line == "b''"), "{asked}");
}

#[test]
fn an_answer_without_an_end_ends_with_an_error() {
    let place = Place::new();
    let listener = UnixListener::bind(place.runtime().join("control.sock")).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1 << 10]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ndownbeat-namespace: downbeat\r\n\r\n").unwrap();
        while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
    });
    let mut status = place.start(&["status"]);
    status.wait_for_log("did not answer: its answer is longer than 64 MiB");
    assert_eq!(status.wait(SOON).code(), Some(3));
}

#[test]
fn a_service_listens_in_no_directory_that_others_may_enter_and_says_what_to_do() {
    let place = Place::new();
    place.write_schedule("a.yaml", YEARLY);
    chmod(&place.runtime(), 0o755);
    let mut downbeat = place.start(&["run"]);
    let line = downbeat.wait_for_log("no control socket");
    for said in ["WARN", "is open to other users (mode 0755)", "RuntimeDirectoryMode=0700"] {
        assert!(line.contains(said), "{said}: {line}");
    }
    downbeat.wait_for_log("became leader");
    assert!(!place.runtime().join("control.sock").exists());
    downbeat.process().kill();
    downbeat.wait(SOON);

    // One inside it, which it makes itself, is as it should be, whatever the umask is.
    let inside = place.runtime().join("own");
    let command = "umask 000; exec \"$0\" run --runtime-dir \"$1\"";
    let mut run = Command::new("sh");
    run.args(["-c", command, env!("CARGO_BIN_EXE_downbeat")]).arg(&inside);
    run.current_dir(place.path()).env_clear().env("STATE_DIRECTORY", place.state());
    let downbeat = Downbeat::spawn(&mut run);
    downbeat.wait_for_log("became leader");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&inside), mode(&inside.join("control.sock"))), (0o700, 0o600));
    place.run(&["status", "--runtime-dir", inside.to_str().unwrap()]).ok();
}
