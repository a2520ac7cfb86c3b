//! Which crate may depend on which. A new edge edits this table and ARCHITECTURE.md in one commit.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};

use super::Finding;

/// The members of the workspace, each with the members it depends on, for whatever purpose.
const EDGES: &[(&str, &[&str])] = &[
    (
        "tidings",
        &["tidings-client", "tidings-hub", "tidings-server", "tidings-store", "tidings-wire"],
    ),
    ("tidings-bench", &["tidings-hub", "tidings-store", "tidings-wire"]),
    ("tidings-client", &["tidings-wire"]),
    ("tidings-example-actix-web", &["tidings-hub", "tidings-server"]),
    ("tidings-example-axum", &["tidings-hub", "tidings-server"]),
    ("tidings-hub", &["tidings-wire"]),
    ("tidings-server", &["tidings-hub", "tidings-store", "tidings-wire"]),
    ("tidings-store", &["tidings-hub"]),
    ("tidings-wire", &[]),
    ("xtask", &[]),
];

/// What a member must not reach, not even through others: it keeps the format free of I/O, the
/// core free of HTTP and JSON, and the libraries free of what only a program needs.
const ABSENCES: &[(&str, &[&str])] = &[
    ("tidings-wire", &["tokio", "http", "hyper", "serde_json", "anyhow", "clap"]),
    ("tidings-client", &["anyhow", "clap"]),
    ("tidings-hub", &["http", "http-body", "hyper", "axum", "serde_json", "anyhow", "clap"]),
    ("tidings-server", &["actix-web", "axum", "anyhow", "clap"]),
];

/// Names, each with the names it leads to.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The edges between members.
pub(super) fn members(metadata: &Metadata) -> Graph {
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    members
        .iter()
        .map(|package| {
            let internal = package.dependencies.iter().map(|dependency| dependency.name.clone());
            let internal = internal.filter(|name| names.contains(name.as_str()));
            (package.name.to_string(), internal.collect())
        })
        .collect()
}

/// What each member reaches at run time or build time, through any number of packages.
/// Dependencies of tests alone do not count: they ship to nobody.
pub(super) fn reach(metadata: &Metadata) -> Graph {
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let shipped: BTreeMap<&PackageId, Vec<&PackageId>> = nodes
        .map(|node| {
            let edges = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            (&node.id, edges.map(|dependency| &dependency.pkg).collect())
        })
        .collect();
    metadata
        .workspace_packages()
        .iter()
        .map(|member| {
            let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
            let mut open = vec![&member.id];
            while let Some(id) = open.pop() {
                let next = shipped.get(id).into_iter().flatten().copied();
                open.extend(next.filter(|id| seen.insert(id)));
            }
            let reached =
                seen.iter().filter_map(|id| names.get(*id)).map(|name| (*name).to_owned());
            (member.name.to_string(), reached.collect())
        })
        .collect()
}

/// Compares the edges between members with the table: both must say the same.
pub(super) fn check(actual: &Graph) -> Vec<Finding> {
    let table: Graph = EDGES
        .iter()
        .map(|(name, edges)| {
            ((*name).to_owned(), edges.iter().map(|edge| (*edge).to_owned()).collect())
        })
        .collect();
    let nothing = BTreeSet::new();
    let members: BTreeSet<&String> = table.keys().chain(actual.keys()).collect();
    let mut findings = Vec::new();
    for member in members {
        if !table.contains_key(member) {
            findings
                .push(Finding::new(member, "not in the table of edges (xtask/src/tidy/edges.rs)"));
        }
        if !actual.contains_key(member) {
            findings.push(Finding::new(member, "in the table of edges, but no member"));
        }
        let allowed = table.get(member).unwrap_or(&nothing);
        let has = actual.get(member).unwrap_or(&nothing);
        findings.extend(has.difference(allowed).map(|edge| {
            Finding::new(member, format!("may not depend on {edge} (xtask/src/tidy/edges.rs)"))
        }));
        findings.extend(allowed.difference(has).map(|edge| {
            Finding::new(member, format!("does not depend on {edge}: take the edge off the table"))
        }));
    }
    findings
}

/// Finds the packages that a member must not reach.
pub(super) fn check_absences(reach: &Graph) -> Vec<Finding> {
    let nothing = BTreeSet::new();
    let mut findings = Vec::new();
    for (member, absent) in ABSENCES {
        let reached = reach.get(*member).unwrap_or(&nothing);
        let present = absent.iter().filter(|name| reached.contains(**name));
        findings.extend(
            present.map(|name| Finding::new(member, format!("must not reach the package {name}"))),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        edges
            .iter()
            .map(|(name, to)| ((*name).to_owned(), to.iter().map(|to| (*to).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found() {
        assert_eq!(check(&graph(EDGES)), []);
        let mut upside_down = graph(EDGES);
        upside_down.get_mut("tidings-wire").unwrap().insert("tidings-hub".to_owned());
        let findings = check(&upside_down);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "tidings-wire");
    }

    #[test]
    fn a_row_of_the_table_that_is_no_longer_true_is_found() {
        let mut without = graph(EDGES);
        without.get_mut("tidings-hub").unwrap().clear();
        assert_eq!(check(&without).len(), 1);
        without.remove("xtask");
        assert_eq!(check(&without).len(), 2);
    }

    #[test]
    fn a_member_that_is_not_in_the_table_is_found() {
        let mut more = graph(EDGES);
        more.insert("tidings-extra".to_owned(), BTreeSet::new());
        assert_eq!(check(&more).len(), 1);
    }

    #[test]
    fn a_package_that_a_member_must_not_reach_is_found() {
        assert_eq!(check_absences(&graph(&[("tidings-hub", &["bytes", "tokio"])])), []);
        for (member, absent) in ABSENCES {
            for package in *absent {
                assert_eq!(check_absences(&graph(&[(member, &[package])])).len(), 1, "{package}");
            }
        }
    }
}
