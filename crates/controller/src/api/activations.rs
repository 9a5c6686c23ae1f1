//! Activation records. Source: rest-api §12, invocation §10.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use oxwhisk_entity::{ActivationId, EntityName, Json, Privilege, WhiskActivation};
use oxwhisk_store::{ActivationQuery, StoreError};

use super::Caller;
use super::edit::{count_reply, list_reply};
use crate::controller::Controller;
use crate::entities::apart;
use crate::entitlement::Resource;
use crate::http::{ApiError, Element, List, ListQuery, Query, Reply, percent_decode};
use crate::messages;
use crate::router::ActivationPart;

/// How long a reader waits for the record of an activation whose result was already handed out. Logs come in
/// within milliseconds, except from a container that hides their end.
const RECORD_PATIENCE: Duration = Duration::from_secs(5);

impl Controller {
    /// `GET …/activations`
    pub(crate) async fn list_activations(&self, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let resource = Resource::Collection {
            namespace: caller.namespace.clone(),
            collection: None,
        };
        self.entitled(caller, Privilege::Read, &resource).await?;
        let query = &caller.request.query;
        let list = ListQuery::of(query, "activations")?;
        let docs = query.flag("docs", false)?;
        let name = name_filter(query)?;
        let (since, upto) = (instant(query, "since")?, instant(query, "upto")?);
        if list.count && docs {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::DOCS_WITH_COUNT,
            ));
        }
        let namespace = caller.namespace.to_string();
        let query = ActivationQuery {
            namespace,
            name,
            since,
            upto,
            skip: list.skip,
            limit: list.limit,
        };
        if list.count {
            return Ok(count_reply(
                "activations",
                self.activations.count(&query).await?,
                list,
            ));
        }
        let show = if docs {
            WhiskActivation::to_api
        } else {
            WhiskActivation::to_summary
        };
        let page = self.activations.list(&query).await?;
        let (store, namespace) = (Arc::clone(&self.activations), query.namespace);
        let rest = page.rest.into_iter().map(move |id| -> Element {
            let (store, namespace) = (Arc::clone(&store), namespace.clone());
            Box::pin(apart(async move {
                match store.get(&namespace, id).await {
                    Ok(record) => Ok(record.map(|record| show(&record))),
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(%error, "left a damaged record out of a list");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }))
        });
        Ok(list_reply(List {
            first: page.found.iter().map(|record| show(record)).collect(),
            rest: Box::new(rest),
        }))
    }

    /// `GET …/activations/{id}[/result|/logs]`
    pub(crate) async fn activation(
        &self,
        caller: &Caller<'_>,
        id: &str,
        part: ActivationPart,
    ) -> Result<Reply, ApiError> {
        let id = percent_decode(id).parse::<ActivationId>();
        let id =
            id.map_err(|error| ApiError::rejection(StatusCode::BAD_REQUEST, error.to_string()))?;
        let resource = Resource::Entity {
            namespace: caller.namespace.clone(),
            name: id.to_string(),
        };
        self.entitled(caller, Privilege::Read, &resource).await?;
        self.balancer.settled(id, RECORD_PATIENCE).await;
        let record = self
            .activations
            .get(caller.namespace.as_str(), id)
            .await?
            .ok_or_else(ApiError::not_found)?;
        Ok(Reply::json(match part {
            ActivationPart::Record => record.to_api(),
            ActivationPart::Result => record.response.to_api(),
            ActivationPart::Logs => {
                Json::from_canonical(format!("{{\"logs\":{}}}", Json::of(&record.logs)))
            }
        }))
    }
}

fn bad(parameter: &str, detail: &str) -> ApiError {
    ApiError::rejection(
        StatusCode::BAD_REQUEST,
        messages::bad_parameter(parameter, detail),
    )
}

/// Reads `name`: `action` or `package/action`, slashes around it dropped.
fn name_filter(query: &Query) -> Result<Option<String>, ApiError> {
    let Some(text) = query.get("name").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let legal =
        matches!(parts.len(), 1 | 2) && parts.iter().all(|part| EntityName::new(part).is_ok());
    if !legal {
        let detail =
            format!("Parameter may be a 'simple' name or 'package-name/simple' name: {text}");
        return Err(bad("name", &detail));
    }
    Ok(Some(parts.join("/")))
}

/// Reads milliseconds since the epoch; the text of the fault says seconds.
fn instant(query: &Query, parameter: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.get(parameter) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        bad(
            parameter,
            &format!("Parameter is not a valid value for epoch seconds: {text}"),
        )
    })
}
