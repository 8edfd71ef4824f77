//! What can be said of manifest files without a chain.

use crate::{deploy, output::Failure, Context};
use clap::Args;
use leasehold_client::units;
use leasehold_manifest::{sdl, totals, Fault, Kind, Level, Sums};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Validate {
	/// Manifest files: SDL 2.0 or 2.1, or Compose if one is called `compose.yaml` or
	/// `docker-compose.yaml`.
	#[arg(required = true)]
	files: Vec<PathBuf>,
}

impl Validate {
	/// A line a fault, `file:line:column: key: reason`; with `--output json` an object a file.
	pub fn run(self, context: &Context) -> Result<(), Failure> {
		let mut refused = 0usize;
		for file in &self.files {
			let (sdl, mut faults) = sdl::read(file)
				.unwrap_or_else(|error| (None, vec![sdl::whole_file(error.to_string())]));
			if let Some(sdl) = &sdl {
				for why in &sdl.unserved {
					// A service may stand in several placements.
					if !faults.contains(why) {
						faults.push(why.clone());
					}
				}
				faults.sort_by_key(|fault| (fault.line, fault.column));
			}
			let name = file.display();
			let Sums {
				services,
				cpu_millis,
				memory_bytes,
				storage_bytes,
				gpu_units,
			} = sdl.as_ref().map(|sdl| sdl.sums).unwrap_or_default();
			let value = json!({
				"file": name.to_string(), "ok": sdl.is_some(), "services": services,
				"cpu_millis": cpu_millis, "memory_bytes": memory_bytes,
				"storage_bytes": storage_bytes, "gpu_units": gpu_units, "faults": faults,
			});
			context.out.one_of_many(value, || {
				let line = |fault: &Fault| match fault.level {
					Level::Error => format!("{name}:{fault}\n"),
					Level::Warning => format!("{name}:{fault} (warning)\n"),
				};
				faults.iter().map(line).collect()
			});
			match sdl {
				Some(_) => context.out.stage(format!(
					"{name}: {}, {cpu_millis} milli-CPU, {} MiB of memory, {} MiB of storage, {}",
					units::count(services, "service"),
					memory_bytes.div_ceil(1 << 20),
					storage_bytes.div_ceil(1 << 20),
					units::count(gpu_units as usize, "GPU"),
				)),
				None => refused = refused.saturating_add(1),
			}
		}
		if refused == 0 {
			return Ok(());
		}
		let all = units::count(self.files.len(), "file");
		let what = format!("{refused} of {all} cannot be used");
		Err(Failure::new(
			2,
			what,
			"Correct what is named above; warnings alone do not count.",
		))
	}
}

#[derive(Debug, Args)]
pub struct Price {
	/// The manifest file.
	file: PathBuf,
	/// Milliseconds of a block.
	#[arg(long, value_name = "MILLISECONDS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
	slot: u64,
}

impl Price {
	/// The ceilings that the file sets, and what each placement asks for.
	pub fn run(self, context: &Context) -> Result<(), Failure> {
		let file = deploy::read(context, &self.file)?;
		let overflow = || Failure::new(2, "the sums over all replicas overflow", "Ask for less.");
		let mut all = Vec::new();
		let mut text = String::new();
		for placement in &file.placements {
			let sums = totals(&placement.services).ok_or_else(overflow)?;
			let hour = placement
				.max_rate
				.map(|rate| units::hourly(rate, self.slot));
			let persistent: u64 = sums.persistent.values().map(|size| u64::from(*size)).sum();
			let gpus: u64 = sums.gpu.iter().map(|gpu| u64::from(gpu.units)).sum();
			let kept = match persistent {
				0 => String::new(),
				size => format!(", {size} MiB of volumes"),
			};
			let gpus_too = match gpus {
				0 => String::new(),
				n => format!(", {}", units::count(n, "GPU")),
			};
			text.push_str(&format!(
				"{}: {} milli-CPU, {} MiB of memory, {} MiB of storage{kept}{gpus_too}\n",
				placement.name, sums.cpu, sums.memory, sums.ephemeral,
			));
			match (placement.max_rate, hour) {
				(Some(rate), Some(hour)) => text.push_str(&format!(
					"  at most {} a block, {} an hour, {} (a block each {} ms: --slot)\n",
					units::lease(rate),
					units::lease(hour),
					match placement
						.services
						.first()
						.filter(|one| one.kind == Kind::Job)
					{
						Some(job) => {
							let seconds = job.max_duration.saturating_mul(job.attempts.into());
							let blocks = seconds.saturating_mul(1_000).div_ceil(self.slot);
							let whole = units::lease(rate.saturating_mul(blocks.into()));
							format!("{whole} if it takes all of its time")
						}
						None => format!("{} in 30 days", units::lease(hour.saturating_mul(720))),
					},
					self.slot,
				)),
				_ => text.push_str("  the file sets no ceiling: `deploy` needs --max-price\n"),
			}
			all.push(json!({
				"placement": placement.name, "cpu_millis": sums.cpu, "memory_mib": sums.memory,
				"ephemeral_mib": sums.ephemeral, "persistent_mib": sums.persistent,
				"gpu_units": gpus, "ports": sums.ports, "ips": sums.ips,
				"planck_a_block": placement.max_rate.map(|rate| rate.to_string()),
				"planck_an_hour": hour.map(|hour| hour.to_string()),
			}));
		}
		let value = json!({ "file": self.file.display().to_string(), "placements": all });
		context.out.result(value, || text);
		Ok(())
	}
}
