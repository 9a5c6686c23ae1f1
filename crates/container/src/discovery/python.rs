//! What is known about CPython.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::candidates::minor_of;
use super::versions::{VersionCache, parse};

/// Extension modules of the standard library that need a display; their libraries are not mounted.
const GRAPHICAL: [&str; 1] = ["_tkinter"];

/// Returns the version of a Python program: from its name, or by asking it.
pub(super) fn version(program: &Path, cache: &VersionCache) -> Option<(u32, u32)> {
    if let Some(minor) = program
        .file_name()
        .and_then(OsStr::to_str)
        .and_then(minor_of)
    {
        return Some((3, minor));
    }
    let answer = cache.ask(
        program,
        &[
            "-I",
            "-S",
            "-c",
            "import sys; print('%d.%d.%d' % sys.version_info[:3])",
        ],
    )?;
    let (major, minor, _) = parse(&answer)?;
    (major == 3).then_some((major, minor))
}

/// Returns the folders of the standard library, or `None` if the program has none where it would look.
///
/// Python looks for `lib/python3.N/os.py` (or `lib64`) beside the folder of its program and above.
pub(super) fn files(program: &Path, (major, minor): (u32, u32)) -> Option<Vec<PathBuf>> {
    let name = format!("python{major}.{minor}");
    // Some systems keep all of it, or the parts that depend on the architecture, in `lib64`.
    let folders = |prefix: &Path| ["lib", "lib64"].map(|lib| prefix.join(lib).join(&name));
    let has_library = |prefix: &&Path| {
        folders(prefix)
            .iter()
            .any(|folder| folder.join("os.py").exists())
    };
    let prefix = program.ancestors().skip(1).find(has_library)?;
    Some(
        folders(prefix)
            .into_iter()
            .filter(|folder| folder.is_dir())
            .collect(),
    )
}

/// Returns the extension modules of the standard library among the folders.
pub(super) fn extension_modules(folders: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder.join("lib-dynload")))
        .flatten()
        .flatten();
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.ends_with(".so")
            && !GRAPHICAL
                .iter()
                .any(|graphical| name.starts_with(graphical))
    };
    entries
        .map(|entry| entry.path())
        .filter(is_wanted)
        .collect()
}
