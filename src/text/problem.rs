//! What is wrong with the input, and where: `file:line:column: message`, the line, a caret, a hint.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::excerpt::Excerpt;
use crate::escape::escape;

/// Whether the input can be used despite a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is loaded.
    Error,
    /// The input is loaded, but is probably not what was meant.
    Warning,
}

/// One thing wrong with the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the input can be used despite the problem.
    pub severity: Severity,
    /// The file, or `environment:DOWNBEAT_GRACE`, or `--grace`.
    pub file: String,
    /// From 1; 0 when the problem is the file as a whole.
    pub line: u32,
    /// In characters, from 1; 0 when the problem is the file as a whole.
    pub column: u32,
    /// One line, in lower case.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line where the problem is.
    #[serde(skip)]
    pub excerpt: Option<Box<Excerpt>>,
}

impl Problem {
    /// An error about a file as a whole, or about a setting that comes from no file.
    pub(crate) fn whole(file: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// Adds a hint: what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) -> &mut Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with a hint, for use in an expression.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The problem for people, on several lines, without a final line end.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let paint = Paint { colour, severity: self.severity };
        let mut out = paint.location(&self.location());
        if self.severity == Severity::Warning {
            out += &paint.accent("warning: ");
        }
        out += &escape(&self.message);
        if let Some(excerpt) = &self.excerpt {
            // `~` underlines the rest.
            let caret = format!("^{}", "~".repeat(excerpt.width.saturating_sub(1)));
            let _ = write!(out, "\n    {}\n    ", excerpt.line);
            let _ = write!(out, "{}{}", " ".repeat(excerpt.caret), paint.accent(&caret));
        }
        if let Some(hint) = &self.hint {
            let _ = write!(out, "\n{}{}", paint.accent("hint: "), escape(hint));
        }
        out
    }

    /// The problem on one line, without the text it is about: `file:line:column: message`.
    #[must_use]
    pub fn line(&self) -> String {
        escape(&(self.location() + &self.message)).into_owned()
    }

    fn location(&self) -> String {
        match self.line {
            0 => format!("{}: ", self.file),
            line => format!("{}:{line}:{}: ", self.file, self.column),
        }
    }
}

/// Splits an error of another module at `; ` into message and hint, and adds it.
pub(crate) fn add_with_hint<'r>(text: &str, add: impl FnOnce(String) -> &'r mut Problem) {
    match text.split_once("; ") {
        Some((message, hint)) => add(message.to_owned()).hint(hint),
        None => add(text.to_owned()),
    };
}

/// All problems for people, one after the other.
#[must_use]
pub fn render(problems: &[Problem], colour: bool) -> String {
    let rendered: Vec<_> = problems.iter().map(|problem| problem.render(colour)).collect();
    rendered.join("\n")
}

/// The errors, one per line.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(Problem::line).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problem {}

struct Paint {
    colour: bool,
    severity: Severity,
}

impl Paint {
    fn location(&self, text: &str) -> String {
        let text = escape(text);
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.into_owned() }
    }

    fn accent(&self, text: &str) -> String {
        let code = if self.severity == Severity::Error { 31 } else { 33 };
        if self.colour { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, start: usize, len: usize) -> String {
        let mut problem = Problem::whole("a.yaml", "bad");
        (problem.line, problem.column) = (3, 5);
        problem.excerpt = Some(Box::new(Excerpt::of(text, start, len)));
        problem.with_hint("do better").render(false)
    }

    #[test]
    fn a_problem_shows_place_line_caret_and_hint() {
        let text = "a: 1\n  crom: x\n";
        assert_eq!(at(text, 7, 4), "a.yaml:3:5: bad\n      crom: x\n      ^~~~\nhint: do better");
    }

    #[test]
    fn carets_stand_under_wide_characters_and_tabs() {
        let line = "\t이름: crom";
        let start = line.find("crom").unwrap();
        assert_eq!(
            at(line, start, 4),
            "a.yaml:3:5: bad\n        이름: crom\n              ^~~~\nhint: do better"
        );
        let excerpt = Excerpt::of("이름", 0, 6);
        assert_eq!((excerpt.caret, excerpt.width), (0, 4));
    }

    #[test]
    fn a_warning_says_so_and_colour_is_the_callers_choice() {
        let mut problem = Problem::whole("a.yaml", "odd");
        problem.severity = Severity::Warning;
        assert_eq!(problem.render(false), "a.yaml: warning: odd");
        assert_eq!(problem.render(true), "\x1b[1ma.yaml: \x1b[0m\x1b[1;33mwarning: \x1b[0modd");
    }
}
