//! What an operator can set.

use std::collections::BTreeMap;
use std::time::Duration;

use oxwhisk_bus::InvokerId;
use oxwhisk_container::ResponseLimit;
use oxwhisk_entity::{ByteSize, LimitBounds, RecordKeeping};

/// Settings of one invoker. [`InvokerConfig::new`] gives OpenWhisk's defaults.
#[derive(Debug, Clone)]
pub struct InvokerConfig {
    /// Who it is: names the topic that it reads and the containers that it makes.
    pub id: InvokerId,
    /// Memory that all its containers may be given together, stem cells included. Default 2048 MB.
    /// Actions that ask for more than this fail with a whisk internal error.
    pub user_memory: ByteSize,
    /// How long a container stays running after its last activation before it is paused. Default 10 s.
    /// Zero pauses at once.
    pub pause_grace: Duration,
    /// How long a paused container, or a surplus stem cell, is kept before it is removed. Default
    /// 10 min. Zero removes at once.
    pub idle_container_timeout: Duration,
    /// Variables that every container gets at its start, above all `__OW_API_HOST`. Default none.
    pub environment: BTreeMap<String, String>,
    /// What actions may ask for; checked again before each activation. Default OpenWhisk's bounds.
    pub limits: LimitBounds,
    /// How much of a runtime's answer is kept. Default 1 MB, and 1 MB of a longer one.
    pub response: ResponseLimit,
    /// Which records are stored, and whether a result waits for its record. Default all, and none does.
    pub records: RecordKeeping,
    /// How long the end marks of an activation's log are waited for. Default 2 s; zero takes what is there.
    pub log_wait: Duration,
    /// How many activations may be taken off the bus without a container to run them. Default 512.
    /// When it is reached no more are taken; they stay on the bus, whose bound then counts.
    pub max_waiting: usize,
    /// How many bytes of arguments such activations may hold together. Default 64 MB; works like `max_waiting`.
    pub max_waiting_size: ByteSize,
    /// How many bytes of records may wait to be written before nothing more begins. Default 64 MB. A quarter of it is
    /// what one namespace may have waiting before nothing more of that namespace begins.
    pub max_unwritten: ByteSize,
    /// How often an activation is given to another container because one was leaving. Default 3; then it
    /// fails with a whisk internal error.
    pub max_reschedules: u32,
    /// How many actions are remembered with their code (up to 16 KB each; larger code is fetched when a
    /// container is initialised). Default 1024; zero remembers none.
    pub action_cache_entries: usize,
    /// At shutdown: how long running activations may go on at most. Default 30 s.
    pub shutdown_grace: Duration,
    /// At shutdown: how long is waited for containers to be gone and records to be stored; half of it while the store
    /// refuses records. Default 10 s.
    pub flush_grace: Duration,
}

impl InvokerConfig {
    /// Returns the defaults for an invoker.
    #[must_use]
    pub fn new(id: InvokerId) -> Self {
        Self {
            id,
            user_memory: ByteSize::mib(2048),
            pause_grace: Duration::from_secs(10),
            idle_container_timeout: Duration::from_secs(600),
            environment: BTreeMap::new(),
            limits: LimitBounds::default(),
            response: ResponseLimit {
                max: ByteSize::mib(1),
                truncation: ByteSize::mib(1),
            },
            records: RecordKeeping::default(),
            log_wait: Duration::from_secs(2),
            max_waiting: 512,
            max_waiting_size: ByteSize::mib(64),
            max_unwritten: ByteSize::mib(64),
            max_reschedules: 3,
            action_cache_entries: 1024,
            shutdown_grace: Duration::from_secs(30),
            flush_grace: Duration::from_secs(10),
        }
    }
}
