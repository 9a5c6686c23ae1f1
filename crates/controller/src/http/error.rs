//! Failures of requests, and the status and text that each has.

use http::{HeaderName, HeaderValue, StatusCode, header};
use oxwhisk_bus::BusError;
use oxwhisk_entity::ActivationId;
use oxwhisk_store::StoreError;

use super::Cors;
use super::headers::ACTIVATION_ID;
use crate::messages;

/// A failed request: what the client is told. What stands behind it is logged where it is found.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) cors: Cors,
    pub(crate) form: ErrorForm,
    pub(crate) fault: Fault,
    /// A header that goes with the status.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

/// What went wrong, as far as callers inside the server act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another update came first.
    Conflict,
    /// The name belongs to another kind of entity.
    OtherCollection,
    /// What is stored cannot be read.
    Corrupt,
    /// Anything else: only the client needs to know.
    Other,
}

/// How the body of a failure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// JSON without blanks.
    Compact,
    /// JSON on lines of their own, as web actions answer.
    Pretty,
    /// The bare text, without a transaction id: what the original answers when a handler crashes.
    Plain,
}

impl ApiError {
    /// A failure that a handler found. It carries the CORS headers of the REST API.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            cors: Cors::Rest,
            form: ErrorForm::Compact,
            fault: Fault::Other,
            header: None,
        }
    }

    /// The same as the handler of web actions answers it.
    pub(crate) fn of_web(self, cors: Cors) -> Self {
        Self {
            cors,
            form: ErrorForm::Pretty,
            ..self
        }
    }

    /// The same with the header that names an activation.
    pub(crate) fn with_activation(mut self, id: ActivationId) -> Self {
        self.header = HeaderValue::try_from(id.to_string())
            .ok()
            .map(|value| (ACTIVATION_ID, value));
        self
    }

    /// A failure found before a handler ran: no CORS headers.
    pub(crate) fn rejection(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            cors: Cors::Absent,
            ..Self::new(status, message)
        }
    }

    /// 401 of the API's authentication, with its challenge.
    pub(crate) fn unauthenticated(message: &str) -> Self {
        let challenge = "Basic realm=\"OpenWhisk secure realm\",charset=UTF-8";
        Self {
            header: Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            )),
            ..Self::rejection(StatusCode::UNAUTHORIZED, message)
        }
    }

    /// 404 because no route leads there.
    pub(crate) fn no_route() -> Self {
        Self::rejection(StatusCode::NOT_FOUND, messages::NO_ROUTE)
    }

    /// 405 with the methods that there are.
    pub(crate) fn bad_method(allowed: &'static str) -> Self {
        Self {
            header: Some((header::ALLOW, HeaderValue::from_static(allowed))),
            ..Self::rejection(
                StatusCode::METHOD_NOT_ALLOWED,
                messages::bad_method(allowed),
            )
        }
    }

    /// 400 because of the body's content.
    pub(crate) fn malformed(detail: &str) -> Self {
        Self::rejection(StatusCode::BAD_REQUEST, messages::malformed(detail))
    }

    /// 404 because the entity is missing.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, messages::NOT_FOUND)
    }

    /// 403 naming what may not be used.
    pub(crate) fn forbidden(names: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, messages::not_authorized(names))
    }

    /// 409 because the name belongs to another kind of entity.
    pub(crate) fn other_collection() -> Self {
        Self {
            fault: Fault::OtherCollection,
            ..Self::new(StatusCode::CONFLICT, messages::OTHER_COLLECTION)
        }
    }

    /// 409 because another update came first.
    pub(crate) fn conflict() -> Self {
        Self {
            fault: Fault::Conflict,
            ..Self::new(StatusCode::CONFLICT, messages::CONCURRENT_MODIFICATION)
        }
    }

    /// 500 as after a crash: the bare text.
    pub(crate) fn crash() -> Self {
        Self {
            form: ErrorForm::Plain,
            ..Self::rejection(StatusCode::INTERNAL_SERVER_ERROR, messages::INTERNAL_ERROR)
        }
    }

    /// 500 with the default text.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, messages::INTERNAL_ERROR)
    }
}

/// rest-api §5.5.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::conflict(),
            StoreError::Missing { .. } => Self::not_found(),
            StoreError::Corrupt { .. } => {
                tracing::error!(error = %Chain(&error), "stored document cannot be read");
                Self {
                    fault: Fault::Corrupt,
                    ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, messages::CORRUPT)
                }
            }
            StoreError::Full => {
                tracing::error!("the store is full");
                Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "The store is full. Nothing was changed.",
                )
            }
            StoreError::Unavailable(_) => {
                tracing::error!(error = %Chain(&error), "store failed");
                Self::internal()
            }
        }
    }
}

/// rest-api §5.5, invocation §6.
impl From<BusError> for ApiError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, messages::TOO_LARGE),
            BusError::Full { .. }
            | BusError::Closed { .. }
            | BusError::Unavailable(_)
            | BusError::Withdrawn => {
                tracing::warn!(error = %Chain(&error), "activation was not accepted");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, messages::UNAVAILABLE)
            }
        }
    }
}

/// Prints an error and everything behind it.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'a));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rest-api §5.3, §5.5; invocation §6: which status and text each fault below the API has.
    #[test]
    fn faults_below_the_api_have_their_status_and_text() {
        let away = || Box::<dyn std::error::Error + Send + Sync>::from("away");
        let id = || oxwhisk_store::DocumentId::from("guest/a");
        let bus = || "invoker0".into();
        for (error, status, text) in [
            (
                ApiError::from(StoreError::Conflict { id: id() }),
                409,
                messages::CONCURRENT_MODIFICATION,
            ),
            (
                StoreError::Missing { id: id() }.into(),
                404,
                "The requested resource does not exist.",
            ),
            (
                StoreError::Corrupt {
                    id: id(),
                    source: away(),
                }
                .into(),
                500,
                "Resource is corrupted and cannot be read.",
            ),
            (
                StoreError::Unavailable(away()).into(),
                500,
                "There was an internal server error.",
            ),
            (
                StoreError::Full.into(),
                507,
                "The store is full. Nothing was changed.",
            ),
            (
                BusError::TooLarge.into(),
                413,
                "The request content is larger than the server is willing or able to process.",
            ),
            (
                BusError::Full { topic: bus() }.into(),
                503,
                messages::UNAVAILABLE,
            ),
            (
                BusError::Closed { topic: bus() }.into(),
                503,
                messages::UNAVAILABLE,
            ),
            (
                BusError::Unavailable(away()).into(),
                503,
                messages::UNAVAILABLE,
            ),
        ] {
            assert_eq!((error.status.as_u16(), &*error.message), (status, text));
        }
    }

    /// Callers retry by the fault, whatever the text is.
    #[test]
    fn a_fault_is_known_by_its_kind_and_not_by_its_text() {
        let id = "guest/a".into();
        let of_store = ApiError::from(StoreError::Conflict { id });
        assert_eq!(of_store.fault, Fault::Conflict);
        assert_eq!(ApiError::other_collection().fault, Fault::OtherCollection);
        let same_text = ApiError::new(StatusCode::CONFLICT, messages::CONCURRENT_MODIFICATION);
        assert_eq!(same_text.fault, Fault::Other);
    }
}
