//! Web actions: actions as endpoints of plain HTTP.
//!
//! A request becomes the arguments of an action ([`arguments`]), the action runs on behalf of the owner of its
//! namespace ([`handler`]), and its result becomes the answer ([`projection`], [`message_http`]).
//! Source: invocation §9.

mod access;
mod arguments;
mod handler;
mod media;
mod message_http;
mod path;
mod projection;

pub(crate) use path::WebPath;
