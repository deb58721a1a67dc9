//! Tables: aligned and fitted to a terminal; tab-separated, with all columns, in a pipe.

use std::io::{self, IsTerminal as _};
use std::iter;

use unicode_width::UnicodeWidthStr as _;

use super::{cut, own, width, wrap};
use crate::commands::Failure;
use crate::escape::escape;
use crate::mask::mask;

/// Maximum width of a cell.
const MAX_CELL: usize = 1000;
/// Separates columns, and indents continued rows.
const GAP: &str = "  ";

/// A column of a table, and how it fits a terminal.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Column {
    heading: &'static str,
    /// A cell without a value. A terminal shows no column of such cells only.
    nothing: Option<&'static str>,
    /// Cells may be cut to this width, with `…` at the end.
    min: usize,
    /// Of columns that do not fit, the one with the highest rank is left out first; 0 never.
    rank: u8,
    /// Whether cells continue on lines below instead of being cut. Only the last column may.
    wraps: bool,
}

impl Column {
    /// A column whose cells are never cut.
    pub(in crate::commands) const fn whole(heading: &'static str) -> Column {
        Column { heading, nothing: None, min: usize::MAX, rank: 0, wraps: false }
    }

    /// A column whose cells may be cut to this width.
    pub(in crate::commands) const fn cut(heading: &'static str, min: usize) -> Column {
        Column { heading, nothing: None, min, rank: 0, wraps: false }
    }

    /// The last column, whose cells continue on lines below where they do not fit into this width or more.
    pub(in crate::commands) const fn wrapped(heading: &'static str, min: usize) -> Column {
        Column { wraps: true, ..Column::cut(heading, min) }
    }

    /// The column, left out if it does not fit.
    pub(in crate::commands) const fn spare(self, rank: u8) -> Column {
        Column { rank, ..self }
    }

    /// The column, left out if all cells have no value.
    pub(in crate::commands) const fn or(self, nothing: &'static str) -> Column {
        Column { nothing: Some(nothing), ..self }
    }
}

/// Prints rows: on a terminal aligned under a heading, else tab-separated. Prints nothing if there
/// are no rows.
pub(in crate::commands) fn table(columns: &[Column], rows: &[Vec<String>]) -> Result<(), Failure> {
    // Masked before it is cut: a part of a password must not look like something else.
    let cell = |cell: &String| cut(&mask(&escape(cell)), MAX_CELL);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let lines = match io::stdout().is_terminal() {
        _ if rows.is_empty() => Vec::new(),
        true => aligned(columns, &rows, width()),
        false => rows.iter().map(|row| row.join("\t")).collect(),
    };
    lines.iter().try_for_each(|line| own(line))
}

/// The lines of a table. Columns that do not fit even when cut continue on an indented line below.
fn aligned(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let heading: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    let places = places(columns, rows, width);
    let mut lines = Vec::new();
    for row in [&heading].into_iter().chain(rows) {
        let mut text = String::new();
        let mut rest = Vec::new();
        for (index, place) in places.iter().enumerate() {
            if place.is_below {
                lines.push(text.trim_end().to_owned());
                text.clear();
            }
            text += if index > 0 { GAP } else { "" };
            let mut cell = row[place.column].clone();
            if columns[place.column].wraps {
                let indent = text.width();
                let mut parts = wrap(&cell, place.width).into_iter();
                cell = parts.next().unwrap_or_default();
                rest = parts.map(|part| format!("{:indent$}{part}", "")).collect();
            }
            let cell = cut(&cell, place.width);
            text += &cell;
            text.extend(iter::repeat_n(' ', place.width - cell.width()));
        }
        lines.push(text.trim_end().to_owned());
        lines.append(&mut rest);
    }
    lines
}

/// Where a column is shown.
struct Place {
    column: usize,
    width: usize,
    /// Whether it begins a continued line.
    is_below: bool,
}

impl Place {
    /// The least width of the column.
    fn min(&self, columns: &[Column]) -> usize {
        self.width.min(columns[self.column].min)
    }
}

