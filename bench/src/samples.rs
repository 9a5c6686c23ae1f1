//! Many measurements of one thing.

use std::time::Duration;

use serde_json::{Value, json};

/// Measurements in no order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a measurement.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Adds a time, in milliseconds.
    pub(crate) fn push_ms(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    /// Adds times, in microseconds.
    pub(crate) fn extend_us(&mut self, times: &[Duration]) {
        self.0
            .extend(times.iter().map(|time| time.as_secs_f64() * 1e6));
    }

    /// Returns the value below which a share of them lies, from 0 to 100 percent; NaN without any.
    pub(crate) fn percentile(&self, share: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted
            .get(last * share.min(100) / 100)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Returns the median; NaN without any.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// Returns `{"n", "min", "p50", "p99", "max"}`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "n": self.0.len(),
            "min": rounded(self.percentile(0)),
            "p50": rounded(self.median()),
            "p99": rounded(self.percentile(99)),
            "max": rounded(self.percentile(100)),
        })
    }
}

/// Rounds to a thousandth.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let mut samples = Samples::default();
        assert!(samples.median().is_nan());
        for value in [5.0, 1.0, 3.0, 2.0, 4.0] {
            samples.push(value);
        }
        assert_eq!(samples.median(), 3.0);
        assert_eq!((samples.percentile(0), samples.percentile(100)), (1.0, 5.0));
    }
}
