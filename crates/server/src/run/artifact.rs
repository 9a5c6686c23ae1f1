//! What `oxwhisk run` is given: a source file, an archive, or a folder.

use std::fs::{self, File};
use std::io::{Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_entity::Json;
use serde_json::json;
use zip::write::SimpleFileOptions;

/// Code and the kind that runs it.
#[derive(Debug)]
pub(super) struct Artifact {
    kind: String,
    /// Source text, or base64 of an archive.
    code: String,
}

impl Artifact {
    /// Reads a file or folder; the kind is told by the name or by what is inside, unless it is given.
    pub(super) fn load(path: &Path, kind: Option<&str>) -> Result<Self> {
        let meta =
            fs::metadata(path).with_context(|| format!("could not read `{}`", path.display()))?;
        if meta.is_dir() {
            let kind = kind.map_or_else(|| kind_of_folder(path), |kind| Ok(kind.to_owned()))?;
            return Ok(Self {
                kind,
                code: STANDARD.encode(zip_folder(path)?),
            });
        }
        let content =
            fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
        if content.starts_with(b"PK") {
            let kind = kind.map_or_else(|| kind_of_archive(path), |kind| Ok(kind.to_owned()))?;
            return Ok(Self {
                kind,
                code: STANDARD.encode(content),
            });
        }
        if has_extension(path, "zip") {
            bail!("`{}` is no zip archive", path.display());
        }
        let kind = kind.map_or_else(|| kind_of_source(path), |kind| Ok(kind.to_owned()))?;
        let code = String::from_utf8(content)
            .with_context(|| format!("`{}` is no UTF-8 text", path.display()))?;
        let code = if has_extension(path, "mjs") {
            STANDARD.encode(zip_module(&code)?)
        } else {
            code
        };
        Ok(Self { kind, code })
    }

    /// Returns the `exec` of an action request.
    pub(super) fn exec(&self, main: Option<&str>) -> Result<Json> {
        let mut exec = json!({"kind": self.kind, "code": self.code});
        if let (Some(main), Some(members)) = (main, exec.as_object_mut()) {
            members.insert("main".to_owned(), main.into());
        }
        Ok(Json::of(&exec))
    }
}

const HINT: &str = "name a kind with --kind, such as nodejs:default or python:default";

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension == wanted)
}

fn kind_of_source(path: &Path) -> Result<String> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("js" | "cjs" | "mjs") => Ok("nodejs:default".to_owned()),
        Some("py") => Ok("python:default".to_owned()),
        _ => bail!("`{}` does not tell its kind: {HINT}", path.display()),
    }
}

fn kind_of_names(has: impl Fn(&str) -> bool, path: &Path) -> Result<String> {
    if has("package.json") || has("index.js") {
        Ok("nodejs:default".to_owned())
    } else if has("__main__.py") || has("main__.py") {
        Ok("python:default".to_owned())
    } else {
        bail!(
            "`{}` has no package.json, index.js or __main__.py at its root: {HINT}",
            path.display()
        )
    }
}

fn kind_of_folder(path: &Path) -> Result<String> {
    kind_of_names(|name| path.join(name).is_file(), path)
}

fn kind_of_archive(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let archive = zip::ZipArchive::new(file)
        .with_context(|| format!("`{}` is no zip archive", path.display()))?;
    let names: Vec<_> = archive.file_names().filter_map(Result::ok).collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    kind_of_names(has, path).with_context(|| {
        let mut folders = names.iter().map(|name| name.split('/').next());
        match folders.next().flatten() {
            Some(folder) if folders.all(|other| other == Some(folder)) => {
                format!("everything is below the folder `{folder}`: zip what is in it")
            }
            _ => "this archive is no action".to_owned(),
        }
    })
}

/// Packs an ES module: source code by itself is run as a script.
fn zip_module(code: &str) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("package.json", SimpleFileOptions::default())?;
    archive.write_all(br#"{"main": "action.mjs", "type": "module"}"#)?;
    archive.start_file("action.mjs", SimpleFileOptions::default())?;
    archive.write_all(code.as_bytes())?;
    Ok(archive.finish()?.into_inner())
}

fn zip_folder(root: &Path) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("could not read `{}`", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("could not read `{}`", folder.display()))?
                .path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            archive.start_file(name, SimpleFileOptions::default())?;
            let content =
                fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
            archive.write_all(&content)?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_names_and_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.py");
        fs::write(&file, "def main(args): return args").unwrap();
        assert_eq!(Artifact::load(&file, None).unwrap().kind, "python:default");
        assert!(
            Artifact::load(folder.path(), None)
                .unwrap_err()
                .to_string()
                .contains("--kind")
        );
        fs::write(folder.path().join("index.js"), "exports.main = p => p").unwrap();
        let packed = Artifact::load(folder.path(), None).unwrap();
        assert_eq!(packed.kind, "nodejs:default");
        let archive = folder.path().join("b.zip");
        fs::write(&archive, STANDARD.decode(&packed.code).unwrap()).unwrap();
        assert_eq!(
            Artifact::load(&archive, None).unwrap().kind,
            "nodejs:default"
        );
    }
}
