//! Packages and bindings.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::Json;
use crate::names::{EntityName, EntityPath, FullyQualifiedName, SemVer};
use crate::parameters::Parameters;

/// The package that a binding refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The provider's namespace.
    pub namespace: EntityName,
    /// The provider's name.
    pub name: EntityName,
}

impl Binding {
    /// Returns the provider's fully qualified name.
    #[must_use]
    pub fn qualified_name(&self) -> FullyQualifiedName {
        FullyQualifiedName::new(EntityPath::from(&self.namespace), self.name.clone())
    }

    /// Reads the member `binding` of a request; `{}` means none.
    ///
    /// # Errors
    /// The detail text of the fault (observed.md, rest-api §6.3).
    pub fn from_json(value: &Json) -> Result<Option<Self>, String> {
        let members = value
            .members()
            .ok_or_else(|| "Object expected in field 'namespace'".to_owned())?;
        if members.is_empty() {
            return Ok(None);
        }
        let part = |name: &str| {
            let value = members
                .get(name)
                .ok_or_else(|| format!("Object is missing required member '{name}'"))?;
            let text = value
                .as_str()
                .ok_or_else(|| "entity name malformed".to_owned())?;
            EntityName::new(&text).map_err(|_| "entity name malformed".to_owned())
        };
        Ok(Some(Self {
            namespace: part("namespace")?,
            name: part("name")?,
        }))
    }
}

/// A package, or a binding to one. Source: entities §7.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhiskPackage {
    /// Its namespace.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// The provider, if it is a binding; `{}` on the wire if not.
    #[serde(
        serialize_with = "write_binding",
        deserialize_with = "read_binding",
        default
    )]
    pub binding: Option<Binding>,
    /// Default arguments of its actions.
    pub parameters: Parameters,
    /// Its version.
    pub version: SemVer,
    /// Whether everybody may read it and invoke its actions; without effect on bindings.
    pub publish: bool,
    /// What is said about it.
    pub annotations: Parameters,
    /// Milliseconds since the epoch of the last change.
    #[serde(default)]
    pub updated: u64,
}

fn write_binding<S: Serializer>(
    binding: &Option<Binding>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match binding {
        Some(binding) => binding.serialize(serializer),
        None => Json::empty_object().serialize(serializer),
    }
}

fn read_binding<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Binding>, D::Error> {
    Binding::from_json(&Json::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[derive(Serialize)]
struct PackageSummary<'a> {
    namespace: &'a EntityPath,
    name: &'a EntityName,
    version: SemVer,
    publish: bool,
    annotations: &'a Parameters,
    updated: u64,
    binding: Json,
}

#[derive(Serialize)]
struct PackageView<'a> {
    #[serde(flatten)]
    package: &'a WhiskPackage,
    actions: &'a [Json],
    feeds: &'a [Json],
}

impl WhiskPackage {
    /// Returns its fully qualified name.
    #[must_use]
    pub fn qualified_name(&self) -> FullyQualifiedName {
        FullyQualifiedName::new(self.namespace.clone(), self.name.clone())
    }

    /// Returns the path of its actions: `ns/pkg`.
    #[must_use]
    pub fn path(&self) -> EntityPath {
        self.namespace.join(&self.name)
    }

    /// True if everybody may read it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.publish && self.binding.is_none()
    }

    /// Returns the package as the REST API shows it, without its content.
    #[must_use]
    pub fn to_api(&self) -> Json {
        Json::of(self)
    }

    /// Returns the package with its content: `{name, version, annotations}` of each action and feed.
    #[must_use]
    pub fn to_view(&self, actions: &[Json], feeds: &[Json]) -> Json {
        Json::of(&PackageView {
            package: self,
            actions,
            feeds,
        })
    }

    /// Returns the summary of lists, whose `binding` is `false` for a plain package.
    #[must_use]
    pub fn to_summary(&self) -> Json {
        Json::of(&PackageSummary {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations: &self.annotations,
            updated: self.updated,
            binding: self
                .binding
                .as_ref()
                .map_or_else(|| Json::from(false), Json::of),
        })
    }
}
