//! The table of kinds: OpenWhisk's `runtimes.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ByteSize;
use crate::json::Json;

/// Name of a container image: `[registry/][prefix/]name[:tag]`. A digest is read and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageName(String);

impl ImageName {
    /// Reads an image name by Docker's grammar: `[domain/]path[:tag][@digest]`, the path in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !digest.contains(':')) {
            return None;
        }
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        let is_tag = |tag: &str| {
            !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return None;
        }
        let (domain, rest) = match path.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first), rest)
            }
            _ => (None, path),
        };
        let is_domain = |domain: &str| {
            domain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
        };
        if domain.is_some_and(|domain| !is_domain(domain)) {
            return None;
        }
        rest.split('/')
            .all(is_component)
            .then(|| Self(name.to_owned()))
    }
}

/// One part of an image's path: lower-case letters and digits, joined by `.`, `_`, `__` or dashes.
fn is_component(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && part.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
        && !part.contains("..")
        && !part.contains("___")
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ImageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Reads a string, or the manifest's object `{"name", "registry"?, "prefix"?, "tag"?}`.
impl<'de> Deserialize<'de> for ImageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(deserializer)?;
        if let Some(text) = value.as_str() {
            return Ok(Self(text.into_owned()));
        }
        let members = value
            .members()
            .ok_or_else(|| serde::de::Error::custom("image must be an object"))?;
        let part = |name: &str| {
            members
                .get(name)
                .and_then(Json::as_str)
                .filter(|part| !part.is_empty())
        };
        let name =
            part("name").ok_or_else(|| serde::de::Error::custom("image must have a name"))?;
        let lead = |part: Option<std::borrow::Cow<'_, str>>| {
            part.map(|p| format!("{p}/")).unwrap_or_default()
        };
        let tag = part("tag").map(|tag| format!(":{tag}")).unwrap_or_default();
        Ok(Self(format!(
            "{}{}{name}{tag}",
            lead(part("registry")),
            lead(part("prefix"))
        )))
    }
}

/// Containers that are kept started before there is work for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StemCell {
    /// How many.
    pub initial_count: u32,
    /// Memory of each.
    pub memory: ByteSize,
}

/// One kind of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeManifest {
    /// `family:version`
    pub kind: String,
    /// The image that runs it where containers come from images.
    pub image: ImageName,
    /// Whether `family:default` means this kind.
    #[serde(default)]
    pub default: Option<bool>,
    /// Whether actions of the kind may only be read and deleted.
    #[serde(default)]
    pub deprecated: bool,
    /// How code is attached; absent if it is always part of the document.
    #[serde(default)]
    attached: Option<Json>,
    /// Whether `main` must be named.
    #[serde(default)]
    pub require_main: bool,
    /// Whether the runtime ends the logs of each activation with a mark.
    #[serde(default = "yes")]
    pub sentinelled_logs: bool,
    /// Containers to keep ready.
    #[serde(default)]
    pub stem_cells: Vec<StemCell>,
}

fn yes() -> bool {
    true
}

impl RuntimeManifest {
    /// Returns whether code is stored as an attachment.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.attached.is_some()
    }
}

impl<'de> Deserialize<'de> for StemCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            #[serde(alias = "count")]
            initial_count: u32,
            memory: String,
        }
        let wire = Wire::deserialize(deserializer)?;
        let memory = ByteSize::parse(&wire.memory).ok_or_else(|| {
            serde::de::Error::custom("Size Unit not supported. Only \"B\", \"K[B]\", \"M[B]\" and \"G[B]\" are supported.")
        })?;
        Ok(Self {
            initial_count: wire.initial_count,
            memory,
        })
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of the right shape.
    #[error("runtimes manifest malformed")]
    Malformed(#[source] serde_json::Error),
    /// A family with two defaults.
    #[error("Found more than one default for {0}: only one is allowed.")]
    SeveralDefaults(String),
    /// A family of several kinds without a default.
    #[error("{0} has multiple versions, but no default.")]
    NoDefault(String),
}

/// A runtime as `GET /` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRuntime {
    kind: String,
    image: ImageName,
    deprecated: bool,
    default: bool,
    attached: bool,
    require_main: bool,
}

/// The kinds that a deployment knows. Source: entities §4.1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecManifest {
    families: BTreeMap<String, Vec<RuntimeManifest>>,
}

