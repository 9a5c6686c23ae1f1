//! Actions.

use serde::{Deserialize, Serialize};

use crate::exec::Exec;
use crate::json::Json;
use crate::limits::ActionLimits;
use crate::names::{EntityName, EntityPath, FullyQualifiedName, SemVer};
use crate::parameters::Parameters;

/// An action as it is stored and shown. Source: entities §3.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhiskAction {
    /// `ns` or `ns/pkg`.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// What it runs.
    pub exec: Exec,
    /// Default arguments.
    pub parameters: Parameters,
    /// What it may use.
    pub limits: ActionLimits,
    /// Its version.
    pub version: SemVer,
    /// Without meaning for actions.
    pub publish: bool,
    /// What is said about it.
    pub annotations: Parameters,
    /// Milliseconds since the epoch of the last change.
    #[serde(default)]
    pub updated: u64,
}

#[derive(Serialize)]
struct ActionSummary<'a> {
    namespace: &'a EntityPath,
    name: &'a EntityName,
    version: SemVer,
    publish: bool,
    annotations: &'a Parameters,
    limits: ActionLimits,
    exec: BinaryFlag,
    updated: u64,
}

#[derive(Serialize)]
struct BinaryFlag {
    binary: bool,
}

impl WhiskAction {
    /// Returns its fully qualified name.
    #[must_use]
    pub fn qualified_name(&self) -> FullyQualifiedName {
        FullyQualifiedName::new(self.namespace.clone(), self.name.clone())
    }

    /// Returns the whole action as the REST API shows it.
    #[must_use]
    pub fn to_api(&self) -> Json {
        Json::of(self)
    }

    /// Returns the summary of lists.
    #[must_use]
    pub fn to_summary(&self) -> Json {
        Json::of(&ActionSummary {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations: &self.annotations,
            limits: self.limits,
            exec: BinaryFlag {
                binary: self.exec.is_binary(),
            },
            updated: self.updated,
        })
    }

    /// True if callers may not override the parameters that have a value (annotation `final`).
    #[must_use]
    pub fn has_final_parameters(&self) -> bool {
        self.annotations.is_true("final")
    }

    /// True if it steers a composition (annotation `conductor`).
    #[must_use]
    pub fn is_conductor(&self) -> bool {
        matches!(self.exec, Exec::Code(_)) && self.annotations.is_truthy("conductor", false)
    }

    /// True if it is told the key of the invoking identity (annotation `provide-api-key`, missing counts as true).
    #[must_use]
    pub fn is_given_api_key(&self) -> bool {
        self.annotations.is_truthy("provide-api-key", true)
    }
}
