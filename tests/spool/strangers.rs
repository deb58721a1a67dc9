//! What others have put into the folders of a spool, and who may read what we put there.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink,
};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use downbeat::store::{Found, Peeked};

use super::*;
use crate::support::downbeat::Downbeat;

const KINDS: [&str; 4] = ["fifo", "directory", "socket", "link"];

/// Puts something there that is not a regular file. The link leads to `target`.
fn put(kind: &str, path: &Path, target: &Path) {
    match kind {
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "directory" => fs::create_dir(path).unwrap(),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        _ => symlink(target, path).unwrap(),
    }
}

/// Panics instead of waiting for ever.
fn within_a_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    is_done.recv_timeout(SOON).expect("it does not wait")
}

#[test]
fn what_is_no_message_file_is_passed_over_in_stage_and_queue() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:state/spool");
    place.write_schedule("all.yaml", "entries: {yearly: {task: t, cron: '0 0 1 1 *', queue: q}}");
    place.run(&["trigger", "yearly"]).ok();
    let spool = place.state().join("spool");
    let [name] = &files(&spool.join("queue"))[..] else { panic!("not one message") };
    let target = place.path().join("target");
    fs::copy(spool.join("queue").join(name), &target).unwrap();
    for folder in ["stage", "queue"] {
        for kind in KINDS {
            put(kind, &spool.join(format!("{folder}/0_{kind}.q.msg")), &target);
        }
    }
    fs::write(spool.join("stage/README"), "not ours").unwrap();
    // Recovery deletes what is not recorded, though only under a name of downbeat's own.
    fs::write(spool.join("stage/1_x.celery.msg"), "not ours").unwrap();

    let root = spool.clone();
    let (opened, peeked) = within_a_time(move || {
        (SpoolStore::open(&root, "downbeat").map(drop), SpoolStore::waiting(&root, "q", 9))
    });
    opened.unwrap();
    let Ok(Peeked::Messages { total: 1, found, .. }) = peeked else { panic!("{peeked:?}") };
    assert!(matches!(&found[..], [Found::Whole { .. }]), "{found:?}");
    // All is as it was.
    assert_eq!(fs::read_to_string(spool.join("stage/README")).unwrap(), "not ours");
    assert_eq!(files_in(&spool.join("stage")), KINDS.len() + 2);
    assert_eq!(files_in(&spool.join("queue")), KINDS.len() + 1);
    assert!(target.exists());
}

#[test]
fn what_stands_in_the_place_of_a_file_or_folder_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    place.write_schedule("all.yaml", &every_second(1));
    let spool = place.state().join("spool");
    let target = place.path().join("precious");
    fs::write(&target, "precious").unwrap();
    for name in ["lock", "records", "records.new", "history", "history.new", "stage", "queue"] {
        for kind in KINDS {
            let is_folder = ["stage", "queue"].contains(&name);
            if is_folder && kind == "directory" {
                continue;
            }
            fs::create_dir(&spool).unwrap();
            put(kind, &spool.join(name), &target);
            let mut downbeat = place.start(&["run"]);
            if name.ends_with(".new") && kind != "directory" {
                // What a crash may have left goes; where a link leads stays.
                downbeat.wait_for_log("became leader");
                downbeat.process().kill();
            } else {
                let log = downbeat.wait_for_log("move it away");
                assert!(log.contains(spool.join(name).to_str().unwrap()), "{kind}: {log}");
                assert_eq!(downbeat.wait(SOON).code(), Some(78), "{name}: {kind}");
            }
            assert_eq!(fs::read_to_string(&target).unwrap(), "precious", "{name}: {kind}");
            fs::remove_dir_all(&spool).unwrap();
        }
    }
}

