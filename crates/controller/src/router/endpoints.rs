//! The endpoints that are no calls on a namespace.

use http::Method;

/// What a path outside the API asks for. Source: rest-api §1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerCall {
    Info,
    Ping,
    ApiDocs,
    Docs,
    DocsPage,
    Invokers,
    HealthyInvokers,
    InvokersReady,
    InFlight,
    InFlightCount,
    Disable,
}

impl ServerCall {
    /// Returns what is asked for; `None` if there is no such path or it lacks the method.
    pub(crate) fn parse(method: &Method, path: &str) -> Option<Self> {
        let call = match path {
            "/" => Self::Info,
            "/ping" => Self::Ping,
            "/api-docs" | "/api-docs/" => Self::ApiDocs,
            "/docs" => Self::Docs,
            "/docs/index.html" => Self::DocsPage,
            "/invokers" | "/invokers/" => Self::Invokers,
            "/invokers/healthy/count" => Self::HealthyInvokers,
            "/invokers/ready" => Self::InvokersReady,
            "/activation" | "/activation/" => Self::InFlight,
            "/activation/count" => Self::InFlightCount,
            "/disable" => Self::Disable,
            _ => return None,
        };
        (*method == call.method()).then_some(call)
    }

    fn method(self) -> Method {
        match self {
            Self::Disable => Method::POST,
            _ => Method::GET,
        }
    }

    /// What goes on in the server is no business of an action.
    pub(crate) fn is_for_actions(self) -> bool {
        matches!(self, Self::Info | Self::Ping)
    }
}

/// What a path of the API asks for that needs no credentials. Source: rest-api §1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicCall {
    Version,
    ApiDocs,
    Docs,
    DocsPage,
}

impl PublicCall {
    /// Reads a path below the API's prefix; `None` if there is no such path or it lacks the method.
    pub(crate) fn parse(method: &Method, below: &str) -> Option<Self> {
        match below {
            _ if *method != Method::GET => None,
            "" | "/" => Some(Self::Version),
            "/api-docs" | "/api-docs/" => Some(Self::ApiDocs),
            "/docs" => Some(Self::Docs),
            "/docs/index.html" => Some(Self::DocsPage),
            _ => None,
        }
    }
}
