//! Reads YAML with the event parser of `serde_yaml`, keeping the position of every key and value.

use std::collections::HashMap;
use std::rc::Rc;

use serde_yaml::granit_parser::{
    Event, Options, Parser, ScalarStyle, Span as Marks, StrInput, Tag,
};

use super::build::{Broken, MapBuilder, Opened};
use super::node::{MAX_DEPTH, Node, Value};
use super::report::Report;
use super::span::Span;
use super::syntax;

/// One YAML document.
pub(crate) struct Yaml<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Anchored values, by the parser's number.
    anchors: HashMap<usize, Anchored<'t>>,
    /// An event that `open` read ahead.
    ahead: Option<(Event<'t>, Span)>,
}

struct Anchored<'t> {
    node: Rc<Node<'t>>,
    /// How deep its value is nested.
    height: usize,
    /// Whether an alias refers to it.
    used: bool,
}

impl<'t> Yaml<'t> {
    /// Begins the document; `None` if the text has none.
    pub(crate) fn new(report: &mut Report<'t>) -> Result<Option<Yaml<'t>>, Broken> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        let parser = Parser::new_from_str_with_options(report.text(), options);
        let mut yaml = Yaml { parser, anchors: HashMap::new(), ahead: None };
        yaml.event(report)?;
        if let (Event::StreamEnd, _) = yaml.event(report)? {
            return Ok(None);
        }
        Ok(Some(yaml))
    }

    pub(crate) fn open(&mut self, report: &mut Report<'t>) -> Result<Opened<'t>, Broken> {
        let (event, span) = self.event(report)?;
        if matches!(event, Event::MappingStart(_, 0, None)) {
            return Ok(Opened::Map);
        }
        self.ahead = Some((event, span));
        self.node(report).map(Opened::Other)
    }

    pub(crate) fn key(&mut self, report: &mut Report<'t>) -> Result<Option<Node<'t>>, Broken> {
        let (event, span) = self.event(report)?;
        if matches!(event, Event::MappingEnd) {
            return Ok(None);
        }
        let (key, _) = self.compose(event, span, 0, report)?;
        if key.as_written().is_none() {
            let in_braces = report.text()[..key.span.start()].ends_with('{');
            let problem =
                report.error(key.span, format!("a key must be text, not {}", report.found(&key)));
            if in_braces && key.map().is_some() {
                problem.hint("quote a text that begins with a brace: `\"{{ slot }}\"`");
            }
            return Err(Broken);
        }
        if key.is_merge_key() {
            report
                .error(key.span, "merge keys (`<<`) are not part of YAML 1.2")
                .hint("write the keys out, or use an alias for a whole value");
        }
        Ok(Some(key))
    }

    pub(crate) fn node(&mut self, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        let (event, span) = self.event(report)?;
        self.compose(event, span, 0, report).map(|(node, _)| node)
    }

    pub(crate) fn finish(&mut self, report: &mut Report<'t>) -> Result<(), Broken> {
        loop {
            match self.event(report)? {
                (Event::StreamEnd, _) => {
                    self.warn_of_unused_anchors(report);
                    return Ok(());
                }
                (Event::DocumentStart(..), span) => {
                    report
                        .error(span, "a second YAML document in one file")
                        .hint("put it into a file of its own");
                    return Err(Broken);
                }
                _ => {}
            }
        }
    }

    fn event(&mut self, report: &mut Report<'t>) -> Result<(Event<'t>, Span), Broken> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(ahead);
        }
        match self.parser.next_event() {
            Some(Ok((event, marks))) => {
                refuse_tag(&event, &marks, report);
                Ok((event, bytes(&marks)))
            }
            Some(Err(error)) => {
                syntax::report_yaml(&error, report);
                Err(Broken)
            }
            None => Ok((Event::StreamEnd, Span::new(report.text().len(), report.text().len()))),
        }
    }

