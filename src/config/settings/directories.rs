//! `state_dir` and `runtime_dir`, and the default directories.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::sources::{Names, Origin, Sources};

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// `./schedules` if it exists, else the system's.
pub(super) fn schedules() -> Vec<PathBuf> {
    let here = PathBuf::from("./schedules");
    vec![if here.is_dir() { here } else { PathBuf::from("/etc/downbeat/schedules") }]
}

/// The runtime directory of the system's service.
pub(super) const RUNTIME: &str = "/run/downbeat";

pub(super) fn state(flag: Option<PathBuf>, from: &mut Sources<'_, '_, '_>) -> PathBuf {
    let names = Names { key: "state_dir", flag: "--state-dir", env: "DOWNBEAT_STATE_DIR" };
    let configured = read(names, flag, from);
    configured.unwrap_or_else(|| state_or(Path::new("/var/lib/downbeat"), from.env))
}

pub(super) fn runtime(flag: Option<PathBuf>, from: &mut Sources<'_, '_, '_>) -> PathBuf {
    let names = Names { key: "runtime_dir", flag: "--runtime-dir", env: "DOWNBEAT_RUNTIME_DIR" };
    let configured = read(names, flag, from);
    configured.unwrap_or_else(|| runtime_or(Path::new(RUNTIME), from.env))
}

fn state_or(system: &Path, env: Env<'_>) -> PathBuf {
    if let Some(given) = of_service_manager("STATE_DIRECTORY", env) {
        return given;
    }
    if is_writable(system) {
        return system.to_owned();
    }
    match (absolute("XDG_STATE_HOME", env), absolute("HOME", env)) {
        (Some(state), _) => state.join("downbeat"),
        (None, Some(home)) => home.join(".local/state/downbeat"),
        // Whatever needs the directory fails with this path in the message.
        (None, None) => system.to_owned(),
    }
}

fn runtime_or(system: &Path, env: Env<'_>) -> PathBuf {
    if let Some(given) = of_service_manager("RUNTIME_DIRECTORY", env) {
        return given;
    }
    if is_writable(system) {
        return system.to_owned();
    }
    match absolute("XDG_RUNTIME_DIR", env) {
        Some(runtime) => runtime.join("downbeat"),
        None => {
            let user = rustix::process::geteuid().as_raw();
            let temporary = absolute("TMPDIR", env).unwrap_or_else(|| PathBuf::from("/tmp"));
            temporary.join(format!("downbeat-{user}"))
        }
    }
}

/// systemd separates several directories with colons; the first is the unit's main one.
fn of_service_manager(name: &str, env: Env<'_>) -> Option<PathBuf> {
    let list = env(name)?;
    list.split(':').find(|path| !path.is_empty()).map(PathBuf::from)
}

/// XDG requires relative paths to be ignored.
fn absolute(name: &str, env: Env<'_>) -> Option<PathBuf> {
    env(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn is_writable(path: &Path) -> bool {
    path.is_dir() && access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// The directory that the strongest source names.
fn read(names: Names, flag: Option<PathBuf>, from: &mut Sources<'_, '_, '_>) -> Option<PathBuf> {
    // A path need not be UTF-8, so the flag's is not converted to text.
    if let Some(path) = flag {
        from.note(names.key, &Origin::Flag(names.flag));
        return Some(path);
    }
    let given = from.setting(names, None)?;
    let base = from.base_of(&given);
    from.path(Some(&given), &base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_wins_then_the_system_then_the_user() {
        let system = tempfile::tempdir().unwrap();
        let env = |name: &str| match name {
            "STATE_DIRECTORY" => Some("/var/lib/downbeat-a:/other".to_owned()),
            "XDG_RUNTIME_DIR" => Some("/run/user/7".to_owned()),
            "HOME" => Some("/home/me".to_owned()),
            _ => None,
        };
        let nowhere = Path::new("/nowhere/downbeat");
        assert_eq!(state_or(system.path(), &env), Path::new("/var/lib/downbeat-a"));
        assert_eq!(runtime_or(system.path(), &env), system.path());
        assert_eq!(runtime_or(nowhere, &env), Path::new("/run/user/7/downbeat"));
        let home = |name: &str| env(name).filter(|_| name == "HOME");
        assert_eq!(state_or(nowhere, &home), Path::new("/home/me/.local/state/downbeat"));
        assert!(runtime_or(nowhere, &home).to_string_lossy().starts_with("/tmp/downbeat-"));
        assert_eq!(state_or(nowhere, &|_| None), nowhere);
    }
}
