//! Collects the problems of one text while it is read.

use super::excerpt::Excerpt;
use super::node::{Node, Value, shortened};
use super::problem::{Problem, Severity};
use super::scalar::Scalar;
use super::span::Span;

/// Maximum number of problems kept per file; the rest are only counted.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// The problems of one text, each at a byte range.
pub(crate) struct Report<'t> {
    file: String,
    text: &'t str,
    problems: Vec<Problem>,
    /// Receives the problems beyond [`MAX_PROBLEMS`].
    spare: Problem,
    dropped: usize,
    errors: usize,
    /// A byte offset with its line and column, so that counting continues from there.
    counted: (usize, u32, u32),
    /// Bytes built from values so far, used or not.
    spent: usize,
    quoting: Quoting,
}

/// Whether a word is the name of a key.
pub(crate) type IsKey = fn(&str) -> bool;

/// What problems may quote of the text.
#[derive(Clone, Copy)]
enum Quoting {
    /// Anything except what looks like a password.
    Text,
    /// Only words that are known to be names of keys: any other may be part of a mistyped secret.
    Keys(IsKey),
}

impl<'t> Report<'t> {
    pub(crate) fn new(file: impl Into<String>, text: &'t str) -> Report<'t> {
        Report {
            file: file.into(),
            text,
            problems: Vec::new(),
            spare: Problem::whole("", ""),
            dropped: 0,
            errors: 0,
            counted: (0, 1, 1),
            spent: 0,
            quoting: Quoting::Text,
        }
    }

    /// For a text with secrets: problems quote nothing but the names of keys.
    pub(crate) fn without_values(
        file: impl Into<String>,
        text: &'t str,
        is_key: IsKey,
    ) -> Report<'t> {
        Report { quoting: Quoting::Keys(is_key), ..Report::new(file, text) }
    }

    /// Whether a problem may quote a value of the text.
    pub(crate) fn quotes_values(&self) -> bool {
        matches!(self.quoting, Quoting::Text)
    }

    /// A word of the text for a message: " `word`", or nothing if it may not be quoted.
    pub(crate) fn quoted(&self, word: &str) -> String {
        match self.quoting {
            Quoting::Keys(is_key) if !is_key(word) => String::new(),
            _ => format!(" `{}`", shortened(word)),
        }
    }

    /// For "expected …, found …": the type of a value, and the value if problems may quote it.
    pub(crate) fn found(&self, node: &Node<'_>) -> String {
        let quotes = self.quotes_values();
        match &node.target().value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            _ => match node.scalar() {
                Some(Scalar::Null) | None => "nothing".to_owned(),
                Some(Scalar::Bool(value)) => value.to_string(),
                Some(Scalar::Text(text)) if quotes => format!("the text `{}`", shortened(text)),
                Some(Scalar::Text("")) => "an empty text".to_owned(),
                Some(Scalar::Text(_)) => "text".to_owned(),
                _ if quotes => {
                    format!("the number {}", shortened(node.as_written().unwrap_or_default()))
                }
                _ => "a number".to_owned(),
            },
        }
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// How many errors were reported so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// How many problems are kept so far.
    pub(crate) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Whether further problems are only counted, so that nothing about them needs to be worked out.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Drops the problems after the first `count`, except the last one.
    pub(crate) fn forget_between(&mut self, count: usize) {
        if let Some(last) = self.problems.len().checked_sub(1)
            && count < last
        {
            self.problems.drain(count..last);
        }
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.errors += 1;
        self.add(Severity::Error, span, message.into())
    }

    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.add(Severity::Warning, span, message.into())
    }

    /// An error about the text as a whole.
    pub(crate) fn error_in_whole(&mut self, message: impl Into<String>) -> &mut Problem {
        self.errors += 1;
        self.keep(Problem::whole(self.file.clone(), message))
    }

    fn add(&mut self, severity: Severity, span: Span, message: String) -> &mut Problem {
        if self.problems.len() >= MAX_PROBLEMS {
            return self.keep(Problem::whole("", message));
        }
        let (line, column) = self.position(span);
        // An aliased value is read once per alias, but is wrong only once.
        let same = |p: &Problem| (p.line, p.column) == (line, column) && p.message == message;
        if let Some(index) = self.problems.iter().position(same) {
            return &mut self.problems[index];
        }
        let problem = self.located(severity, span, message);
        self.keep(problem)
    }

    /// A problem of this text that is not (yet) reported.
    pub(crate) fn located(&mut self, severity: Severity, span: Span, message: String) -> Problem {
        let (line, column) = self.position(span);
        let mut problem = Problem::whole(self.file.clone(), message);
        (problem.severity, problem.line, problem.column) = (severity, line, column);
        problem.excerpt = self.excerpt(span).map(Box::new);
        problem
    }

    fn excerpt(&self, span: Span) -> Option<Excerpt> {
        let start = self.start(span);
        match self.quoting {
            Quoting::Text => Some(Excerpt::of(self.text, start, span.len())),
            Quoting::Keys(is_key) => Excerpt::of_key(self.text, start, is_key),
        }
    }

    fn keep(&mut self, problem: Problem) -> &mut Problem {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
            self.problems.last_mut().expect("one was just pushed")
        } else {
            self.dropped += 1;
            self.spare = problem;
            &mut self.spare
        }
    }

    /// Line and column, both from 1, the column in characters.
    pub(crate) fn position(&mut self, span: Span) -> (u32, u32) {
        let start = self.start(span);
        let (mut from, mut line, mut column) = self.counted;
        if start < from {
            (from, line, column) = (0, 1, 1);
        }
        let between = &self.text[from..start];
        let ends = between.bytes().filter(|byte| *byte == b'\n').count();
        let last = between.rfind('\n').map_or(0, |end| end + 1);
        let characters = between[last..].chars().count();
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        line = line.saturating_add(short(ends));
        column = if ends > 0 { 1 } else { column }.saturating_add(short(characters));
        self.counted = (start, line, column);
        (line, column)
    }

    /// A position for a message about another one: `line 3, column 5`.
    ///
    /// Not computed once problems are only counted: each would cost a walk through the text.
    pub(crate) fn position_in_words(&mut self, span: Span) -> String {
        if self.problems.len() >= MAX_PROBLEMS {
            return String::from("an earlier line");
        }
        let (line, column) = self.position(span);
        format!("line {line}, column {column}")
    }

    /// Counts bytes built from a value.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.spent += bytes;
    }

    /// How many bytes were built from values.
    pub(crate) fn spent(&self) -> usize {
        self.spent
    }

    /// A problem at the end of the text may point just beyond it.
    fn start(&self, span: Span) -> usize {
        let mut start = span.start().min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        start
    }

    /// What was found so far, without the text.
    pub(crate) fn pause(self) -> Paused {
        Paused { problems: self.problems, dropped: self.dropped, errors: self.errors }
    }

    /// Continues with a text that was read before.
    pub(crate) fn resume(file: impl Into<String>, text: &'t str, paused: Paused) -> Report<'t> {
        let Paused { problems, dropped, errors } = paused;
        Report { problems, dropped, errors, ..Report::new(file, text) }
    }

    /// The problems, in line order.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        if self.dropped > 0 {
            let more = format!("{} more problems in this file are not shown", self.dropped);
            let mut more = Problem::whole(self.file, more);
            if self.errors == 0 {
                more.severity = Severity::Warning;
            }
            self.problems.push(more);
        }
        self.problems
    }
}

/// A report whose text will be looked at again.
#[derive(Default)]
pub(crate) struct Paused {
    problems: Vec<Problem>,
    dropped: usize,
    errors: usize,
}
