//! The heat map as lines of text.

use std::iter;

use super::grid::{Grid, Scale};

/// How cells look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Digits, for a pipe.
    Plain,
    /// Shades, for a terminal without colours.
    Shades,
    /// Coloured backgrounds.
    Colour,
}

/// Yellow to dark red, on a terminal with 256 colours.
const COLOURS: [u8; 6] = [229, 221, 214, 208, 196, 124];
const SHADES: [char; 4] = ['░', '▒', '▓', '█'];
const DIGITS: [char; 9] = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// The width of row labels.
const LABEL: usize = 9;
const GAP: usize = 2;

impl Style {
    fn levels(self) -> usize {
        match self {
            Style::Plain => DIGITS.len(),
            Style::Shades => SHADES.len(),
            Style::Colour => COLOURS.len(),
        }
    }

    /// Adjacent cells of one level, 0 for no slots, `width` characters in total.
    fn run(self, level: usize, width: usize) -> String {
        let fill = |character| iter::repeat_n(character, width).collect::<String>();
        match (self, level.checked_sub(1)) {
            (Style::Plain, None) => fill('.'),
            (Style::Shades | Style::Colour, None) => fill('·'),
            (Style::Plain, Some(index)) => fill(DIGITS[index]),
            (Style::Shades, Some(index)) => fill(SHADES[index]),
            (Style::Colour, Some(index)) => {
                format!("\x1b[48;5;{}m{}\x1b[0m", COLOURS[index], fill(' '))
            }
        }
    }
}

/// How many cells fit into a line of `width` characters, given the largest total of a row.
pub(super) fn columns(width: usize, most: u64) -> usize {
    width.saturating_sub(LABEL + 1 + GAP + totals(most)).max(1)
}

/// The width of the column of totals, with its heading.
fn totals(most: u64) -> usize {
    most.to_string().len().max("slots".len())
}

/// Draws axis, heat map and legend in lines of `width` characters.
pub(super) fn draw(grid: &Grid<'_>, style: Style, width: usize) -> Vec<String> {
    let totals = totals(grid.most());
    let cell = (columns(width, grid.most()) / grid.columns()).max(1);
    let scale = grid.scale(style.levels());
    let mut lines = vec![axis(grid, cell, totals)];
    for row in &grid.rows {
        let level = |slots: &Option<u64>| slots.map(|slots| scale.level(slots));
        let levels: Vec<_> = row.cells.iter().map(level).collect();
        let runs = levels.chunk_by(|a, b| a == b);
        let run = |run: &[Option<usize>]| match run[0] {
            None => " ".repeat(run.len() * cell),
            Some(level) => style.run(level, run.len() * cell),
        };
        let cells: String = runs.map(run).collect();
        lines.push(format!("{:LABEL$} {cells}{:GAP$}{:totals$}", row.label, "", row.slots));
    }
    lines.push(String::new());
    lines.extend(legend(grid, &scale, style, width));
    lines
}

fn axis(grid: &Grid<'_>, cell: usize, totals: usize) -> String {
    let mut text = " ".repeat(LABEL + 1);
    // A mark has at most three characters.
    for (column, mark) in grid.ticks(4_usize.div_ceil(cell)) {
        let gap = (LABEL + 1 + column * cell).saturating_sub(text.len());
        text += &" ".repeat(gap);
        text += &mark;
    }
    let end = LABEL + 1 + grid.columns() * cell + GAP + totals;
    format!("{text}{:>1$}", "slots", end.saturating_sub(text.len()))
}

fn legend(grid: &Grid<'_>, scale: &Scale, style: Style, width: usize) -> Vec<String> {
    let mut lines = vec![measure(grid) + ":"];
    let mut used = lines[0].chars().count();
    let names = iter::once("none".to_owned()).chain(scale.ranges());
    for (level, name) in names.enumerate() {
        let (swatch, between) = if style == Style::Plain { (1, "=") } else { (2, " ") };
        let length = GAP + swatch + between.len() + name.len();
        if used + length > width {
            lines.push(String::new());
            used = 0;
        }
        used += length;
        let line = lines.last_mut().expect("there is one at least");
        *line += &format!("{:GAP$}{}{between}{name}", "", style.run(level, swatch));
    }
    lines
}

/// What a cell shows.
pub(super) fn measure(grid: &Grid<'_>) -> String {
    match grid.cell {
        1 => "slots in a minute".to_owned(),
        minutes => format!("slots in the busiest minute of {minutes}"),
    }
}