#[test]
fn a_spool_that_others_can_alter_is_refused_and_nothing_in_it_is_touched() {
    let place = Place::new();
    place.write_schedule("all.yaml", &every_second(1));
    let (spool, victim) = (place.state().join("spool"), place.path().join("victim"));
    let refused = |why: &str| {
        let said = place.run(&["run"]).refused(78);
        assert!(said.contains(why), "{why}: {said}");
        assert_eq!(files(&victim), ["1_x.celery.msg"], "{why}");
    };
    let make = |path: &Path, mode| {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    make(&victim, 0o700);
    fs::write(victim.join("1_x.celery.msg"), "x").unwrap();

    for mode in [0o777, 0o1777, 0o770] {
        make(&spool, mode);
        symlink(&victim, spool.join("stage")).unwrap();
        refused(&format!("other users may write to {} (mode {mode:04o})", spool.display()));
        fs::remove_dir_all(&spool).unwrap();
    }
    for folder in ["stage", "queue"] {
        make(&spool, 0o700);
        symlink(&victim, spool.join(folder)).unwrap();
        refused(&format!("/spool/{folder}: not a folder but a symbolic link; move it away"));
        fs::remove_dir_all(&spool).unwrap();
    }
    symlink(&victim, &spool).unwrap();
    refused("/spool: not a folder but a symbolic link; move it away");
    let slash = format!("spool:{}/", spool.display());
    let said = place.run(&["run", "--broker", &slash]).refused(78);
    assert!(said.contains("/spool: not a folder but a symbolic link"), "{said}");
    assert_eq!(files(&victim), ["1_x.celery.msg"]);
    fs::remove_file(&spool).unwrap();

    // A group may be let into the queue, not into the stage, and nobody else into either.
    for (folder, mode, remedy) in
        [("stage", 0o770, "go-w"), ("stage", 0o707, "go-w"), ("queue", 0o777, "o-w")]
    {
        make(&spool, 0o710);
        make(&spool.join(folder), mode);
        refused(&format!("/spool/{folder} (mode {mode:04o}); `chmod {remedy}` it"));
        fs::remove_dir_all(&spool).unwrap();
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give a folder away");
        return;
    }
    for path in ["", "stage", "queue", "lock"] {
        make(&spool, 0o755);
        let path = spool.join(path);
        if path.ends_with("lock") {
            fs::write(&path, "").unwrap();
        } else {
            make(&path, 0o755);
        }
        chown(&path, Some(65_534), None).unwrap();
        let path: std::path::PathBuf = path.components().collect();
        refused(&format!("{} belongs to uid 65534, not to uid 0", path.display()));
        fs::remove_dir_all(&spool).unwrap();
    }
}

#[test]
fn what_is_too_large_is_refused_instead_of_read() {
    let place = Place::new();
    place.write_schedule("all.yaml", &every_second(1));
    let spool = place.state().join("spool");
    let whole = "larger than 4294967296 bytes";
    for (name, length, what) in [
        ("records", 1 << 40, whole),
        ("records", 1 << 29, "a line is longer than 268435456 bytes"),
        ("history", 1 << 40, whole),
        ("history", 1 << 29, "a line is longer than 16777216 bytes"),
    ] {
        fs::create_dir(&spool).unwrap();
        File::create(spool.join(name)).unwrap().set_len(length).unwrap();
        let mut downbeat = place.start(&["run"]);
        downbeat.wait_for_log(&format!("/{name}: {what}; move it away"));
        assert_eq!(downbeat.wait(SOON).code(), Some(78), "{name} of {length} bytes");
        fs::remove_dir_all(&spool).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Of the messages in the queue, in order.
fn message_modes(queue: &Path) -> Vec<u32> {
    files(queue).iter().map(|name| mode(&queue.join(name))).collect()
}

#[test]
fn a_spool_is_for_its_owner_and_messages_for_a_group_that_may_take_them() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:state/spool");
    place.write_schedule("all.yaml", "entries: {yearly: {task: t, cron: '0 0 1 1 *'}}");
    let spool = place.state().join("spool");
    // Whatever the umask is.
    let mut run = place.command_after("umask 000", &["run"]);
    let mut downbeat = Downbeat::spawn(&mut run);
    downbeat.wait_for_log("became leader");
    place.run(&["trigger", "yearly"]).ok();
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    for folder in ["", "stage", "queue"] {
        assert_eq!(mode(&spool.join(folder)), 0o700, "{folder}");
    }
    for file in ["lock", "records"] {
        assert_eq!(mode(&spool.join(file)), 0o600, "{file}");
    }
    let queue = spool.join("queue");
    assert_eq!(message_modes(&queue), [0o600]);
    // A group that may only look into the folder takes nothing; one that may write there does.
    fs::set_permissions(&queue, fs::Permissions::from_mode(0o755)).unwrap();
    place.run(&["trigger", "yearly"]).ok();
    fs::set_permissions(&queue, fs::Permissions::from_mode(0o2770)).unwrap();
    place.run(&["trigger", "yearly"]).ok();
    assert_eq!(message_modes(&queue), [0o600, 0o600, 0o660]);
}

#[test]
fn what_root_puts_into_the_spool_of_another_user_belongs_to_that_user() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give a folder away");
        return;
    }
    // Elsewhere than in /tmp, where anybody could have made it.
    let above = tempfile::tempdir_in("/var/lib").unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let spool = above.path().join("spool");
    let broker = format!("spool:{}", spool.display());
    let place = Place::new().env("DOWNBEAT_BROKER", &broker);
    place.write_schedule("all.yaml", "entries: {yearly: {task: t, cron: '0 0 1 1 *'}}");
    let queue = spool.join("queue");
    for folder in [&spool, &spool.join("stage"), &queue] {
        DirBuilder::new().mode(0o700).create(folder).unwrap();
        chown(folder, Some(65_534), Some(65_534)).unwrap();
    }
    place.run(&["trigger", "yearly"]).ok();
    let sent = fs::metadata(queue.join(&files(&queue)[0])).unwrap();
    assert_eq!((sent.uid(), sent.gid()), (65_534, 65_534));

    // A service in it is that user's, and a command has nothing to do where others may have a hand in it.
    let foreign = "/spool belongs to uid 65534, not to uid 0; run this as that user";
    assert!(place.run(&["run"]).refused(78).contains(foreign));
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(place.run(&["trigger", "yearly"]).refused(3).contains(foreign));
    assert_eq!(files_in(&queue), 1);
}

