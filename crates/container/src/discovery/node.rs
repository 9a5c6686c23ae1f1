//! What is known about Node.js.

use std::fs;
use std::path::Path;

use super::versions::{VersionCache, parse, version_in};

/// Returns the version of a Node.js program: from its folder's name, from its headers, or by asking it.
pub(super) fn version(program: &Path, cache: &VersionCache) -> Option<(u32, u32)> {
    let prefix = program.parent()?.parent()?;
    let folders = [Some(prefix), prefix.parent()].into_iter().flatten();
    let version = folders
        .filter_map(version_in)
        .next()
        .or_else(|| header(&prefix.join("include/node/node_version.h")))
        .or_else(|| parse(cache.ask(program, &["--version"])?.strip_prefix('v')?))?;
    Some((version.0, version.1))
}

fn header(path: &Path) -> Option<(u32, u32, u32)> {
    let text = fs::read_to_string(path).ok()?;
    let number = |name: &str| -> Option<u32> {
        let line = text.lines().find_map(|line| {
            line.strip_prefix("#define ")?
                .strip_prefix(name)?
                .strip_prefix(' ')
        });
        line?.trim().parse().ok()
    };
    Some((
        number("NODE_MAJOR_VERSION")?,
        number("NODE_MINOR_VERSION")?,
        number("NODE_PATCH_VERSION")?,
    ))
}
