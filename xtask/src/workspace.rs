//! Where the project lies, the files it holds, and commands run at its root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::node;

/// The checked-out project.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// A text file of the project.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Its path from the root, with `/` between the parts.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

impl Workspace {
    /// The project that cargo was started in. It is asked for at run time: two checkouts that share
    /// a target directory share this program as well.
    pub(crate) fn locate() -> Result<Self> {
        let package =
            std::env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
        let root = Path::new(&package).parent().context("xtask is not inside a workspace")?;
        Ok(Self { root: root.to_owned() })
    }

    /// The folder with the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let mut command = MetadataCommand::new();
        command.current_dir(&self.root).no_deps();
        let metadata = command.exec().context("`cargo metadata` failed")?;
        Ok(metadata.target_directory.into_std_path_buf())
    }

    /// A command that starts at the root; in CI (`CI` is set) its output has no colours.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        if let Some(programs) = node::programs(&self.root) {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(programs).chain(std::env::split_paths(&path));
            // Only a folder with a `:` in its name cannot be joined: that stays as it is.
            if let Ok(path) = std::env::join_paths(folders) {
                command.env("PATH", path);
            }
        }
        if std::env::var_os("CI").is_some_and(|ci| !ci.is_empty()) {
            // The test harness has no variable of its own, but it asks the terminal's description.
            command.env("CARGO_TERM_COLOR", "never").env("TERM", "dumb");
        }
        command
    }

    /// cargo with these arguments.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments);
        command
    }

    /// Every file, ordered by path, without what `.gitignore` names. It is a walk and not a
    /// question to git, so that it works in an unpacked archive as well.
    pub(crate) fn files(&self) -> Result<Vec<TextFile>> {
        let ignored = fs::read_to_string(self.root.join(".gitignore")).unwrap_or_default();
        let ignored = Ignored::parse(&ignored);
        let mut files = Vec::new();
        let mut folders = vec![(self.root.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let entries = fs::read_dir(&folder)
                .with_context(|| format!("cannot read the folder {}", folder.display()))?;
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{prefix}{name}");
                if ignored.holds(&path, &name) {
                    continue;
                }
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{path}/")));
                } else if kind.is_file() {
                    let bytes =
                        fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
                    // What is not UTF-8, such as a picture, is there and has no text.
                    let text = String::from_utf8(bytes).unwrap_or_default();
                    files.push(TextFile { path, text });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// Runs a command to its end with its output on the terminal.
///
/// # Errors
/// When it cannot start or ends with another status than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// The standard output of a command that must succeed; `None` when it does not.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What `.gitignore` names: here only plain names and plain paths from the root.
struct Ignored<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Ignored<'a> {
    fn parse(text: &'a str) -> Self {
        Self { lines: text.lines().map(|line| line.trim().trim_end_matches('/')).collect() }
    }

    fn holds(&self, path: &str, name: &str) -> bool {
        name == ".git"
            || self.lines.iter().any(|line| match line.strip_prefix('/') {
                Some(from_root) => from_root == path,
                None => *line == name,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_names_match_anywhere_and_ignored_paths_only_from_the_root() {
        let ignored = Ignored::parse("/target\n/fuzz/corpus/\nnode_modules\n");
        assert!(ignored.holds("target", "target"));
        assert!(ignored.holds("fuzz/corpus", "corpus"));
        assert!(ignored.holds("clients/node_modules", "node_modules"));
        assert!(ignored.holds(".git", ".git"));
        assert!(!ignored.holds("crates/target", "target"));
        assert!(!ignored.holds("src", "src"));
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_name() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(error.to_string().starts_with("`false` ended with"), "{error}");
    }

    #[test]
    fn the_walk_finds_this_file() {
        let files = Workspace::locate().unwrap().files().unwrap();
        assert!(files.iter().any(|file| file.path == "xtask/src/workspace.rs"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
