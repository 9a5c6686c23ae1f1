//! A controller over real sockets, with the embedded store and bus, and an invoker that the test plays.
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod description;
mod entities;
mod feeds;
mod fires;
mod hosts;
mod invocations;
mod lists;
mod namespaces;
mod order;
mod refusals;
mod shapes;
mod support;
mod web;
