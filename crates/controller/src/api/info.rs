//! Documents about the server itself. Source: rest-api §1.

use http::{HeaderValue, StatusCode, header};
use oxwhisk_entity::Json;
use serde_json::json;

use crate::api_docs;
use crate::controller::Controller;
use crate::http::{ApiError, Cors, Entity, Reply, Request};
use crate::messages;

const MEBIBYTE: i64 = 1024 * 1024;

impl Controller {
    /// `GET /`: what `wsk` reads to learn limits and kinds.
    pub(crate) fn info(&self) -> Reply {
        let limits = &self.config.limits;
        let action = &limits.action;
        let bytes = |mebibytes: i32| i64::from(mebibytes) * MEBIBYTE;
        let runtimes = self.config.manifest.to_api();
        let document = json!({
            "description": "OpenWhisk",
            "support": {
                "github": "https://github.com/apache/openwhisk/issues",
                "slack": "http://slack.openwhisk.org",
            },
            "api_paths": ["/api/v1"],
            "limits": {
                "actions_per_minute": limits.invocations_per_minute,
                "triggers_per_minute": limits.fires_per_minute,
                "concurrent_actions": limits.concurrent_invocations,
                "sequence_length": limits.sequence_length,
                "min_action_duration": action.timeout.min,
                "max_action_duration": action.timeout.max,
                "min_action_memory": bytes(action.memory.min),
                "max_action_memory": bytes(action.memory.max),
                "min_action_logs": bytes(action.logs.min),
                "max_action_logs": bytes(action.logs.max),
                "default_min_action_duration": action.timeout.min,
                "default_max_action_duration": action.timeout.max,
                "default_min_action_memory": bytes(action.memory.min),
                "default_max_action_memory": bytes(action.memory.max),
                "default_min_action_logs": bytes(action.logs.min),
                "default_max_action_logs": bytes(action.logs.max),
            },
        });
        let mut members = Json::of(&document).members().unwrap_or_default();
        members.set("runtimes".to_owned(), runtimes);
        Reply::json(members.to_json()).with_cors(Cors::Absent)
    }

    /// `GET /api/v1`
    pub(crate) fn version(&self) -> Reply {
        Reply::json(Json::of(&json!({
            "description": "OpenWhisk API",
            "api_version": "1.0.0",
            "api_version_path": "v1",
            "build": self.config.build.date,
            "buildno": self.config.build.number,
            "swagger_paths": {"ui": "/docs", "api-docs": "/api-docs"},
        })))
    }

    /// `GET /api/v1/api-docs`
    pub(crate) fn api_docs(&self) -> Reply {
        Reply::json(self.descriptions.api(&self.config))
    }

    /// `GET /api-docs`
    pub(crate) fn root_api_docs(&self) -> Reply {
        Reply::json(self.descriptions.server()).with_cors(Cors::Absent)
    }

    pub(crate) fn docs_redirect(to: &'static str, cors: Cors) -> Reply {
        let page = format!(
            "The request, and all future requests should be repeated using <a href=\"{to}\">this URI</a>."
        );
        let mut reply =
            Reply::new(StatusCode::PERMANENT_REDIRECT, Entity::Html(page)).with_cors(cors);
        reply
            .headers
            .insert(header::LOCATION, HeaderValue::from_static(to));
        reply
    }

    /// `GET …/docs/index.html`
    pub(crate) fn docs_page() -> Reply {
        Reply::new(StatusCode::OK, Entity::Html(api_docs::PAGE.to_owned()))
    }

    /// `GET /invokers`: like the original's standalone server, whose one invoker is not listed.
    pub(crate) fn invokers(&self) -> Reply {
        Reply::json(Json::empty_object()).with_cors(Cors::Server)
    }

    /// `GET /invokers/healthy/count`
    pub(crate) fn healthy_invokers(&self) -> Reply {
        Reply::json(Json::from(0)).with_cors(Cors::Server)
    }

    /// `GET /invokers/ready`
    pub(crate) fn invokers_ready(&self) -> Reply {
        let entity = Entity::Json(Json::of(&json!({"unhealthy": "0/0"})));
        Reply::new(StatusCode::INTERNAL_SERVER_ERROR, entity).with_cors(Cors::Server)
    }

    /// `GET /activation`
    pub(crate) fn in_flight(&self) -> Reply {
        Reply::json(Json::of(&self.balancer.all())).with_cors(Cors::Server)
    }

    /// `GET /activation/count`
    pub(crate) fn in_flight_count(&self) -> Reply {
        Reply::json(Json::from(self.balancer.total() as u64)).with_cors(Cors::Server)
    }

    /// `POST /disable`: for operators, of whom there is none yet, so it is refused like a wrong password.
    pub(crate) fn disable(request: &Request) -> ApiError {
        let given = request
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let scheme = given
            .and_then(|text| text.split_once(' '))
            .map(|(scheme, _)| scheme);
        let text = match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("basic") => messages::WRONG_PASSWORD,
            _ => messages::UNAUTHORIZED,
        };
        ApiError {
            cors: Cors::Server,
            ..ApiError::new(StatusCode::UNAUTHORIZED, text)
        }
    }
}
