//! An example app as its folder describes it.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Where an app's hub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hub {
    /// In a process of its own, with the `tidings.toml` of the app's folder.
    Beside,
    /// In the app's own process, at the app's own URL. The app's session is all that it asks for.
    Inside,
}

/// One of the example apps.
pub(crate) struct Example {
    name: &'static str,
    pub(crate) hub: Hub,
    turn: Mutex<()>,
}

impl Example {
    pub(crate) const fn new(name: &'static str, hub: Hub) -> Self {
        Self { name, hub, turn: Mutex::new(()) }
    }

    /// Runs a test of this app when no other one does: the first command installs into the app's folder.
    pub(crate) fn alone(&self, test: impl Future<Output = ()>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(test);
    }

    pub(crate) fn folder(&self) -> PathBuf {
        examples().join(self.name)
    }

    /// What the README says to start the app with: the first line of its first block for a shell.
    pub(crate) fn command(&self) -> String {
        let readme = fs::read_to_string(self.folder().join("README.md")).unwrap();
        let mut lines = readme.lines().skip_while(|line| *line != "```sh").skip(1);
        lines.next().unwrap().to_owned()
    }

    /// The hub's configuration for an app on another port than its own. It lies in a folder of the build.
    pub(crate) fn configuration(&self, port: u16) -> PathBuf {
        let text = fs::read_to_string(self.folder().join("tidings.toml")).unwrap();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name).with_extension("toml");
        fs::write(&file, text.replace(":8000", &format!(":{port}"))).unwrap();
        file
    }
}

/// The page that every app has a copy of.
pub(crate) fn page() -> String {
    fs::read_to_string(examples().join("express/public/index.html")).unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap()
}
