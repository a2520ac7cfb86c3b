//! How long the files of code are: a long one usually owns two ideas.

use std::fmt::Write as _;

use super::{
    Finding,
    text::{is_rust, is_typescript},
};
use crate::workspace::TextFile;

/// The length to aim for, in lines without tests. Longer files are shown.
const GOAL_LINES: usize = 400;

/// The length that fails. Between the two a split can wait for the right moment.
const MAX_LINES: usize = 600;

/// How many of the longest files are shown, so that the tail is seen while it grows.
const SHOWN: usize = 10;

/// A file's length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Lines without tests.
    lines: usize,
    path: String,
}

/// The length of every Rust and TypeScript file that is not itself a test, longest first.
pub(super) fn measure(files: &[TextFile]) -> Vec<Size> {
    let mut sizes: Vec<Size> = files
        .iter()
        .filter(|file| (is_rust(file) || is_typescript(file)) && !is_test(&file.path))
        .map(|file| Size { lines: lines_without_tests(&file.text), path: file.path.clone() })
        .collect();
    sizes.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.path.cmp(&b.path)));
    sizes
}

/// A file under `tests` or `test`, or the `tests.rs` of a module.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| ["tests", "test", "tests.rs"].contains(&part))
}

/// The table of the longest files.
pub(super) fn longest(sizes: &[Size]) -> String {
    let mut table = format!("The longest files, in lines without tests (goal {GOAL_LINES}):\n");
    for size in sizes.iter().take(SHOWN) {
        let over = if size.lines > GOAL_LINES { "  over the goal" } else { "" };
        // Writing to a String does not fail.
        _ = writeln!(table, "{:>6}  {}{over}", size.lines, size.path);
    }
    table
}

pub(super) fn check(sizes: &[Size]) -> Vec<Finding> {
    let too_long = sizes.iter().filter(|size| size.lines > MAX_LINES);
    too_long
        .map(|size| {
            let fault =
                format!("{} lines without tests, at most {MAX_LINES}: split it", size.lines);
            Finding::new(&size.path, fault)
        })
        .collect()
}

/// Tests come last in a file, so everything before their module counts.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .windows(2)
        .position(|pair| matches!(pair, ["#[cfg(test)]", next] if next.starts_with("mod ")))
        .unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize, test_lines: usize) -> TextFile {
        let mut text = "fn f() {}\n".repeat(lines);
        if test_lines > 0 {
            text += "#[cfg(test)]\nmod tests {\n";
            text += &"    fn t() {}\n".repeat(test_lines);
            text += "}\n";
        }
        TextFile { path: path.to_owned(), text }
    }

    #[test]
    fn a_file_that_is_too_long_is_found_and_its_tests_do_not_count() {
        assert_eq!(check(&measure(&[file("a.rs", MAX_LINES, 500)])), []);
        assert_eq!(check(&measure(&[file("a.rs", MAX_LINES + 1, 0)])).len(), 1);
        for test in ["a/tests/it/b.rs", "a/src/b/tests.rs", "a/test/b.test.ts"] {
            assert_eq!(check(&measure(&[file(test, MAX_LINES + 1, 0)])), [], "{test}");
        }
    }

    #[test]
    fn the_table_shows_the_longest_first_and_marks_those_over_the_goal() {
        let table = longest(&measure(&[file("a.rs", 3, 0), file("b.rs", GOAL_LINES + 1, 2)]));
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(rows, ["   401  b.rs  over the goal", "     3  a.rs"]);
    }
}
