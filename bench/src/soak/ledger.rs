//! What all clients have seen.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::samples::Samples;

/// So many faults are told in full.
const TOLD: usize = 20;
/// So many latencies of each kind of request are kept; later ones replace earlier ones.
const KEPT: usize = 20_000;

/// Answers and faults of all clients.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    kinds: BTreeMap<&'static str, Kind>,
    records: u64,
    faults: u64,
    told: Vec<String>,
}

#[derive(Debug, Default)]
struct Kind {
    statuses: BTreeMap<u16, u64>,
    latencies: Vec<Duration>,
    count: usize,
}

impl Ledger {
    pub(super) fn answered(&self, kind: &'static str, status: u16, took: Duration) {
        let mut entries = self.lock();
        let kind = entries.kinds.entry(kind).or_default();
        *kind.statuses.entry(status).or_default() += 1;
        match kind.latencies.get_mut(kind.count % KEPT) {
            Some(place) => *place = took,
            None => kind.latencies.push(took),
        }
        kind.count += 1;
    }

    pub(super) fn record_checked(&self) {
        self.lock().records += 1;
    }

    pub(super) fn fault(&self, text: String) {
        let mut entries = self.lock();
        entries.faults += 1;
        if entries.told.len() < TOLD {
            entries.told.push(text);
        }
    }

    /// Prints a line for each kind of request.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn print(&self, out: &mut impl Write, seconds: u64) -> Result<()> {
        let entries = self.lock();
        let total: usize = entries.kinds.values().map(|kind| kind.count).sum();
        writeln!(
            out,
            "{total} requests in {seconds} s, {} records checked, {} faults",
            entries.records, entries.faults
        )?;
        for (name, kind) in &entries.kinds {
            let mut samples = Samples::default();
            kind.latencies
                .iter()
                .for_each(|took| samples.push_ms(*took));
            let statuses: Vec<String> = kind
                .statuses
                .iter()
                .map(|(status, count)| format!("{status}: {count}"))
                .collect();
            writeln!(
                out,
                "  {name:18} {:>7}  p50 {:>7.1} ms  p99 {:>7.1} ms  {}",
                kind.count,
                samples.median(),
                samples.percentile(99),
                statuses.join(", ")
            )?;
        }
        for text in &entries.told {
            writeln!(out, "FAULT {text}")?;
        }
        Ok(())
    }

    /// Fails if there was any fault, or no work.
    ///
    /// # Errors
    /// The number of faults.
    pub(super) fn verdict(&self) -> Result<()> {
        let entries = self.lock();
        if entries.faults > 0 {
            bail!(
                "{} answers or records were not as they must be",
                entries.faults
            );
        }
        if entries.records == 0 {
            bail!("no record was checked");
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
