//! A controller over real sockets, with the embedded store and bus, and an invoker that the test plays.

mod entities;
mod invocations;
mod support;
