//! What comes out of a measurement.

use serde_json::{json, Value};
use std::path::Path;

/// A line of the result.
pub struct Figure {
	pub figure: String,
	pub value: f64,
	pub unit: &'static str,
	pub baseline: Option<f64>,
	pub goal: Option<f64>,
	/// Whether more is better.
	pub rising: bool,
}

impl Figure {
	fn ratio(&self) -> Option<f64> {
		self.baseline.map(|baseline| self.value / baseline)
	}

	fn met(&self) -> Option<bool> {
		let measure = self.ratio().unwrap_or(self.value);
		self.goal.map(|goal| match self.rising {
			true => measure >= goal,
			false => measure <= goal,
		})
	}

	fn json(&self) -> Value {
		json!({
			"figure": self.figure, "value": self.value, "unit": self.unit, "baseline": self.baseline,
			"ratio": self.ratio(), "goal": self.goal, "met": self.met(),
		})
	}
}

pub fn say(text: impl AsRef<str>) {
	println!("-- {}", text.as_ref());
}

pub fn median(mut all: Vec<f64>) -> f64 {
	all.sort_by(f64::total_cmp);
	all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A table with a bar for each ratio.
fn table(figures: &[Figure]) -> comfy_table::Table {
	let mut table = comfy_table::Table::new();
	table.load_preset(comfy_table::presets::UTF8_BORDERS_ONLY);
	table.set_header([
		"figure", "value", "baseline", "unit", "ratio", "", "goal", "met",
	]);
	for figure in figures {
		let ratio = figure.ratio();
		let bar = ratio.map_or(String::new(), |ratio| {
			let width = (ratio * 8.0).round().clamp(0.0, 40.0) as usize;
			"▇".repeat(width.max(1))
		});
		let text = |number: Option<f64>| number.map_or(String::new(), |n| format!("{n:.2}"));
		let met = figure
			.met()
			.map_or("", |met| if met { "yes" } else { "NO" });
		table.add_row([
			figure.figure.clone(),
			format!("{:.1}", figure.value),
			figure.baseline.map_or(String::new(), |n| format!("{n:.1}")),
			figure.unit.to_owned(),
			text(ratio),
			bar,
			text(figure.goal),
			met.to_owned(),
		]);
	}
	table
}

/// Shows the table, and writes it to a file.
pub fn write(figures: &[Figure], folder: &Path, name: &str) -> anyhow::Result<()> {
	println!("{}", table(figures));
	std::fs::create_dir_all(folder)?;
	let path = folder.join(name);
	let all: Vec<_> = figures.iter().map(Figure::json).collect();
	std::fs::write(&path, serde_json::to_vec_pretty(&all)?)?;
	println!("written to {}", path.display());
	Ok(())
}
