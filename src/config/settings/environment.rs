//! Checks environment variables: which are ours, and what is wrong with others that look like ours.
//!
//! No message quotes a value, which can be a secret.

use std::ffi::{OsStr, OsString};

use downbeat_time::nearest;

use crate::text::Problem;

const PREFIX: &str = "DOWNBEAT_";

/// The variable of every setting, without the prefix.
const SETTINGS: &[&str] = &[
    "CONFIG",
    "BROKER",
    "BROKER_FILE",
    "STATE",
    "TLS_CA",
    "TLS_CERT",
    "TLS_KEY",
    "TLS_PIN",
    "SCHEDULES",
    "NAMESPACE",
    "LEADER_TTL",
    "GRACE",
    "HTTP",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "STATE_DIR",
    "RUNTIME_DIR",
];

/// Variables of the HTTP client, which may run in the same environment.
const CLIENT_VARIABLES: &[&str] = &["URL", "TOKEN"];

/// Foreign variables that are read as settings.
const FOREIGN_VARIABLES: &[&str] = &[
    "REDIS_URL",
    "PORT",
    "RUST_LOG",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
];

/// Whether a setting is read from the variable `name`.
pub(super) fn is_setting(name: &str) -> bool {
    let ours = name.strip_prefix(PREFIX).is_some_and(|name| SETTINGS.contains(&name));
    ours || FOREIGN_VARIABLES.contains(&name)
}

/// Problems with the variables of the environment, in the order of their names: unknown ones that begin
/// with `DOWNBEAT_`, and known ones whose value is not UTF-8. It ignores the variables that Kubernetes
/// sets for a service named `downbeat` or `downbeat-…`.
#[must_use]
pub fn check(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Problem> {
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort_unstable();
    variables.iter().filter_map(|(name, value)| problem(name, value)).collect()
}

fn problem(name: &OsStr, value: &OsStr) -> Option<Problem> {
    let name = name.to_string_lossy();
    let place = || format!("environment:{name}");
    if is_setting(&name) {
        return match value.to_str() {
            Some(_) => None,
            None => Some(Problem::whole(place(), "its value is not UTF-8")),
        };
    }
    let ours = name.strip_prefix(PREFIX)?;
    if CLIENT_VARIABLES.contains(&ours) || is_service_link(&name, value) {
        return None;
    }
    let hint = match near(ours) {
        Some(near) => format!("did you mean `{PREFIX}{near}`?"),
        None => format!("a setting's variable is {PREFIX} plus the flag's name: {PREFIX}BROKER, …"),
    };
    Some(Problem::whole(place(), "unknown variable").with_hint(hint))
}

/// The variable that an unknown one was most likely meant to be, both without the prefix.
fn near(name: &str) -> Option<&'static str> {
    let known: Vec<_> = SETTINGS.iter().chain(CLIENT_VARIABLES).copied().collect();
    let letters = |name: &str| name.replace('_', "");
    let same = known.iter().find(|known| letters(known) == letters(name));
    // `BROKER_URL` begins with `BROKER`, and `TTL` is a word of `LEADER_TTL`.
    let begun = || known.iter().filter(|known| name.starts_with(**known));
    let extended = || begun().max_by_key(|known| known.len());
    let has_word = |long: &str, short: &str| long.split('_').any(|word| word == short);
    let part = || known.iter().find(|known| has_word(known, name) || has_word(name, known));
    let exact = same.or_else(extended).or_else(part).copied();
    exact.or_else(|| nearest(name, known.iter().copied()))
}

