//! Where interpreters may be.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::Places;
use super::versions::version_in;

/// Looked through even if they are not on the search path.
const USUAL: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Where version managers keep Node.js: folder of all versions, relative to the home folder, and the program in each.
const NODE_MANAGERS: [(&str, &str); 8] = [
    (".nvm/versions/node", "bin/node"),
    (".local/share/fnm/node-versions", "installation/bin/node"),
    (".fnm/node-versions", "installation/bin/node"),
    (".volta/tools/image/node", "bin/node"),
    (".asdf/installs/nodejs", "bin/node"),
    (".local/share/mise/installs/node", "bin/node"),
    (".nodenv/versions", "bin/node"),
    ("/usr/local/n/versions/node", "bin/node"),
];

/// The same for Python.
const PYTHON_MANAGERS: [(&str, &str); 14] = [
    (".pyenv/versions", "bin/python3"),
    (".asdf/installs/python", "bin/python3"),
    (".local/share/mise/installs/python", "bin/python3"),
    (".local/share/uv/python", "bin/python3"),
    (".rye/py", "bin/python3"),
    ("miniconda3", "../bin/python3"),
    ("anaconda3", "../bin/python3"),
    ("miniforge3", "../bin/python3"),
    ("mambaforge", "../bin/python3"),
    ("/opt/conda", "../bin/python3"),
    ("/opt/miniconda3", "../bin/python3"),
    ("miniconda3/envs", "bin/python3"),
    ("miniforge3/envs", "bin/python3"),
    ("/opt/conda/envs", "bin/python3"),
];

/// Programs that may be Node.js, the preferred ones first.
pub(super) fn node(places: &Places) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for folder in folders(places) {
        programs.extend(behind_shims(
            &folder,
            &["versions", "installs/nodejs"],
            "bin/node",
        ));
        programs.extend(
            ["node", "nodejs"]
                .map(|name| folder.join(name))
                .into_iter()
                .filter(|program| program.exists()),
        );
    }
    programs.extend(managed(places, &NODE_MANAGERS));
    programs
}

/// Programs that may be Python 3, the preferred ones first.
pub(super) fn python(places: &Places) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for folder in folders(places) {
        programs.extend(behind_shims(
            &folder,
            &["versions", "installs/python"],
            "bin/python3",
        ));
        programs.push(folder.join("python3"));
        let mut versioned: Vec<PathBuf> = entries(&folder).filter(|path| is_python(path)).collect();
        versioned.sort_by_key(|path| {
            Reverse(path.file_name().and_then(OsStr::to_str).and_then(minor_of))
        });
        programs.extend(versioned);
    }
    programs.retain(|program| program.exists());
    programs.extend(managed(places, &PYTHON_MANAGERS));
    programs
}

/// Reads the minor version from a program's name, `python3.11`.
pub(super) fn minor_of(name: &str) -> Option<u32> {
    name.strip_prefix("python3.")?.parse().ok()
}

fn is_python(path: &Path) -> bool {
    path.file_name()
        .and_then(OsStr::to_str)
        .and_then(minor_of)
        .is_some()
}

fn folders(places: &Places) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = places
        .path
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|folder| folder.is_absolute())
        .collect();
    for folder in USUAL.map(PathBuf::from) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Programs of version managers, of each the newest first.
fn managed(places: &Places, managers: &[(&str, &str)]) -> Vec<PathBuf> {
    let home = places
        .home
        .as_deref()
        .unwrap_or_else(|| Path::new("/nonexistent"));
    let mut programs = Vec::new();
    for (folder, program) in managers {
        let folder = home.join(folder);
        if let Some(program) = program.strip_prefix("../") {
            programs.push(folder.join(program));
            continue;
        }
        let mut versions: Vec<PathBuf> = entries(&folder).collect();
        versions.sort_by_cached_key(|path| Reverse(version_in(path)));
        programs.extend(versions.into_iter().map(|version| version.join(program)));
    }
    programs.retain(|program| program.exists());
    programs
}

/// Programs that the scripts in a version manager's `shims` folder stand for: first the version that
/// its `version` file selects, then the newest first.
fn behind_shims(folder: &Path, versions: &[&str], program: &str) -> Vec<PathBuf> {
    let Some(root) = folder
        .parent()
        .filter(|_| folder.file_name() == Some(OsStr::new("shims")))
    else {
        return Vec::new();
    };
    let selected = fs::read_to_string(root.join("version")).unwrap_or_default();
    let selected: Vec<&str> = selected.split_ascii_whitespace().collect();
    let mut found: Vec<PathBuf> = versions
        .iter()
        .flat_map(|versions| entries(&root.join(versions)))
        .collect();
    found.sort_by_cached_key(|path| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        (!selected.contains(&name), Reverse(version_in(path)))
    });
    found
        .into_iter()
        .map(|version| version.join(program))
        .filter(|program| program.exists())
        .collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}
