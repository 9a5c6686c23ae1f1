//! The project's own rules: crate arrows, file sizes, no leftovers, tests for each section of the contract.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::citations::{self, Citations};
use crate::process::root;

/// Longest file of production code, in lines without its tests.
const MAX_LINES: usize = 800;

/// Which crates of ours each may depend on, besides itself in its tests. `server` may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("entity", &[]),
    ("bus", &["entity"]),
    ("store", &["entity"]),
    ("container", &["entity"]),
    ("client", &["entity"]),
    ("testing", &["client"]),
    ("controller", &["entity", "bus", "store"]),
    ("invoker", &["entity", "bus", "store", "container"]),
];

/// Words that mark unfinished work; written apart so that this file does not hold them.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
];

/// Checks all rules and reports all breaches together.
pub(crate) fn run() -> Result<()> {
    let mut breaches = Vec::new();
    let mut citations = Citations::default();
    arrows(&mut breaches)?;
    for file in tracked_files()? {
        let path = root().join(&file);
        // A file may be deleted in the work tree and not yet in the index.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if file.ends_with(".rs") {
            lines(&file, &text, &mut breaches);
            leftovers(&file, &text, &mut breaches);
        }
        citations.read(&file, &text);
        if text.contains(concat!("../", "shared")) {
            breaches.push(format!("{file}: refers to a folder outside the project"));
        }
    }
    settings_page(&mut breaches)?;
    citations.check(&read(&root().join(citations::PAGE))?, &mut breaches);
    if breaches.is_empty() {
        return Ok(());
    }
    bail!(
        "tidy found {} breaches:\n  {}",
        breaches.len(),
        breaches.join("\n  ")
    )
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output()
        .context("could not start `git`")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Every crate depends only on those that its layer allows.
fn arrows(breaches: &mut Vec<String>) -> Result<()> {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for (name, allowed) in &allowed {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read `{}`", path.display()))?;
        let manifest: toml::Table = text.parse()?;
        let Some(toml::Value::Table(dependencies)) = manifest.get("dependencies") else {
            continue;
        };
        for dependency in dependencies
            .keys()
            .filter_map(|key| key.strip_prefix("oxwhisk-"))
        {
            if !allowed.contains(&dependency) {
                breaches.push(format!("crates/{name}: must not depend on `{dependency}`"));
            }
        }
    }
    Ok(())
}

fn lines(file: &str, text: &str, breaches: &mut Vec<String>) {
    let is_test = file.contains("/tests/") || file.ends_with("tests.rs");
    let production = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    let count = production.lines().count();
    if !is_test && count > MAX_LINES {
        breaches.push(format!(
            "{file}: {count} lines, at most {MAX_LINES} are allowed"
        ));
    }
}

fn leftovers(file: &str, text: &str, breaches: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        if LEFTOVERS.iter().any(|word| line.contains(word)) {
            breaches.push(format!("{file}:{}: unfinished work", number + 1));
        }
    }
}

/// The reference page of the settings lists each one.
fn settings_page(breaches: &mut Vec<String>) -> Result<()> {
    let page = root().join("docs/settings.md");
    let table = root().join("crates/server/src/settings/keys.rs");
    let (page, table) = (read(&page)?, read(&table)?);
    let names = table
        .split("key(")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1));
    for name in names.filter(|name| !name.is_empty()) {
        if !page.contains(&format!("`{name}`")) {
            breaches.push(format!(
                "docs/settings.md: `{name}` is missing; make the page with `oxwhisk settings`"
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))
}
