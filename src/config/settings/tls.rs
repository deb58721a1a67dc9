//! `tls`: which certificates to trust for every broker.

use std::path::PathBuf;

use super::exposure::PasswordSource;
use super::overrides::Overrides;
use super::pins;
use super::sources::{Names, Sources};
use crate::config::foreign::words;
use crate::text::Keys;
use crate::tls::Tls;

pub(super) static TLS: Keys =
    Keys { of: "`tls`", known: &["ca", "cert", "key", "pin"], foreign: words::TLS };

/// A command does not open files that only the service may read.
pub(super) fn read(overrides: &Overrides, from: &mut Sources<'_, '_, '_>) -> Tls {
    let names = |key, flag, env| Names { key, flag, env };
    let mut file = |names: Names, flag: &Option<PathBuf>| {
        let inner = names.key.strip_prefix("tls.").unwrap_or_default();
        let node = from.inner("tls", &TLS, inner);
        let flag = flag.as_ref().map(|path| path.display().to_string());
        let given = from.setting_at(names, flag, node);
        let (given, base) = (given.as_ref()?, from.base_of(given.as_ref()?));
        Some((from.path(Some(given), &base)?, given.place))
    };
    let ca = file(names("tls.ca", "--tls-ca", "DOWNBEAT_TLS_CA"), &overrides.tls_ca);
    let cert = file(names("tls.cert", "--tls-cert", "DOWNBEAT_TLS_CERT"), &overrides.tls_cert);
    let key = file(names("tls.key", "--tls-key", "DOWNBEAT_TLS_KEY"), &overrides.tls_key);
    if let (Some((_, place)), None) | (None, Some((_, place))) = (&cert, &key) {
        let message = "a certificate of our own takes both `cert` and `key`";
        from.error(place, message, "write `tls: {cert: FILE, key: FILE}`");
    }
    let pins = pins::read(overrides.tls_pin.clone(), from.inner("tls", &TLS, "pin"), from);
    if let Some((path, _)) = &key {
        from.note_password_source(PasswordSource::File(path.clone()));
    }
    let places: Vec<_> = [&ca, &cert, &key].into_iter().flatten().cloned().collect();
    let client = cert.zip(key).map(|((cert, _), (key, _))| (cert, key));
    let tls = Tls { ca: ca.map(|(path, _)| path), client, pins };
    if !places.is_empty()
        && let Err(error) = tls.check()
        && !error.is_forbidden()
    {
        let place = places.iter().find(|(path, _)| Some(&**path) == error.path());
        from.error(&place.unwrap_or(&places[0]).1, &error.to_string(), "");
    }
    tls
}
