//! What the writing of all kinds of entities has in common.

use http::StatusCode;
use oxwhisk_entity::json::{JsonKind, Members};
use oxwhisk_entity::{ByteSize, Json, Parameters, SemVer};

use crate::http::{ApiError, Entity, List, ListQuery, Reply};
use crate::messages;

/// The members that every entity's request may have.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommonEdit {
    pub(crate) parameters: Option<Parameters>,
    pub(crate) annotations: Option<Parameters>,
    members: Members,
}

/// The members that are read only after the query parameters (rest-api §5.2).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LateEdit {
    pub(crate) version: Option<SemVer>,
    pub(crate) publish: Option<bool>,
}

impl CommonEdit {
    /// Reads parameters and annotations, and checks their sizes.
    pub(crate) fn parse(body: &Json) -> Result<Self, ApiError> {
        let members = body
            .members()
            .ok_or_else(|| ApiError::malformed("Object expected in field 'exec'"))?;
        let read = |name: &str| {
            let found = members
                .get_some(name)
                .map(Parameters::from_json)
                .transpose();
            found.map_err(|error| ApiError::malformed(&error.to_string()))
        };
        let (parameters, annotations) = (read("parameters")?, read("annotations")?);
        Ok(Self {
            parameters,
            annotations,
            members,
        })
    }

    /// Refuses parameters and annotations over their limit.
    pub(crate) fn check_sizes(&self, allowed: ByteSize) -> Result<(), ApiError> {
        check_size(
            "parameters",
            self.parameters.as_ref().map_or(0, Parameters::size),
            allowed,
        )?;
        check_size(
            "annotations",
            self.annotations.as_ref().map_or(0, Parameters::size),
            allowed,
        )
    }

    /// Returns a member of the request unless it is `null`.
    pub(crate) fn member(&self, name: &str) -> Option<&Json> {
        self.members.get_some(name)
    }

    /// Returns a member of the request, even if it is `null`.
    pub(crate) fn member_or_null(&self, name: &str) -> Option<&Json> {
        self.members.get(name)
    }

    /// Reads the other members.
    pub(crate) fn late(&self) -> Result<LateEdit, ApiError> {
        let version = self.member("version").map(SemVer::from_json).transpose();
        let version = version.map_err(|error| ApiError::malformed(&error.to_string()))?;
        let publish = match self.member("publish") {
            None => None,
            Some(value) if value.kind() == JsonKind::Bool => Some(value.is_true()),
            Some(value) => {
                return Err(ApiError::malformed(&format!(
                    "Expected JsBoolean, but got {value}"
                )));
            }
        };
        Ok(LateEdit { version, publish })
    }
}

/// Refuses what is larger than allowed.
pub(crate) fn check_size(what: &str, found: u64, allowed: ByteSize) -> Result<(), ApiError> {
    if found <= allowed.as_bytes() {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        messages::too_large(what, found, allowed.as_bytes()),
    ))
}

/// 409 for a create of what exists.
pub(crate) fn already_exists() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, messages::ALREADY_EXISTS)
}

/// The answer to a list. What does not fit in its first page is read while the answer is sent.
pub(crate) fn list_reply(list: List) -> Reply {
    let mut list = list;
    let Some(next) = list.rest.next() else {
        return Reply::json(Json::of(&list.first));
    };
    let rest = std::iter::once(next).chain(list.rest);
    list.rest = Box::new(rest);
    Reply::new(StatusCode::OK, Entity::List(list))
}

/// The answer to a count: what is left after `skip`.
pub(crate) fn count_reply(collection: &str, total: u64, list: ListQuery) -> Reply {
    let left = total.saturating_sub(list.skip.into());
    Reply::json(Json::from_canonical(format!("{{\"{collection}\":{left}}}")))
}
