//! Finds what the units of `systemd/` pass to the service beside its configuration file, as far as a
//! command outside of them can see it.
//!
//! A credential and the service's own environment override the broker in `/etc/downbeat/downbeat.yaml`. So
//! that a command does not use that broker while the service uses another, it reads the same credential,
//! and has no broker if it cannot determine the service's.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::service_config::MAX_FILE_BYTES;
use crate::config::files;

/// Where systemd looks for credentials (`systemd.exec(5)`, `LoadCredential=`).
const CREDENTIAL_STORES: [&str; 4] =
    ["etc/credstore", "run/credstore", "usr/local/lib/credstore", "usr/lib/credstore"];

/// Where drop-ins of a unit are.
const UNITS: [&str; 3] = ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"];

/// What names a unit's broker instead of its configuration file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BrokerSource {
    /// This credential, which may be unreadable or even absent.
    Credential(PathBuf),
    /// This file, which is read when the service starts.
    Environment(PathBuf),
}

/// What overrides the broker in the configuration file `file` of a service on the machine with this
/// root: nothing if none of our units reads that file.
pub(super) fn overriding_broker(root: &Path, file: &Path) -> Option<BrokerSource> {
    let (plain, unit, template) = units_of(root, file)?;
    let environment = root.join("etc/default").join(&plain);
    let drop_ins = [unit, template].into_iter().flatten().flat_map(|unit| {
        let folders = UNITS.iter().map(move |units| root.join(units).join(format!("{unit}.d")));
        folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten()
    });
    let drop_ins = drop_ins.map(|item| item.path());
    if let Some(path) = drop_ins.chain([environment]).find(|path| may_name_a_broker(path)) {
        return Some(BrokerSource::Environment(path));
    }
    let name = format!("{plain}.broker");
    let stores = CREDENTIAL_STORES.iter().map(|store| root.join(store).join(&name));
    // A directory that cannot be entered may have it.
    stores.into_iter().find(|path| may_exist(path)).map(BrokerSource::Credential)
}

/// Whether anything may exist at the path: it may in a directory that cannot be entered, and a dangling
/// link counts.
pub(super) fn may_exist(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// The name in files, the unit, and the template if the unit is an instance.
fn units_of(root: &Path, file: &Path) -> Option<(String, Option<String>, Option<String>)> {
    let named = [std::path::absolute(file).ok(), file.canonicalize().ok()];
    named.into_iter().flatten().find_map(|file| {
        let inside = file.strip_prefix(root.join("etc/downbeat")).ok()?;
        if inside == Path::new("downbeat.yaml") {
            return Some(("downbeat".to_owned(), Some("downbeat.service".to_owned()), None));
        }
        let instance = inside.parent()?.to_str()?;
        if inside.file_name()? != "downbeat.yaml" || instance.contains('/') {
            return None;
        }
        let unit = format!("downbeat@{instance}.service");
        Some((format!("downbeat-{instance}"), Some(unit), Some("downbeat@.service".to_owned())))
    })
}

/// Whether an environment file or a drop-in overrides the broker in the configuration file. An unreadable
/// one may.
fn may_name_a_broker(path: &Path) -> bool {
    match fs::metadata(path) {
        Err(error) => return error.kind() != ErrorKind::NotFound,
        Ok(found) if !found.is_file() => return false,
        Ok(_) => {}
    }
    let Ok(text) = files::read_text(path, MAX_FILE_BYTES, "") else { return true };
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).any(|line| {
        ["DOWNBEAT_BROKER", "DOWNBEAT_STATE=", "DOWNBEAT_CONFIG", "Credential"]
            .iter()
            .any(|word| line.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) -> PathBuf {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_unit_has_the_credential_of_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let main = write(root, "etc/downbeat/downbeat.yaml", "");
        let instance = write(root, "etc/downbeat/shop/downbeat.yaml", "");
        let other = write(root, "etc/downbeat/other.yaml", "");
        let deep = write(root, "etc/downbeat/shop/deep/downbeat.yaml", "");
        assert_eq!(overriding_broker(root, &main), None);
        let credential = write(root, "etc/credstore/downbeat.broker", "");
        let of_shop = write(root, "usr/lib/credstore/downbeat-shop.broker", "");
        assert_eq!(
            overriding_broker(root, &main),
            Some(BrokerSource::Credential(credential.clone()))
        );
        assert_eq!(overriding_broker(root, &instance), Some(BrokerSource::Credential(of_shop)));
        assert_eq!((overriding_broker(root, &other), overriding_broker(root, &deep)), (None, None));
        // By whatever name the file is given.
        let link = root.join("link.yaml");
        std::os::unix::fs::symlink(&main, &link).unwrap();
        let named = root.join("etc/downbeat/../../link.yaml");
        assert_eq!(overriding_broker(root, &named), Some(BrokerSource::Credential(credential)));
    }

    #[test]
    fn only_a_missing_file_is_no_credential() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let main = write(root, "etc/downbeat/downbeat.yaml", "");
        let credential = root.join("etc/credstore/downbeat.broker");
        let found = Some(BrokerSource::Credential(credential.clone()));
        fs::create_dir(root.join("etc/credstore")).unwrap();
        assert_eq!(overriding_broker(root, &main), None);
        for target in ["nowhere", "downbeat.broker"] {
            std::os::unix::fs::symlink(target, &credential).unwrap();
            assert_eq!(overriding_broker(root, &main), found, "a link to {target}");
            fs::remove_file(&credential).unwrap();
        }
        fs::remove_dir(root.join("etc/credstore")).unwrap();
        fs::write(root.join("etc/credstore"), "").unwrap();
        assert_eq!(overriding_broker(root, &main), found, "below a file");
    }

    #[test]
    fn an_environment_that_cannot_be_read_may_name_a_broker() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let main = write(root, "etc/downbeat/downbeat.yaml", "");
        let default = root.join("etc/default/downbeat");
        let may = Some(BrokerSource::Environment(default.clone()));
        fs::create_dir_all(&default).unwrap();
        assert_eq!(overriding_broker(root, &main), None, "a folder");
        fs::remove_dir(&default).unwrap();
        for (target, found) in [("nowhere", &None), ("downbeat", &may)] {
            std::os::unix::fs::symlink(target, &default).unwrap();
            assert_eq!(overriding_broker(root, &main), *found, "a link to {target}");
            fs::remove_file(&default).unwrap();
        }
        fs::write(&default, b"\xff").unwrap();
        assert_eq!(overriding_broker(root, &main), may, "not UTF-8");
    }

    #[test]
    fn the_units_own_environment_overrides_everything_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let main = write(root, "etc/downbeat/downbeat.yaml", "");
        let instance = write(root, "etc/downbeat/shop/downbeat.yaml", "");
        let default =
            write(root, "etc/default/downbeat", "#DOWNBEAT_BROKER=x\nDOWNBEAT_GRACE=1m\n");
        assert_eq!(overriding_broker(root, &main), None);
        write(root, "etc/credstore/downbeat.broker", "");
        fs::write(&default, "DOWNBEAT_BROKER=redis://host\n").unwrap();
        assert_eq!(overriding_broker(root, &main), Some(BrokerSource::Environment(default)));
        let drop_in = "etc/systemd/system/downbeat@.service.d/override.conf";
        let drop_in = write(root, drop_in, "[Service]\nLoadCredential=broker:/root/broker\n");
        assert_eq!(overriding_broker(root, &instance), Some(BrokerSource::Environment(drop_in)));
    }
}
