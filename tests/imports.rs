//! Modules import only what is below them: docs/architecture.md has the order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::sources::{shipped_sources, sources};

/// The rank of each module, from the rows of the table under `## Modules`, the lowest row last. Rows of other
/// crates (`crates/…`) have no rank: a crate cannot import what depends on it.
fn ranks() -> BTreeMap<String, usize> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n## Modules\n").unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("| --- |")).skip(1);
    let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).collect();
    let mut ranks = BTreeMap::new();
    for (rank, row) in rows.iter().rev().enumerate() {
        let names = row.split('|').nth(1).unwrap();
        for name in names.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')) {
            assert_eq!(ranks.insert(name.to_owned(), rank), None, "{name} has two rows");
        }
    }
    ranks
}

/// The module that a file belongs to; `None` for the crate's own files.
fn module_of(file: &Path) -> Option<String> {
    let first = file.iter().next().unwrap().to_str().unwrap();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// The modules of this crate that a text names, apart from comments.
fn imports_of(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        let paths = match part.strip_prefix('{').and_then(|part| part.split_once("};")) {
            Some((paths, _)) => paths.split(',').collect(),
            None => vec![part],
        };
        for path in paths {
            let name = path.trim_start();
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            names.insert(name[..end].to_owned());
        }
    }
    names
}

#[test]
fn a_module_imports_only_modules_below_it() {
    let ranks = ranks();
    let mut upward = Vec::new();
    for (file, text) in shipped_sources() {
        let Some(module) = module_of(&file) else { continue };
        for other in imports_of(&text).into_iter().filter(|other| *other != module) {
            let (Some(own), Some(rank)) = (ranks.get(&module), ranks.get(&other)) else { continue };
            if rank >= own {
                upward.push(format!("{} imports `{other}`", file.display()));
            }
        }
    }
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

#[test]
fn the_table_of_modules_has_every_module_and_no_other() {
    let modules: BTreeSet<_> = sources().iter().filter_map(|(file, _)| module_of(file)).collect();
    let listed: BTreeSet<_> = ranks().into_keys().collect();
    assert_eq!(listed, modules);
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::worker::Queue;\nuse crate::{clock, store::Fence};\n// crate::http\n\
                fn f() { crate::mask::mask(\"\") }";
    let found: Vec<_> = imports_of(text).into_iter().collect();
    assert_eq!(found, ["clock", "mask", "store", "worker"]);
}
