//! Keeps passwords out of errors about the command line.

use clap::error::{ContextKind, ContextValue};

use crate::escape::{MAX_SHOWN, escape, is_hidden, shorten};
use crate::mask::mask;

/// The same error without anything that may be part of a password: the shell splits an unquoted address
/// at a blank or `&`, and its end then looks like a command or flag.
pub(super) fn without_values(mut error: clap::Error) -> clap::Error {
    let is_plain = |text: &str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
        // A single character is not a password.
        let is_short_flag = text.len() == 2 && text.starts_with('-') && !text.contains(is_hidden);
        is_short_flag
            || text.starts_with('<')
            || text.starts_with("--") && text.chars().all(is_plain)
    };
    let suggests = error.get(ContextKind::SuggestedSubcommand).is_some();
    for (kind, is_known) in
        [(ContextKind::InvalidArg, false), (ContextKind::InvalidSubcommand, suggests)]
    {
        let Some(ContextValue::String(text)) = error.get(kind) else { continue };
        // A flag may be shown with its value's name.
        if !is_known && !is_plain(text.split(' ').next().unwrap_or_default()) {
            error.insert(kind, ContextValue::String("…".to_owned()));
            // Replaces the hint at how to pass it as a value.
            let why = "it is not shown, as it may be part of a password; an address goes in quotes";
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![why.into()]));
            error.remove(ContextKind::TrailingArg);
        }
    }
    let texts: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => {
                let shown = mask(&shorten(&escape(text), MAX_SHOWN)).into_owned();
                Some((kind, ContextValue::String(shown)))
            }
            _ => None,
        })
        .collect();
    for (kind, text) in texts {
        error.insert(kind, text);
    }
    error
}
