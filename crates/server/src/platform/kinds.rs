//! Which kinds there are: what is installed, or what a manifest says.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use oxwhisk_container::Runtime;
use oxwhisk_entity::ExecManifest;

use crate::settings::Settings;

/// The kinds, and how the ones that are installed are started.
#[derive(Debug)]
pub(super) struct Kinds {
    pub(super) manifest: ExecManifest,
    pub(super) runtimes: BTreeMap<String, Arc<Runtime>>,
}

/// Finds what is installed.
pub(super) async fn discover(settings: &Settings) -> Result<Kinds> {
    let manifest = match &settings.manifest {
        Some(path) => std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?,
        None => br#"{"runtimes":{"nodejs":[{"kind":"nodejs:20","default":true,"image":{"name":"action-nodejs-v20","prefix":"openwhisk","tag":"nightly"},"attached":{"attachmentName":"codefile","attachmentType":"text/plain"}}],"python":[{"kind":"python:3.11","default":true,"image":{"name":"action-python-v3.11","prefix":"openwhisk","tag":"nightly"},"attached":{"attachmentName":"codefile","attachmentType":"text/plain"}}]}}"#.to_vec(),
    };
    Ok(Kinds { manifest: ExecManifest::parse(&manifest)?, runtimes: BTreeMap::new() })
}
