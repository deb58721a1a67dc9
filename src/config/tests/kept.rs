//! Rules of the copy of accepted files.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use rustix::fs::{CWD, FlockOperation, Mode, mkfifoat};

use super::*;

const NOW: UnixMs = UnixMs(1_700_000_000_000);

/// A state directory and two directories with schedule files that share a name.
struct Rig {
    root: tempfile::TempDir,
    paths: Vec<PathBuf>,
    tzdata: Tzdata,
}

impl Rig {
    fn new() -> Rig {
        let root = tempfile::tempdir().unwrap();
        let paths = ["b", "a"].map(|name| root.path().join(name)).to_vec();
        for (path, entry) in paths.iter().zip(["first", "second"]) {
            fs::create_dir(path).unwrap();
            let text = format!("\u{feff}entries: {{{entry}: {{task: 작업, every: 1h}}}}\n");
            fs::write(path.join("jobs.yaml"), text).unwrap();
        }
        let json = r#"{"entries": {"third": {"task": "t", "every": "1h"}}}"#;
        fs::write(paths[1].join("more.json"), json).unwrap();
        Rig { root, paths, tzdata: Tzdata::bundled() }
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn copy(&self) -> KeptFiles {
        KeptFiles::new(&self.state(), "downbeat", &self.paths)
    }

    fn load(&self) -> Loaded {
        load(&self.paths, &Queues::default(), &self.tzdata)
    }

    fn keep(&self, now: UnixMs) -> Result<UnixMs, KeepError> {
        let loaded = self.load();
        self.copy().keep(loaded.schedule.unwrap().hash, &loaded.files, now)
    }

    fn kept(&self) -> Result<Option<Kept>, KeptError> {
        self.copy().load(&Queues::default(), &self.tzdata)
    }

    fn edit(&self) {
        fs::write(self.paths[0].join("jobs.yaml"), "entries: {}\n").unwrap();
    }

    /// The names in the state directory.
    fn names(&self) -> Vec<String> {
        let items = fs::read_dir(self.state()).unwrap();
        items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn kept_files_make_the_same_schedule_at_the_same_places() {
    let rig = Rig::new();
    assert!(rig.kept().unwrap().is_none());
    let before = rig.load();
    assert_eq!(rig.keep(NOW).unwrap(), NOW);
    fs::remove_dir_all(&rig.paths[0]).unwrap();
    let Kept { accepted_at, loaded } = rig.kept().unwrap().unwrap();
    assert_eq!(accepted_at, NOW);
    assert_eq!((&loaded.files, &loaded.places), (&before.files, &before.places));
    let (kept, before) = (loaded.schedule.unwrap(), before.schedule.unwrap());
    assert_eq!((kept.hash, kept.entries.len()), (before.hash, 3));
    assert!(kept.entries == before.entries);
    let copy = fs::metadata(rig.copy().path()).unwrap();
    assert_eq!((copy.mode() & 0o7777, rig.names().len()), (0o600, 1));
    assert_eq!(fs::metadata(rig.state()).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn the_same_files_are_not_written_again_and_others_replace_them() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    let inode = || fs::metadata(rig.copy().path()).unwrap().ino();
    let first = inode();
    let later = UnixMs(NOW.0 + 1000);
    assert_eq!((rig.keep(later).unwrap(), inode()), (NOW, first));
    rig.edit();
    assert_eq!(rig.keep(later).unwrap(), later);
    assert_eq!(rig.kept().unwrap().unwrap().accepted_at, later);
}

#[test]
fn a_crash_while_writing_leaves_the_previous_copy() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    let name = rig.names().remove(0);
    let [staged, other] = [&*name, "accepted-other-00000000"]
        .map(|name| rig.state().join(format!("{name}.0b8f1c.new")));
    for path in [&staged, &other] {
        fs::write(path, "half of").unwrap();
    }
    assert_eq!(rig.kept().unwrap().unwrap().accepted_at, NOW);
    rig.edit();
    let written_at = fs::metadata(&staged).unwrap().mtime() * 1000;
    rig.keep(UnixMs(written_at + 1000)).unwrap();
    assert_eq!(rig.kept().unwrap().unwrap().loaded.schedule.unwrap().entries.len(), 2);
    assert!(staged.exists(), "another replica may be writing it");
    fs::write(rig.paths[1].join("more.json"), r#"{"entries": {}}"#).unwrap();
    rig.keep(UnixMs(written_at + 2 * 3_600_000)).unwrap();
    assert!(!staged.exists() && other.exists());
}

#[test]
fn a_lock_on_the_state_directory_delays_nobody() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    fs::set_permissions(rig.state(), fs::Permissions::from_mode(0o755)).unwrap();
    // Any user who can read a directory can lock it.
    let folder = fs::File::open(rig.state()).unwrap();
    rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).unwrap();
    rig.edit();
    let loaded = rig.load();
    let (copy, (done, is_done)) = (rig.copy(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        done.send(copy.keep(loaded.schedule.unwrap().hash, &loaded.files, NOW))
    });
    let kept = is_done.recv_timeout(std::time::Duration::from_secs(30));
    assert!(kept.expect("it does not wait").is_ok());
}

#[test]
fn a_copy_that_cannot_be_written_leaves_the_previous_one() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    fs::write(rig.paths[1].join("more.json"), r#"{"entries": {}}"#).unwrap();
    let accepted = rig.load();
    rig.edit();
    let later = NOW + Duration::from_secs(60);
    let kept = rig.copy().keep(accepted.schedule.unwrap().hash, &accepted.files, later);
    assert!(
        matches!(kept, Err(KeepError::Changed(path)) if path == rig.paths[0].join("jobs.yaml"))
    );
    assert_eq!(rig.copy().accepted_at(), Some(NOW));
    let before = rig.kept().unwrap().unwrap().loaded.schedule.unwrap();
    assert_ne!(before.hash, rig.load().schedule.unwrap().hash);
    assert_eq!(rig.names().len(), 1, "nothing is left beside it");
}

#[test]
fn services_that_share_a_state_directory_have_a_copy_each() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    let reversed: Vec<_> = rig.paths.iter().rev().cloned().collect();
    for (namespace, paths) in [("other", &rig.paths[..]), ("downbeat", &rig.paths[..1])] {
        let other = KeptFiles::new(&rig.state(), namespace, paths);
        assert!(other.load(&Queues::default(), &rig.tzdata).unwrap().is_none());
    }
    // In another order, they are another schedule.
    assert_ne!(KeptFiles::new(&rig.state(), "downbeat", &reversed).path(), rig.copy().path());
}

#[test]
fn a_path_is_the_same_however_it_is_spelled_and_however_often() {
    let copy = |paths: &[&str]| {
        let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
        KeptFiles::new(Path::new("/state"), "downbeat", &paths).path()
    };
    for same in [&["/x/s/"][..], &["//x/./s"], &["/x/s", "/x/s"], &["/x/s/", "/x/s"]] {
        assert_eq!(copy(same), copy(&["/x/s"]), "{same:?}");
    }
    assert_eq!(copy(&["s/", "./s"]), copy(&["s"]));
    assert_ne!(copy(&["/x/s", "/x/t"]), copy(&["/x/s"]));
}

#[test]
fn any_byte_that_differs_is_noticed() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    let path = rig.copy().path();
    let intact = fs::read(&path).unwrap();
    let is_refused = || match rig.kept() {
        Ok(kept) => kept.unwrap().loaded.schedule.is_none(),
        Err(KeptError::Damaged) => true,
        Err(error) => panic!("{error}"),
    };
    for at in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[at] ^= 0x20;
        fs::write(&path, &damaged).unwrap();
        assert!(is_refused(), "byte {at} of {}", intact.len());
        fs::write(&path, &intact[..at]).unwrap();
        assert!(is_refused(), "the first {at} bytes of {}", intact.len());
    }
    fs::write(&path, [&intact[..], b"\n"].concat()).unwrap();
    assert!(is_refused(), "one more byte");
}

#[test]
fn a_copy_that_another_user_may_have_written_is_not_used() {
    let rig = Rig::new();
    rig.keep(NOW).unwrap();
    let (path, aside) = (rig.copy().path(), rig.root.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    symlink(&aside, &path).unwrap();
    assert!(matches!(rig.kept(), Err(KeptError::Unreadable(_))));
    fs::remove_file(&path).unwrap();
    // Neither blocks.
    mkfifoat(CWD, &path, Mode::RWXU).unwrap();
    assert!(matches!(rig.kept(), Err(KeptError::Unreadable(_))));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(rig.kept(), Err(KeptError::Unreadable(_))));
    fs::remove_dir(&path).unwrap();
    fs::copy(&aside, &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    assert!(matches!(rig.kept(), Err(KeptError::Foreign)));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(rig.kept().unwrap().is_some());
    // A copy of other paths under this one's name.
    let other = KeptFiles::new(&rig.state(), "downbeat", &rig.paths[..1]);
    fs::rename(&path, other.path()).unwrap();
    let found = other.load(&Queues::default(), &rig.tzdata);
    assert!(matches!(found, Err(KeptError::OtherPaths)));
}
