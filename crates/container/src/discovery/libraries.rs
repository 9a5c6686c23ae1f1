//! Finds shared libraries as the dynamic loader would.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::elf::{self, Dynamic};

/// Searched after what the loader's configuration lists.
const DEFAULT: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
#[cfg(target_arch = "aarch64")]
const DEFAULT_HERE: &[&str] = &["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
#[cfg(not(target_arch = "aarch64"))]
const DEFAULT_HERE: &[&str] = &[];
/// Loaded without being named in any file: for ending threads, for the names of hosts, and by extension modules that
/// users bring. These may need the parts of the C library that were files of their own before version 2.34, and the few
/// libraries that `manylinux` packages (PEP 600) use beside it.
const UNNAMED: [&str; 11] = [
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libnss_dns.so.2",
    "libatomic.so.1",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libz.so.1",
];

/// The folders in which this machine keeps libraries.
#[derive(Debug)]
pub(super) struct Libraries {
    folders: Vec<PathBuf>,
    /// What was read already; interpreters share most of their libraries.
    read: RefCell<HashMap<PathBuf, Option<Rc<Dynamic>>>>,
}

impl Libraries {
    pub(super) fn of_this_machine() -> Self {
        let mut folders = Vec::new();
        configured(Path::new("/etc/ld.so.conf"), &mut folders, 5);
        folders.extend(DEFAULT_HERE.iter().chain(&DEFAULT).map(PathBuf::from));
        folders.retain(|folder| folder.is_dir());
        Self {
            folders,
            read: RefCell::default(),
        }
    }

    fn read(&self, path: &Path) -> Option<Rc<Dynamic>> {
        if let Some(known) = self.read.borrow().get(path) {
            return known.clone();
        }
        let elf = elf::read(path).ok().map(Rc::new);
        self.read.borrow_mut().insert(path.to_owned(), elf.clone());
        elf
    }

    /// Returns the libraries and loaders that the files need, directly or not. What is not found is left out.
    pub(super) fn needed_by(&self, roots: &[PathBuf]) -> BTreeSet<PathBuf> {
        let mut search = Search {
            libraries: self,
            found: BTreeSet::new(),
            by_name: BTreeSet::new(),
            machine: 0,
        };
        for (index, root) in roots.iter().enumerate() {
            let Some(elf) = self.read(root) else { continue };
            if index == 0 {
                search.machine = elf.machine;
            }
            search.follow(root, &elf, &[]);
        }
        for name in UNNAMED {
            search.take(name, &[], &[]);
        }
        search.found
    }
}

struct Search<'a> {
    libraries: &'a Libraries,
    found: BTreeSet<PathBuf>,
    /// The loader loads a name only once.
    by_name: BTreeSet<String>,
    machine: u16,
}

impl Search<'_> {
    fn follow(&mut self, path: &Path, elf: &Dynamic, inherited: &[PathBuf]) {
        self.found.extend(elf.interpreter.clone());
        let origin = if elf.rpath.is_some() || elf.runpath.is_some() {
            path.canonicalize()
                .ok()
                .and_then(|path| path.parent().map(Path::to_owned))
                .unwrap_or_default()
        } else {
            PathBuf::new()
        };
        let folders = |list: &Option<String>| -> Vec<PathBuf> {
            list.iter()
                .flat_map(|list| list.split(':'))
                .map(|folder| expand(folder, &origin))
                .collect()
        };
        let runpath = folders(&elf.runpath);
        // A run path switches the older kind off, which also serves the libraries' own needs.
        let mut rpath = if runpath.is_empty() {
            folders(&elf.rpath)
        } else {
            Vec::new()
        };
        rpath.extend_from_slice(inherited);
        for name in &elf.needed {
            self.take(name, &rpath, &runpath);
        }
    }

    fn take(&mut self, name: &str, rpath: &[PathBuf], runpath: &[PathBuf]) {
        if self.by_name.contains(name) {
            return;
        }
        let candidates: Vec<PathBuf> = if name.contains('/') {
            vec![PathBuf::from(name)]
        } else {
            rpath
                .iter()
                .chain(runpath)
                .chain(&self.libraries.folders)
                .map(|folder| folder.join(name))
                .collect()
        };
        for candidate in candidates {
            if let Some(elf) = self.libraries.read(&candidate)
                && (elf.machine == self.machine || self.machine == 0)
            {
                self.by_name.insert(name.to_owned());
                self.found.insert(candidate.clone());
                self.follow(&candidate, &elf, rpath);
                return;
            }
        }
    }
}

fn expand(folder: &str, origin: &Path) -> PathBuf {
    let origin = origin.to_string_lossy();
    PathBuf::from(
        folder
            .replace("$ORIGIN", &origin)
            .replace("${ORIGIN}", &origin),
    )
}

/// Reads folders from the loader's configuration, which may include other files by pattern.
fn configured(file: &Path, folders: &mut Vec<PathBuf>, depth: u32) {
    let (Ok(text), Some(depth)) = (fs::read_to_string(file), depth.checked_sub(1)) else {
        return;
    };
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
    {
        if let Some(pattern) = line.strip_prefix("include ") {
            let pattern = file
                .parent()
                .unwrap_or_else(|| Path::new("/"))
                .join(pattern.trim());
            // Only patterns of the form `folder/*.ending` are in use.
            let (Some(folder), Some(name)) = (
                pattern.parent(),
                pattern.file_name().and_then(|name| name.to_str()),
            ) else {
                continue;
            };
            let Some(ending) = name.strip_prefix('*') else {
                configured(&pattern, folders, depth);
                continue;
            };
            let mut files: Vec<PathBuf> = fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect();
            files.retain(|file| file.to_string_lossy().ends_with(ending));
            files.sort();
            for file in files {
                configured(&file, folders, depth);
            }
        } else if line.starts_with('/') {
            folders.push(PathBuf::from(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_agrees_about_the_libraries_of_the_shell() {
        let found = Libraries::of_this_machine().needed_by(&[PathBuf::from("/bin/sh")]);
        let listed = std::process::Command::new("ldd")
            .arg("/bin/sh")
            .output()
            .unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        let same = |path: &Path| path.canonicalize().unwrap();
        let found: Vec<PathBuf> = found.iter().map(|path| same(path)).collect();
        for word in text
            .split_ascii_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            assert!(
                found.contains(&same(Path::new(word))),
                "{word} is missing in {found:?}"
            );
        }
    }

    #[test]
    fn parts_of_the_c_library_are_there_for_the_packages_of_users() {
        let found = Libraries::of_this_machine().needed_by(&[PathBuf::from("/bin/sh")]);
        for name in ["libpthread.so.0", "libresolv.so.2", "libm.so.6"] {
            assert!(
                found.iter().any(|path| path.ends_with(name)),
                "{name} is missing in {found:?}"
            );
        }
    }

    #[test]
    fn run_path_may_be_relative_to_the_file() {
        assert_eq!(
            expand("$ORIGIN/../lib", Path::new("/a/bin")),
            PathBuf::from("/a/bin/../lib")
        );
    }
}
