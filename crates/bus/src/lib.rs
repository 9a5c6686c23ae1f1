//! The message bus between controllers and invokers.
//!
//! Controllers send activations to an invoker; invokers send acknowledgements to the controller that
//! asked. The traits here are the seam; the backends are modules named only by `server`. A backend
//! neither retries nor interprets what it carries.
#![forbid(unsafe_code)]

#[cfg(feature = "test-util")]
pub mod conformance;
pub mod embedded;
mod instance;
mod message;
mod seam;

pub use instance::{ControllerId, InvokerId, TransactionId};
pub use message::{Acknowledgement, ActivationMessage};
pub use seam::{
    AckFeed, ActivationFeed, BusError, Delivery, Durability, MessageBus, SentActivation,
};