#[derive(Deserialize)]
struct WireManifest {
    #[serde(default)]
    runtimes: BTreeMap<String, Vec<RuntimeManifest>>,
}

impl ExecManifest {
    /// Reads the text of a `runtimes.json`.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let wire: WireManifest = serde_json::from_slice(text).map_err(ManifestError::Malformed)?;
        let mut families = wire.runtimes;
        for (family, kinds) in &mut families {
            match kinds
                .iter()
                .filter(|kind| kind.default == Some(true))
                .count()
            {
                1 => {}
                0 if kinds.len() == 1 => {
                    kinds.iter_mut().for_each(|kind| kind.default = Some(true))
                }
                0 if kinds.is_empty() => {}
                0 => return Err(ManifestError::NoDefault(family.clone())),
                _ => return Err(ManifestError::SeveralDefaults(family.clone())),
            }
        }
        Ok(Self { families })
    }

    /// Returns the runtime of a kind; `family:default` means the family's default.
    #[must_use]
    pub fn resolve(&self, kind: &str) -> Option<&RuntimeManifest> {
        if let Some(family) = kind.strip_suffix(":default") {
            return self
                .families
                .get(family)?
                .iter()
                .find(|runtime| runtime.default == Some(true));
        }
        self.runtimes().find(|runtime| runtime.kind == kind)
    }

    /// Returns whether a kind may no longer be used.
    #[must_use]
    pub fn is_deprecated(&self, kind: &str) -> bool {
        self.resolve(kind).is_some_and(|runtime| runtime.deprecated)
    }

    /// Returns the same kinds without containers that are kept ready.
    #[must_use]
    pub fn without_stem_cells(&self) -> Self {
        let mut families = self.families.clone();
        families
            .values_mut()
            .flatten()
            .for_each(|runtime| runtime.stem_cells.clear());
        Self { families }
    }

    /// Iterates over all kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.runtimes().map(|runtime| runtime.kind.as_str())
    }

    /// Iterates over all runtimes.
    pub fn runtimes(&self) -> impl Iterator<Item = &RuntimeManifest> {
        self.families.values().flatten()
    }

    /// Returns what `GET /` shows: family → array of `{kind, image, deprecated, default, attached, requireMain}`.
    #[must_use]
    pub fn to_api(&self) -> Json {
        let shown = |runtime: &RuntimeManifest| ShownRuntime {
            kind: runtime.kind.clone(),
            image: runtime.image.clone(),
            deprecated: runtime.deprecated,
            default: runtime.default == Some(true),
            attached: runtime.is_attached(),
            require_main: runtime.require_main,
        };
        let families: BTreeMap<_, Vec<_>> = self
            .families
            .iter()
            .map(|(family, kinds)| (family, kinds.iter().map(shown).collect()))
            .collect();
        Json::of(&families)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §4.1
    #[test]
    fn a_family_has_one_default() {
        let manifest = |kinds: &str| {
            ExecManifest::parse(format!("{{\"runtimes\":{{\"n\":[{kinds}]}}}}").as_bytes())
        };
        let two = r#"{"kind":"n:1","image":{"name":"a"}},{"kind":"n:2","image":{"prefix":"p","name":"b","tag":"t"}"#;
        assert!(matches!(
            manifest(&format!("{two}}}")),
            Err(ManifestError::NoDefault(_))
        ));
        let manifest = manifest(&format!(
            "{two},\"default\":true,\"stemCells\":[{{\"count\":2,\"memory\":\"256 MB\"}}]}}"
        ));
        let manifest = manifest.unwrap();
        let runtime = manifest.resolve("n:default").unwrap();
        assert_eq!(
            (runtime.kind.as_str(), runtime.image.to_string().as_str()),
            ("n:2", "p/b:t")
        );
        assert_eq!(
            runtime.stem_cells,
            [StemCell {
                initial_count: 2,
                memory: ByteSize::mib(256)
            }]
        );
    }

    /// entities §4.3; recordings `actions-write/blackbox-image-*`.
    #[test]
    fn image_names_follow_the_grammar() {
        for good in [
            "img",
            "img:latest",
            "a/b/c/d:1",
            "reg.example.com:5000/team/img:v1.2",
            "127.0.0.1:1/none:1",
        ] {
            assert_eq!(ImageName::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "Bad/Image", "a b", "img:", "/a", "a//b", "a/", "-a"] {
            assert_eq!(ImageName::parse(bad), None, "{bad}");
        }
    }
}
