//! The grammar of templates.
//!
//! ```text
//! text     = { plain | "{{" template "}}" }
//! template = slot { "|" move } [ "|" form ] | "entry" | "task_id" | quoted
//! slot     = "slot" | "nominal_slot" | "previous_slot" | "next_slot"
//! move     = "shift" "(" quoted ")" | "business_days" "(" number [ "," quoted ] ")"
//! form     = "date" | "unix" | "format" "(" quoted ")"
//! number   = [ "+" | "-" ] digit { digit }
//! quoted   = '"' { any but " and \ } '"' | "'" { any but ' and \ } "'"
//! ```
//!
//! White space is allowed around everything between the braces. `{%` and `{#`, which other template languages
//! use, are refused; every other brace is plain text.

use std::ops::Range;

use super::moves::{self, BusinessDays, MAX_BUSINESS_DAYS, Step};
use super::{Form, SlotTemplate, Template, TemplateError, TemplateProblem, Which, format};

/// The maximum number of moves in a template.
pub(super) const MAX_MOVES: usize = 10;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Plain text.
    Plain(&'t str),
    /// A template and its source, braces included.
    Template(&'t str, Template),
}

/// Splits a text, in time proportional to its length; after an error it continues after the next `}}`.
pub fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, TemplateError>> {
    Pieces { text, at: 0 }
}

/// The position of the first `{{`, `{%` or `{#`.
#[must_use]
pub fn find_opener(text: &str) -> Option<usize> {
    text.as_bytes().windows(2).position(|pair| pair[0] == b'{' && b"{%#".contains(&pair[1]))
}

struct Pieces<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Result<Piece<'t>, TemplateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (start, rest) = (self.at, &self.text[self.at..]);
        let plain = find_opener(rest).unwrap_or(rest.len());
        if rest.is_empty() {
            return None;
        }
        if plain > 0 {
            self.at += plain;
            return Some(Ok(Piece::Plain(&rest[..plain])));
        }
        self.at += 2;
        let foreign = ["{%", "{#"].into_iter().find(|braces| rest.starts_with(braces));
        if let Some(braces) = foreign {
            let problem = TemplateProblem::Foreign(braces);
            return Some(Err(TemplateError { span: start..self.at, problem }));
        }
        let mut parser = Parser { text: self.text, start, at: self.at };
        let template = parser.template();
        if template.is_err() {
            parser.skip();
        }
        self.at = parser.at;
        Some(template.map(|template| Piece::Template(&self.text[start..self.at], template)))
    }
}

/// Reads what follows a `{{`.
struct Parser<'t> {
    text: &'t str,
    /// The position of the `{{`.
    start: usize,
    at: usize,
}

impl<'t> Parser<'t> {
    fn template(&mut self) -> Result<Template, TemplateError> {
        let template = self.value()?;
        if self.next() == Some('|') {
            let what = match template {
                Template::Entry => "`entry`",
                Template::TaskId => "`task_id`",
                _ => "quoted text",
            };
            return Err(TemplateError::new(self.at..self.at + 1, TemplateProblem::NoFilter(what)));
        }
        self.expect("}}", "`}}`")?;
        Ok(template)
    }

    fn value(&mut self) -> Result<Template, TemplateError> {
        if self.is_at_quote() {
            return Ok(Template::Text(self.quoted()?.1.into()));
        }
        if self.rest().starts_with("}}") {
            return Err(TemplateError::new(self.start..self.at + 2, TemplateProblem::Empty));
        }
        let (span, name) = self.word("a name")?;
        Ok(match name {
            "slot" => self.slot(Which::This)?,
            "nominal_slot" => self.slot(Which::Nominal)?,
            "previous_slot" => self.slot(Which::Previous)?,
            "next_slot" => self.slot(Which::Next)?,
            "entry" => Template::Entry,
            "task_id" => Template::TaskId,
            name => {
                return Err(TemplateError::new(
                    span,
                    TemplateProblem::UnknownName(shortened(name)),
                ));
            }
        })
    }

    /// Reads the filters of a slot: moves, and then how it is written.
    fn slot(&mut self, which: Which) -> Result<Template, TemplateError> {
        let (mut moves, mut form) = (Vec::new(), None);
        while self.next() == Some('|') && form.is_none() {
            self.at += 1;
            let (span, filter) = self.word("a filter")?;
            match filter {
                "shift" => moves.push(self.shift()?),
                "business_days" => moves.push(self.business_days()?),
                "date" => form = Some(Form::Date),
                "unix" => form = Some(Form::Unix),
                "format" => form = Some(self.format()?),
                filter => {
                    let problem = TemplateProblem::UnknownFilter(shortened(filter));
                    return Err(TemplateError::new(span, problem));
                }
            }
            if moves.len() > MAX_MOVES {
                return Err(TemplateError::new(span, TemplateProblem::ManyMoves));
            }
        }
        self.refuse_late_move()?;
        // The error for a second form is that the template should end here, not that it has no filters.
        self.expect_ahead("}}", "`}}`")?;
        let (moves, form) = (moves.into(), form.unwrap_or(Form::Rfc3339));
        Ok(Template::Slot(SlotTemplate { which, moves, form }))
    }

