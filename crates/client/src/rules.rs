//! Rules: `/namespaces/{ns}/rules`. Source: rest-api §11.

use oxwhisk_entity::{FullyQualifiedName, Parameters, RuleStatus, WhiskRule};
use serde::{Deserialize, Serialize, Serializer};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::ClientError;
use crate::reference::EntityRef;
use crate::route::Page;

const COLLECTION: &str = "rules";

/// The rules of a [`Client`].
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a>(pub(crate) &'a Client);

/// A rule to create, or the members to change in one.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RulePut {
    /// The trigger that it listens to; needed to create one. The namespace `_` is that of the key.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "slashed")]
    pub trigger: Option<FullyQualifiedName>,
    /// The action that it invokes; needed to create one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "slashed")]
    pub action: Option<FullyQualifiedName>,
    /// What is said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Parameters>,
}

/// Requests have names where records have objects.
fn slashed<S: Serializer>(
    name: &Option<FullyQualifiedName>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let name = name.as_ref().map(FullyQualifiedName::to_slashed);
    name.serialize(serializer)
}

/// A rule and whether it passes events on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The rule.
    pub rule: WhiskRule,
    /// Whether it does.
    pub status: RuleStatus,
}

impl Rule {
    fn read(answer: &Answer) -> Result<Self, ClientError> {
        #[derive(Deserialize)]
        struct Status {
            status: RuleStatus,
        }
        let Status { status } = answer.read()?;
        Ok(Self {
            rule: answer.read()?,
            status,
        })
    }
}

impl Rules<'_> {
    /// Lists the newest. Their status is told by [`Rules::get`] only.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(self, page: Page) -> Result<Vec<WhiskRule>, ClientError> {
        self.0.get(self.0.page(COLLECTION, page)).await?.read()
    }

    /// Counts all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count(self) -> Result<u64, ClientError> {
        let route = self.0.collection(COLLECTION);
        self.0.count(COLLECTION, route).await
    }

    /// Returns a rule.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(self, name: &EntityRef) -> Result<Rule, ClientError> {
        Rule::read(&self.0.get(self.0.entity(COLLECTION, name)).await?)
    }

    /// Creates a rule, which is active then.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if it is there.
    pub async fn create(self, name: &EntityRef, rule: &RulePut) -> Result<Rule, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", false);
        Rule::read(&self.0.put(route, rule).await?)
    }

    /// Creates a rule, or changes what is given in one that is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(self, name: &EntityRef, rule: &RulePut) -> Result<Rule, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", true);
        Rule::read(&self.0.put(route, rule).await?)
    }

    /// Makes a rule pass events on, or not.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_status(self, name: &EntityRef, status: RuleStatus) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Status {
            status: RuleStatus,
        }
        let route = self.0.entity(COLLECTION, name);
        let answer = self.0.post(route, &Status { status }).await?;
        answer.accepted().map(drop)
    }

    /// Deletes a rule and returns it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(self, name: &EntityRef) -> Result<Rule, ClientError> {
        let route = self.0.entity(COLLECTION, name);
        Rule::read(&self.0.delete(route).await?)
    }
}
