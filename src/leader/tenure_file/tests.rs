use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::leader::lease;

fn is_gone(file: &TenureFile, lease: &str) -> bool {
    file.gone().iter().any(|gone| Some(&**gone) == lease::holder(lease))
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn file_in(folder: &Path) -> TenureFile {
    TenureFile::new(folder, "downbeat", "redis://here/0")
}

/// A file whose lock this process has.
fn locked_in(folder: &Path) -> TenureFile {
    let mut file = file_in(folder);
    assert!(file.lock());
    file
}

/// Names a holder and dies; returns the lease that it got.
fn lead_and_die(folder: &Path, holder: &str) -> String {
    format!("7 {}", locked_in(folder).name(holder))
}

fn edit(path: &Path, edit: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let mut edited = edit(text.trim_end()).into_bytes();
    edited.resize(BYTES, b' ');
    assert_ne!(edited, text.as_bytes());
    fs::write(path, edited).unwrap();
}

#[test]
fn the_owner_of_the_lock_knows_that_exactly_the_holders_before_it_are_gone() {
    let folder = folder();
    let lease = lead_and_die(folder.path(), "a:1:0000");
    let mut heir = locked_in(folder.path());
    assert!(is_gone(&heir, &lease));
    for other in ["7 a:1:0000", "a:1:0000", "", "7 ", &lease[2..], &format!("{lease}0")] {
        assert!(!is_gone(&heir, other), "{other}");
    }
    let own = format!("8 {}", heir.name("a:2:0000"));
    assert!(!is_gone(&heir, &own), "it is its own");
    // It dies before it has the lease, which the first one still has.
    drop(heir);
    let next = locked_in(folder.path());
    assert!(is_gone(&next, &lease) && is_gone(&next, &own));
}

#[test]
fn without_the_lock_no_holder_is_gone_and_no_name_is_marked() {
    let folder = folder();
    let lease = lead_and_die(folder.path(), "a:1:0000");
    let mut first = locked_in(folder.path());
    let mut second = file_in(folder.path());
    assert!(!second.lock() && !is_gone(&second, &lease));
    assert_eq!(second.name("a:2:0000"), "a:2:0000");
    assert!(!second.note_start() && !second.note_start() && !second.note_start());
    let of_first = format!("9 {}", first.name("a:1:1111"));
    drop(first);
    assert!(second.lock(), "it tries again");
    assert!(!second.lock(), "once");
    assert!(is_gone(&second, &lease) && is_gone(&second, &of_first));
    assert!(second.name("a:2:0000").starts_with("a:2:0000:"));
}

#[test]
fn a_copied_or_replaced_file_proves_nothing() {
    let folder = folder();
    let lease = lead_and_die(folder.path(), "a:1:0000");
    let path = file_in(folder.path()).path;
    let other = tempfile::tempdir().unwrap();
    fs::copy(&path, file_in(other.path()).path).unwrap();
    assert!(!is_gone(&locked_in(other.path()), &lease), "copied");
    let alive = locked_in(folder.path());
    let copy = folder.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(copy, &path).unwrap();
    assert!(!is_gone(&locked_in(folder.path()), &lease), "replaced while it is in use");
    drop(alive);
    assert!(!is_gone(&locked_in(folder.path()), &lease), "nor later");
    // It is a file like any other.
    let lease = lead_and_die(folder.path(), "a:2:0000");
    assert!(is_gone(&locked_in(folder.path()), &lease));
    fs::remove_file(path).unwrap();
    assert!(!is_gone(&locked_in(folder.path()), &lease), "deleted");
}

#[test]
fn what_was_written_before_the_machine_was_booted_proves_nothing() {
    let folder = folder();
    let lease = lead_and_die(folder.path(), "a:1:0000");
    let path = file_in(folder.path()).path;
    let of_boot = |at: i64| {
        edit(&path, |text| {
            let mut record: Record = serde_json::from_str(text).unwrap();
            record.booted_at = UnixMs(at);
            serde_json::to_string(&record).unwrap() + "\n"
        });
        is_gone(&locked_in(folder.path()), &lease)
    };
    let now = booted_at().0;
    assert!(of_boot(now - 500) && of_boot(now + 500));
    assert!(!of_boot(now - 1_500) && !of_boot(now + 1_500));
    assert!(!of_boot(i64::MIN) && !of_boot(i64::MAX));
}

#[test]
fn a_file_written_by_somebody_else_names_nobody_and_is_rewritten() {
    let folder = folder();
    let path = file_in(folder.path()).path;
    let lease = lead_and_die(folder.path(), "a:1:0000");
    let whole = fs::read(&path).unwrap();
    let cut_short = [&whole[..100], &[0; BYTES - 100]].concat();
    let another_format =
        String::from_utf8(whole.clone()).unwrap().replace("\"format\":1", "\"format\":2");
    let hostile: [&[u8]; 6] =
        [b"", b"{}", &whole[..BYTES - 1], &cut_short, another_format.as_bytes(), &[b'['; 1 << 16]];
    for text in hostile {
        fs::write(&path, text).unwrap();
        assert!(!is_gone(&locked_in(folder.path()), &lease), "{}", String::from_utf8_lossy(text));
        let lease = lead_and_die(folder.path(), "a:2:0000");
        assert!(is_gone(&locked_in(folder.path()), &lease));
    }
}

#[test]
fn only_our_own_files_are_used() {
    let folder = folder();
    let path = file_in(folder.path()).path;
    fs::write(folder.path().join("target"), "").unwrap();
    symlink("target", &path).unwrap();
    assert!(!file_in(folder.path()).lock(), "a link");
    fs::remove_file(&path).unwrap();
    drop(locked_in(folder.path()));
    fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
    let mut file = file_in(folder.path());
    assert!(!file.lock(), "others may write to it");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(!file.lock(), "it does not try again");
    assert!(!file_in(Path::new("/proc/nowhere")).lock(), "no folder");
}

#[test]
fn only_file_systems_that_one_kernel_has_to_itself_are_local() {
    let is_local = |file: File| super::is_local(&file).unwrap();
    assert!(is_local(tempfile::tempfile().unwrap()));
    assert!(is_local(tempfile::tempfile_in("/dev/shm").unwrap()));
    assert!(!is_local(File::open("/proc/self/stat").unwrap()));
}

#[test]
fn services_that_share_a_state_directory_have_a_file_each() {
    let folder = folder();
    let mut files = [
        TenureFile::new(folder.path(), "downbeat", "redis://here/0"),
        TenureFile::new(folder.path(), "other", "redis://here/0"),
        TenureFile::new(folder.path(), "downbeat", "redis://here/1"),
    ];
    assert!(files.iter_mut().all(TenureFile::lock));
    assert!(!file_in(folder.path()).lock());
}

#[test]
fn the_last_holders_are_named_however_many_there_were() {
    let folder = folder();
    let host = "h".repeat(64);
    let mut file = locked_in(folder.path());
    let leases: Vec<_> =
        (0..20).map(|n| format!("7 {}", file.name(&format!("{host}:4194304:{n:08x}")))).collect();
    drop(file);
    let heir = locked_in(folder.path());
    let gone: Vec<_> = leases.iter().map(|lease| is_gone(&heir, lease)).collect();
    assert_eq!(gone, [[false; 20 - MAX_HOLDERS].as_slice(), &[true; MAX_HOLDERS]].concat());
}

#[test]
fn a_third_start_is_too_many_unless_earlier_ones_were_stopped_or_are_long_ago() {
    let folder = folder();
    let start = || file_in(folder.path()).note_start();
    assert_eq!([start(), start(), start(), start()], [false, false, true, true]);
    let mut file = locked_in(folder.path());
    file.note_end();
    drop(file);
    assert_eq!([start(), start(), start()], [false, false, true]);
    edit(&file_in(folder.path()).path, |text| {
        let mut record: Record = serde_json::from_str(text).unwrap();
        record.starts.iter_mut().for_each(|start| *start -= 10_000);
        serde_json::to_string(&record).unwrap()
    });
    assert_eq!([start(), start(), start()], [false, false, true]);
}
