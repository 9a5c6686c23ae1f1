//! The framed protocol between the platform and its own launchers.
//!
//! Messages are lines of JSON over a connected Unix stream socket; logs come through two pipes. Each
//! call that waits drives the input and output of its container itself, in the caller's task: there
//! is no reader task, so a warm run is one chain of awaits. Of several waiting calls one drives and
//! wakes the others ([`transport`]).

mod answers;
mod descriptors;
mod transport;

pub(crate) use transport::{Framed, FramedError, Pipes};
