//! What the tests need on a machine that has only Rust: found, or installed.

use anyhow::{Context, Result, bail};

use crate::{
    node,
    steps::Outcome,
    workspace::{Workspace, output, run},
};

/// Parts of the toolchain: the cargo command that needs it, and rustup's name for it.
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Programs and the Debian package of each: the browser tests drive a real Chromium, those under load cut a real link
/// and run the documents' commands, the example apps are started as their READMEs say.
const PROGRAMS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
];

/// Modules of Python that Debian has apart from it, and the package of each.
const PYTHON_MODULES: &[(&str, &str)] = &[("ensurepip", "python3-venv")];

/// Installs what is missing.
///
/// # Errors
/// Says what to install when it cannot do so itself.
pub(crate) fn install(workspace: &Workspace) -> Result<Outcome> {
    for (subcommand, component) in COMPONENTS {
        if output(&mut workspace.cargo(&[subcommand, "--version"])).is_none() {
            run(workspace.command("rustup").args(["component", "add", component]))
                .with_context(|| format!("install the Rust component {component}"))?;
        }
    }
    let programs = PROGRAMS.iter().filter(|(program, _)| !in_path(program));
    let modules = PYTHON_MODULES.iter().filter(|(module, _)| !in_python(workspace, module));
    let missing: Vec<&str> = programs.chain(modules).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        println!("nothing is missing");
    } else {
        install_packages(workspace, &missing)?;
    }
    node::install(workspace)?;
    Ok(Outcome::Passed)
}

fn install_packages(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    let by_hand = format!("install by hand what is missing (Debian packages: {wanted})");
    let Some(prefix) = root_prefix(workspace).filter(|_| in_path("apt-get")) else {
        bail!(by_hand);
    };
    let apt_get = |arguments: &[&str]| {
        let mut words = prefix.to_vec();
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        words.extend(arguments);
        let (program, rest) = words.split_first().context("no command")?;
        run(workspace.command(program).args(rest)).with_context(|| by_hand.clone())
    };
    // A fresh machine has no package lists, or old ones.
    apt_get(&["update", "--quiet"])?;
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

/// What goes before a command to run it as root: nothing, `sudo`, or `None` when there is no way.
fn root_prefix(workspace: &Workspace) -> Option<&'static [&'static str]> {
    let user = output(workspace.command("id").arg("-u"))?;
    if user.trim() == "0" {
        Some(&[])
    } else if in_path("sudo") {
        Some(&["sudo"])
    } else {
        None
    }
}

/// Whether a program of this name lies in a folder of `PATH`.
pub(crate) fn in_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Whether Python can import a module.
fn in_python(workspace: &Workspace, module: &str) -> bool {
    let import = format!("import {module}");
    in_path("python3") && output(workspace.command("python3").args(["-c", &import])).is_some()
}
