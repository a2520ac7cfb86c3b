//! A directory on a real disk, gone afterwards: what is measured there is the disk. Under the build's directory, for the
//! system's own place for temporary files is often memory.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{program, sys};

/// A unit of `st_blocks`, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new() -> Result<Self> {
        let name = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = program::build_folder()?.join("tidings-bench").join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// How much room its files take on the disk, in bytes. It holds no directories.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().map(|(_, blocks)| blocks * BLOCK_BYTES).sum()
    }

    /// Takes its files out of the system's memory, as far as they are on the disk.
    ///
    /// # Errors
    /// When one cannot be written out.
    pub(crate) fn forget_cached(&self) -> Result<()> {
        for (path, _) in self.files() {
            let file = fs::File::open(&path)?;
            file.sync_all()?;
            sys::forget_cached(&file).with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = (PathBuf, u64)> {
        // A file may go away meanwhile.
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.blocks())))
    }

    /// The type of the file system that it is on.
    pub(crate) fn file_system(&self) -> String {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        file_system(&mounts, &self.0).unwrap_or("an unknown file system").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left under the build's directory does no harm.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The type of what is mounted nearest above a path; of two at the same place the later one hides the other.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let place = fields.nth(1)?;
        path.starts_with(place).then_some((place.len(), fields.next()?))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_system_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/c xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/data/x")), Some("ext4"));
        assert_eq!(file_system(mounts, Path::new("/tmp/cd")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmp/c/d")), Some("xfs"));
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn its_files_are_counted_and_gone_with_it() {
        let directory = Directory::new().unwrap();
        let path = directory.path().to_owned();
        fs::write(path.join("a"), vec![1; 100_000]).unwrap();
        directory.forget_cached().unwrap();
        assert!((100_000..200_000).contains(&directory.bytes()), "{}", directory.bytes());
        drop(directory);
        assert!(!path.exists());
    }
}
