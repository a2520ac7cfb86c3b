//! What the tests need on a machine that has only Rust: found, or installed.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{
    node,
    steps::Outcome,
    workspace::{Workspace, output, run},
};

/// Parts of the toolchain: the cargo command that needs it, and rustup's name for it.
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Programs and the Debian package of each: the browser tests drive a real Chromium, those under load cut a real link
/// and run the documents' commands, the example apps are started as their READMEs say, logs and balancers are real ones.
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
    ("redis-server", "redis-server"),
    ("nats-server", "nats-server"),
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
];

/// Where Debian has servers. It is not in everybody's path; the tests look here, too.
const SERVERS: &str = "/usr/sbin";

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
    let is_there = |program| in_path(program) || Path::new(SERVERS).join(program).is_file();
    let programs = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
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

/// The packages' services stay off: see the script.
fn install_packages(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let mut script = workspace.command("sh");
    script.arg("xtask/debian.sh").args(packages);
    run(&mut script).with_context(|| {
        format!("install by hand what is missing (Debian packages: {})", packages.join(" "))
    })
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
