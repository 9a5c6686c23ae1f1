//! Which handler a request goes to.

mod endpoints;

pub(crate) use endpoints::{PublicCall, ServerCall};

use std::sync::Arc;

use http::Method;
use oxwhisk_entity::{EntityName, NameError};
use oxwhisk_store::Collection;

use crate::controller::Controller;
use crate::http::{ApiError, Cors, Reply, Request, percent_decode};
use crate::messages;
use crate::serve::Origin;
use crate::web::WebPath;

/// Everything below counts as the API, character by character: `/api/v1x` too (observed.md).
const API: &str = "/api/v1";
/// Methods of a path of an entity, as its 405 lists them.
const ENTITY_METHODS: &str = "PUT, GET, DELETE, POST, HEAD, OPTIONS, PATCH";
/// Methods of a web action, as its 405 lists them.
const WEB_METHODS: &str = "GET, DELETE, POST, PUT, HEAD, OPTIONS, PATCH";

impl Controller {
    /// Answers a request. Source: rest-api §1, §4.
    pub(crate) async fn route(
        self: &Arc<Self>,
        request: &Request,
        path: &str,
    ) -> Result<Reply, ApiError> {
        match path.strip_prefix(API) {
            Some(below) => self.route_api(request, below).await,
            None => self.route_server(request, path),
        }
    }

    /// Checks who sends a request whose body is still to be read.
    pub(crate) async fn admit(&self, request: &Request, path: &str) -> Result<(), ApiError> {
        match path.strip_prefix(API) {
            Some(below) if WebPath::parse(below).is_none() && request.method != Method::OPTIONS => {
                self.authenticator
                    .identify(&request.headers)
                    .await
                    .map(|_identity| ())
            }
            _ => Ok(()),
        }
    }

    /// The server's own endpoints. An unknown path answers 405, for `OPTIONS` exists everywhere (rest-api §4.4).
    fn route_server(&self, request: &Request, path: &str) -> Result<Reply, ApiError> {
        if request.method == Method::OPTIONS {
            return Ok(Reply::ok().with_cors(Cors::Server));
        }
        let outside = request.origin != Origin::Container;
        let call = ServerCall::parse(&request.method, path)
            .filter(|call| outside || call.is_for_actions());
        match call {
            Some(ServerCall::Info) => Ok(self.info()),
            Some(ServerCall::Ping) => Ok(Reply::text("pong").with_cors(Cors::Absent)),
            Some(ServerCall::ApiDocs) => Ok(self.root_api_docs()),
            Some(ServerCall::Docs) => Ok(Self::docs_redirect(
                "docs/index.html?url=/api-docs",
                Cors::Absent,
            )),
            Some(ServerCall::DocsPage) => Ok(Self::docs_page().with_cors(Cors::Absent)),
            Some(ServerCall::Invokers) => Ok(self.invokers()),
            Some(ServerCall::HealthyInvokers) => Ok(self.healthy_invokers()),
            Some(ServerCall::InvokersReady) => Ok(self.invokers_ready()),
            Some(ServerCall::InFlight) => Ok(self.in_flight()),
            Some(ServerCall::InFlightCount) => Ok(self.in_flight_count()),
            Some(ServerCall::Disable) => Err(Self::disable(request)),
            None if matches!(path, "/" | "/ping") => Err(ApiError::bad_method("GET, OPTIONS")),
            None if !path.starts_with("/invokers") || !outside => {
                Err(ApiError::bad_method("OPTIONS"))
            }
            None if request.method == Method::GET => Err(ApiError::no_route()),
            None if matches!(path, "/invokers" | "/invokers/") => {
                Err(ApiError::bad_method("OPTIONS, GET"))
            }
            None => Err(ApiError::bad_method("OPTIONS")),
        }
    }

    async fn route_api(
        self: &Arc<Self>,
        request: &Request,
        below: &str,
    ) -> Result<Reply, ApiError> {
        if let Some(path) = WebPath::parse(below) {
            return if is_exotic(&request.method) {
                Err(ApiError::bad_method(WEB_METHODS))
            } else {
                self.web_action(request, &path).await
            };
        }
        if request.method == Method::OPTIONS {
            return Ok(Reply::ok());
        }
        if is_exotic(&request.method) {
            return Err(ApiError::bad_method(ENTITY_METHODS));
        }
        match PublicCall::parse(&request.method, below) {
            Some(PublicCall::Version) => return Ok(self.version()),
            Some(PublicCall::ApiDocs) => return Ok(self.api_docs()),
            Some(PublicCall::Docs) => {
                return Ok(Self::docs_redirect(
                    "docs/index.html?url=/api/v1/api-docs",
                    Cors::Rest,
                ));
            }
            Some(PublicCall::DocsPage) => return Ok(Self::docs_page()),
            None => {}
        }
        let segments: Vec<&str> = below.split('/').skip(1).collect();
        let identity = self.authenticator.identify(&request.headers).await?;
        match ApiPath::parse(&request.method, &segments).ok_or_else(ApiError::no_route)? {
            ApiPath::Namespaces => Ok(Self::namespaces(&identity)),
            ApiPath::Within { namespace, call } => {
                let namespace = namespace_of(namespace, &identity.namespace.name)?;
                self.call(request, &identity, namespace, call).await
            }
        }
    }
}

/// True for the methods that HTTP knows and no path has: they answer 405, where others that a path lacks answer 404.
pub(crate) fn is_exotic(method: &Method) -> bool {
    matches!(method.as_str(), "TRACE" | "QUERY")
}

/// What a path of the API that needs credentials asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiPath<'a> {
    /// List the caller's namespaces.
    Namespaces,
    /// Do something in a namespace; its name still encoded.
    Within { namespace: &'a str, call: Call<'a> },
}

