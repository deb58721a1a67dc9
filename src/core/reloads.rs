//! Reloads of the schedule, one at a time, so that the last one to end is the newest.
//!
//! A reload loads the files and then has their schedule applied or refused. The caller does both, and asks here
//! when to begin.

/// The reload under way, and who requested it and the next one. `A` is where an answer goes.
#[derive(Debug)]
pub struct Reloads<A> {
    /// Who requested the reload under way.
    current: Option<Vec<A>>,
    /// Who has requested one since it began: files that it already read may have changed.
    next: Option<Vec<A>>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Requested {
    /// A reload begins: load the files now.
    Begins,
    /// A reload follows the one under way.
    Follows,
    /// The reload that follows is for this request, too.
    Joins,
}

impl<A> Default for Reloads<A> {
    fn default() -> Reloads<A> {
        Reloads { current: None, next: None }
    }
}

impl<A> Reloads<A> {
    /// Notes that somebody requests a reload, and where the answer goes, if anywhere.
    pub fn request(&mut self, answer: Option<A>) -> Requested {
        let is_first = self.next.is_none();
        self.next.get_or_insert_default().extend(answer);
        match (self.begin_next(), is_first) {
            (true, _) => Requested::Begins,
            (false, true) => Requested::Follows,
            (false, false) => Requested::Joins,
        }
    }

    /// Notes that what was loaded is in force or was refused, and returns who requested that.
    /// [`begin_next`](Reloads::begin_next) says whether another reload follows.
    pub fn end(&mut self) -> Vec<A> {
        self.current.take().unwrap_or_default()
    }

    /// Begins the next reload, if somebody has requested one and none is under way. Returns whether to load the
    /// files now.
    #[must_use]
    pub fn begin_next(&mut self) -> bool {
        if self.current.is_some() {
            return false;
        }
        self.current = self.next.take();
        self.current.is_some()
    }

    /// Whether no reload is under way.
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.current.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_during_a_reload_share_the_next_one() {
        let mut reloads = Reloads::default();
        assert_eq!(reloads.request(Some(1)), Requested::Begins);
        assert_eq!(reloads.request(Some(2)), Requested::Follows);
        assert_eq!(reloads.request(None), Requested::Joins);
        assert_eq!(reloads.request(Some(3)), Requested::Joins);
        assert!(!reloads.begin_next());
        assert_eq!(reloads.end(), [1]);
        assert!(reloads.begin_next());
        assert_eq!(reloads.request(Some(4)), Requested::Follows);
        assert_eq!(reloads.end(), [2, 3]);
        assert!(reloads.begin_next());
        assert_eq!(reloads.end(), [4]);
        assert!(!reloads.begin_next());
        assert!(reloads.is_at_rest());
    }

    #[test]
    fn a_request_that_nobody_waits_for_counts() {
        let mut reloads = Reloads::<()>::default();
        assert_eq!(reloads.request(None), Requested::Begins);
        assert_eq!(reloads.request(None), Requested::Follows);
        assert_eq!(reloads.end(), []);
        assert!(reloads.begin_next());
    }
}
