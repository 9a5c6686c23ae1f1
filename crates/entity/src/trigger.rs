//! Triggers and rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::names::{EntityName, EntityPath, FullyQualifiedName, SemVer};
use crate::parameters::Parameters;

/// Whether a rule passes events on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleStatus {
    /// It does.
    Active,
    /// It does not.
    Inactive,
}

/// What a trigger knows of one of its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLink {
    /// The action that the rule invokes.
    pub action: FullyQualifiedName,
    /// Whether it does.
    pub status: RuleStatus,
}

/// A trigger. Source: entities §8.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhiskTrigger {
    /// Its namespace.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// Default arguments for the actions of its rules.
    pub parameters: Parameters,
    /// Always `{}`.
    #[serde(default = "Json::empty_object")]
    pub limits: Json,
    /// Its version.
    pub version: SemVer,
    /// Without meaning for triggers.
    pub publish: bool,
    /// What is said about it.
    pub annotations: Parameters,
    /// Milliseconds since the epoch of the last change.
    #[serde(default)]
    pub updated: u64,
    /// Its rules by `ns/rule`; absent if it never had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<BTreeMap<String, RuleLink>>,
}

/// A rule. Source: entities §8.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhiskRule {
    /// Its namespace.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// The trigger that it listens to.
    pub trigger: FullyQualifiedName,
    /// The action that it invokes.
    pub action: FullyQualifiedName,
    /// Its version.
    pub version: SemVer,
    /// Without meaning for rules.
    pub publish: bool,
    /// What is said about it.
    pub annotations: Parameters,
    /// Milliseconds since the epoch of the last change.
    #[serde(default)]
    pub updated: u64,
}

#[derive(Serialize)]
struct TriggerSummary<'a> {
    namespace: &'a EntityPath,
    name: &'a EntityName,
    version: SemVer,
    publish: bool,
    annotations: &'a Parameters,
    updated: u64,
}

#[derive(Serialize)]
struct RuleWithStatus<'a> {
    #[serde(flatten)]
    rule: &'a WhiskRule,
    status: RuleStatus,
}

impl WhiskTrigger {
    /// Returns its fully qualified name.
    #[must_use]
    pub fn qualified_name(&self) -> FullyQualifiedName {
        FullyQualifiedName::new(self.namespace.clone(), self.name.clone())
    }

    /// Returns the whole trigger as the REST API shows it.
    #[must_use]
    pub fn to_api(&self) -> Json {
        Json::of(self)
    }

    /// Returns the summary of lists.
    #[must_use]
    pub fn to_summary(&self) -> Json {
        Json::of(&TriggerSummary {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations: &self.annotations,
            updated: self.updated,
        })
    }
}

impl WhiskRule {
    /// Returns its fully qualified name.
    #[must_use]
    pub fn qualified_name(&self) -> FullyQualifiedName {
        FullyQualifiedName::new(self.namespace.clone(), self.name.clone())
    }

    /// Returns the rule as the REST API shows it alone.
    #[must_use]
    pub fn to_api(&self, status: RuleStatus) -> Json {
        Json::of(&RuleWithStatus { rule: self, status })
    }

    /// Returns the rule as lists show it: without its status.
    #[must_use]
    pub fn to_summary(&self) -> Json {
        Json::of(self)
    }
}