    /// Reads the value that begins with `event`; returns it with its depth.
    fn compose(
        &mut self,
        event: Event<'t>,
        span: Span,
        depth: usize,
        report: &mut Report<'t>,
    ) -> Result<(Node<'t>, usize), Broken> {
        let (anchor, value, height) = match event {
            Event::Alias(id) => return self.alias(id, span, depth, report),
            Event::Scalar(text, style, anchor, tag) => {
                // The parser returns `~` for an absent value.
                let value = match style {
                    ScalarStyle::Plain if tag.is_none() && span.len() == 0 => {
                        Value::Plain("".into())
                    }
                    ScalarStyle::Plain if tag.is_none() => Value::Plain(text),
                    _ => Value::Text(text),
                };
                (anchor, value, 0)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (value, height) = self.list(span, depth + 1, report)?;
                (anchor, value, height)
            }
            Event::MappingStart(_, anchor, _) => {
                let (value, height) = self.map(span, depth + 1, report)?;
                (anchor, value, height)
            }
            // Only nodes occur where a node is expected.
            _ => (0, Value::Plain("".into()), 0),
        };
        let node = Node { span, value };
        if anchor == 0 {
            return Ok((node, height));
        }
        let shared = Rc::new(node);
        self.anchors.insert(anchor, Anchored { node: Rc::clone(&shared), height, used: false });
        Ok((Node { span, value: Value::Shared(shared) }, height))
    }

    fn alias(
        &mut self,
        id: usize,
        span: Span,
        depth: usize,
        report: &mut Report<'t>,
    ) -> Result<(Node<'t>, usize), Broken> {
        let Some(anchored) = self.anchors.get_mut(&id) else {
            report.error(span, "an alias inside the value that it stands for");
            return Err(Broken);
        };
        anchored.used = true;
        check_depth(depth + anchored.height, span, report)?;
        Ok((Node { span, value: Value::Shared(Rc::clone(&anchored.node)) }, anchored.height))
    }

    fn warn_of_unused_anchors(&self, report: &mut Report<'t>) {
        for anchored in self.anchors.values().filter(|anchored| !anchored.used) {
            // The parser does not report where the anchor is: right before its value.
            let end = anchored.node.span.start();
            let before = &report.text()[..end];
            let start = before.rfind('&').unwrap_or(end);
            let name = before[start..].split_ascii_whitespace().next().unwrap_or_default();
            let span = Span::new(start, start + name.len());
            let message = format!("no alias uses the anchor{}", report.quoted(name));
            report
                .warning(span, message)
                .hint("write `*name` where its value is wanted, or remove it");
        }
    }

    fn list(
        &mut self,
        span: Span,
        depth: usize,
        report: &mut Report<'t>,
    ) -> Result<(Value<'t>, usize), Broken> {
        check_depth(depth, span, report)?;
        let (mut items, mut height) = (Vec::new(), 0);
        loop {
            let (event, span) = self.event(report)?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Value::List(items), height + 1));
            }
            let (item, below) = self.compose(event, span, depth, report)?;
            items.push(item);
            height = height.max(below);
        }
    }

    fn map(
        &mut self,
        span: Span,
        depth: usize,
        report: &mut Report<'t>,
    ) -> Result<(Value<'t>, usize), Broken> {
        check_depth(depth, span, report)?;
        let (mut map, mut height) = (MapBuilder::default(), 0);
        while let Some(key) = self.key(report)? {
            let (event, span) = self.event(report)?;
            let (value, below) = self.compose(event, span, depth, report)?;
            map.add(key, value, report);
            height = height.max(below);
        }
        Ok((map.finish(), height + 1))
    }
}

/// Aliases can nest values deeper than the text shows.
fn check_depth(depth: usize, span: Span, report: &mut Report<'_>) -> Result<(), Broken> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    syntax::report_depth(span, report);
    Err(Broken)
}

fn bytes(marks: &Marks) -> Span {
    let range = marks.byte_range().unwrap_or_default();
    Span::new(range.start, range.end)
}

/// Only `!!str` is of use here: any other tag would promise a type that JSON lacks.
fn refuse_tag(event: &Event<'_>, marks: &Marks, report: &mut Report<'_>) {
    let Some(tag) = event.tag() else { return };
    let plain_text = tag.core_suffix() == Some("str") && matches!(event, Event::Scalar(..));
    if plain_text {
        return;
    }
    let span = marks.tag_span().map_or_else(|| bytes(marks), |tag| bytes(&tag));
    let quoted = report.quoted(&Tag::original(tag));
    report
        .error(span, format!("the tag{quoted} is not supported"))
        .hint("write the value without a tag; only `!!str` is known");
}
