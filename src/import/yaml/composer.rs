//! Makes values of the events of a YAML parser.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;
use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, Tag};

use super::node::{Kind, Node, Pair};
use super::scalar;
use crate::text::{Broken, MAX_DEPTH, Report, Span, report_yaml};

/// Makes nodes of the parser's events.
pub(super) struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Anchored values, by the parser's number.
    anchors: HashMap<usize, Rc<Node>>,
    /// Where the last event was.
    span: Span,
    line: usize,
}

impl<'t> Composer<'t> {
    pub(super) fn new(text: &'t str) -> Composer<'t> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        let parser = Parser::new_from_str_with_options(text, options);
        Composer { parser, anchors: HashMap::new(), span: Span::new(0, 0), line: 1 }
    }

    /// The first document; Ruby ignores others.
    pub(super) fn document(&mut self, report: &mut Report<'t>) -> Result<Rc<Node>, Broken> {
        loop {
            match self.event(report)? {
                Event::StreamStart | Event::DocumentStart(..) => {}
                event => {
                    let node = self.node(event, 0, report)?;
                    // What follows must end the document.
                    self.event(report)?;
                    return Ok(node);
                }
            }
        }
    }

    fn event(&mut self, report: &mut Report<'t>) -> Result<Event<'t>, Broken> {
        match self.parser.next_event() {
            Some(Ok((event, marks))) => {
                let bytes = marks.byte_range().unwrap_or_default();
                self.span = Span::new(bytes.start, bytes.end);
                self.line = marks.start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                report_yaml(&error, report);
                Err(Broken)
            }
            None => Ok(Event::StreamEnd),
        }
    }

    /// Reads the value that begins with `event`, inside so many collections.
    fn node(
        &mut self,
        event: Event<'t>,
        depth: usize,
        report: &mut Report<'t>,
    ) -> Result<Rc<Node>, Broken> {
        let line = self.line;
        let tag = event.tag().filter(|tag| !is_known(tag, &event)).map(Tag::original);
        let (anchor, kind, height) = match event {
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).map(Rc::clone) else {
                    report.error(self.span, "an alias inside the value that it stands for");
                    return Err(Broken);
                };
                self.check_depth(depth + node.height, report)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = match &tag {
                    Some(tag) => tag.core_suffix() == Some("str"),
                    None => style != ScalarStyle::Plain,
                };
                // The parser returns `~` for an absent value, which is as good.
                let read = if is_text { Ok(text.into()) } else { scalar::read(&text) };
                (anchor, read.map_or_else(Kind::Odd, Kind::Scalar), 0)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (kind, height) = self.list(depth + 1, report)?;
                (anchor, kind, height)
            }
            Event::MappingStart(_, anchor, _) => {
                let (kind, height) = self.map(depth + 1, report)?;
                (anchor, kind, height)
            }
            // Only nodes occur where a node is expected.
            _ => (0, Kind::Scalar(Value::Null), 0),
        };
        let kind = match tag {
            Some(tag) => Kind::Odd(format!("`{tag}` is a tag that only Ruby reads")),
            None => kind,
        };
        let node = Rc::new(Node { line, height, kind });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize, report: &mut Report<'t>) -> Result<(Kind, usize), Broken> {
        self.check_depth(depth, report)?;
        let (mut nodes, mut height) = (Vec::new(), 0);
        loop {
            let event = self.event(report)?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Kind::List(nodes), height + 1));
            }
            let node = self.node(event, depth, report)?;
            height = height.max(node.height);
            nodes.push(node);
        }
    }

    fn map(&mut self, depth: usize, report: &mut Report<'t>) -> Result<(Kind, usize), Broken> {
        self.check_depth(depth, report)?;
        let (mut pairs, mut height, mut odd) = (Vec::new(), 0, None);
        loop {
            let event = self.event(report)?;
            if matches!(event, Event::MappingEnd) {
                let kind = odd.map_or(Kind::Map(pairs), Kind::Odd);
                return Ok((kind, height + 1));
            }
            let key = self.node(event, depth, report)?;
            let event = self.event(report)?;
            let node = self.node(event, depth, report)?;
            height = height.max(node.height);
            match &key.kind {
                Kind::Scalar(value) => {
                    pairs.push(Pair { key: key_text(value), line: key.line, node });
                }
                Kind::Odd(why) => odd = Some(why.clone()),
                Kind::List(_) | Kind::Map(_) => odd = Some("a key is not a text".to_owned()),
            }
        }
    }

    /// Aliases can nest values deeper than the text shows.
    fn check_depth(&self, depth: usize, report: &mut Report<'t>) -> Result<(), Broken> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        report.error(self.span, format!("nested more than {MAX_DEPTH} deep"));
        Err(Broken)
    }
}

/// Whether a tag only says what the value is without it.
fn is_known(tag: &Tag, event: &Event<'_>) -> bool {
    let kinds: &[&str] = match event {
        Event::Scalar(..) => &["str", "int", "bool", "null"],
        Event::SequenceStart(..) => &["seq"],
        _ => &["map"],
    };
    tag.core_suffix().is_some_and(|kind| kinds.contains(&kind))
}

/// A key as Ruby writes it in JSON.
fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