fn places(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<Place> {
    let cells = |column: usize| rows.iter().map(move |row| &*row[column]);
    let has_values = |column: &usize| match columns[*column].nothing {
        Some(nothing) => cells(*column).any(|cell| cell != nothing),
        None => true,
    };
    let place = |column: usize| {
        let widest = cells(column).chain([columns[column].heading]).map(str::width).max();
        Place { column, width: widest.unwrap_or(0), is_below: false }
    };
    let mut places: Vec<_> = (0..columns.len()).filter(has_values).map(place).collect();
    leave_out(columns, &mut places, width);
    if total(places.iter().map(|place| place.min(columns))) <= width {
        shrink(columns, &mut places, width);
    } else {
        break_lines(columns, &mut places, width);
    }
    places
}

/// Leaves out columns until the others fit, if they are cut.
fn leave_out(columns: &[Column], places: &mut Vec<Place>, width: usize) {
    while total(places.iter().map(|place| place.min(columns))) > width {
        let rank = |place: &Place| columns[place.column].rank;
        match places.iter().map(rank).max() {
            None | Some(0) => return,
            Some(highest) => places.retain(|place| rank(place) < highest),
        }
    }
}

/// Cuts the widest column again and again until all fit.
fn shrink(columns: &[Column], places: &mut [Place], width: usize) {
    while total(places.iter().map(|place| place.width)) > width {
        let can_shrink = |place: &&mut Place| place.width > place.min(columns);
        match places.iter_mut().filter(can_shrink).max_by_key(|place| place.width) {
            Some(place) => place.width -= 1,
            None => return,
        }
    }
}

/// Puts columns that do not fit on lines below.
fn break_lines(columns: &[Column], places: &mut [Place], width: usize) {
    let mut end = 0;
    for (index, place) in places.iter_mut().enumerate() {
        let gap = if index > 0 { GAP.len() } else { 0 };
        if columns[place.column].wraps {
            place.width = place.width.min(width.saturating_sub(gap));
        }
        place.is_below = index > 0 && end + gap + place.width > width;
        end = gap + place.width + if place.is_below { 0 } else { end };
    }
}

/// The width of a line with these columns.
fn total(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    widths.sum::<usize>() + gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [Column; 3] =
        [Column::whole("ONE"), Column::whole("TWO"), Column::whole("THREE").or("-")];

    fn lines(columns: &[Column], width: usize) -> Vec<String> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "전화", "three words long"]), row(["longer", "b", "-"])];
        aligned(columns, &rows, width)
    }

    #[test]
    fn columns_are_aligned_by_their_width_on_a_terminal() {
        let wide = ["ONE     TWO   THREE", "a       전화  three words long", "longer  b     -"];
        assert_eq!(lines(&WHOLE, 80), wide);
        assert_eq!(lines(&WHOLE, 30), wide);
    }

    #[test]
    fn columns_that_do_not_fit_go_on_below() {
        let narrow =
            ["ONE     TWO", "  THREE", "a       전화", "  three words long", "longer  b", "  -"];
        assert_eq!(lines(&WHOLE, 29), narrow);
        assert_eq!(lines(&WHOLE, 12), narrow);
    }

    #[test]
    fn the_widest_column_that_may_be_cut_is_cut_first() {
        let columns = [Column::cut("ONE", 4), WHOLE[1], Column::cut("THREE", 6)];
        let cut = ["ONE     TWO   THREE", "a       전화  three …", "longer  b     -"];
        assert_eq!(lines(&columns, 21), cut);
        let both = ["ONE   TWO   THREE", "a     전화  three…", "lon…  b     -"];
        assert_eq!(lines(&columns, 18), both);
    }

    #[test]
    fn a_wrapped_column_continues_below_itself() {
        let columns = [WHOLE[0], WHOLE[1], Column::wrapped("THREE", 6)];
        let narrow = [
            "ONE     TWO   THREE",
            "a       전화  three",
            "              words",
            "              long",
            "longer  b     -",
        ];
        assert_eq!(lines(&columns, 21), narrow);
        let below = [
            "ONE     TWO",
            "  THREE",
            "a       전화",
            "  three words",
            "  long",
            "longer  b",
            "  -",
        ];
        assert_eq!(lines(&columns, 14), below);
    }

    #[test]
    fn a_spare_column_is_left_out_where_it_does_not_fit() {
        let columns = [WHOLE[0], Column::whole("TWO").spare(1), WHOLE[2].spare(2)];
        assert_eq!(lines(&columns, 30)[0], "ONE     TWO   THREE");
        assert_eq!(lines(&columns, 29), ["ONE     TWO", "a       전화", "longer  b"]);
        assert_eq!(lines(&columns, 9), ["ONE", "a", "longer"]);
    }

    #[test]
    fn a_column_without_values_is_not_shown() {
        let rows = [vec!["a".to_owned(), "-".to_owned()]];
        let columns = [Column::whole("ONE"), Column::whole("TWO").or("-")];
        assert_eq!(aligned(&columns, &rows, 80), ["ONE", "a"]);
    }
}
