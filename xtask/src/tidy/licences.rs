//! The licences of everything the project is built from, against a literal list.

use cargo_metadata::Metadata;

use super::Finding;

/// Licences that let a program under MIT or Apache-2.0 ship with the code they cover.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// One package under a licence that is not on the list, with the reason it may stay.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("sse-codec", "MPL-2.0"), // only the benchmark uses it, beside ours: it is in nothing we ship
    ("webdriver", "MPL-2.0"), // only the browser tests use it: it is in nothing we ship
];

/// A dependency and the licence expression of its manifest.
pub(super) struct Dependency<'a> {
    name: &'a str,
    licence: Option<&'a str>,
}

/// Every package that is not a member of the workspace.
pub(super) fn dependencies(metadata: &Metadata) -> Vec<Dependency<'_>> {
    let others = metadata.packages.iter().filter(|package| package.source.is_some());
    others
        .map(|package| Dependency { name: &package.name, licence: package.license.as_deref() })
        .collect()
}

pub(super) fn check(dependencies: &[Dependency<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in dependencies {
        let excepted: Vec<&str> = EXCEPTIONS
            .iter()
            .filter(|(name, _)| *name == dependency.name)
            .map(|(_, licence)| *licence)
            .collect();
        let allowed = |licence: &str| ALLOWED.contains(&licence) || excepted.contains(&licence);
        match dependency.licence {
            None => findings.push(Finding::new(dependency.name, "names no licence")),
            Some(expression) if !permits(expression, &allowed) => findings.push(Finding::new(
                dependency.name,
                format!("`{expression}` is not on the list (xtask/src/tidy/licences.rs)"),
            )),
            Some(_) => {}
        }
    }
    for (name, licence) in EXCEPTIONS {
        if !dependencies.iter().any(|dependency| dependency.name == *name) {
            let fault = format!("no longer used: take its exception for {licence} off the list");
            findings.push(Finding::new(name, fault));
        }
    }
    findings
}

/// Whether an SPDX expression can be met by allowed licences alone. `/` is an older way to write
/// `OR`; an identifier with `WITH` is no listed licence. What cannot be read is not permitted.
fn permits(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed };
    reader.any_of() == Some(true) && reader.words.is_empty()
}

/// Reads an expression from left to right. `None` means that it cannot be read.
struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut met = self.all_of()?;
        while self.take("OR") {
            met |= self.all_of()?;
        }
        Some(met)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        if *first == "(" {
            let met = self.any_of()?;
            return self.take(")").then_some(met);
        }
        if self.take("WITH") {
            self.words = self.words.split_first()?.1;
            return Some(false);
        }
        Some((self.allowed)(first))
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(expression: &str) -> bool {
        permits(expression, &|licence| ALLOWED.contains(&licence))
    }

    #[test]
    fn an_expression_is_permitted_when_listed_licences_meet_it() {
        for expression in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "MIT OR GPL-3.0-only",
            "(MIT OR GPL-3.0-only) AND Unicode-3.0",
            "ISC AND (Apache-2.0 OR ISC)",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(permitted(expression), "{expression}");
        }
    }

    #[test]
    fn an_expression_is_refused_when_they_do_not_or_it_cannot_be_read() {
        for expression in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR Zlib) AND GPL-3.0-only",
            "Apache-2.0 WITH LLVM-exception",
            "",
            "MIT OR",
            "(MIT",
            "MIT MIT",
            "MIT)",
        ] {
            assert!(!permitted(expression), "{expression}");
        }
    }

    #[test]
    fn a_dependency_without_a_permitted_licence_is_found() {
        let excepted =
            EXCEPTIONS.iter().map(|&(name, licence)| Dependency { name, licence: Some(licence) });
        let mut all: Vec<_> = excepted.collect();
        assert_eq!(check(&all), []);
        for licence in [None, Some("GPL-3.0-only"), Some("MPL-2.0")] {
            all.push(Dependency { name: "other", licence });
            assert_eq!(check(&all).len(), 1, "{licence:?}");
            all.pop();
        }
    }

    #[test]
    fn an_exception_for_a_package_that_is_gone_is_found() {
        assert_eq!(check(&[]).len(), EXCEPTIONS.len());
    }
}
