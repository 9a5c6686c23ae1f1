//! Which kinds there are: what is installed, or what a manifest says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use oxwhisk_container::Runtime;
use oxwhisk_container::discovery::{self, Family, Interpreter, Places};
use oxwhisk_entity::ExecManifest;
use serde_json::{Value, json};

use crate::environment;
use crate::settings::Settings;

/// The kinds, and how those that are installed are started.
#[derive(Debug)]
pub(crate) struct Kinds {
    pub(crate) manifest: ExecManifest,
    pub(crate) runtimes: Vec<Arc<Runtime>>,
    /// Folder of the packages that Node.js actions find.
    pub(crate) npm_folder: PathBuf,
    /// Whether they are installed.
    pub(crate) has_npm_packages: bool,
    /// Folder of the launcher of Python actions.
    pub(crate) python_folder: PathBuf,
    /// Whether the packages that they find beside it are installed.
    pub(crate) has_python_packages: bool,
}

/// How many containers of each family's default kind are kept started, and the memory of each in MB.
const STEM_CELLS: u32 = 1;
const STEM_CELL_MB: u32 = 256;

/// Finds what is installed.
///
/// # Errors
/// A manifest that cannot be read, or launchers that are missing.
pub(crate) fn discover(settings: &Settings) -> Result<Kinds> {
    let launchers = launchers(settings)?;
    let places = Places {
        path: Some(environment::search_path()),
        home: environment::home(),
        cache_dir: Some(settings.data_dir.clone()).filter(|dir| !dir.as_os_str().is_empty()),
    };
    let mut found = discovery::find(&places);
    found.retain(|interpreter| interpreter.version >= oldest(interpreter.family));
    let defaults = defaults(&found);
    found.sort_by_key(|interpreter| (interpreter.family, interpreter.version));
    let text = match &settings.manifest {
        Some(path) => {
            std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?
        }
        None => manifest_of(&found, &defaults).to_string().into_bytes(),
    };
    let manifest = ExecManifest::parse(&text).context("could not use the runtimes manifest")?;
    let runtimes = runtimes(&found, &defaults, &manifest, &launchers);
    let npm_folder = launchers.join("nodejs");
    let has_npm_packages = npm_folder.join("node_modules/openwhisk").is_dir();
    let python_folder = launchers.join("python");
    let has_python_packages = python_folder.join("packages/requests").is_dir();
    Ok(Kinds {
        manifest,
        runtimes,
        npm_folder,
        has_npm_packages,
        python_folder,
        has_python_packages,
    })
}

/// Finds the folder of the launchers: what the settings say, beside the program, or the source tree.
fn launchers(settings: &Settings) -> Result<PathBuf> {
    let source_tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes");
    let installed = std::env::current_exe().ok().and_then(|program| {
        let prefix = program.parent()?.parent()?;
        Some(prefix.join("share/oxwhisk/runtimes"))
    });
    let places: Vec<PathBuf> = match &settings.runtimes_dir {
        Some(dir) => vec![dir.clone()],
        None => installed.into_iter().chain([source_tree]).collect(),
    };
    let found = places.iter().find_map(|dir| {
        dir.canonicalize()
            .ok()
            .filter(|dir| dir.join("nodejs").is_dir())
    });
    match found {
        Some(dir) => Ok(dir),
        None => {
            let tried: Vec<_> = places.iter().map(|dir| dir.display().to_string()).collect();
            bail!(
                "the runtimes' launchers are in none of {}; set `runtimes.dir`",
                tried.join(", ")
            )
        }
    }
}

/// The oldest version that the launchers are written for.
fn oldest(family: Family) -> (u32, u32) {
    match family {
        Family::Node => (18, 0),
        Family::Python => (3, 9),
    }
}

/// The default kind of each family: the interpreter that the search path, or else the version manager, names first.
fn defaults(found: &[Interpreter]) -> Vec<String> {
    let first = |family| {
        found
            .iter()
            .find(|interpreter| interpreter.family == family)
    };
    [Family::Node, Family::Python]
        .into_iter()
        .filter_map(first)
        .map(|interpreter| interpreter.runtime.kind.clone())
        .collect()
}

/// Makes a manifest of the interpreters.
fn manifest_of(found: &[Interpreter], defaults: &[String]) -> Value {
    let mut families: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for interpreter in found {
        let kind = &interpreter.runtime.kind;
        let (family, version) = kind.split_once(':').unwrap_or((kind, ""));
        let is_default = defaults.contains(kind);
        let stem_cells =
            json!({"initialCount": STEM_CELLS, "memory": format!("{STEM_CELL_MB} MB")});
        families.entry(family).or_default().push(json!({
            "kind": kind,
            "default": is_default,
            "deprecated": false,
            "image": {"prefix": "openwhisk", "name": format!("action-{family}-v{version}"), "tag": "nightly"},
            "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"},
            "stemCells": if is_default { vec![stem_cells] } else { Vec::new() },
        }));
    }
    if let Some(python) = families.get_mut("python") {
        let default = python
            .iter()
            .find(|runtime| runtime.get("default") == Some(&Value::Bool(true)));
        let alias = alias(default, PYTHON_3);
        python.push(alias);
    }
    json!({"runtimes": families})
}

/// The kind that means whatever Python there is.
const PYTHON_3: &str = "python:3";

/// Another name for a kind.
fn alias(of: Option<&Value>, kind: &str) -> Value {
    let mut alias = of.cloned().unwrap_or_default();
    if let Some(members) = alias.as_object_mut() {
        members.insert("kind".to_owned(), kind.into());
        members.insert("default".to_owned(), false.into());
        members.insert("stemCells".to_owned(), json!([]));
    }
    alias
}

/// Says for each kind of the manifest how it is started; kinds that nothing serves are left out.
fn runtimes(
    found: &[Interpreter],
    defaults: &[String],
    manifest: &ExecManifest,
    launchers: &Path,
) -> Vec<Arc<Runtime>> {
    let serves = |interpreter: &Interpreter, kind: &str| {
        let is_default = defaults.contains(&interpreter.runtime.kind);
        interpreter.runtime.kind == kind
            || (kind == PYTHON_3 && interpreter.family == Family::Python && is_default)
    };
    let of_kind = |kind: &str| {
        let interpreter = found.iter().find(|interpreter| serves(interpreter, kind))?;
        Some(Arc::new(started(interpreter, kind, launchers)))
    };
    manifest.kinds().filter_map(of_kind).collect()
}

/// Completes an interpreter with its launcher.
fn started(interpreter: &Interpreter, kind: &str, launchers: &Path) -> Runtime {
    let mut runtime = interpreter.runtime.clone();
    kind.clone_into(&mut runtime.kind);
    let (folder, flags, script): (&str, &[&str], &str) = match interpreter.family {
        Family::Node => ("nodejs", &[], "launcher.js"),
        Family::Python => ("python", &["-S", "-E", "-s", "-X", "utf8"], "launcher.py"),
    };
    let folder = launchers.join(folder);
    runtime
        .command
        .extend(flags.iter().map(|flag| (*flag).to_owned()));
    runtime
        .command
        .push(folder.join(script).to_string_lossy().into_owned());
    runtime.readable.push(folder);
    runtime
}