/// Whether Kubernetes sets the variable in pods next to a service named `downbeat` or `downbeat-…`:
/// `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_NAME`, `…_PORT` (a URL) and `…_PORT_9632_TCP`
/// with `_PROTO`, `_PORT` and `_ADDR`.
///
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
fn is_service_link(name: &str, value: &OsStr) -> bool {
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true;
    }
    let is_url = || value.as_encoded_bytes().windows(3).any(|bytes| bytes == b"://");
    if name.ends_with("_PORT") && is_url() {
        return true;
    }
    let Some((_, port)) = name.rsplit_once("_PORT_") else { return false };
    let mut words = port.split('_');
    let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
    let protocol = words.next().is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"));
    let part = words.next().is_none_or(|word| matches!(word, "PROTO" | "PORT" | "ADDR"));
    number && protocol && part && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use clap::CommandFactory as _;

    use super::*;

    fn said(name: &str, value: &[u8]) -> Option<String> {
        let problems = check([(name.into(), OsString::from_vec(value.to_vec()))]);
        assert!(problems.len() < 2);
        problems.first().map(|problem| problem.render(false))
    }

    #[test]
    fn an_unknown_variable_is_reported_with_the_nearest_name_and_without_its_value() {
        for (name, near) in [
            ("BROKER_URL", "BROKER"),
            ("BROKR", "BROKER"),
            ("BROKERFILE", "BROKER_FILE"),
            ("REDIS_BROKER", "BROKER"),
            ("SCHEDULE", "SCHEDULES"),
            ("TTL", "LEADER_TTL"),
            ("STATE_DIRECTORY", "STATE_DIR"),
            ("STATEDIR", "STATE_DIR"),
            ("RUNTIME", "RUNTIME_DIR"),
            ("LOG", "LOG_FORMAT"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("HTTP_PORT", "HTTP"),
            ("TOKENS", "TOKEN"),
        ] {
            let expected = format!(
                "environment:DOWNBEAT_{name}: unknown variable\nhint: did you mean `DOWNBEAT_{near}`?"
            );
            assert_eq!(said(&format!("DOWNBEAT_{name}"), b"s3cret"), Some(expected));
        }
        let far = said("DOWNBEAT_COLOUR", b"s3cret").unwrap();
        assert!(far.contains("plus the flag's name: DOWNBEAT_BROKER, …"), "{far}");
        assert!(!far.contains("s3cret"));
        assert!(said("DOWNBEAT_", b"").is_some(), "an empty one is as unknown");
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_reported_and_not_dropped() {
        for name in ["DOWNBEAT_BROKER", "DOWNBEAT_SCHEDULES", "REDIS_URL", "PORT"] {
            let expected = format!("environment:{name}: its value is not UTF-8");
            assert_eq!(said(name, b"redis://s3cret\xff"), Some(expected));
        }
        for name in ["DOWNBEAT_TOKEN", "HOME", "ANYTHING", "downbeat_broker", "DOWNBEAT"] {
            assert_eq!(said(name, b"\xff"), None, "{name}");
        }
    }

    #[test]
    fn what_kubernetes_sets_for_services_of_our_name_is_left_alone() {
        for service in ["DOWNBEAT", "DOWNBEAT_REDIS", "DOWNBEAT_PORT_AUTHORITY"] {
            for (variable, value) in [
                ("SERVICE_HOST", "10.0.0.1"),
                ("SERVICE_PORT", "9632"),
                ("SERVICE_PORT_HTTP", "9632"),
                ("PORT", "tcp://10.0.0.1:9632"),
                ("PORT_9632_TCP", "tcp://10.0.0.1:9632"),
                ("PORT_9632_TCP_PROTO", "tcp"),
                ("PORT_9632_TCP_PORT", "9632"),
                ("PORT_9632_TCP_ADDR", "10.0.0.1"),
                ("PORT_53_UDP_ADDR", "10.0.0.1"),
            ] {
                let name = format!("{service}_{variable}");
                assert_eq!(said(&name, value.as_bytes()), None, "{name}");
            }
        }
        for name in ["PORT", "HTTP_PORT", "PORT_HTTP", "PORT_9632", "PORT_9632_TCP_HOST"] {
            assert!(said(&format!("DOWNBEAT_{name}"), b"9632").is_some(), "{name}");
        }
    }

    #[test]
    fn every_flag_that_is_a_setting_has_its_variable() {
        let command = crate::cli::Cli::command();
        let flags = command.get_arguments().filter(|flag| flag.is_global_set());
        // `--shadow` has to be typed: a forgotten variable must not keep a service from sending.
        let flags = flags.filter(|flag| flag.get_action().takes_values());
        let mut variables: Vec<_> = flags
            .filter_map(|flag| flag.get_long())
            .map(|flag| flag.to_uppercase().replace('-', "_"))
            .collect();
        let mut known = SETTINGS.to_vec();
        variables.sort_unstable();
        known.sort_unstable();
        assert_eq!(variables, known);
    }
}
