//! HTTP as OpenWhisk's clients see it: requests taken apart once, answers with their headers.

mod error;
mod headers;
mod hosts;
mod list;
mod negotiation;
mod pretty;
mod query;
mod reply;
mod request;
mod target;

pub(crate) use error::{ApiError, ErrorForm, Fault};
pub(crate) use headers::{Cors, EXTRA_LOGGING, RequestId};
pub use hosts::{ApiHosts, HostName, HostNameError};
pub(crate) use list::{Element, List, ResponseBody};
pub(crate) use negotiation::{accepts_type, accepts_utf8};
pub(crate) use pretty::pretty;
pub(crate) use query::{ListQuery, Query};
pub(crate) use reply::{Entity, Reply};
pub(crate) use request::Request;
pub(crate) use target::{Target, TargetError, normalized_path, percent_decode};
