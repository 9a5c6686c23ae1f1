//! The server's memory and containers during the load and after it.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use oxwhisk_testing::processes::resident_kib;
use oxwhisk_testing::{DeadlinePassed, eventually};
use tokio::task::JoinSet;

use crate::processes::{Family, Memory};

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(1);
/// How long the stem cells may take to be there.
const STEMS_PATIENCE: Duration = Duration::from_secs(20);
/// How long their number must stay the same to be taken for all.
const STEADY: Duration = Duration::from_secs(3);

/// What one sample found.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    pss_mib: f64,
    rss_mib: f64,
    containers: usize,
}

/// Looks at one server.
#[derive(Debug)]
pub(super) struct Watch {
    pid: u32,
    /// Containers that are there without any load.
    stems: usize,
    samples: Mutex<Vec<Sample>>,
}

/// What is to be judged.
#[derive(Debug)]
pub(super) struct Highest {
    pub(super) highest_pss_mib: f64,
}

impl Watch {
    /// Counts the containers of a server that has had no load yet, once it has its stem cells: those of its languages
    /// come one after the other.
    ///
    /// # Errors
    /// A server without stem cells, or that goes on to make some.
    pub(super) async fn start(pid: u32) -> Result<Self> {
        let steady = steady(STEMS_PATIENCE, STEADY, || Family::of(pid).containers.len());
        let stems = steady.await.context("the server makes no stem cells")?;
        Ok(Self {
            pid,
            stems,
            samples: Mutex::default(),
        })
    }

    /// Samples until all clients have ended.
    ///
    /// # Errors
    /// A client that panicked.
    pub(super) async fn sample_while(&self, mut clients: JoinSet<()>) -> Result<()> {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                ended = clients.join_next() => match ended {
                    Some(ended) => ended.context("a client failed")?,
                    None => return Ok(()),
                },
                _ = ticks.tick() => {
                    let sample = self.sample();
                    self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                }
            }
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "memory in MiB is a small number"
    )]
    fn sample(&self) -> Sample {
        Sample {
            pss_mib: Memory::of(&[self.pid]).pss,
            rss_mib: resident_kib(self.pid) as f64 / 1024.0,
            containers: Family::of(self.pid).containers.len(),
        }
    }

    /// Prints the course of the memory.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn print(&self, out: &mut impl Write) -> Result<Highest> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let highest =
            |of: fn(&Sample) -> f64, part: &[Sample]| part.iter().map(of).fold(0.0, f64::max);
        let quarter = samples.len().div_ceil(4).max(1);
        let quarters: Vec<String> = samples
            .chunks(quarter)
            .map(|part| format!("{:.0}", highest(|sample| sample.pss_mib, part)))
            .collect();
        let containers = samples.iter().map(|sample| sample.containers).max();
        writeln!(
            out,
            "server: highest PSS by quarters {} MiB, highest RSS {:.0} MiB, up to {} containers",
            quarters.join(", "),
            highest(|sample| sample.rss_mib, &samples),
            containers.unwrap_or(0)
        )?;
        Ok(Highest {
            highest_pss_mib: highest(|sample| sample.pss_mib, &samples),
        })
    }

    /// Waits until no more containers are there than before the load.
    ///
    /// # Errors
    /// Containers that stay.
    pub(super) async fn containers_left(&self, patience: Duration) -> Result<()> {
        let left = eventually(patience, async || {
            let count = Family::of(self.pid).containers.len();
            (count <= self.stems).then_some(count)
        });
        if left.await.is_err() {
            let count = Family::of(self.pid).containers.len();
            bail!(
                "{count} containers are left; without load there were {}",
                self.stems
            );
        }
        Ok(())
    }
}

/// Waits until a number that is not 0 has stayed the same for `long`, and returns it.
async fn steady(
    patience: Duration,
    long: Duration,
    mut count: impl FnMut() -> usize,
) -> Result<usize, DeadlinePassed> {
    let (mut last, mut since) = (0, Instant::now());
    eventually(patience, || {
        let now = count();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        std::future::ready((now > 0 && since.elapsed() >= long).then_some(now))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_stem_cells_of_the_second_language_are_waited_for() {
        let began = Instant::now();
        let count = || match began.elapsed().as_millis() {
            0..50 => 0,
            50..100 => 1,
            _ => 2,
        };
        let patience = Duration::from_secs(10);
        let stems = steady(patience, Duration::from_millis(500), count).await;
        assert_eq!(stems.unwrap(), 2);
    }
}
