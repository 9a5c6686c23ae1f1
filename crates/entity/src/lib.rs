//! What OpenWhisk's API, bus and stores talk about: names, limits, actions, activations and their
//! JSON forms.
//!
//! No I/O, no async, no clock: a value comes in, a value or an error comes out.
#![forbid(unsafe_code)]

mod activation_id;
mod byte_size;

pub use activation_id::{ActivationId, ActivationIdError};
pub use byte_size::ByteSize;
