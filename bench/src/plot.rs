//! Bar charts of a report as SVG: one picture for each figure, readable on light and on dark pages.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    report::{Cell, Figure, Report},
    table::number,
};

const WIDTH: f64 = 820.0;
/// Where the bars begin: the names stand to the left.
const LEFT: f64 = 130.0;
/// Where the longest bar may end: its value stands to the right.
const RIGHT: f64 = 600.0;
const TOP: f64 = 92.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
/// Below the last bar: the axis, its numbers, its label.
const BOTTOM: f64 = 58.0;
/// About how many parts the axis has.
const TICKS: f64 = 5.0;

/// Colours for both kinds of pages. Whoever shows no style sheet gets the light ones.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:13px;fill:#1f2328}\
.title{font-size:15px;font-weight:600}.quiet{fill:#59636e;font-size:12px}\
.page{fill:#ffffff}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.range{stroke:#1f2328;stroke-width:1.5}\
.peer{fill:#8fa9c9}.floor{fill:#9ba3ab}.own{fill:#0b7a75}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.page{fill:#0d1117}\
.grid{stroke:#30363d}.axis{stroke:#9198a1}.range{stroke:#e6edf3}\
.peer{fill:#45628a}.floor{fill:#59636e}.own{fill:#2fb5ad}}";

/// Draws every figure that was measured into a folder, as `SCENARIO-FIGURE.svg`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(reports: &[Report], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for report in reports {
        for figure in &report.figures {
            let Some(picture) = draw(report, figure) else { continue };
            let name = format!("{}-{}.svg", report.scenario, figure.key.replace('_', "-"));
            let path = folder.join(name);
            fs::write(&path, picture)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// A bar: the name of a target, its figure, how it looks.
struct Bar<'a> {
    name: &'a str,
    class: &'static str,
    cell: &'a Cell,
    median: f64,
}

/// The picture of one figure; none when nobody has it.
fn draw(report: &Report, figure: &Figure) -> Option<String> {
    let bars: Vec<Bar<'_>> = report
        .rows
        .iter()
        .filter_map(|row| {
            let cell = row.cells.get(&figure.key)?;
            let class = match row.target.as_str() {
                "floor" => "floor",
                _ if row.is_own() => "own",
                _ => "peer",
            };
            Some(Bar { name: &row.target, class, cell, median: cell.median()? })
        })
        .collect();
    let most = bars.iter().filter_map(|bar| bar.cell.max()).fold(0.0, f64::max);
    if bars.is_empty() || most <= 0.0 {
        return None;
    }
    let step = step(most);
    let end = (most / step).ceil() * step;
    let x = |value: f64| LEFT + value.clamp(0.0, end) / end * (RIGHT - LEFT);
    let base = TOP + ROW * bars.len() as f64;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let drawn = head(&mut out, report, figure, base + BOTTOM)
        .and_then(|()| axis(&mut out, &figure.unit, step, end, base, &x))
        .and_then(|()| {
            for (index, bar) in bars.iter().enumerate() {
                draw_bar(&mut out, bar, TOP + ROW * index as f64, &x)?;
            }
            out.write_str("</svg>\n")
        });
    drawn.ok().map(|()| out)
}

fn head(out: &mut String, report: &Report, figure: &Figure, height: f64) -> std::fmt::Result {
    let title = escaped(&format!("{}: {}", report.scenario, figure.label));
    let machine = &report.machine;
    let rounds = report.rounds;
    let about = escaped(&report.about);
    let smoke = if report.smoke { "SMOKE SIZES, worth nothing; " } else { "" };
    let under = escaped(&format!(
        "{smoke}{}, Linux {}; median of {rounds}, thin line from least to most",
        machine.processor, machine.kernel
    ));
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">"
    )?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(out, "<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>")?;
    writeln!(out, "<text class=\"title\" x=\"16\" y=\"28\">{title}</text>")?;
    writeln!(out, "<text class=\"quiet\" x=\"16\" y=\"48\">{about}</text>")?;
    writeln!(out, "<text class=\"quiet\" x=\"16\" y=\"66\">{under}</text>")
}

fn axis(
    out: &mut String,
    unit: &str,
    step: f64,
    end: f64,
    base: f64,
    x: &dyn Fn(f64) -> f64,
) -> std::fmt::Result {
    let mut tick = 0;
    loop {
        let value = f64::from(tick) * step;
        if value > end * 1.000_1 {
            break;
        }
        let (at, class) = (x(value), if tick == 0 { "axis" } else { "grid" });
        let top = TOP - 6.0;
        writeln!(
            out,
            "<line class=\"{class}\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{base}\"/>"
        )?;
        let (y, text) = (base + 18.0, escaped(&tick_number(value, step)));
        writeln!(
            out,
            "<text class=\"quiet\" x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>"
        )?;
        tick += 1;
    }
    let (middle, y, unit) = (LEFT.midpoint(RIGHT), base + 40.0, escaped(unit_name(unit)));
    writeln!(
        out,
        "<text class=\"quiet\" x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{unit}</text>"
    )
}

fn draw_bar(out: &mut String, bar: &Bar<'_>, top: f64, x: &dyn Fn(f64) -> f64) -> std::fmt::Result {
    let (end, middle) = (x(bar.median), top + BAR / 2.0);
    let (text, name) = (middle + 4.5, escaped(bar.name));
    let width = end - LEFT;
    let before = LEFT - 10.0;
    writeln!(out, "<text x=\"{before}\" y=\"{text}\" text-anchor=\"end\">{name}</text>")?;
    writeln!(
        out,
        "<rect class=\"{}\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" \
         height=\"{BAR}\" rx=\"2\"/>",
        bar.class
    )?;
    let (least, most) = (bar.cell.min().unwrap_or(0.0), bar.cell.max().unwrap_or(0.0));
    if most > least {
        let (least, most) = (x(least), x(most));
        writeln!(
            out,
            "<line class=\"range\" x1=\"{least:.1}\" y1=\"{middle}\" x2=\"{most:.1}\" \
             y2=\"{middle}\"/>"
        )?;
    }
    let after = end.max(x(most)) + 8.0;
    let value = number(bar.median);
    let ratio = bar.cell.to_floor.map_or(String::new(), |ratio| format!("  ({ratio:.2} x floor)"));
    writeln!(out, "<text x=\"{after:.1}\" y=\"{text}\">{value}{ratio}</text>")
}

/// A round number that cuts the axis into about five parts.
fn step(most: f64) -> f64 {
    let rough = most / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

fn tick_number(value: f64, step: f64) -> String {
    if step >= 1.0 && step.fract() == 0.0 {
        let whole = number(value);
        return whole.split_once('.').map_or(whole.clone(), |(whole, _)| whole.to_owned());
    }
    let digits = if step < 0.1 { 3 } else { 2 };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A unit in words, for the axis.
fn unit_name(unit: &str) -> &str {
    match unit {
        "µs" => "microseconds",
        "ms" => "milliseconds",
        "/s" => "per second",
        "B" => "bytes",
        "MB/s" => "megabytes per second",
        "x" => "times",
        other => other,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Row;

    #[test]
    fn a_picture_has_a_bar_for_each_target_and_no_more() {
        let mut report = Report::new("idle", "a < b & \"c\"", 2, false);
        report.figures = vec![Figure::new("cpu", "CPU", "µs").against("cpu")];
        for (target, values) in [("floor", [1.0, 3.0]), ("tidings", [2.0, 2.5]), ("none", [0.0; 2])]
        {
            report.rows.push(Row::new(target, ""));
            for (round, value) in values.into_iter().enumerate().filter(|_| target != "none") {
                report.enter(target, round, "cpu", value);
            }
        }
        report.compare();
        let picture = draw(&report, &report.figures[0]).unwrap();
        assert_eq!(picture.matches("height=\"18\"").count(), 2);
        assert_eq!(picture.matches("class=\"range\"").count(), 2);
        for part in ["a &lt; b &amp; &quot;c&quot;", "microseconds", "1.42 x floor", ">tidings<"] {
            assert!(picture.contains(part), "{part} is not in {picture}");
        }
        assert!(draw(&report, &Figure::new("other", "", "")).is_none());
    }

    #[test]
    fn the_axis_has_round_numbers() {
        for (most, expected) in [(84.0, 20.0), (7.1, 2.0), (0.9, 0.2), (730_000.0, 200_000.0)] {
            assert!((step(most) / expected - 1.0).abs() < 1e-9, "{most}: {}", step(most));
        }
        let labels = [
            (2.5, 2.5, "2.5"),
            (20.0, 20.0, "20"),
            (200_000.0, 1e5, "200,000"),
            (0.05, 0.05, "0.05"),
        ];
        for (value, step, text) in labels {
            assert_eq!(tick_number(value, step), text);
        }
    }
}
