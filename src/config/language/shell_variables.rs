//! Warns of `${…}`: shells, Compose and Helm replace it, a schedule file does not.

use std::collections::HashSet;

use crate::text::{Node, Report, Value, shortened};

/// Looks for `${…}` in values, each anchored value once.
#[derive(Default)]
pub(super) struct ShellVariables {
    /// Where anchored values begin that were searched.
    searched: HashSet<usize>,
}

impl ShellVariables {
    /// Warns of every text in a value, or key of it, with `${…}`.
    pub(super) fn warn(&mut self, node: &Node<'_>, report: &mut Report<'_>) {
        match &node.value {
            Value::Plain(text) | Value::Text(text) => warn(node, text, report),
            Value::List(items) => items.iter().for_each(|item| self.warn(item, report)),
            Value::Map(pairs) => {
                for pair in pairs {
                    self.warn(&pair.key, report);
                    self.warn(&pair.value, report);
                }
            }
            Value::Shared(shared) => {
                if self.searched.insert(shared.span.start()) {
                    self.warn(shared, report);
                }
            }
        }
    }
}

/// Whether a text could have `${…}` somewhere.
pub(super) fn may_be_in(text: &str) -> bool {
    text.contains("${")
}

fn warn(node: &Node<'_>, text: &str, report: &mut Report<'_>) {
    let found = text.find("${").and_then(|start| {
        let len = text[start..].find('}')? + 1;
        Some(start..start + len)
    });
    let Some(part) = found else { return };
    let variable = shortened(&text[part.clone()]).into_owned();
    let span = node.part(report.text(), part);
    report
        .warning(
            span,
            format!("`{variable}` stays as it is: the shell's variables are not replaced here"),
        )
        .hint(
            "write the value, or have the file written before it is loaded: \
             `envsubst < jobs.yaml.in > jobs.yaml`",
        );
}
