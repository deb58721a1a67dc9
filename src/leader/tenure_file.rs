//! The file in which a process names its tenures, so that its successor on this machine need not wait for a dead
//! process's lease to expire.
//!
//! A process holds a lock (flock) on a file in its state directory as long as it lives. The file names the
//! holders that processes with the lock have asked for the lease as. Whoever gets the lock knows that all of
//! these processes are gone: the kernel releases it when the last thread of a process has ended, and not before.
//! If one of these holders has the lease, exactly that lease is replaced, by compare-and-swap; see
//! [`Acquire::replaces`](crate::store::contract::Acquire).
//!
//! - A process that is stopped (SIGSTOP), frozen or stuck in a system call keeps its lock, as does one whose
//!   main thread is a zombie while others run. A process that is a zombie as a whole has closed its files,
//!   and never runs again.
//! - A copied file names holders of another file: device and inode are part of a holder's name. While a
//!   process has a file open, no other file gets its inode. The same pair on another machine, or in a copy
//!   of this one, does not count, as that was booted at another time.
//! - Locks count on local file systems only ([`LOCAL`]). Other machines may see the files of others.
//! - Where there is no such file, or another process has the lock, the TTL of the lease rules.
//!
//! A holder is in the file before the lease is asked for under it, and the names before it stay. So whenever
//! a process dies, whoever it was that got the lease is in the file:
//!
//! - before the name is written: those before it are;
//! - while it is written: that is one write of one page, and what it would leave if it were cut short is no
//!   record and names nobody;
//! - before the request is sent: its own name is in vain, and the others are there as well;
//! - while the request is on its way: it may be carried out before or after the successor looks. If after, it
//!   finds a lease that is held or, where nobody could have it, gets it: the successor finds the name then;
//! - later: its name is the newest.
//!
//! Nothing is synced to the disk: what a crash of the machine leaves was written before it was booted.
//!
//! The file also says when these processes were started, unless they ended as they were asked to: who starts
//! again and again is slowed down.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use rustix::fs::{FlockOperation, flock, fstatfs};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use uuid::Uuid;

use crate::clock::{SinceBoot, wall};
use crate::ownership::{ROOT, WRITABLE_BY_OTHERS, effective_uid};
use crate::regular_file;

/// The size of the file: one page, written at once.
const BYTES: usize = 4096;
/// The maximum number of holders named: more processes can hardly start within a lease's time.
const MAX_HOLDERS: usize = 8;
/// This many starts within [`STARTS_WITHIN`] are too many.
const MAX_STARTS: usize = 3;
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// Two readings of the boot time differ by less than this, unless somebody set the clock.
const SAME_BOOT_WITHIN: Duration = Duration::from_secs(1);
const FORMAT: u32 = 1;
const HASH_ROOT: Uuid = Uuid::from_u128(0x6f0b_5c1e_52ab_4d0e_9a57_31d7_1f0c_8e42);
/// Magic numbers of file systems used by one kernel only, from `linux/magic.h`: ext2 to ext4, XFS, Btrfs, tmpfs,
/// overlayfs, F2FS, ZFS, bcachefs, ramfs.
const LOCAL: [u32; 9] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x8584_58f6,
];

/// The tenure file of one service: of a namespace on a broker, in a state directory.
#[derive(Debug)]
pub struct TenureFile {
    path: PathBuf,
    locked: Option<Locked>,
    /// Why there is no file.
    trouble: Option<io::Error>,
    has_logged_trouble: bool,
    /// Whether trying again is useless.
    is_unusable: bool,
}

/// The file, while this process has its lock.
#[derive(Debug)]
struct Locked {
    file: File,
    /// The suffix of every holder's name in this file.
    mark: String,
    record: Record,
    /// Holders whose processes are gone.
    gone: Arc<[String]>,
}

/// The contents of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    /// When the machine was booted.
    booted_at: UnixMs,
    /// The holders, newest last.
    holders: Vec<String>,
    /// The starts in milliseconds after boot, newest last.
    starts: Vec<u64>,
}

impl TenureFile {
    /// The file for a namespace on this broker, whose address holds no secret. Opens nothing yet.
    #[must_use]
    pub fn new(state_dir: &Path, namespace: &str, broker: &str) -> TenureFile {
        let broker = Uuid::new_v5(&HASH_ROOT, broker.as_bytes()).simple().to_string();
        let path = state_dir.join(format!("tenure-{namespace}-{}", &broker[..8]));
        TenureFile {
            path,
            locked: None,
            trouble: None,
            is_unusable: false,
            has_logged_trouble: false,
        }
    }

    /// Takes the lock if it is free; `true` if this call took it. Never waits.
    pub fn lock(&mut self) -> bool {
        if self.locked.is_some() || self.is_unusable {
            return false;
        }
        match Locked::open(&self.path) {
            Ok(locked) => self.locked = Some(locked),
            Err(error) => {
                self.is_unusable = error.kind() != io::ErrorKind::WouldBlock;
                self.trouble = Some(error);
            }
        }
        self.locked.is_some()
    }