    /// Refuses a move behind the form.
    fn refuse_late_move(&mut self) -> Result<(), TemplateError> {
        let Some(rest) = self.rest().strip_prefix('|') else { return Ok(()) };
        let rest = rest.trim_ascii_start();
        let Some(name) = ["shift", "business_days"].into_iter().find(|name| rest.starts_with(name))
        else {
            return Ok(());
        };
        let start = self.text.len() - rest.len();
        Err(TemplateError::new(start..start + name.len(), TemplateProblem::LateMove(name)))
    }

    fn shift(&mut self) -> Result<Step, TemplateError> {
        self.expect("(", "`(\"-1d\")`")?;
        let (span, text) = self.expect_quoted("a shift in quotes, like `\"-1d\"`")?;
        let shift = moves::parse_shift(text)
            .map_err(|error| TemplateError::new(span, TemplateProblem::Shift(error)))?;
        self.expect(")", "`)`")?;
        Ok(Step::Shift(shift))
    }

    fn business_days(&mut self) -> Result<Step, TemplateError> {
        self.expect("(", "`(-1)`")?;
        let count = self.number()?;
        let mut calendar = None;
        if self.next() == Some(',') {
            self.at += 1;
            calendar = Some(self.expect_quoted("a calendar's name in quotes")?.1.into());
        }
        self.expect(")", "`)`")?;
        Ok(Step::BusinessDays(BusinessDays { count, calendar }))
    }

    /// Reads a number of business days.
    fn number(&mut self) -> Result<i32, TemplateError> {
        self.next();
        let rest = self.rest();
        let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
        if digits == 0 {
            return Err(self.unexpected("a number, like `-1`"));
        }
        let span = self.at..self.at + rest.len() - unsigned.len() + digits;
        let problem = match self.text[span.clone()].parse::<i32>() {
            Ok(0) => TemplateProblem::NoDays,
            Ok(count) if count.abs() <= MAX_BUSINESS_DAYS => {
                self.at = span.end;
                return Ok(count);
            }
            _ => TemplateProblem::ManyDays,
        };
        Err(TemplateError::new(span, problem))
    }

    fn format(&mut self) -> Result<Form, TemplateError> {
        self.expect("(", "`(\"%Y-%m\")`")?;
        let (span, format) = self.expect_quoted("a format in quotes")?;
        format::check(format).map_err(|(part, problem)| {
            TemplateError::new(span.start + part.start..span.start + part.end, problem)
        })?;
        self.expect(")", "`)`")?;
        Ok(Form::Format(format.into()))
    }

    fn is_at_quote(&mut self) -> bool {
        matches!(self.next(), Some('"' | '\''))
    }

    fn expect_quoted(
        &mut self,
        expected: &'static str,
    ) -> Result<(Range<usize>, &'t str), TemplateError> {
        if self.is_at_quote() { self.quoted() } else { Err(self.unexpected(expected)) }
    }

    /// Reads text up to the same quote.
    fn quoted(&mut self) -> Result<(Range<usize>, &'t str), TemplateError> {
        let rest = self.rest();
        let inside = &rest[1..];
        let Some(len) = inside.find([rest.as_bytes()[0].into(), '\\']) else {
            return Err(TemplateError::new(self.at..self.at + 1, TemplateProblem::OpenQuote));
        };
        let span = self.at + 1..self.at + 1 + len;
        if inside[len..].starts_with('\\') {
            return Err(TemplateError::new(span.end..span.end + 1, TemplateProblem::Backslash));
        }
        self.at = span.end + 1;
        Ok((span, &inside[..len]))
    }

    fn word(&mut self, expected: &'static str) -> Result<(Range<usize>, &'t str), TemplateError> {
        if !self.next().is_some_and(|c| c.is_alphabetic() || c == '_') {
            return Err(self.unexpected(expected));
        }
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let span = self.at..self.at + len;
        self.at = span.end;
        Ok((span, &rest[..len]))
    }

    fn expect(&mut self, token: &str, shown: &'static str) -> Result<(), TemplateError> {
        self.expect_ahead(token, shown)?;
        self.at += token.len();
        Ok(())
    }

    fn expect_ahead(&mut self, token: &str, shown: &'static str) -> Result<(), TemplateError> {
        self.next();
        if self.rest().starts_with(token) { Ok(()) } else { Err(self.unexpected(shown)) }
    }

    /// The next character that is not white space.
    fn next(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
        self.rest().chars().next()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The error for what is here.
    fn unexpected(&self, expected: &'static str) -> TemplateError {
        let rest = self.rest();
        if rest.is_empty() {
            return TemplateError::new(self.start..self.at, TemplateProblem::NeverClosed);
        }
        let first =
            if rest.starts_with("}}") { 2 } else { rest.chars().next().map_or(0, char::len_utf8) };
        let ends = |c: char| c.is_ascii_whitespace() || c == '}';
        let len = rest[first..].find(ends).map_or(rest.len(), |len| first + len);
        let found = shortened(&rest[..len]);
        TemplateError::new(self.at..self.at + len, TemplateProblem::Unexpected { expected, found })
    }

    /// Skips to after the next `}}`.
    fn skip(&mut self) {
        let rest = self.rest();
        self.at += rest.find("}}").map_or(rest.len(), |close| close + 2);
    }
}

/// Shortens a text to fit a message.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
