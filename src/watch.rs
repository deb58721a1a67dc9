//! Watches the schedule folders and asks for a reload when something in them changes.

use std::path::PathBuf;
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher as _};
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
/// beside them.
pub async fn watch(paths: Vec<PathBuf>, service: mpsc::Sender<Request>) {
    let (changed_in, mut changed) = mpsc::unbounded_channel();
    let handler = move |event: notify::Result<notify::Event>| {
        let only_read = event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_)));
        if !only_read {
            let _ = changed_in.send(());
        }
    };
    let mut watcher = match notify::recommended_watcher(handler) {
        Ok(watcher) => watcher,
        Err(error) => {
            return warn!(%error, "schedule files are not watched; SIGHUP reloads them");
        }
    };
    for path in &paths {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            warn!(path = %folder.display(), %error, "not watched; SIGHUP reloads it");
        }
    }
    while changed.recv().await.is_some() {
        let latest = tokio::time::Instant::now() + AT_MOST;
        while let Ok(Some(())) =
            tokio::time::timeout_at(latest.min(tokio::time::Instant::now() + QUIET), changed.recv())
                .await
        {}
        if service.send(Request::Reload(oneshot::channel().0)).await.is_err() {
            return;
        }
    }
}
