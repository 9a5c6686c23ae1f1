//! Versions of interpreters, and the file that remembers those that had to be asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

/// Major, minor and patch level.
pub(super) type Version = (u32, u32, u32);

/// Finds a version like `v20.11.1`, `3.12.1` or `cpython-3.12.1-linux` in the last part of a path.
pub(super) fn version_in(path: &Path) -> Option<Version> {
    let name = path.file_name()?.to_str()?;
    let start = name.find(|one: char| one.is_ascii_digit())?;
    parse(name.get(start..)?)
}

/// Reads a version at the start of a text.
pub(super) fn parse(text: &str) -> Option<Version> {
    let end = text
        .find(|one: char| !one.is_ascii_digit() && one != '.')
        .unwrap_or(text.len());
    let mut numbers = text.get(..end)?.split('.').map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    Some((next()?, next()?, next().unwrap_or(0)))
}

/// Remembers versions by the program's path, size and time of change.
#[derive(Debug)]
pub(super) struct VersionCache {
    file: Option<PathBuf>,
    known: RefCell<BTreeMap<String, String>>,
    changed: RefCell<bool>,
}

impl VersionCache {
    pub(super) fn open(folder: Option<&Path>) -> Self {
        let file = folder.map(|folder| folder.join("interpreters.json"));
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let known = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        Self {
            file,
            known: RefCell::new(known),
            changed: RefCell::new(false),
        }
    }

    /// Returns what the program prints when called with the arguments, from the cache if it is there.
    pub(super) fn ask(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let meta = fs::metadata(program).ok()?;
        let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let key = format!(
            "{} {} {} {}",
            program.display(),
            meta.len(),
            changed.as_nanos(),
            arguments.join(" ")
        );
        if let Some(known) = self.known.borrow().get(&key) {
            return Some(known.clone());
        }
        let answer = run(program, arguments)?;
        self.known.borrow_mut().insert(key, answer.clone());
        self.changed.replace(true);
        Some(answer)
    }

    /// Writes the cache if it changed. A failure only costs time at the next start.
    pub(super) fn save(&self) {
        let (Some(file), true) = (&self.file, self.changed.take()) else {
            return;
        };
        let Ok(text) = serde_json::to_string(&*self.known.borrow()) else {
            return;
        };
        let partial = file.with_extension("partial");
        let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, file));
        if let Err(error) = written {
            tracing::debug!(%error, file = %file.display(), "could not write the cache of interpreters");
        }
    }
}

fn run(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut text = String::new();
    let read = child.stdout.take()?.take(4096).read_to_string(&mut text);
    let status = child.wait().ok()?;
    (read.is_ok() && status.success()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_folder_names() {
        for (name, version) in [
            ("/a/v20.11.1", Some((20, 11, 1))),
            ("/a/cpython-3.12.1-linux-x86_64-gnu", Some((3, 12, 1))),
            ("/a/3.13", Some((3, 13, 0))),
            ("/a/20", None),
            ("/a/node", None),
        ] {
            assert_eq!(version_in(Path::new(name)), version, "{name}");
        }
    }

    #[test]
    fn asked_versions_are_remembered_until_the_program_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = VersionCache::open(Some(folder.path()));
        assert_eq!(
            cache.ask(Path::new("/bin/echo"), &["1.2"]).as_deref(),
            Some("1.2")
        );
        cache.save();
        let again = VersionCache::open(Some(folder.path()));
        assert_eq!(again.known.borrow().len(), 1);
        assert_eq!(
            again.ask(Path::new("/bin/echo"), &["1.2"]).as_deref(),
            Some("1.2")
        );
        assert!(!again.changed.take());
    }
}
