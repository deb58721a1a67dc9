//! The heat map as one self-contained SVG file.

use std::fmt::{self, Display, Write as _};

use super::grid::{Grid, Scale, Unit};
use super::names;
use super::text::measure;
use crate::schedule::forecast::Second;

/// Yellow to dark red.
const COLOURS: [&str; 6] = ["#ffeda0", "#fed976", "#feb24c", "#fd8d3c", "#f03b20", "#bd0026"];
const NOTHING: &str = "#f0f0f0";

/// Where the cells begin, in pixels.
const LEFT: usize = 90;
const TOP: usize = 90;
/// Total width of a row's cells.
const WIDTH: usize = 960;
/// The height of a row, and the gap between rows.
const HEIGHT: usize = 18;
const SEAM: usize = 1;

/// Draws the heat map below `heading`; pointing at a cell shows details.
pub(super) fn draw(grid: &Grid<'_>, heading: &str, busiest: &[Second]) -> String {
    let scale = grid.scale(COLOURS.len());
    let bottom = TOP + grid.rows.len() * HEIGHT;
    let mut svg = Svg::default();
    svg.add(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">",
        width = LEFT + WIDTH + 90,
        height = bottom + 60,
    ));
    svg.add(format_args!("<title>{}</title>", Escaped(heading)));
    svg.add(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"));
    svg.text(LEFT, 24, "start", 16, heading);
    draw_axes(&mut svg, grid);
    for (index, row) in grid.rows.iter().enumerate() {
        let y = TOP + index * HEIGHT;
        svg.text(LEFT - 8, y + 13, "end", 12, &row.label);
        svg.text(LEFT + WIDTH + 80, y + 13, "end", 12, &row.slots.to_string());
        for (cell, slots) in row.cells.iter().enumerate() {
            let Some(slots) = *slots else { continue };
            let colour = scale.level(slots).checked_sub(1).map_or(NOTHING, |level| COLOURS[level]);
            let (x, end) = (x_of(grid, cell), x_of(grid, cell + 1));
            svg.square(x, y, end - x - SEAM, colour, &tooltip(grid, index, cell, slots, busiest));
        }
    }
    draw_legend(&mut svg, grid, &scale, bottom + 24);
    svg.0 + "</svg>\n"
}

fn x_of(grid: &Grid<'_>, cell: usize) -> usize {
    LEFT + cell * WIDTH / grid.columns()
}

fn draw_axes(svg: &mut Svg, grid: &Grid<'_>) {
    let (across, down) = match grid.unit {
        Unit::Hour(_) => ("minute of the hour", "hour"),
        Unit::Day(_) => ("hour of the day", "day"),
    };
    svg.text(LEFT + WIDTH / 2, 56, "middle", 12, across);
    svg.text(LEFT - 8, TOP - 8, "end", 12, down);
    svg.text(LEFT + WIDTH + 80, TOP - 8, "end", 12, "slots");
    for (cell, mark) in grid.ticks(1) {
        svg.text(x_of(grid, cell), TOP - 8, "start", 12, &mark);
    }
}

fn draw_legend(svg: &mut Svg, grid: &Grid<'_>, scale: &Scale, y: usize) {
    svg.text(LEFT, y + 13, "start", 12, &measure(grid));
    let names = ["none".to_owned()].into_iter().chain(scale.ranges());
    for (index, (name, colour)) in names.zip([NOTHING].into_iter().chain(COLOURS)).enumerate() {
        let x = LEFT + 220 + index * 110;
        svg.square(x, y, HEIGHT, colour, &name);
        svg.text(x + HEIGHT + 6, y + 13, "start", 12, &name);
    }
}

/// The time, the number of slots, and the busiest seconds of a cell.
fn tooltip(grid: &Grid<'_>, row: usize, cell: usize, slots: u64, busiest: &[Second]) -> String {
    let mut text = format!("{}: {slots} {}", grid.cell_label(row, cell), measure(grid));
    for second in busiest.iter().filter(|second| grid.place(second.at) == (row, cell)) {
        let _ = write!(text, "\n{} in the second {}: {}", second.slots, second.at, names(second));
    }
    text
}

/// The SVG text so far.
#[derive(Default)]
struct Svg(String);

impl Svg {
    fn add(&mut self, element: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{element}");
    }

    fn text(&mut self, x: usize, y: usize, anchor: &str, size: usize, text: &str) {
        let text = Escaped(text);
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}</text>"
        ));
    }

    fn square(&mut self, x: usize, y: usize, width: usize, colour: &str, tooltip: &str) {
        let (height, tooltip) = (HEIGHT - SEAM, Escaped(tooltip));
        self.add(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\">\
             <title>{tooltip}</title></rect>"
        ));
    }
}

/// Escapes text for an element: markup is escaped, and characters that XML cannot hold are replaced.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '\n' => f.write_char('\n')?,
                '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_escaped() {
        let text = Escaped("a<b> & \"c\"\u{1b}\n☃").to_string();
        assert_eq!(text, "a&lt;b&gt; &amp; \"c\"\u{fffd}\n☃");
    }
}
