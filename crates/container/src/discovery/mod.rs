//! Finds the interpreters of this machine and what each needs to run in a container.
//!
//! Nothing is started where reading files is enough: versions come from folder names and headers,
//! libraries from the ELF files. Only an interpreter whose version cannot be read is asked, once;
//! the answer is kept in a cache file.

mod candidates;
mod elf;
mod libraries;
mod node;
mod python;
mod versions;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Runtime;
use libraries::Libraries;
use versions::VersionCache;

/// The language of an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Node.js; kinds are `nodejs:<major>`.
    Node,
    /// CPython 3; kinds are `python:<major>.<minor>`.
    Python,
}

/// Where to look; see [`find`].
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The search path for programs (`PATH`).
    pub path: Option<OsString>,
    /// The home folder, in which version managers keep interpreters.
    pub home: Option<PathBuf>,
    /// Where the versions of interpreters that had to be asked are remembered.
    pub cache_dir: Option<PathBuf>,
}

/// An interpreter that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Its language.
    pub family: Family,
    /// Major and minor version.
    pub version: (u32, u32),
    /// How to start it: the command is only the program, to which the launcher is to be added;
    /// `readable` is what the program itself needs, a shell included; no environment.
    pub runtime: Runtime,
}

/// Finds the Node.js and Python interpreters of this machine, at most one of each kind.
///
/// Of several of one kind the first counts: those on the search path come first, then the newest of
/// each version manager (nvm, fnm, volta, asdf, mise, nodenv, n, pyenv, uv, conda). Scripts, as
/// version managers put on the search path, are passed over; links are followed.
#[must_use]
pub fn find(places: &Places) -> Vec<Interpreter> {
    let cache = VersionCache::open(places.cache_dir.as_deref());
    let libraries = Libraries::of_this_machine();
    let mut found: Vec<Interpreter> = Vec::new();
    let mut seen = BTreeSet::new();
    for (family, programs) in [
        (Family::Node, candidates::node(places)),
        (Family::Python, candidates::python(places)),
    ] {
        for program in programs {
            let Ok(program) = program.canonicalize() else {
                continue;
            };
            if !seen.insert(program.clone()) || !elf::is_elf(&program) {
                continue;
            }
            let version = match family {
                Family::Node => node::version(&program, &cache),
                Family::Python => python::version(&program, &cache),
            };
            let Some(version) = version else { continue };
            let kind = kind(family, version);
            if found.iter().any(|other| other.runtime.kind == kind) {
                continue;
            }
            if let Some(readable) = readable(family, &program, version, &libraries) {
                let command = vec![program.to_string_lossy().into_owned()];
                let runtime = Runtime {
                    kind,
                    command,
                    readable,
                    environment: Vec::new(),
                };
                found.push(Interpreter {
                    family,
                    version,
                    runtime,
                });
            }
        }
    }
    cache.save();
    found
}

/// Returns the files that a shell needs in a container.
#[must_use]
pub fn shell() -> Vec<PathBuf> {
    let shell = PathBuf::from("/bin/sh");
    let mut files: Vec<PathBuf> = Libraries::of_this_machine()
        .needed_by(std::slice::from_ref(&shell))
        .into_iter()
        .collect();
    files.push(shell);
    files
}

fn kind(family: Family, (major, minor): (u32, u32)) -> String {
    match family {
        Family::Node => format!("nodejs:{major}"),
        Family::Python => format!("python:{major}.{minor}"),
    }
}

fn readable(
    family: Family,
    program: &Path,
    version: (u32, u32),
    libraries: &Libraries,
) -> Option<Vec<PathBuf>> {
    let mut needed = BTreeSet::new();
    match family {
        Family::Node => needed.insert(program.to_owned()),
        Family::Python => {
            needed.extend(python::files(program, version)?);
            needed.insert(program.to_owned())
        }
    };
    let mut roots: Vec<PathBuf> = vec![program.to_owned()];
    if family == Family::Python {
        roots.extend(python::extension_modules(&needed));
    }
    // Programs start others through a shell or by `#!/usr/bin/env`.
    for tool in ["/bin/sh", "/usr/bin/env"].map(PathBuf::from) {
        if tool.exists() {
            needed.insert(tool.clone());
            roots.push(tool);
        }
    }
    needed.extend(libraries.needed_by(&roots));
    Some(needed.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn copy_of_sh(to: &Path) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy("/bin/sh", to).unwrap();
    }

    #[test]
    fn version_managers_are_searched_and_their_scripts_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        for version in ["v9.20.1", "v7.1.0", "v7.10.0"] {
            copy_of_sh(&at(&format!(".nvm/versions/node/{version}/bin/node")));
        }
        copy_of_sh(&at(".pyenv/versions/3.99.1/bin/python3.99"));
        symlink("python3.99", at(".pyenv/versions/3.99.1/bin/python3")).unwrap();
        fs::create_dir_all(at(".pyenv/versions/3.99.1/lib/python3.99")).unwrap();
        fs::write(at(".pyenv/versions/3.99.1/lib/python3.99/os.py"), "").unwrap();
        fs::create_dir_all(at("scripts")).unwrap();
        fs::write(at("scripts/python3"), "#!/bin/sh\n").unwrap();

        let places = Places {
            path: Some(at("scripts").into()),
            home: Some(home.path().to_owned()),
            cache_dir: None,
        };
        let found = find(&places);
        let program = |kind: &str| {
            found
                .iter()
                .find(|one| one.runtime.kind == kind)
                .map(|one| one.runtime.command[0].clone())
        };
        let under_home = |path: &str| {
            Some(
                at(path)
                    .canonicalize()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            )
        };
        assert_eq!(
            program("nodejs:9"),
            under_home(".nvm/versions/node/v9.20.1/bin/node")
        );
        assert_eq!(
            program("nodejs:7"),
            under_home(".nvm/versions/node/v7.10.0/bin/node")
        );
        assert_eq!(
            program("python:3.99"),
            under_home(".pyenv/versions/3.99.1/bin/python3.99")
        );
        let python = found
            .iter()
            .find(|one| one.runtime.kind == "python:3.99")
            .unwrap();
        assert!(
            python
                .runtime
                .readable
                .contains(&at(".pyenv/versions/3.99.1/lib/python3.99"))
        );
        assert!(
            python
                .runtime
                .readable
                .iter()
                .all(|path| path != home.path())
        );
    }

    #[test]
    fn shims_on_the_search_path_stand_for_the_selected_version() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        for version in ["7.1.0", "7.2.0"] {
            copy_of_sh(&at(&format!("manager/versions/{version}/bin/node")));
        }
        fs::write(at("manager/version"), "7.1.0\n").unwrap();
        fs::create_dir_all(at("manager/shims")).unwrap();
        let found = find(&Places {
            path: Some(at("manager/shims").into()),
            ..Places::default()
        });
        let node = found
            .iter()
            .find(|one| one.runtime.kind == "nodejs:7")
            .unwrap();
        assert!(node.runtime.command[0].ends_with("manager/versions/7.1.0/bin/node"));
    }
}