#[test]
fn a_queue_name_that_no_file_can_have_is_refused_where_it_stands_but_not_on_redis() {
    let place = Place::new();
    let spool = format!("spool:{}", place.path().join("tasks").display());
    let long = "q".repeat(193);
    let length = "the name of a queue in a spool is 193 bytes long, more than 192";
    let no_file = "a queue in a spool cannot have this name, as no file can";
    for (name, said) in [("a/b", no_file), ("..", no_file), (".", no_file), (&*long, length)] {
        place.write_schedule(
            "a.yaml",
            &format!("entries:\n  a: {{task: t, queue: {name}, every: 1h}}\n"),
        );
        for broker in [&["--broker", &spool][..], &[]] {
            for (command, code) in [("check", 1), ("run", 78)] {
                let refused = place.run(&[&[command], broker].concat()).refused(code);
                assert!(refused.contains(&format!("a.yaml:2:23: {said}")), "{refused}");
                assert!(refused.contains(&format!("\n{}^", " ".repeat(26))), "{refused}");
            }
        }
        place.run(&["check", "--broker", "redis://127.0.0.1:1"]).ok();
    }
    let defaults = "defaults: {queue: a/b}\nentries: {a: {task: t, every: 1h}}\n";
    place.write_schedule("a.yaml", defaults);
    let refused = place.run(&["check"]).refused(1);
    assert!(refused.contains("a.yaml:1:19: "), "{refused}");
    place.write_schedule("a.yaml", &defaults.replace("a/b", &long[1..]));
    place.run(&["trigger", "a", "--broker", &spool]).ok();
    let refused = place.run(&["trigger", "a", "--queue", "../q", "--broker", &spool]).refused(2);
    assert!(refused.contains(&format!("--queue ../q: {no_file}")), "{refused}");
}
