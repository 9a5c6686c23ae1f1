//! What an action may use, and what a deployment allows.

use serde::{Deserialize, Serialize};

use crate::json::{Json, JsonKind, Members};

/// Limits of one action. Source: entities §6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionLimits {
    /// Milliseconds that initialisation and each run may take.
    pub timeout: i32,
    /// Memory in MB.
    pub memory: i32,
    /// Log size in MB; 0 keeps no logs.
    pub logs: i32,
    /// How many activations one container may run at once.
    #[serde(default = "one")]
    pub concurrency: i32,
    /// How many containers the action may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<i32>,
}

fn one() -> i32 {
    1
}

impl Default for ActionLimits {
    fn default() -> Self {
        Self {
            timeout: 60_000,
            memory: 256,
            logs: 10,
            concurrency: 1,
            instances: None,
        }
    }
}

/// The limits that a request names; the others keep what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LimitsPatch {
    /// See [`ActionLimits::timeout`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i32>,
    /// See [`ActionLimits::memory`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i32>,
    /// See [`ActionLimits::logs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<i32>,
    /// See [`ActionLimits::concurrency`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i32>,
    /// See [`ActionLimits::instances`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<i32>,
}

/// A limit that cannot be read, or that is out of bounds. The messages are OpenWhisk's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A fault that stands in the text of the request.
    #[error("{0}")]
    Malformed(String),
    /// A value above or below what is allowed.
    #[error("requirement failed: {0}")]
    OutOfBounds(String),
}

impl LimitsPatch {
    /// Reads the member `limits` of an action request.
    ///
    /// # Errors
    /// [`LimitError::Malformed`] with the detail texts of entities §3.4.
    pub fn from_json(value: &Json) -> Result<Self, LimitError> {
        let members = value.members().ok_or_else(|| {
            LimitError::Malformed("Object expected in field 'timeout'".to_owned())
        })?;
        let timeout = whole(&members, "timeout", "time")?;
        let memory = size(&members, "memory", "memory")?;
        let logs = size(&members, "logs", "log")?;
        let concurrency = named(&members, "concurrency", "intra concurrency", "concurrency")?;
        let instances = whole(&members, "instances", "instance concurrency")?;
        if instances.is_some_and(|instances| instances < 0) {
            return Err(LimitError::Malformed(
                "requirement failed: Action container concurrency must be greater than or equal to 0.".to_owned(),
            ));
        }
        Ok(Self {
            timeout,
            memory,
            logs,
            concurrency,
            instances,
        })
    }

    /// Returns the limits with the named ones replaced.
    #[must_use]
    pub fn apply(&self, base: ActionLimits) -> ActionLimits {
        ActionLimits {
            timeout: self.timeout.unwrap_or(base.timeout),
            memory: self.memory.unwrap_or(base.memory),
            logs: self.logs.unwrap_or(base.logs),
            concurrency: self.concurrency.unwrap_or(base.concurrency),
            instances: self.instances.or(base.instances),
        }
    }

    /// Checks the named limits in the order memory, time, logs, concurrency.
    ///
    /// # Errors
    /// [`LimitError::OutOfBounds`] of the first that is not allowed.
    pub fn check(&self, bounds: &LimitBounds) -> Result<(), LimitError> {
        let check = |what: &str, value: Option<i32>, bound: Bound, unit: &str| match value {
            Some(n) if n > bound.max => {
                let text = format!(
                    "{what} {n}{unit} exceeds allowed threshold of {}{unit}",
                    bound.max
                );
                Err(LimitError::OutOfBounds(text))
            }
            Some(n) if n < bound.min => {
                let text = format!(
                    "{what} {n}{unit} below allowed threshold of {}{unit}",
                    bound.min
                );
                Err(LimitError::OutOfBounds(text))
            }
            _ => Ok(()),
        };
        check("memory size", self.memory, bounds.memory, " MB")?;
        check("duration", self.timeout, bounds.timeout, " milliseconds")?;
        check("log size", self.logs, bounds.logs, " MB")?;
        check("concurrency", self.concurrency, bounds.concurrency, "")
    }
}

impl From<ActionLimits> for LimitsPatch {
    fn from(limits: ActionLimits) -> Self {
        Self {
            timeout: Some(limits.timeout),
            memory: Some(limits.memory),
            logs: Some(limits.logs),
            concurrency: Some(limits.concurrency),
            instances: limits.instances,
        }
    }
}

