//! Log frames: lines that a launcher sends with the activation they belong to, where runs may overlap.

use std::time::SystemTime;

use foldhash::{HashMap, HashMapExt};
use oxwhisk_entity::{ActivationId, ByteSize};

use crate::log_buffer::LogBuffer;
use crate::{LogOutcome, Logs, Stream};

/// Activations whose log frames are kept until they are asked for.
const LOGS_MAX: usize = 1024;

/// The log frames of a container by activation, bounded together.
#[derive(Debug)]
pub(super) struct LogFrames {
    by_activation: HashMap<ActivationId, LogBuffer>,
    /// Bytes of text in all of them; at most `capacity`.
    bytes: u64,
    capacity: ByteSize,
}

impl LogFrames {
    pub(super) fn new(capacity: ByteSize) -> Self {
        Self {
            by_activation: HashMap::new(),
            bytes: 0,
            capacity,
        }
    }

    /// Keeps a line, or notes that one was dropped. Lines of an activation that neither runs nor has any are not kept.
    pub(super) fn keep(
        &mut self,
        id: ActivationId,
        is_running: bool,
        stream: Stream,
        text: Option<&str>,
    ) {
        let has_room = self.by_activation.len() < LOGS_MAX;
        let is_known = self.by_activation.contains_key(&id) || (is_running && has_room);
        if !is_known {
            return;
        }
        let capacity = self.capacity;
        let text = text.filter(|text| self.bytes + text.len() as u64 <= capacity.as_bytes());
        let buffer = self
            .by_activation
            .entry(id)
            .or_insert_with(|| LogBuffer::new(capacity));
        let before = buffer.size();
        match text {
            Some(text) => buffer.push(stream, text, SystemTime::now()),
            None => buffer.push_gap(stream, SystemTime::now()),
        }
        self.bytes += buffer.size().saturating_sub(before);
    }

    /// Takes those of one activation.
    pub(super) fn take(&mut self, id: &ActivationId, limit: ByteSize) -> Logs {
        match self.by_activation.remove(id) {
            Some(mut frames) => {
                self.bytes = self.bytes.saturating_sub(frames.size());
                frames.take(limit, LogOutcome::Complete)
            }
            None => Logs {
                lines: Vec::new(),
                outcome: LogOutcome::Complete,
            },
        }
    }
}
