//! What may not stand in a file: missing module docs, unfinished marks, paths of one machine.

use super::Finding;
use crate::workspace::TextFile;

/// Marks of unfinished work: it belongs in an issue, where somebody looks. Written in two halves
/// so that this file does not find itself, like the lists below.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// What Rust files do not say, and what they say instead.
const RUST: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it: a request must never end in a panic"),
    (concat!("#[al", "low("), "write #[expect(..., reason = \"...\")], which ends with its cause"),
    (
        concat!("#![al", "low("),
        "write #![expect(..., reason = \"...\")], which ends with its cause",
    ),
];

/// Folders that exist on one machine only.
const LOCAL_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let rust = is_rust(file);
        if rust && !file.text.starts_with("//!") {
            findings.push(Finding::new(&file.path, "begin with //! and say what the file owns"));
        }
        if is_typescript(file) && !file.text.starts_with("/**") {
            findings.push(Finding::new(&file.path, "begin with /** and say what the file owns"));
        }
        for (index, line) in file.text.lines().enumerate() {
            let fault = mark(line)
                .or_else(|| local_path(line))
                .or_else(|| if rust { refused(line) } else { None });
            findings.extend(
                fault.map(|fault| Finding::new(format!("{}:{}", file.path, index + 1), fault)),
            );
        }
    }
    findings
}

pub(super) fn is_rust(file: &TextFile) -> bool {
    has_extension(file, "rs")
}

pub(super) fn is_typescript(file: &TextFile) -> bool {
    has_extension(file, "ts")
}

fn has_extension(file: &TextFile, extension: &str) -> bool {
    std::path::Path::new(&file.path).extension().is_some_and(|found| found == extension)
}

fn mark(line: &str) -> Option<String> {
    let mark = MARKS.iter().find(|mark| has_word(line, mark))?;
    Some(format!("{mark}: finish it, or open an issue"))
}

fn local_path(line: &str) -> Option<String> {
    let path = LOCAL_PATHS.iter().find(|path| {
        // After a letter it is a part of a longer path, of a URL for example.
        line.match_indices(*path).any(|(at, _)| {
            !before(line, at).is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c))
        })
    })?;
    Some(format!("{path} exists on one machine only"))
}

fn refused(line: &str) -> Option<String> {
    let (text, instead) = RUST.iter().find(|(text, _)| line.contains(text))?;
    Some(format!("{text}...: {instead}"))
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let after = line.get(at + word.len()..).and_then(|rest| rest.chars().next());
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before(line, at)) && !part(after)
    })
}

fn before(line: &str, at: usize) -> Option<char> {
    line.get(..at).and_then(|head| head.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        check(&[TextFile { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn a_rust_file_without_module_docs_is_found() {
        assert_eq!(faults("a.rs", "//! Owns a.\nfn a() {}\n"), 0);
        assert_eq!(faults("a.rs", "fn a() {}\n"), 1);
        assert_eq!(faults("a.rs", ""), 1);
        assert_eq!(faults("a.md", "Text."), 0);
    }

    #[test]
    fn a_typescript_file_that_does_not_begin_with_a_comment_is_found() {
        assert_eq!(faults("a.ts", "/** Owns a. */\nexport {};\n"), 0);
        assert_eq!(faults("a.ts", "export {};\n"), 1);
    }

    #[test]
    fn a_mark_of_unfinished_work_is_found_in_any_file() {
        for mark in MARKS {
            assert_eq!(faults("a.md", &format!("a {mark}: later")), 1, "{mark}");
            assert_eq!(faults("a.md", &format!("mktemp /tmp/{mark}{mark}")), 0, "{mark}");
        }
    }

    #[test]
    fn text_that_rust_files_do_not_hold_is_found_in_them_only() {
        for (text, _) in RUST {
            assert_eq!(faults("a.rs", &format!("//! A.\n{text}x)]\n")), 1, "{text}");
            assert_eq!(faults("a.md", &format!("{text}x)]\n")), 0, "{text}");
        }
    }

    #[test]
    fn a_path_of_one_machine_is_found_but_not_a_part_of_a_url() {
        for path in LOCAL_PATHS {
            assert_eq!(faults("a.md", &format!("see {path}x")), 1, "{path}");
            assert_eq!(faults("a.md", &format!("file://{path}x")), 1, "{path}");
            assert_eq!(faults("a.md", &format!("https://example.com{path}x")), 0, "{path}");
        }
    }
}