impl<'a> ApiPath<'a> {
    /// Reads the segments below the API's prefix; `None` if there is no such path or it lacks the method.
    pub(crate) fn parse(method: &Method, segments: &[&'a str]) -> Option<Self> {
        match segments {
            ["namespaces"] | ["namespaces", ""] => {
                (*method == Method::GET).then_some(Self::Namespaces)
            }
            ["namespaces", namespace, collection, rest @ ..] => {
                let call = Call::parse(method, collection, rest)?;
                Some(Self::Within { namespace, call })
            }
            _ => None,
        }
    }
}

/// What a path below a namespace and a method ask for; names still encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call<'a> {
    /// List a collection.
    List(Collection),
    /// List the actions of a package.
    ListPackage { package: &'a str },
    /// Read, write, delete or activate one entity.
    Entity {
        collection: Collection,
        package: Option<&'a str>,
        name: &'a str,
        verb: Verb,
    },
    /// List activations.
    ListActivations,
    /// Read an activation, or a part of it.
    Activation { id: &'a str, part: ActivationPart },
    /// Read the limits of the namespace.
    Limits,
    /// Read something below the limits.
    LimitsInner,
}

/// What is done with an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Put,
    Delete,
    Post,
}

/// Which part of an activation is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivationPart {
    Record,
    Result,
    Logs,
}

impl<'a> Call<'a> {
    /// Returns what is asked for; `None` if there is no such path or it lacks the method.
    fn parse(method: &Method, collection: &str, rest: &[&'a str]) -> Option<Self> {
        let get = *method == Method::GET;
        let collection = match (collection, rest) {
            ("limits", [] | [""]) if get => return Some(Self::Limits),
            ("limits", [_]) if get => return Some(Self::LimitsInner),
            ("activations", [] | [""]) if get => return Some(Self::ListActivations),
            ("activations", [id] | [id, ""]) if get => {
                return Some(Self::activation(id, ActivationPart::Record));
            }
            ("activations", [id, "result"]) if get => {
                return Some(Self::activation(id, ActivationPart::Result));
            }
            ("activations", [id, "logs"]) if get => {
                return Some(Self::activation(id, ActivationPart::Logs));
            }
            ("actions", _) => Collection::Actions,
            ("packages", _) => Collection::Packages,
            ("triggers", _) => Collection::Triggers,
            ("rules", _) => Collection::Rules,
            _ => return None,
        };
        let verb = match *method {
            Method::GET => Verb::Get,
            Method::PUT => Verb::Put,
            Method::DELETE => Verb::Delete,
            Method::POST if collection != Collection::Packages => Verb::Post,
            _ => return None,
        };
        match (collection, rest) {
            (_, [] | [""]) => get.then_some(Self::List(collection)),
            (_, [name]) => Some(Self::Entity {
                collection,
                package: None,
                name,
                verb,
            }),
            (Collection::Actions, [package, ""]) => get.then_some(Self::ListPackage { package }),
            (Collection::Actions, [package, name]) => Some(Self::Entity {
                collection,
                package: Some(package),
                name,
                verb,
            }),
            _ => None,
        }
    }

    fn activation(id: &'a str, part: ActivationPart) -> Self {
        Self::Activation { id, part }
    }
}

/// Reads the namespace of a path; `_` is the caller's own. Source: rest-api §4.1–4.2.
fn namespace_of(segment: &str, own: &EntityName) -> Result<EntityName, ApiError> {
    let decoded = percent_decode(segment);
    match decoded.as_ref() {
        "" => Err(ApiError::no_route()),
        "_" => Ok(own.clone()),
        longer if longer.starts_with('_') => Err(ApiError::no_route()),
        text => EntityName::new(text).map_err(|error| {
            let text = match error {
                NameError::TooLong(length) => {
                    format!("Namespace longer than allowed: {length} > 256.")
                }
                NameError::Illegal => messages::NAMESPACE_ILLEGAL.to_owned(),
            };
            ApiError::rejection(http::StatusCode::BAD_REQUEST, text)
        }),
    }
}

/// Reads the name of an entity. Source: rest-api §4.2.
pub(crate) fn name_of(segment: &str) -> Result<EntityName, ApiError> {
    EntityName::new(&percent_decode(segment)).map_err(|error| {
        let text = match error {
            NameError::TooLong(length) => {
                format!("Name segement longer than allowed: {length} > 256.")
            }
            NameError::Illegal => messages::NAME_ILLEGAL.to_owned(),
        };
        ApiError::rejection(http::StatusCode::BAD_REQUEST, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rest-api §4.1: where a trailing slash leads.
    #[test]
    fn paths_lead_to_calls() {
        let parse =
            |method, collection, rest: &[&'static str]| Call::parse(&method, collection, rest);
        assert_eq!(
            parse(Method::GET, "actions", &[""]),
            Some(Call::List(Collection::Actions))
        );
        assert_eq!(
            parse(Method::GET, "actions", &["p", ""]),
            Some(Call::ListPackage { package: "p" })
        );
        assert_eq!(parse(Method::POST, "actions", &["p", ""]), None);
        assert_eq!(parse(Method::GET, "triggers", &["t", ""]), None);
        assert_eq!(parse(Method::POST, "packages", &["p"]), None);
        assert_eq!(parse(Method::PATCH, "actions", &["a"]), None);
        let entity = Call::Entity {
            collection: Collection::Actions,
            package: Some("p"),
            name: "a",
            verb: Verb::Post,
        };
        assert_eq!(parse(Method::POST, "actions", &["p", "a"]), Some(entity));
        assert_eq!(parse(Method::DELETE, "activations", &["x"]), None);
    }
}
