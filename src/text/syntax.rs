//! Syntax errors in words for people who do not know the parsers.

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use super::node::MAX_DEPTH;
use super::report::Report;
use super::span::Span;

pub(crate) fn report_depth(span: Span, report: &mut Report<'_>) {
    report.error(span, format!("nested more than {MAX_DEPTH} deep"));
}

pub(crate) fn report_yaml(error: &ScanError, report: &mut Report<'_>) {
    let at = error.marker().byte_offset().unwrap_or(report.text().len());
    // At the end of the text, the last line is more useful than the empty one after it.
    let at = if at >= report.text().len() { report.text().trim_end().len() } else { at };
    let (message, mut hint) = yaml_words(error.kind(), report.quotes_values());
    let line = &report.text()[report.text()[..at].rfind('\n').map_or(0, |end| end + 1)..at];
    if matches!(error.kind(), ErrorKind::MappingValueNotAllowed) && !line.contains(':') {
        hint = "is the `:` of the line above missing, or the indentation wrong?";
    }
    let problem = report.error(Span::new(at, at), message);
    if !hint.is_empty() {
        problem.hint(hint);
    }
}

fn yaml_words(kind: &ErrorKind, quotes: bool) -> (String, &'static str) {
    use ErrorKind as K;
    let (message, hint) = match kind {
        K::RecursionLimitExceeded => return (format!("nested more than {MAX_DEPTH} deep"), ""),
        K::UnexpectedCharacter { character } => {
            let message = match quotes {
                true => format!("the character `{}` cannot stand here", character.escape_default()),
                false => "this character cannot stand here".to_owned(),
            };
            let control = character.is_control() || *character == '\u{feff}';
            return (message, if control { "remove it" } else { "quote the text that holds it" });
        }
        K::UnclosedFlowCollection { open } => {
            return (format!("`{open}` is never closed"), "");
        }
        K::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("`{open}` is closed by `{close}`"), "");
        }
        K::UnclosedQuotedScalar => ("this quote is never closed", ""),
        K::UnexpectedEofFlowSequence => ("a `[` is never closed", ""),
        K::UnexpectedEofFlowMapping | K::UnexpectedEofImplicitFlowMapping => {
            ("a `{` is never closed", "")
        }
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabAtBlockScalarStart
        | K::TabInIndentation
        | K::TabInPlainScalar => ("a tab used as indentation", "indent with spaces"),
        K::InvalidQuotedScalarIndent | K::DocumentIndicatorInQuotedScalar => (
            "quoted text goes on here, with too little indentation",
            "is a quote above not closed?",
        ),
        K::MissingAnchorOrAliasName => {
            ("an anchor or alias has no name", "quote text that begins with `*` or `&`")
        }
        K::UnknownAnchor => {
            ("this alias has no anchor before it", "quote text that begins with `*`")
        }
        K::SimpleKeyExpected | K::InvalidSimpleKey => {
            ("expected `key: value`", "is the `:`, or the space after it, missing?")
        }
        K::MappingValueNotAllowed | K::InvalidColonPlacement => {
            ("a `:` cannot stand here", "quote text that holds `: `, and check the indentation")
        }
        K::InvalidIndentation | K::ExpectedBlockMappingKey | K::MappingKeyNotAllowed => {
            ("expected a key at this indentation", "keys of one mapping begin in one column")
        }
        K::ExpectedBlockSequenceEntry | K::BlockSequenceEntryNotAllowed => {
            ("a list item cannot stand here", "items of one list begin with `- ` in one column")
        }
        K::ExpectedFlowSequenceSeparator => ("expected `,` or `]`", "is a `[` above not closed?"),
        K::ExpectedFlowMappingSeparator => ("expected `,` or `}`", "is a `{` above not closed?"),
        K::UnknownQuotedScalarEscape => {
            ("unknown escape", "write `\\\\` for a backslash, or use single quotes")
        }
        other => return (other.to_string().to_lowercase(), ""),
    };
    (message.to_owned(), hint)
}

pub(crate) fn report_json(error: &serde_json::Error, report: &mut Report<'_>) {
    let text = report.text();
    let before: usize = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum();
    // Columns are bytes from 1; 0 is the line end before.
    let at = (before + error.column().saturating_sub(1)).min(text.trim_end().len());
    let whole = error.to_string();
    let message = whole.split(" at line ").next().unwrap_or(&whole);
    let message = message.replace("EOF", "the file ends").to_lowercase();
    let comma = matches!(message.as_str(), "key must be a string" | "trailing comma");
    let problem = report.error(Span::new(at, at), message);
    if comma {
        problem.hint("keys are quoted, and no comma follows the last item");
    }
}
