//! Watches the schedule folders and asks for a reload when something in them changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::service::Request;

/// Editors and deployments write in bursts; a reload waits until so long nothing has changed…
const QUIET: Duration = Duration::from_millis(100);
/// …but not longer than this, where changes never cease.
const AT_MOST: Duration = Duration::from_millis(500);

/// Watches for ever. Content is compared afterwards, so a change too many costs one look.
///
/// A file is watched by its folder: editors replace files, and Kubernetes swaps a symbolic link
/// beside them. A folder is watched by its parent as well: deployments replace it, or the link
/// that leads to it.
pub async fn watch(paths: Vec<PathBuf>, service: mpsc::Sender<Request>) {
    let folders: Vec<PathBuf> = paths.iter().map(|path| folder_of(path)).collect();
    let (changed_in, mut changed) = mpsc::unbounded_channel();
    let watched = folders.clone();
    let handler = move |event: notify::Result<Event>| {
        if let Some(change) = change(event, &watched) {
            let _ = changed_in.send(change);
        }
    };
    let mut watcher = match notify::recommended_watcher(handler) {
        Ok(watcher) => watcher,
        Err(error) => {
            return warn!(%error, "schedule files are not watched; SIGHUP reloads them");
        }
    };
    for folder in &folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            warn!(path = %folder.display(), %error, "not watched; SIGHUP reloads it");
        }
        if let Some(parent) = folder.parent() {
            // Where it may not be watched, replacing the folder takes a SIGHUP.
            let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
    }
    while let Some(first) = changed.recv().await {
        let latest = tokio::time::Instant::now() + AT_MOST;
        let mut replaced = first == Change::Folder;
        while let Ok(Some(next)) =
            tokio::time::timeout_at(latest.min(tokio::time::Instant::now() + QUIET), changed.recv())
                .await
        {
            replaced |= next == Change::Folder;
        }
        if replaced {
            watch_anew(&mut watcher, &folders);
        }
        if service.send(Request::Reload(oneshot::channel().0)).await.is_err() {
            return;
        }
    }
}

/// What may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Files in a folder.
    Files,
    /// A folder is another one than before.
    Folder,
}

/// Absolute, as events name it.
fn folder_of(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if path.is_file() { path.parent().unwrap_or(&path).to_owned() } else { path }
}

/// What an event means for the folders; parents are full of what is no business of ours.
fn change(event: notify::Result<Event>, folders: &[PathBuf]) -> Option<Change> {
    // After an error, such as an overflow, anything may have changed.
    let Ok(event) = event else { return Some(Change::Files) };
    if matches!(event.kind, EventKind::Access(_)) {
        return None;
    }
    if event.paths.iter().any(|path| folders.contains(path)) {
        return Some(Change::Folder);
    }
    let is_in = |path: &PathBuf| {
        path.parent().is_some_and(|parent| folders.iter().any(|folder| folder == parent))
    };
    (event.paths.is_empty() || event.paths.iter().any(is_in)).then_some(Change::Files)
}

/// A watch stays with the folder that had the name; this gives it to the one that has it now.
fn watch_anew(watcher: &mut impl Watcher, folders: &[PathBuf]) {
    for folder in folders {
        let _ = watcher.unwatch(folder);
        // A folder that is gone is told of by the reload, and watched once it is back.
        let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
    }
}
