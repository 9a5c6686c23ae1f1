//! The end of an activation: its record is stored, its controller told.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use oxwhisk_bus::Acknowledgement;
use oxwhisk_entity::{
    ActivationResponse, Asked, RecordDurability, ResponseStatus, WhiskActivation,
};
use oxwhisk_store::StoreError;

use crate::caught::{Panicked, caught};
use crate::context::Context;
use crate::job::{Job, ReadyJob};
use crate::record;

/// Ends an activation that ran: says that its slot is free as soon as its record can be read, and sees to it that the
/// record is stored. A caller who waits for each result is not refused because the disk is slower than that: what is not
/// written yet is bounded by its bytes, see [`crate::backlog`].
///
/// With [`RecordDurability::Sync`] who waits for the result gets it here, when its record is on the disk.
pub(crate) async fn finish(context: &Context, job: Job, record: Arc<WhiskActivation>) {
    let _waiting = context
        .backlog
        .add(&job.message.user.namespace.name, &record);
    if job.message.blocking && context.config.records.durability == RecordDurability::Sync {
        return finish_recorded(context, job, record).await;
    }
    let ack = Acknowledgement::Completion {
        activation_id: record.activation_id,
        invoker: context.config.id.clone(),
        is_system_error: record.response.status == ResponseStatus::WhiskError,
    };
    let mut completion = Some(ack);
    if keep(context, &job, record, &mut completion).await {
        complete(context, &job, &mut completion).await;
    }
}

/// Tells the controller that an activation has ended, unless that was done.
async fn complete(context: &Context, job: &Job, completion: &mut Option<Acknowledgement>) {
    if let Some(ack) = completion.take() {
        let controller = &job.message.root_controller_index;
        context.acknowledge(controller, ack).await;
    }
}

/// Ends an activation for which no container could be had.
pub(crate) async fn finish_unplaced(
    context: Arc<Context>,
    ready: ReadyJob,
    response: ActivationResponse,
) {
    let ReadyJob { job, action } = ready;
    let now_ms = context.clock.epoch_ms();
    let record = record::of_run(&job.message, &action, response, &job.timing, now_ms);
    finish_recorded(&context, job, Arc::new(record)).await;
}

/// Ends an activation without looking at its action.
pub(crate) async fn finish_unknown(context: Arc<Context>, job: Job, response: ActivationResponse) {
    let record = record::of_nothing(&job.message, response, context.clock.epoch_ms());
    finish_recorded(&context, job, Arc::new(record)).await;
}

/// Ends an activation whose result is handed out when its record is stored.
async fn finish_recorded(context: &Context, job: Job, record: Arc<WhiskActivation>) {
    if !keep(context, &job, record.clone(), &mut None).await {
        return;
    }
    let ack = Acknowledgement::CombinedCompletionAndResult {
        is_system_error: record.response.status == ResponseStatus::WhiskError,
        activation: record,
        invoker: context.config.id.clone(),
    };
    let controller = &job.message.root_controller_index;
    context.acknowledge(controller, ack).await;
}

/// Takes an activation without a record off the bus, however often that must be tried: while it is there the next
/// process believes that it was interrupted, and runs it again if its action allows that. Returns false if it was
/// given up at shutdown.
async fn take_off(context: &Context, job: &Job) -> bool {
    let activation_id = job.message.activation_id;
    let mut retries = context.retries();
    while let Err(error) = job.delivery.finish().await {
        tracing::error!(%activation_id, %error, "activation not taken off the bus yet");
        if !retries.wait().await {
            tracing::error!(%activation_id, "activation stays on the bus");
            return false;
        }
    }
    true
}

/// Stores a record, unless nobody wants it (rest-api §15), and takes the activation off the bus. `completion` goes out
/// when the record is in the hands of the store.
///
/// A store that is full or away is tried again until it takes the record: the activation stays on the
/// bus, and nothing new is taken in or begins. Returns false if that was given up at shutdown; the activation is then
/// found on the bus by the next process.
async fn keep(
    context: &Context,
    job: &Job,
    record: Arc<WhiskActivation>,
    completion: &mut Option<Acknowledgement>,
) -> bool {
    let status = record.response.status.text();
    let activation_id = record.activation_id;
    let asked = Asked {
        limits: &job.message.user.limits,
        blocking: job.message.blocking,
        extra_logging: job.message.transid.extra_logging,
    };
    if !context.config.records.stores(asked, record.response.status) {
        tracing::debug!(%activation_id, status, "activation ended without a record");
        return take_off(context, job).await;
    }
    let mut retries = context.retries();
    loop {
        let mut storing = pin!(caught(context.activations.store(record.clone())));
        // The first poll makes the record readable.
        let stored = match poll_fn(|cx| Poll::Ready(storing.as_mut().poll(cx))).await {
            Poll::Ready(stored) => stored,
            Poll::Pending => {
                complete(context, job, completion).await;
                storing.await
            }
        };
        match stored {
            Ok(Ok(())) => break,
            // An earlier attempt was done though it seemed to have failed.
            Ok(Err(StoreError::Conflict { .. })) => break,
            Ok(Err(error @ (StoreError::Corrupt { .. } | StoreError::Missing { .. }))) => {
                tracing::error!(%activation_id, %error, "record refused");
                return true;
            }
            Ok(Err(error @ (StoreError::Full | StoreError::Unavailable(_)))) => {
                tracing::error!(%activation_id, %error, "record not stored yet");
            }
            Err(Panicked) => tracing::error!(%activation_id, "record not stored yet"),
        }
        if !retries.wait().await {
            tracing::error!(%activation_id, "record not stored");
            return false;
        }
    }
    if let Err(error) = job.delivery.recorded().await {
        tracing::warn!(%activation_id, %error, "activation not taken off the bus");
    }
    tracing::debug!(%activation_id, status, "activation recorded");
    true
}
