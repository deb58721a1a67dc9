//! Watches the schedule files and requests a reload when one may have changed; and once a day, for zone rules.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::config::is_schedule_name;
use crate::service::Request;

/// Editors and deployments write in bursts, so a reload waits until nothing has changed for this long …
const QUIET: Duration = Duration::from_millis(100);
/// … but no longer than this, if changes never stop.
const MAX_WAIT: Duration = Duration::from_millis(500);

const DAY: Duration = Duration::from_secs(86_400);

/// Watches the schedule files. A reload compares their content, so a spurious one is cheap; but other
/// files of a directory, such as a log, can change all the time.
///
/// A file is watched through its directory: editors replace files, and Kubernetes swaps a symbolic link
/// next to them. A directory is also watched through its parent: deployments replace it, or the link
/// that leads to it.
pub struct Watch {
    folders: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    changed: mpsc::UnboundedReceiver<Change>,
}

impl Watch {
    /// Sees every change from now on; so what is loaded afterwards is never outdated.
    #[must_use]
    pub fn begin(paths: &[PathBuf]) -> Watch {
        let folders: Vec<PathBuf> = paths.iter().map(|path| folder_of(path)).collect();
        let (changed_in, changed) = mpsc::unbounded_channel();
        let mut relevant = Relevant::new(paths, &folders);
        let handler = move |event: notify::Result<Event>| {
            if let Some(change) = relevant.change(event) {
                let _ = changed_in.send(change);
            }
        };
        let watcher = notify::recommended_watcher(handler).map_err(
            |error| warn!(%error, "failed to watch the schedule files; SIGHUP reloads them"),
        );
        let mut watch = Watch { folders, watcher: watcher.ok(), changed };
        watch.start();
        watch
    }

    fn start(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in &self.folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive)
                && folder.exists()
            {
                warn!(path = %folder.display(), %error, "failed to watch a folder; SIGHUP reloads it");
            }
            if let Some(parent) = folder.parent() {
                // If the parent cannot be watched, replacing the directory requires a SIGHUP.
                let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
            }
        }
    }

    /// Requests a reload after each change, forever.
    pub async fn forward(mut self, service: mpsc::Sender<Request>) {
        while let Some(first) = self.changed.recv().await {
            let latest = Instant::now() + MAX_WAIT;
            let mut replaced = first == Change::Folder;
            while let Ok(Some(next)) =
                timeout_at(latest.min(Instant::now() + QUIET), self.changed.recv()).await
            {
                replaced |= next == Change::Folder;
            }
            if replaced {
                self.restart();
            }
            if service.send(Request::Reload(oneshot::channel().0)).await.is_err() {
                return;
            }
        }
    }

    /// A watch follows the directory that had the name; this moves it to the one that has it now.
    fn restart(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in &self.folders {
            let _ = watcher.unwatch(folder);
            // The reload reports a missing directory, and watches it once it is back.
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }
}

/// Requests a reload once a day, forever: nothing else tells of new zone rules.
pub async fn reload_daily(service: mpsc::Sender<Request>) {
    loop {
        tokio::time::sleep(DAY).await;
        if service.send(Request::Reload(oneshot::channel().0)).await.is_err() {
            return;
        }
    }
}

/// What an event may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Files in a folder.
    Files,
    /// A directory was replaced.
    Folder,
}

/// The absolute path, as in events.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn folder_of(path: &Path) -> PathBuf {
    let path = absolute(path);
    if path.is_file() { path.parent().unwrap_or(&path).to_owned() } else { path }
}

/// Filters the events that may change the schedule.
#[derive(Debug)]
struct Relevant {
    /// The configured paths.
    paths: Vec<PathBuf>,
    /// The directories watched for them.
    folders: Vec<PathBuf>,
    /// The links and directories in them: a schedule file may be a link to a file behind them.
    links: HashSet<PathBuf>,
}

impl Relevant {
    fn new(paths: &[PathBuf], folders: &[PathBuf]) -> Relevant {
        let paths = paths.iter().map(|path| absolute(path)).collect();
        Relevant { paths, folders: folders.to_vec(), links: links_in(folders) }
    }

    /// What an event means for the schedule.
    fn change(&mut self, event: notify::Result<Event>) -> Option<Change> {
        // After an error, such as an overflow, anything may have changed.
        let Ok(event) = event else { return Some(Change::Files) };
        if matches!(event.kind, EventKind::Access(_)) {
            return None;
        }
        if event.paths.iter().any(|path| self.folders.contains(path)) {
            self.links = links_in(&self.folders);
            return Some(Change::Folder);
        }
        let mut relevant = event.paths.is_empty();
        for path in &event.paths {
            relevant |= self.is_relevant(path);
        }
        relevant.then_some(Change::Files)
    }

    /// Whether this is a schedule file, or is or was a link or directory on the way to one.
    fn is_relevant(&mut self, path: &Path) -> bool {
        let Some(folder) = path.parent().filter(|folder| self.is_watched(folder)) else {
            return false;
        };
        let (is_link, was_link) = (is_link_or_folder(path), self.links.remove(path));
        if is_link {
            self.links.insert(path.to_owned());
        }
        let in_folder = self.paths.iter().any(|named| named == folder) && is_schedule_name(path);
        is_link || was_link || in_folder || self.paths.iter().any(|named| named == path)
    }

    fn is_watched(&self, folder: &Path) -> bool {
        self.folders.iter().any(|watched| watched == folder)
    }
}

fn is_link_or_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink() || found.is_dir())
}

fn links_in(folders: &[PathBuf]) -> HashSet<PathBuf> {
    let items = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = items.filter_map(|item| Some(item.ok()?.path()));
    paths.filter(|path| is_link_or_folder(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reload_is_requested_once_a_day() {
        let (requests, mut requested) = mpsc::channel(1);
        let began = Instant::now();
        let daily = tokio::spawn(reload_daily(requests));
        for day in 1..=3 {
            assert!(matches!(requested.recv().await, Some(Request::Reload(_))));
            assert_eq!(began.elapsed(), day * DAY);
        }
        drop(requested);
        daily.await.unwrap();
    }
}
