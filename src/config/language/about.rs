//! What is for people: `description` and `tags`, and whether the entry is sent at all.

use super::draft::Read;
use super::limits::{MAX_TAG, MAX_TAGS};
use super::literal;
use crate::text::expect::{self, MAX_DESCRIPTION};
use crate::text::flow::flow;
use crate::text::section::Key;
use crate::text::types::{BOOLEAN, TEXT, Type};
use crate::text::{Node, Report};

pub(super) static KEYS: &[Key<Read>] = &[
    Key {
        name: "enabled",
        of_type: BOOLEAN,
        default: "`true`",
        doc: "`false`: listed, never sent; enabling again sends nothing of the past",
        example: "enabled: false",
        read: |pair, draft, report| draft.enabled = expect::boolean(&pair.value, report),
    },
    Key {
        name: "description",
        of_type: TEXT,
        default: "none",
        doc: "for people",
        example: "description: Sales of the day before.",
        read: |pair, draft, report| draft.description = description(&pair.value, report),
    },
    Key {
        name: "tags",
        of_type: Type {
            words: "list of texts",
            schema: r##"{"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 32}"##,
        },
        default: "none",
        doc: "labels, for `spread`",
        example: "tags: [nightly, finance]",
        read: |pair, draft, report| draft.tags = tags(&pair.value, report),
    },
];

fn description(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let whole = expect::text(node, report)?;
    let text = whole.trim();
    if text.len() > MAX_DESCRIPTION {
        report.error(node.span, format!("a description of more than {MAX_DESCRIPTION} bytes"));
        return None;
    }
    literal::warn_of_template(node, whole, report);
    (!text.is_empty()).then(|| text.into())
}

fn tags(node: &Node<'_>, report: &mut Report<'_>) -> Vec<Box<str>> {
    let Some(items) = node.list() else {
        report.error(node.span, format!("`tags` is a list, found {}", report.found(node))).hint(
            match node.scalar().and_then(|_| flow(node)) {
                Some(tag) => format!("write `tags: [{tag}]`"),
                None => "write `tags: [one, two]`".to_owned(),
            },
        );
        return Vec::new();
    };
    if items.len() > MAX_TAGS {
        report.error(node.span, format!("more than {MAX_TAGS} tags"));
        return Vec::new();
    }
    let names = items.iter().filter_map(|item| literal::name(item, "a tag", MAX_TAG, report));
    names.map(Into::into).collect()
}
