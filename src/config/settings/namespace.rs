//! `namespace`: what every key in Redis begins with.

use super::refusal::Refusal;

/// The default namespace.
pub const DEFAULT_NAMESPACE: &str = "downbeat";

pub(super) fn parse(text: &str) -> Result<String, Refusal> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let hint = "use 1 to 64 letters, digits, `_`, `.` and `-`";
    Err(Refusal::new("this cannot be a namespace", hint))
}
