//! A place in a text.

/// A range of bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Texts are far smaller than 4 GiB, so offsets fit.
    pub(crate) fn new(start: usize, end: usize) -> Span {
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: short(start), len: short(end.saturating_sub(start)) }
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    pub(crate) fn end(self) -> usize {
        self.start() + self.len()
    }
}
