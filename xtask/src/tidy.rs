//! The ratchets: what the compiler and clippy do not check, each with its reason where it stands.

mod documents;
mod edges;
mod guarantees;
mod licences;
mod manifests;
mod sizes;
mod text;

use std::fmt::Display;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::{steps::Outcome, workspace::Workspace};

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// The file, with the line where there is one, or the package.
    place: String,
    /// What is wrong there and what to do about it.
    fault: String,
}

impl Finding {
    fn new(place: impl Display, fault: impl Display) -> Self {
        Self { place: place.to_string(), fault: fault.to_string() }
    }
}

/// Checks everything and shows all findings at once.
///
/// # Errors
/// When there is a finding, or the project cannot be read.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let files = workspace.files()?;
    let metadata = metadata(workspace)?;
    let sizes = sizes::measure(&files);
    print!("{}", sizes::longest(&sizes));

    let mut findings = text::check(&files);
    findings.extend(sizes::check(&sizes));
    findings.extend(manifests::check(&files));
    findings.extend(edges::check(&edges::members(&metadata)));
    findings.extend(edges::check_absences(&edges::reach(&metadata)));
    findings.extend(licences::check(&licences::dependencies(&metadata)));
    findings.extend(documents::check(&files));
    findings.extend(guarantees::check(&files));

    for finding in &findings {
        println!("tidy: {}: {}", finding.place, finding.fault);
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing found", files.len());
        Ok(Outcome::Passed)
    } else {
        bail!("faults found: {}", findings.len())
    }
}

fn metadata(workspace: &Workspace) -> Result<Metadata> {
    MetadataCommand::new()
        .current_dir(workspace.root())
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cannot ask cargo for the packages")
}
