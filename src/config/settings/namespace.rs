//! `namespace`: what every key in Redis begins with.

use super::refusal::Refusal;
use super::shadow;
use super::sources::{Names, Sources};

/// The default namespace.
const DEFAULT_NAMESPACE: &str = "downbeat";

pub(super) fn read(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> String {
    let names = Names { key: "namespace", flag: "--namespace", env: "DOWNBEAT_NAMESPACE" };
    let given = from.setting(names, flag);
    from.check(given.as_ref(), parse).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

fn parse(text: &str) -> Result<String, Refusal> {
    if text.ends_with(shadow::SUFFIX) {
        let message = format!("only a shadow run's namespace ends in `{}`", shadow::SUFFIX);
        return Err(Refusal::new(message, "for a shadow run, leave that out and add --shadow"));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let hint = "use 1 to 64 letters, digits, `_`, `.` and `-`";
    Err(Refusal::new("this cannot be a namespace", hint))
}
