//! The one place that reads the environment of the process.
#![expect(clippy::disallowed_methods, reason = "this is the one place")]

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use oxwhisk_container::sandbox::HELPER_NAME;

use crate::settings::{Problems, Settings, Sources};

/// Returns whether this process was started to be the helper that makes containers.
pub(crate) fn is_sandbox_helper() -> bool {
    std::env::args_os()
        .next()
        .is_some_and(|name| name == HELPER_NAME)
}

/// Collects flags, environment and file, and reads the settings.
///
/// # Errors
/// A file that cannot be read, or all problems with the settings.
pub(crate) fn settings<const N: usize>(
    flags: [(&'static str, Option<String>); N],
    file: Option<&Path>,
) -> Result<Settings> {
    let flags = flags
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let variables = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    let text = file
        .map(|path| {
            std::fs::read_to_string(path).map_err(|error| Problems::unreadable(path, &error))
        })
        .transpose()?;
    let mut sources = Sources::new(
        flags,
        variables,
        |name| std::env::var(name).ok(),
        text.as_deref(),
    )?;
    if let Some(folder) = state_dir() {
        sources.default_to("data_dir", folder.to_string_lossy().into_owned());
    }
    Ok(Settings::resolve(sources)?)
}

/// The user's folder for state, by the XDG base directory specification; `None` for a user without a home.
fn state_dir() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join("oxwhisk"))
}

/// Returns whether people read standard error and want colours on it.
pub(crate) fn wants_colors() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stderr().is_terminal()
}

/// The search path for programs.
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// The home folder of the user, where version managers keep their interpreters.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
