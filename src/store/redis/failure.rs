//! Errors of a server, in words that say what to do.

use std::fmt;

use redis::RedisError;

use super::inspect::Unfit;
use crate::address::RedisAddress;
use crate::store::contract::StoreError;
use crate::tls;

/// Why a server refused or did not answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    text: String,
    /// What to do. A caller that knows more replaces it.
    hint: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// User and password are missing or wrong.
    Login,
    /// No retry cures it.
    Unusable,
    /// The server's answer was another error.
    Refused,
    /// There was no answer.
    Other,
}

impl Failure {
    /// A failure without a hint.
    pub(super) fn other(text: impl ToString) -> Failure {
        Failure { kind: Kind::Other, text: text.to_string(), hint: None }
    }

    /// The same failure with another hint.
    pub(super) fn with_hint(self, hint: &'static str) -> Failure {
        Failure { hint: Some(hint), ..self }
    }
}

/// Shows the text and the hint.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure.kind {
            Kind::Unusable => StoreError::Unusable(failure.to_string()),
            Kind::Login | Kind::Refused => StoreError::Refused(failure.to_string()),
            Kind::Other => StoreError::Unavailable(failure.to_string()),
        }
    }
}

/// Prefixes of errors that mean that nothing was done. Those that a script can cause come from its first write.
const UNDONE_PREFIXES: [&str; 12] = [
    "OOM",
    "READONLY",
    "MISCONF",
    "NOREPLICAS",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOSCRIPT",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
];

/// Whether the error means that the request did nothing.
pub(super) fn is_undone(error: &RedisError) -> bool {
    let said = error.clone().into_server_errors();
    let Some((_, said)) = said.as_deref().and_then(|all| all.first()) else { return false };
    // Before version 7, the text of a script's error contains the code of the command's error.
    let quoted = |code: &&str| {
        let details = said.details().unwrap_or_default();
        details.contains(&format!(": -{code} "))
    };
    UNDONE_PREFIXES.contains(&said.code()) || UNDONE_PREFIXES[..4].iter().any(quoted)
}

/// Converts the error of a request that was in flight.
pub(super) fn in_flight_error(error: RedisError, address: &RedisAddress) -> StoreError {
    let undone = is_undone(&error);
    let text = format!("{} (at {address})", explain(error));
    if undone { StoreError::Refused(text) } else { StoreError::Unanswered(text) }
}

/// Says what went wrong and what to do; never names a password.
pub(super) fn explain(error: RedisError) -> Failure {
    use redis::ErrorKind::{
        AuthenticationFailed, Extension, InvalidClientConfig, RESP3NotSupported,
    };
    if let Some(text) = tls::explain(&error) {
        return Failure::other(text);
    }
    // Of several commands, takes the first one refused.
    let said = error.clone().into_server_errors();
    let said = said.as_deref().and_then(|all| all.first()).map(|(_, said)| said);
    let code = said.map(redis::ServerError::code).unwrap_or_default();
    let text = match said.and_then(|said| Some((said.code(), said.details()?))) {
        Some((code, detail)) => format!("{code} {detail}"),
        None => error.to_string(),
    };
    let login = |text| Failure { kind: Kind::Login, ..Failure::other(text) };
    let unusable = |text| Failure { kind: Kind::Unusable, ..Failure::other(text) };
    let other = |text| match said {
        Some(_) => Failure { kind: Kind::Refused, ..Failure::other(text) },
        None => Failure::other(text),
    };
    if code == "NOPERM" || text.contains("The user executing the script") {
        return other(format!("redis refused: {text}"))
            .with_hint("docs/brokers.md says what the user needs");
    }
    if is_full(code, &text) {
        return other(format!("redis is full: {text}"))
            .with_hint("raise `maxmemory`, or make room: see which queues are long");
    }
    if code == "NOAUTH" {
        return login("redis requires a password (NOAUTH)".to_owned()).with_hint(
            "write `USER:PASSWORD@` in front of the host, or `:PASSWORD@` for the default user",
        );
    }
    if code == "WRONGPASS" || error.kind() == AuthenticationFailed {
        let text = text.trim_end_matches('.');
        return login(format!("redis refused the login: {text}")).with_hint(
            "compare user and password in the address with `ACL LIST` or `requirepass`",
        );
    }
    if text.contains("DB index is out of range") {
        let hint = "name one that the server has, or raise `databases` in redis.conf";
        let text = format!("redis has no such database: {hint} ({text})");
        return Failure { kind: Kind::Refused, ..Failure::other(text) };
    }
    match error.kind() {
        InvalidClientConfig => unusable(text),
        RESP3NotSupported => {
            unusable(Unfit::TooOld("a server without RESP3".to_owned()).to_string())
        }
        Extension => other(format!("redis answered {text}")),
        _ if error.is_timeout() => Failure::other("redis did not answer in time"),
        _ => other(text),
    }
}

/// Whether the server has reached `maxmemory`. Before version 7, the text of a script's error contains the code.
fn is_full(code: &str, text: &str) -> bool {
    code == "OOM" || text.contains(": -OOM ") || text.contains("OOM command not allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reply: &str) -> Failure {
        let reply = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap();
        explain(reply.extract_error().unwrap_err())
    }

    #[test]
    fn a_refused_login_is_a_kind_of_its_own_whose_hint_can_be_replaced() {
        for (reply, text) in [
            ("NOAUTH Authentication required.", "redis requires a password (NOAUTH)"),
            ("WRONGPASS no; not you.", "redis refused the login: WRONGPASS no; not you"),
        ] {
            let failure = refused(reply);
            assert_eq!(failure.kind, Kind::Login, "{reply}");
            assert!(failure.to_string().starts_with(&format!("{text}; ")), "{failure}");
            assert_eq!(failure.with_hint("ask").to_string(), format!("{text}; ask"));
        }
        let full = refused("OOM command not allowed when used memory > 'maxmemory'.");
        assert!(full.to_string().starts_with("redis is full: OOM command not allowed"), "{full}");
        assert!(full.to_string().contains("; raise `maxmemory`"), "{full}");
        assert_eq!(full.kind, Kind::Refused);
        for reply in ["NOPERM no permissions", "ERR refused the login", "LOADING not now"] {
            assert_eq!(refused(reply).kind, Kind::Refused, "{reply}");
        }
    }
}
