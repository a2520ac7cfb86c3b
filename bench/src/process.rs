//! What the kernel knows of a server's processes: who belongs to it, its CPU time, its memory.

use std::{collections::BTreeMap, fs, io};

use anyhow::{Context as _, Result};

use crate::sys;

/// A process and all that descend from it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: i32,
    members: Vec<i32>,
}

/// The memory of a tree, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Proportional set size: what would be free without it.
    pub(crate) pss: u64,
    /// Resident now.
    pub(crate) rss: u64,
    /// The most that was resident since `forget_peak`.
    pub(crate) peak: u64,
}

impl Tree {
    pub(crate) fn of(root: i32) -> Self {
        let mut tree = Self { root, members: vec![root] };
        tree.refresh();
        tree
    }

    /// Looks again who belongs to it.
    pub(crate) fn refresh(&mut self) {
        let parents = parents();
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(parent) = members.get(next).copied() {
            members.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        self.members = members;
    }

    pub(crate) fn root(&self) -> i32 {
        self.root
    }

    pub(crate) fn members(&self) -> &[i32] {
        &self.members
    }

    /// The CPU time that its members have used, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        self.members.iter().filter_map(|pid| sys::process_cpu_nanos(*pid).ok()).sum()
    }

    /// Its memory now.
    ///
    /// # Errors
    /// When the root's cannot be read: it is gone.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut sum = Memory::default();
        for pid in &self.members {
            match memory(*pid) {
                Ok(memory) => {
                    sum.pss += memory.pss;
                    sum.rss += memory.rss;
                    sum.peak += memory.peak;
                }
                Err(error) if *pid == self.root => {
                    return Err(error).context("cannot read the memory of the server");
                }
                Err(_) => {}
            }
        }
        Ok(sum)
    }

    /// Makes the peak of each member what it has now.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        for pid in &self.members {
            let done = fs::write(format!("/proc/{pid}/clear_refs"), "5");
            if *pid == self.root {
                done.context("cannot reset the peak of the server's memory")?;
            }
        }
        Ok(())
    }
}

fn memory(pid: i32) -> io::Result<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let pss = kilobytes(&rollup, "Pss:");
    let (rss, peak) = (kilobytes(&status, "VmRSS:"), kilobytes(&status, "VmHWM:"));
    Ok(Memory { pss, rss, peak })
}

/// The value of a line such as `Pss:   12 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    1_024 * number.unwrap_or(0)
}

/// Every process with its parent.
fn parents() -> BTreeMap<i32, i32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The name stands in parentheses and may hold anything.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
        let parent = fields.and_then(|fields| fields.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            parents.insert(pid, parent);
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn own() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn a_tree_holds_the_children() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(Tree::of(own()).members().contains(&pid));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!Tree::of(own()).members().contains(&pid));
    }

    #[test]
    fn cpu_time_and_memory_are_read() {
        let tree = Tree { root: own(), members: vec![own()] };
        let before = tree.cpu_nanos();
        let block: Vec<u32> = (0..8 << 20).collect();
        assert!(tree.cpu_nanos() > before && before > 0);
        let memory = tree.memory().unwrap();
        assert!(memory.pss > 16 << 20 && memory.rss >= memory.pss, "{memory:?}");
        assert!(memory.peak >= memory.rss, "{memory:?}");
        assert_eq!(block.last(), Some(&((8 << 20) - 1)));
    }
}
