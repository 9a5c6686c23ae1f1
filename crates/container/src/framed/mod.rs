//! The framed protocol between the platform and its own launchers.
//!
//! Messages are lines of JSON over a connected Unix stream socket; logs come through two pipes. Each
//! call that waits drives the input and output of its container itself, in the caller's task: there
//! is no reader task, so a warm run is one chain of awaits. Of several waiting calls one drives and
//! wakes the others ([`transport`]).

mod answers;
mod descriptors;
mod log_frames;
mod transport;

pub(crate) use descriptors::Pipes;
pub(crate) use transport::Framed;

use answers::Refusal;

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FramedError {
    /// The launcher had closed its end before it took the request.
    NotTaken,
    /// The launcher closed its end, or broke the protocol.
    Lost,
    /// The sandbox could not be set up.
    Refused(Refusal),
}
