//! The documents: those that must exist do, the map stays a map, and no link leads nowhere.

use super::Finding;
use crate::workspace::TextFile;

/// What must exist: texts a reader relies on, and the cases that tests of all languages read.
const REQUIRED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs/defaults.md",
    "docs/guarantees.md",
    "vectors/misbehaving-servers.json",
    "vectors/wire-cases.json",
];

/// The map of the code.
const MAP: &str = "ARCHITECTURE.md";

/// A longer map is a manual, and nobody keeps it true.
const MAX_MAP_LINES: usize = 200;

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in REQUIRED {
        if !files.iter().any(|file| file.path == *path) {
            findings.push(Finding::new(path, "does not exist"));
        }
    }
    for file in files.iter().filter(|file| is_markdown(&file.path)) {
        let lines = file.text.lines().count();
        if file.path == MAP && lines > MAX_MAP_LINES {
            findings.push(Finding::new(MAP, format!("{lines} lines, at most {MAX_MAP_LINES}")));
        }
        for link in local_links(&file.text) {
            let target = resolve(&file.path, link);
            let below = format!("{target}/");
            let exists =
                files.iter().any(|other| other.path == target || other.path.starts_with(&below));
            if !exists {
                findings.push(Finding::new(&file.path, format!("links to {link}: no such file")));
            }
        }
    }
    findings
}

fn is_markdown(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension == "md")
}

/// The targets of `[text](target)` that are files: no URL, no place inside the same document.
fn local_links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ', '#', '\n']).next()?;
        let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        local.then_some(target)
    })
}

/// A link's path from the root, given the document it stands in.
fn resolve(document: &str, link: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every required document, empty.
    fn complete() -> Vec<TextFile> {
        REQUIRED.iter().map(|path| file(path, "")).collect()
    }

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_missing_document_is_found() {
        assert_eq!(check(&complete()), []);
        for path in REQUIRED {
            let mut files = complete();
            files.retain(|file| file.path != *path);
            assert_eq!(check(&files), [Finding::new(path, "does not exist")]);
        }
    }

    #[test]
    fn a_map_that_is_too_long_is_found() {
        for (lines, findings) in [(MAX_MAP_LINES, 0), (MAX_MAP_LINES + 1, 1)] {
            let mut files = complete();
            files.retain(|file| file.path != MAP);
            files.push(file(MAP, &"A line.\n".repeat(lines)));
            assert_eq!(check(&files).len(), findings, "{lines} lines");
        }
    }

    #[test]
    fn a_link_to_a_file_that_does_not_exist_is_found() {
        for (link, findings) in [
            ("../README.md", 0),
            ("defaults.md#log", 0),
            ("../vectors", 0),
            ("#here", 0),
            ("https://example.com/a", 0),
            ("README.md", 1),
            ("../docs/none.md#a", 1),
        ] {
            let mut files = complete();
            files.push(file("docs/more.md", &format!("See [this]({link}).\n")));
            assert_eq!(check(&files).len(), findings, "{link}");
        }
    }
}
