//! A controller over real sockets, with the embedded store and bus, and an invoker that the test plays.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where it cannot go on"
)]

mod annotations;
mod arguments;
mod bindings;
mod description;
mod documentation;
mod endpoints;
mod entities;
mod faults;
mod feeds;
mod fires;
mod hosts;
mod invocations;
mod kinds;
mod lists;
mod namespaces;
mod order;
mod refusals;
mod shapes;
mod sizes;
mod steps;
mod support;
mod throttles;
mod timers;
mod web;
