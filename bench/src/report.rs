//! The result of a scenario: every figure of every target and round, and what is said about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Everything that a scenario found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) about: String,
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    /// Whether the sizes are the small ones: such figures tell nothing.
    pub(crate) smoke: bool,
    /// What the figures are, in the order of the table.
    pub(crate) figures: Vec<Figure>,
    pub(crate) rows: Vec<Row>,
    /// Targets that our own are compared with one by one, in figures of which more is better.
    #[serde(default)]
    pub(crate) rivals: Vec<String>,
    /// Targets that were not measured, each with the reason.
    pub(crate) left_out: Vec<String>,
    /// What one must know to read the figures.
    pub(crate) notes: Vec<String>,
    pub(crate) verdicts: Vec<Verdict>,
    /// Runs that failed.
    pub(crate) failures: Vec<String>,
}

/// A kind of figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) unit: String,
    /// The floor's figure it is compared with.
    pub(crate) floor: Option<String>,
}

impl Figure {
    pub(crate) fn new(key: &str, label: impl Into<String>, unit: &str) -> Self {
        Self { key: key.to_owned(), label: label.into(), unit: unit.to_owned(), floor: None }
    }

    /// The same, compared with a figure of the floor.
    pub(crate) fn against(self, floor: &str) -> Self {
        Self { floor: Some(floor.to_owned()), ..self }
    }
}

/// A target's figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) target: String,
    pub(crate) about: String,
    pub(crate) cells: BTreeMap<String, Cell>,
}

/// One figure of one target over the rounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// By round; none where the run failed.
    pub(crate) rounds: Vec<Option<f64>>,
    /// The median of the ratios to the floor, each within its round.
    pub(crate) to_floor: Option<f64>,
    /// The same to each rival, where the target is one of our own.
    #[serde(default)]
    pub(crate) to_rivals: BTreeMap<String, f64>,
}

impl Cell {
    pub(crate) fn median(&self) -> Option<f64> {
        median(self.rounds.iter().flatten().copied())
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.rounds.iter().flatten().copied().min_by(f64::total_cmp)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.rounds.iter().flatten().copied().max_by(f64::total_cmp)
    }

    /// The median of the ratios to another figure, each within its round.
    pub(crate) fn ratio_to(&self, other: &Self) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.filter_map(|(own, other)| Some((*own)? / (*other)?)))
    }
}

/// Something that must be reached, and whether it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) says: String,
    pub(crate) bound: String,
    /// None where it was not measured.
    pub(crate) measured: Option<f64>,
    pub(crate) held: bool,
    /// By which share of the bound it is above it; below where negative.
    pub(crate) off: Option<f64>,
}

impl Row {
    pub(crate) fn new(target: &str, about: &str) -> Self {
        Self { target: target.to_owned(), about: about.to_owned(), cells: BTreeMap::new() }
    }

    /// Whether it is Tidings, in whatever shape.
    pub(crate) fn is_own(&self) -> bool {
        self.target.starts_with("tidings")
    }
}

impl Report {
    pub(crate) fn new(scenario: &str, about: &str, rounds: usize, smoke: bool) -> Self {
        Self {
            scenario: scenario.to_owned(),
            about: about.to_owned(),
            machine: Machine::default(),
            rounds,
            smoke,
            figures: Vec::new(),
            rows: Vec::new(),
            rivals: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
            verdicts: Vec::new(),
            failures: Vec::new(),
        }
    }

    pub(crate) fn cell(&self, target: &str, figure: &str) -> Option<&Cell> {
        self.rows.iter().find(|row| row.target == target)?.cells.get(figure)
    }

    /// Enters a figure of a round, counted from 0.
    pub(crate) fn enter(&mut self, target: &str, round: usize, figure: &str, value: f64) {
        let Some(row) = self.rows.iter_mut().find(|row| row.target == target) else { return };
        let cell = row.cells.entry(figure.to_owned()).or_default();
        cell.rounds.resize(self.rounds.max(round + 1), None);
        if let Some(slot) = cell.rounds.get_mut(round) {
            *slot = Some(value);
        }
    }

    /// Computes the ratios to the floor and to the rivals, once all rounds are in.
    pub(crate) fn compare(&mut self) {
        self.compare_with_floor();
        self.compare_with_rivals();
    }

    fn compare_with_floor(&mut self) {
        let Some(floor) = self.rows.iter().find(|row| row.target == "floor").cloned() else {
            return;
        };
        for figure in &self.figures {
            let Some(base) = figure.floor.as_ref().and_then(|key| floor.cells.get(key)) else {
                continue;
            };
            for row in &mut self.rows {
                if let Some(cell) = row.cells.get_mut(&figure.key) {
                    cell.to_floor = cell.ratio_to(base);
                }
            }
        }
    }

    fn compare_with_rivals(&mut self) {
        let is_rival = |row: &&Row| self.rivals.contains(&row.target);
        let rivals: Vec<Row> = self.rows.iter().filter(is_rival).cloned().collect();
        for row in self.rows.iter_mut().filter(|row| row.is_own()) {
            for (figure, cell) in &mut row.cells {
                let ratio = |rival: &Row| {
                    Some((rival.target.clone(), cell.ratio_to(rival.cells.get(figure)?)?))
                };
                cell.to_rivals = rivals.iter().filter_map(ratio).collect();
            }
        }
    }
}

/// The middle of the values, or the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values.get((values.len() / 2).checked_sub(1)?)?;
    Some(f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn ratios_are_taken_within_one_round() {
        let cell = |rounds: &[Option<f64>]| Cell { rounds: rounds.to_vec(), ..Cell::default() };
        let own = cell(&[Some(2.0), Some(30.0), Some(5.0)]);
        let floor = cell(&[Some(1.0), Some(10.0), None]);
        assert_eq!(own.ratio_to(&floor), Some(2.5));
    }
}
