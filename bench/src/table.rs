//! Reports on the terminal.

use std::fmt::Write as _;

use crate::{
    machine::Machine,
    report::{Cell, Report},
};

/// A report as text, with its tables.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("\n{}: {}", report.scenario, report.about));
    line(format!(
        "{}, {} cores, Linux {}; {}; medians of {} (least - most)",
        machine.processor,
        machine.cores,
        machine.kernel,
        places(machine),
        report.rounds
    ));
    if report.smoke {
        line("Smoke sizes: these figures tell nothing.".to_owned());
    }
    for figure in &report.figures {
        let mut rows = vec![vec![String::new(), figure.unit.clone()]];
        for row in &report.rows {
            if let Some(cell) = row.cells.get(&figure.key) {
                rows.push(cells(&row.target, cell).to_vec());
            }
        }
        if rows.len() > 1 {
            line(format!("\n  {}", figure.label));
            for row in align(&rows) {
                line(format!("    {row}"));
            }
        }
    }
    for (index, row) in rivals(report).iter().enumerate() {
        line(format!("{}  {row}", if index == 0 { "\n" } else { "" }));
    }
    for note in &report.notes {
        line(format!("  note: {note}"));
    }
    for left_out in &report.left_out {
        line(format!("  left out: {left_out}"));
    }
    for failure in &report.failures {
        line(format!("  FAILED: {failure}"));
    }
    if !report.verdicts.is_empty() && !report.smoke {
        line(format!("\n  what {} must reach", report.scenario));
        let rows: Vec<Vec<String>> = report
            .verdicts
            .iter()
            .map(|verdict| {
                let measured = verdict.measured.map_or("-".to_owned(), number);
                let held = match (verdict.off, verdict.held) {
                    (None, _) => "not measured".to_owned(),
                    (Some(_), true) => "held".to_owned(),
                    (Some(off), false) => format!("MISSED by {:.0} %", 100.0 * off.abs()),
                };
                vec![verdict.says.clone(), verdict.bound.clone(), measured, held]
            })
            .collect();
        for row in align(&rows) {
            line(format!("    {row}"));
        }
    }
    out
}

fn cells(target: &str, cell: &Cell) -> [String; 4] {
    let show = |value: Option<f64>| value.map_or("-".to_owned(), number);
    let ratio = cell.to_floor.map_or(String::new(), |ratio| format!("{ratio:.2} x floor"));
    let range = format!("({} - {})", show(cell.min()), show(cell.max()));
    [target.to_owned(), show(cell.median()), range, ratio]
}

/// Which cores did what.
fn places(machine: &Machine) -> String {
    if machine.server_cores.is_empty() {
        return format!("on {:?}", machine.client_cores);
    }
    format!("server on {:?}, generator on {:?}", machine.server_cores, machine.client_cores)
}

/// How our own targets stand to each rival, figure by figure; nothing where there are no rivals.
fn rivals(report: &Report) -> Vec<String> {
    if report.rivals.is_empty() {
        return Vec::new();
    }
    let mut head = vec!["our own, in multiples of each rival".to_owned()];
    head.extend(report.rivals.iter().map(|rival| format!("x {rival}")));
    let mut rows = vec![head];
    for figure in &report.figures {
        let own = report.rows.iter().filter_map(|row| {
            let cell = row.cells.get(&figure.key).filter(|cell| !cell.to_rivals.is_empty())?;
            let ratio = |rival| cell.to_rivals.get(rival).map_or(String::new(), |it| number(*it));
            let mut cells = vec![format!("  {}", row.target)];
            cells.extend(report.rivals.iter().map(ratio));
            Some(cells)
        });
        rows.push(vec![figure.label.clone()]);
        rows.extend(own);
    }
    align(&rows)
}

/// A number with as many digits as it has worth.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let plain = format!("{value:.digits$}");
    let (whole, fraction) =
        plain.split_once('.').map_or((plain.as_str(), None), |(a, b)| (a, Some(b)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let mut text = format!("{sign}{grouped}");
    if let Some(fraction) = fraction
        && write!(text, ".{fraction}").is_err()
    {
        return plain;
    }
    text
}

/// Rows of cells as lines: the first column to the left, the others to the right.
fn align(rows: &[Vec<String>]) -> Vec<String> {
    let mut widths = vec![0; rows.iter().map(Vec::len).max().unwrap_or(0)];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let space = " ".repeat(width - cell.chars().count());
                if index == 0 {
                    line.extend([cell, space.as_str()]);
                } else {
                    line.extend(["  ", &space, cell]);
                }
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_are_worth() {
        for (value, text) in
            [(0.123, "0.12"), (12.34, "12.3"), (1_234.5, "1,234"), (-1_234_567.0, "-1,234,567")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "1"], ["bcd", "22"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(align(&rows), ["a     1", "bcd  22"]);
    }
}