    /// Records who is about to ask for the lease, and returns the name to ask under: if it is in the file, the
    /// name ends with the file's device and inode.
    #[must_use]
    pub fn name(&mut self, holder: &str) -> String {
        let path = self.path.display();
        let Some(locked) = &mut self.locked else {
            if let Some(error) = self.trouble.take()
                && !std::mem::replace(&mut self.has_logged_trouble, true)
            {
                info!(%path, %error,
                    "failed to name this process; after a crash, a restart waits until the lease expires");
            }
            return holder.to_owned();
        };
        let marked = format!("{holder}{}", locked.mark);
        match locked.name(&marked) {
            Ok(()) => marked,
            Err(error) => {
                warn!(%path, %error,
                    "failed to name this process; after a crash, a restart waits until the lease expires");
                holder.to_owned()
            }
        }
    }

    /// Holders whose processes are known to be gone.
    #[must_use]
    pub fn gone(&self) -> Arc<[String]> {
        self.locked.as_ref().map(|locked| Arc::clone(&locked.gone)).unwrap_or_default()
    }

    /// Takes the lock if it is free, and records that the process starts. Returns whether there were too many
    /// recent starts by processes that were not asked to stop.
    pub fn note_start(&mut self) -> bool {
        self.lock();
        let Some(locked) = &mut self.locked else { return false };
        let now = SinceBoot::now().0;
        let is_recent =
            |start: &u64| now.saturating_sub(Duration::from_millis(*start)) < STARTS_WITHIN;
        let starts = &mut locked.record.starts;
        starts.retain(is_recent);
        starts.push(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let too_many = starts.len() >= MAX_STARTS;
        starts.drain(..starts.len().saturating_sub(MAX_STARTS));
        // If it cannot be written, the service manager's own pauses must do.
        let _ = locked.write();
        too_many
    }

    /// Records that the process ends because it was asked to.
    pub fn note_end(&mut self) {
        if let Some(locked) = &mut self.locked {
            locked.record.starts.clear();
            let _ = locked.write();
        }
    }
}

impl Locked {
    fn open(path: &Path) -> io::Result<Locked> {
        if let Some(folder) = path.parent() {
            regular_file::create_own_folder(folder)?;
        }
        let file = regular_file::open_or_create_own(path)?;
        let found = file.metadata()?;
        if ![effective_uid(), ROOT].contains(&found.uid()) || found.mode() & WRITABLE_BY_OTHERS != 0
        {
            let why = "it belongs to another user, or others may write to it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        // Before locking: a network file system's server may not answer.
        if !is_local(&file)? {
            let why = "its file system may be shared with other machines";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => io::Error::new(
                io::ErrorKind::WouldBlock,
                "another replica uses this state directory; give each its own",
            ),
            error => error.into(),
        })?;
        let mark = format!(":{:x}:{:x}", found.dev(), found.ino());
        let record = read(&file).unwrap_or_else(Record::empty);
        let gone =
            record.holders.iter().filter(|holder| holder.ends_with(&mark)).cloned().collect();
        Ok(Locked { file, mark, record, gone })
    }

    fn name(&mut self, holder: &str) -> io::Result<()> {
        let holders = &mut self.record.holders;
        if holders.last().is_some_and(|last| last == holder) {
            return Ok(());
        }
        holders.push(holder.to_owned());
        holders.drain(..holders.len().saturating_sub(MAX_HOLDERS));
        let written = self.write();
        if written.is_err() {
            self.record.holders.pop();
        }
        written
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.record)?;
        if text.len() >= BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        text.resize(BYTES - 1, b' ');
        text.push(b'\n');
        self.file.write_all_at(&text, 0)
    }
}

impl Record {
    fn empty() -> Record {
        Record { format: FORMAT, booted_at: booted_at(), holders: Vec::new(), starts: Vec::new() }
    }
}

/// Reads what was written since the machine was booted; `None` if there is nothing.
fn read(file: &File) -> Option<Record> {
    let mut text = vec![0; BYTES];
    file.read_exact_at(&mut text, 0).ok()?;
    let record: Record = serde_json::from_slice(&text).ok()?;
    let apart = record.booted_at.0.abs_diff(booted_at().0);
    let is_of_this_boot = u128::from(apart) < SAME_BOOT_WITHIN.as_millis();
    (record.format == FORMAT && is_of_this_boot).then_some(record)
}

/// The boot time by the wall clock, so it changes when that is set. (`/proc` knows more, but a sandbox may hide
/// it.)
fn booted_at() -> UnixMs {
    let since_boot = SinceBoot::now().0.as_millis();
    UnixMs(wall().0.saturating_sub(i64::try_from(since_boot).unwrap_or(i64::MAX)))
}

fn is_local(file: &File) -> io::Result<bool> {
    // The type is signed on some machines, but never has more than 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as the kernel has it"
    )]
    let magic = fstatfs(file)?.f_type as u32;
    Ok(LOCAL.contains(&magic))
}

#[cfg(test)]
mod tests;
