//! The traits that every bus implements.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Acknowledgement, ActivationMessage, ControllerId, InvokerId};

/// What a send promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The message survives a crash of every process before the send returns; asked for when the
    /// caller is told an identifier before the activation has ended.
    Durable,
    /// The message may be lost in a crash: a caller waits and will see the connection break. See
    /// [`SentActivation::persist`].
    Volatile,
}

/// Why the bus did not take or give a message.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The queue of the receiver is full.
    #[error("the queue of `{topic}` is full")]
    Full {
        /// The receiver.
        topic: String,
    },
    /// The message is larger than the bus carries.
    #[error("the message is too large")]
    TooLarge,
    /// Storage or network failed; the message may or may not have been taken.
    #[error("could not reach the message bus")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The sender took the activation back, so it must not be run.
    #[error("the activation was withdrawn")]
    Withdrawn,
    /// The receiver ended.
    #[error("`{topic}` has no receiver")]
    Closed {
        /// The receiver.
        topic: String,
    },
}

/// Carries activations to invokers and acknowledgements to controllers, each topic in order.
#[async_trait]
pub trait MessageBus: Send + Sync + fmt::Debug {
    /// Sends an activation to an invoker.
    ///
    /// # Errors
    /// [`BusError`]; after `Full`, `TooLarge` and `Closed` the message was certainly not taken.
    async fn send_activation(
        &self,
        invoker: &InvokerId,
        message: Arc<ActivationMessage>,
        durability: Durability,
    ) -> Result<Box<dyn SentActivation>, BusError>;

    /// Promises an activation that the caller carries out itself, such as a sequence: it is not sent, but if
    /// every process dies before its record is stored, the next receiver of this invoker gets it as one that was
    /// started. With [`Durability::Volatile`] nothing is promised until [`SentActivation::persist`].
    ///
    /// # Errors
    /// [`BusError`]; nothing is promised then.
    async fn hold_activation(
        &self,
        invoker: &InvokerId,
        message: Arc<ActivationMessage>,
        durability: Durability,
    ) -> Result<Box<dyn SentActivation>, BusError>;

    /// Receives the activations of an invoker. One receiver for each invoker at a time.
    ///
    /// First come those that an earlier process accepted durably and did not finish.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn activations(&self, invoker: &InvokerId) -> Result<Box<dyn ActivationFeed>, BusError>;

    /// Sends an acknowledgement to a controller; not durable, since records are.
    ///
    /// # Errors
    /// [`BusError`].
    async fn acknowledge(
        &self,
        controller: &ControllerId,
        ack: Acknowledgement,
    ) -> Result<(), BusError>;

    /// Receives the acknowledgements for a controller. One receiver for each controller at a time.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn acknowledgements(
        &self,
        controller: &ControllerId,
    ) -> Result<Box<dyn AckFeed>, BusError>;
}

/// The sender's hold on an activation that it sent.
#[async_trait]
pub trait SentActivation: Send + Sync + fmt::Debug {
    /// Makes a volatile message durable after the fact, because its caller is told the identifier
    /// now. Does nothing for a durable one.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn persist(&self) -> Result<(), BusError>;

    /// Takes a held activation off the bus without a record.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn release(&self) -> Result<(), BusError>;

    /// Takes an activation back that no receiver has begun, whether it waits or was received: it is not delivered any
    /// more, and [`Delivery::start`] refuses it. Returns false if it was begun, or is held; nothing has changed then.
    ///
    /// The journal is rid of it before the return if the message is durable. One whose [`SentActivation::persist`]
    /// failed is withdrawn even if the journal cannot be reached.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if a durable message could not be taken off; it is not withdrawn then.
    async fn withdraw(&self) -> Result<bool, BusError>;

    /// Returns false once it is certain that nobody in this life of the receiver will complete it: it was received,
    /// and [`Delivery`] dropped. True while it waits to be received, and for a held activation.
    fn is_held(&self) -> bool;
}

/// The activations that come for one invoker.
#[async_trait]
pub trait ActivationFeed: Send + fmt::Debug {
    /// Waits for the next one; `None` when the bus was shut down. Cancel-safe.
    async fn next(&mut self) -> Option<Box<dyn Delivery>>;
}

/// An activation in the hands of an invoker.
///
/// A delivery that is dropped without [`Delivery::start`] is delivered again in the next process.
#[async_trait]
pub trait Delivery: Send + Sync + fmt::Debug {
    /// Returns the message.
    fn message(&self) -> &Arc<ActivationMessage>;

    /// Returns true if an earlier process had started it and not finished: it must not be run again,
    /// but recorded as lost.
    fn was_started(&self) -> bool;

    /// Writes down that it is about to run, so that it is never run twice. Durable for durable messages
    /// when it returns.
    ///
    /// # Errors
    /// [`BusError::Unavailable`], or [`BusError::Withdrawn`] if its sender took it back, which no repetition changes;
    /// it must not be run then.
    async fn start(&self) -> Result<(), BusError>;

    /// Takes it off the bus without a record.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn finish(&self) -> Result<(), BusError>;

    /// Is called once its record is stored. Where bus and store share a database the record has taken it off
    /// by itself and nothing is left to do; other buses take it off now.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn recorded(&self) -> Result<(), BusError> {
        Ok(())
    }
}

/// The acknowledgements that come for one controller.
#[async_trait]
pub trait AckFeed: Send + fmt::Debug {
    /// Waits for the next one; `None` when the bus was shut down. Cancel-safe.
    async fn next(&mut self) -> Option<Acknowledgement>;
}