fn size(members: &Members, member: &str, text: &str) -> Result<Option<i32>, LimitError> {
    let value = whole(members, member, text)?;
    if value.is_some_and(|value| value < 0) {
        let text = "requirement failed: a negative size of an object is not allowed.";
        return Err(LimitError::Malformed(text.to_owned()));
    }
    Ok(value)
}

fn whole(members: &Members, member: &str, text: &str) -> Result<Option<i32>, LimitError> {
    named(members, member, text, text)
}

fn named(
    members: &Members,
    member: &str,
    whole: &str,
    wrong: &str,
) -> Result<Option<i32>, LimitError> {
    let Some(value) = members.get_some(member) else {
        return Ok(None);
    };
    if value.kind() != JsonKind::Number {
        return Err(LimitError::Malformed(format!("{wrong} limit malformed")));
    }
    whole_number(value.text()).map(Some).ok_or_else(|| {
        LimitError::Malformed(format!(
            "requirement failed: {whole} limit must be whole number"
        ))
    })
}

/// Reads a whole number; one beyond 32 bits wraps around, as in the original. `None` with a fraction.
fn whole_number(text: &str) -> Option<i32> {
    let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.trim_start_matches('+').parse().ok()?;
    let negative = whole.starts_with('-');
    let mut digits: Vec<u8> = whole
        .bytes()
        .chain(fraction.bytes())
        .filter(u8::is_ascii_digit)
        .map(|b| b - b'0')
        .collect();
    let shift = exponent - i64::try_from(fraction.len()).ok()?;
    if shift < 0 {
        let cut = usize::try_from(-shift).ok()?;
        let keep = digits.len().saturating_sub(cut);
        if digits.split_off(keep).iter().any(|&digit| digit != 0) {
            return None;
        }
    }
    let mut value = digits.iter().fold(0_i32, |sum, &d| {
        sum.wrapping_mul(10).wrapping_add(i32::from(d))
    });
    // 10^32 and more are multiples of 2^32, so nothing is left of them.
    for _ in 0..shift.clamp(0, 33) {
        value = value.wrapping_mul(10);
    }
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// Least and greatest value of a limit, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Least value.
    pub min: i32,
    /// Greatest value.
    pub max: i32,
}

/// What a deployment allows actions to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitBounds {
    /// Milliseconds.
    pub timeout: Bound,
    /// MB.
    pub memory: Bound,
    /// MB.
    pub logs: Bound,
    /// Activations per container.
    pub concurrency: Bound,
}

impl Default for LimitBounds {
    /// OpenWhisk's shipped bounds.
    fn default() -> Self {
        Self {
            timeout: Bound {
                min: 100,
                max: 300_000,
            },
            memory: Bound { min: 128, max: 512 },
            logs: Bound { min: 0, max: 10 },
            concurrency: Bound { min: 1, max: 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LimitsPatch, LimitError> {
        LimitsPatch::from_json(&Json::parse(text.as_bytes()).unwrap())
    }

    /// entities §3.4 and observed.md; recordings `actions-faults/limit-*`.
    #[test]
    fn faults_have_the_texts_of_the_original() {
        for (text, error) in [
            (
                r#"{"timeout":1.5}"#,
                "requirement failed: time limit must be whole number",
            ),
            (r#"{"timeout":"100"}"#, "time limit malformed"),
            (
                r#"{"memory":-1}"#,
                "requirement failed: a negative size of an object is not allowed.",
            ),
            (
                r#"{"concurrency":1.5}"#,
                "requirement failed: intra concurrency limit must be whole number",
            ),
            (r#"{"concurrency":true}"#, "concurrency limit malformed"),
            (
                r#"{"instances":"1"}"#,
                "instance concurrency limit malformed",
            ),
            ("[1]", "Object expected in field 'timeout'"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), error, "{text}");
        }
        assert_eq!(
            read(r#"{"timeout":1000.0,"memory":null}"#).unwrap().timeout,
            Some(1000)
        );
        assert_eq!(
            read(r#"{"timeout":100000000000000000000}"#)
                .unwrap()
                .timeout,
            Some(1_661_992_960)
        );
    }

    #[test]
    fn the_first_breach_is_reported() {
        let patch = read(r#"{"logs":99,"memory":1,"timeout":1}"#).unwrap();
        assert_eq!(
            patch
                .check(&LimitBounds::default())
                .unwrap_err()
                .to_string(),
            "requirement failed: memory size 1 MB below allowed threshold of 128 MB"
        );
    }
}
