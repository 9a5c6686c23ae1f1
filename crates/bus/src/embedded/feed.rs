//! The receivers' ends.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{AckFeed, Acknowledgement, ActivationFeed, Delivery};

use super::delivery::Received;
use super::topic::{Inbox, Topic};

/// The activations of one invoker.
#[derive(Debug)]
pub(super) struct Activations {
    topic: Arc<Topic>,
    /// Taken only when the feed is dropped.
    inbox: Option<Inbox>,
}

impl Activations {
    pub(super) fn new(topic: Arc<Topic>, inbox: Inbox) -> Self {
        Self {
            topic,
            inbox: Some(inbox),
        }
    }
}

#[async_trait]
impl ActivationFeed for Activations {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let shipment = self.inbox.as_mut()?.next().await?;
        Some(Box::new(Received(shipment)))
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            self.topic.return_inbox(inbox);
        }
    }
}

/// The acknowledgements of one controller.
#[derive(Debug)]
pub(super) struct Acknowledgements(pub(super) mpsc::Receiver<Acknowledgement>);

#[async_trait]
impl AckFeed for Acknowledgements {
    async fn next(&mut self) -> Option<Acknowledgement> {
        self.0.recv().await
    }
}
