//! `docs/guarantees.md` against the tests: every guarantee names the test that keeps it.

use super::{Finding, text::is_rust};
use crate::workspace::TextFile;

const DOCUMENT: &str = "docs/guarantees.md";

/// What stands before the names of a guarantee's tests.
const TEST_PREFIX: &str = "Test: ";

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    // That the document exists is checked with the other documents.
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return Vec::new();
    };
    let guarantees = read(&document.text);
    let mut findings = Vec::new();
    if guarantees.is_empty() {
        findings.push(Finding::new(DOCUMENT, "holds no guarantee: write `## 1. Title`"));
    }
    for (index, guarantee) in guarantees.iter().enumerate() {
        let place = format!("{DOCUMENT}:{}", guarantee.line);
        if guarantee.number != Some(index + 1) {
            let fault = format!("`{}` should begin with `{}. `", guarantee.title, index + 1);
            findings.push(Finding::new(&place, fault));
        }
        if guarantee.tests.is_empty() {
            findings.push(Finding::new(&place, "names no test: write `Test: ` and its path"));
        }
        for test in &guarantee.tests {
            if let Some(fault) = fault(test, files) {
                findings.push(Finding::new(&place, fault));
            }
        }
    }
    findings
}

/// One numbered heading and the tests named below it.
struct Guarantee<'a> {
    line: usize,
    number: Option<usize>,
    title: &'a str,
    tests: Vec<&'a str>,
}

fn read(text: &str) -> Vec<Guarantee<'_>> {
    let mut guarantees: Vec<Guarantee<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("## ") {
            let number = title.split_once(". ").and_then(|(number, _)| number.parse().ok());
            guarantees.push(Guarantee { line: index + 1, number, title, tests: Vec::new() });
        } else if let (Some(names), Some(last)) =
            (line.strip_prefix(TEST_PREFIX), guarantees.last_mut())
        {
            // The names stand between backticks: every second part.
            last.tests.extend(names.split('`').skip(1).step_by(2));
        }
    }
    guarantees
}

/// What is wrong with a test that a guarantee names as `path::name`. The path is that of a file or
/// of a module: each of its parts must be a part of the path of the file that holds the test.
fn fault(test: &str, files: &[TextFile]) -> Option<String> {
    let Some((path, name)) = test.rsplit_once("::") else {
        return Some(format!("`{test}` should be `path::name`"));
    };
    let parts: Vec<String> = path.split("::").flat_map(|part| part.split('/')).map(plain).collect();
    let here = files.iter().filter(|file| {
        let at: Vec<String> = file.path.split('/').map(plain).collect();
        is_rust(file) && parts.iter().all(|part| at.contains(part))
    });
    let mut fault = format!("`{test}`: no test of that name there");
    for attributes in here.flat_map(|file| attributes_of(&file.text, name)) {
        let is = |end: &str| attributes.iter().any(|line| line.contains(end));
        if is("#[ignore") {
            fault = format!("`{test}` is ignored: it keeps nothing");
        } else if is("test]") || is("test(") {
            return None;
        } else {
            fault = format!("`{test}` is a function, but no test");
        }
    }
    Some(fault)
}

/// A part of a path, as a file, a package or a module writes it.
fn plain(part: &str) -> String {
    part.trim_end_matches(".rs").replace('-', "_")
}

/// For every function of this name: the attributes above it.
fn attributes_of<'a>(text: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    let (plain, asynchronous) = (format!("fn {name}("), format!("async fn {name}("));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let functions = lines.iter().enumerate().filter(|(_, line)| {
        let line = line.trim_start_matches("pub(crate) ");
        line.starts_with(&plain) || line.starts_with(&asynchronous)
    });
    functions
        .map(|(index, _)| {
            let above = lines.iter().take(index).rev();
            above
                .copied()
                .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                .filter(|line| line.starts_with("#["))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "//! Order.\n\n\
        #[test]\nfn updates_arrive_in_order() {}\n\n\
        /// A story.\n#[tokio::test(start_paused = true)]\nasync fn a_gap_is_told() {}\n\n\
        #[test]\n#[ignore = \"slow\"]\nfn a_slow_one() {}\n\n\
        fn no_test() {}\n";

    fn faults(document: &str) -> Vec<String> {
        let file =
            |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let files = [file(DOCUMENT, document), file("crates/tidings-hub/tests/it/order.rs", TESTS)];
        check(&files).into_iter().map(|finding| finding.fault).collect()
    }

    #[test]
    fn a_guarantee_with_an_existing_test_is_kept() {
        for test in [
            "crates/tidings-hub/tests/it/order.rs::updates_arrive_in_order",
            "tidings_hub::order::a_gap_is_told",
            "tidings-hub::it::order::a_gap_is_told",
        ] {
            let document = format!("# Guarantees\n\n## 1. Order\n\nText.\n\nTest: `{test}`\n");
            assert_eq!(faults(&document), [""; 0], "{test}");
        }
    }

    #[test]
    fn a_guarantee_whose_test_does_not_run_is_found() {
        for (test, fault) in [
            ("order::nowhere", "`order::nowhere`: no test of that name there"),
            ("drain::a_gap_is_told", "`drain::a_gap_is_told`: no test of that name there"),
            ("order::a_gap", "`order::a_gap`: no test of that name there"),
            ("order::a_slow_one", "`order::a_slow_one` is ignored: it keeps nothing"),
            ("order::no_test", "`order::no_test` is a function, but no test"),
            ("a_gap_is_told", "`a_gap_is_told` should be `path::name`"),
        ] {
            assert_eq!(faults(&format!("## 1. Order\nTest: `{test}`\n")), [fault]);
        }
    }

    #[test]
    fn one_missing_test_among_several_is_found() {
        let document = "## 1. Order\nTest: `order::a_gap_is_told`, `order::nowhere`\n";
        assert_eq!(faults(document), ["`order::nowhere`: no test of that name there"]);
    }

    #[test]
    fn a_guarantee_without_a_test_or_out_of_number_is_found() {
        assert_eq!(faults("## 1. Order\nText.\n").len(), 1);
        assert_eq!(faults("## 2. Order\nTest: `order::a_gap_is_told`\n").len(), 1);
        assert_eq!(faults("Nothing.\n").len(), 1);
    }
}
