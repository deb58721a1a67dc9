//! The sources of the program itself.

use std::fs;
use std::path::{Path, PathBuf};

/// All files of a folder, with those of its folders.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}

/// All Rust files below `src`, with their paths from there.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files_in(&src).into_iter().filter(|file| file.extension() == Some("rs".as_ref()));
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        (file.strip_prefix(&src).unwrap().to_owned(), text)
    };
    files.map(read).collect()
}

/// The same without tests.
pub(crate) fn shipped_sources() -> Vec<(PathBuf, String)> {
    let is_test = |file: &Path| file.iter().any(|part| part == "tests" || part == "tests.rs");
    let shipped = |text: &str| {
        text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
    };
    let sources = sources().into_iter().filter(|(file, _)| !is_test(file));
    sources.map(|(file, text)| (file, shipped(&text))).collect()
}
