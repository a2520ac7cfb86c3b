//! The manifests: members opt in to the shared lints and versions, and every dependency says why.

use super::Finding;
use crate::workspace::TextFile;

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.path == "Cargo.toml" {
            findings.extend(reasons(file));
        } else if is_member(&file.path) {
            findings.extend(lints(file));
            findings.extend(versions(file));
        }
    }
    findings
}

/// A member of the workspace: `crates/<name>`, an example in Rust, `bench` or `xtask`.
fn is_member(path: &str) -> bool {
    match path.strip_suffix("/Cargo.toml") {
        Some("bench" | "xtask") => true,
        Some(folder) => ["crates/", "examples/"]
            .iter()
            .any(|parent| folder.strip_prefix(parent).is_some_and(|name| !name.contains('/'))),
        None => false,
    }
}

/// Without these lines a member has no lint at all, and nothing says so.
fn lints(file: &TextFile) -> Option<Finding> {
    let opted_in = entries(&file.text)
        .any(|entry| entry.section == "lints" && without_spaces(entry.line) == "workspace=true");
    (!opted_in).then(|| Finding::new(&file.path, "add [lints] with workspace = true"))
}

/// Versions stand in the root manifest, beside their reasons, and nowhere else.
fn versions(file: &TextFile) -> Vec<Finding> {
    entries(&file.text)
        .filter(|entry| {
            let section = entry.section;
            let dependency = section.ends_with("dependencies") || section.contains("dependencies.");
            let own = section.contains("dependencies.")
                || !without_spaces(entry.line).contains("workspace=true");
            dependency && entry.line.contains('=') && own
        })
        .map(|entry| {
            let place = format!("{}:{}", file.path, entry.number);
            Finding::new(place, "take the version from the workspace: name.workspace = true")
        })
        .collect()
}

/// Every shared dependency carries its reason at the end of its line; our own crates need none.
fn reasons(file: &TextFile) -> Vec<Finding> {
    entries(&file.text)
        .filter(|entry| {
            let shared = entry.section.starts_with("workspace.dependencies");
            shared && !entry.line.contains("path = ") && !has_reason(entry.line)
        })
        .map(|entry| {
            let place = format!("{}:{}", file.path, entry.number);
            Finding::new(place, "say at the end of the line, after #, why it is needed")
        })
        .collect()
}

fn has_reason(line: &str) -> bool {
    line.split_once(" # ").is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// A line of a manifest that is neither blank, a comment, nor a section's head.
struct Entry<'a> {
    section: &'a str,
    number: usize,
    line: &'a str,
}

fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = head;
            return None;
        }
        let nothing = line.is_empty() || line.starts_with('#');
        (!nothing).then_some(Entry { section, number: index + 1, line })
    })
}

fn without_spaces(line: &str) -> String {
    line.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let files = [TextFile { path: path.to_owned(), text: text.to_owned() }];
        check(&files).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_member_without_the_shared_lints_is_found() {
        assert_eq!(places("xtask/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"), [""; 0]);
        assert_eq!(places("xtask/Cargo.toml", "[package]\n"), ["xtask/Cargo.toml"]);
        let elsewhere = "[package]\nworkspace = true\n";
        assert_eq!(places("crates/a/Cargo.toml", elsewhere), ["crates/a/Cargo.toml"]);
        assert_eq!(places("examples/a/Cargo.toml", elsewhere), ["examples/a/Cargo.toml"]);
        assert_eq!(places("fuzz/Cargo.toml", elsewhere), [""; 0], "a workspace of its own");
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let member = |lines: &str| format!("[lints]\nworkspace = true\n{lines}");
        for shared in [
            "[dependencies]\nbytes.workspace = true\n",
            "[dev-dependencies]\ntokio = { workspace = true, features = [\n    \"rt\",\n] }\n",
            "[features]\nextra = []\n",
        ] {
            assert_eq!(places("crates/a/Cargo.toml", &member(shared)), [""; 0], "{shared}");
        }
        for own in [
            "[dependencies]\nbytes = \"1\"\n",
            "[target.'cfg(unix)'.dependencies]\nbytes = { version = \"1\" }\n",
            "[dependencies.bytes]\nversion = \"1\"\n",
        ] {
            assert_eq!(places("crates/a/Cargo.toml", &member(own)), ["crates/a/Cargo.toml:4"]);
        }
    }

    #[test]
    fn a_shared_dependency_without_a_reason_is_found() {
        let head = "[workspace.dependencies]\n";
        let with = format!("{head}a = {{ path = \"crates/a\" }}\nbytes = \"1\" # shared frames\n");
        assert_eq!(places("Cargo.toml", &with), [""; 0]);
        assert_eq!(places("Cargo.toml", &format!("{head}bytes = \"1\"\n")), ["Cargo.toml:2"]);
        assert_eq!(places("Cargo.toml", &format!("{head}bytes = \"1\" # \n")), ["Cargo.toml:2"]);
    }
}
