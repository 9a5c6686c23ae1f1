//! The table and the JSON.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::machine;
use crate::options::Options;
use crate::samples::rounded;

/// A bound that a figure is meant to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Shown for information.
    None,
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    phase: &'static str,
    label: String,
    value: String,
    aim: String,
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    keys: Map<String, Value>,
    phases: Map<String, Value>,
    machine: Value,
    load_at_end: String,
    is_quick: bool,
}

impl Report {
    /// Starts an empty report.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            rows: Vec::new(),
            keys: Map::new(),
            phases: Map::new(),
            machine: machine::describe(),
            load_at_end: String::new(),
            is_quick: options.quick,
        }
    }

    /// Adds a figure under its own name in the JSON and as a line of the table.
    pub(crate) fn figure(
        &mut self,
        phase: &'static str,
        key: &str,
        label: &str,
        (value, unit): (f64, &str),
        aim: Aim,
    ) {
        self.keys.insert(key.to_owned(), json!(rounded(value)));
        let aim = match aim {
            Aim::AtMost(bound) if value <= bound => format!("≤ {bound} kept"),
            Aim::AtMost(bound) => format!("≤ {bound} MISSED"),
            Aim::AtLeast(bound) if value >= bound => format!("≥ {bound} kept"),
            Aim::AtLeast(bound) => format!("≥ {bound} MISSED"),
            Aim::None => String::new(),
        };
        self.rows.push(Row {
            phase,
            label: label.to_owned(),
            value: format!("{value:.2} {unit}"),
            aim,
        });
    }

    /// Adds a line to the table only.
    pub(crate) fn line(&mut self, phase: &'static str, label: &str, value: String) {
        self.rows.push(Row {
            phase,
            label: label.to_owned(),
            value,
            aim: String::new(),
        });
    }

    /// Adds what a phase has measured.
    pub(crate) fn raw(&mut self, phase: &'static str, value: Value) {
        self.phases.insert(phase.to_owned(), value);
    }

    /// Notes how busy the machine was in the end.
    pub(crate) fn finish(&mut self) {
        self.load_at_end = machine::load_average();
    }

    /// Prints the table.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<()> {
        let text = |name: &str| match self.machine.get(name) {
            Some(Value::String(text)) => text.clone(),
            other => other.map_or_else(String::new, Value::to_string),
        };
        writeln!(
            out,
            "{} × {}, Linux {}, load {} at start, {} at end{}\n",
            text("cores"),
            text("cpu"),
            text("kernel"),
            text("load_average"),
            self.load_at_end,
            if self.is_quick { ", quick" } else { "" }
        )?;
        let width = |column: fn(&Row) -> &str| {
            let lengths = self.rows.iter().map(|row| column(row).chars().count());
            lengths.max().unwrap_or_default()
        };
        let (labels, values) = (width(|row| &row.label), width(|row| &row.value));
        let mut phase = "";
        for row in &self.rows {
            let shown = if row.phase == phase { "" } else { row.phase };
            phase = row.phase;
            let Row {
                label, value, aim, ..
            } = row;
            let line = format!("{shown:9} {label:labels$}  {value:>values$}  {aim}");
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Writes the JSON.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let mut all = self.keys.clone();
        all.insert("quick".to_owned(), self.is_quick.into());
        all.insert("machine".to_owned(), self.machine.clone());
        all.insert(
            "load_average_at_end".to_owned(),
            self.load_at_end.clone().into(),
        );
        all.insert("phases".to_owned(), Value::Object(self.phases.clone()));
        let text = serde_json::to_string_pretty(&all)? + "\n";
        std::fs::write(path, text).with_context(|| format!("could not write `{}`", path.display()))
    }
}
