//! Files: the results of jobs, and what is in the volumes of services.

mod fetch;
mod send;

use super::{connect, session};
use crate::{
	gateway::{shown, Gateway, VolumePlace},
	output::{table, Failure},
	Context,
};
use clap::{Args, Subcommand};
use leasehold_client::{
	story,
	view::{Closed, LeaseRecordNow},
	volumes::{Kind, Volume},
	CloseReason, WorkloadKind,
};
use leasehold_manifest::{
	files::is_safe_path,
	result::{result_hash, Output},
};
use serde_json::json;
use std::{
	future::Future,
	path::PathBuf,
	sync::atomic::{AtomicU64, Ordering},
	time::Duration,
};

/// How often the progress of a transfer is shown.
const SHOW: Duration = Duration::from_millis(200);
/// How often a transfer that broke off goes on, without anything gained in between, and after how long.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub enum Files {
	/// List the results of a job, or what is in the volumes of services.
	///
	/// Without a path the volumes are listed:
	///   leasehold files ls 7
	///   leasehold files ls 7 /data --recursive
	#[command(verbatim_doc_comment)]
	Ls {
		/// Number of the lease.
		lease: u64,
		/// A folder or file as the service sees it.
		path: Option<String>,
		#[command(flatten)]
		which: Which,
		/// With all that is in folders.
		#[arg(long, short)]
		recursive: bool,
	},
	/// Fetch the results of a job, checked against the hash on chain, or files and folders of a running service.
	///
	///   leasehold files get 7 --to results            # all results of a job
	///   leasehold files get 7 /data/dump.sql          # a file of a service
	///   leasehold files get 7 /data/site --to copy    # a folder: copy/site
	///   leasehold files get 7 /data/site/ --to copy   # what is in it: copy
	///
	/// What is here already is not fetched again; interrupted, the same command goes on.
	#[command(verbatim_doc_comment)]
	Get {
		/// Number of the lease.
		lease: u64,
		/// Files and folders as the service sees them; none for the results of a job.
		paths: Vec<String>,
		#[command(flatten)]
		which: Which,
		/// Where to.
		#[arg(long, default_value = ".")]
		to: PathBuf,
	},
	/// Put files and folders into a volume of a running service.
	///
	///   leasehold files put 7 index.html /data        # /data/index.html
	///   leasehold files put 7 ./site /data            # a folder: /data/site
	///   leasehold files put 7 ./site/ /data           # what is in it
	///
	/// What is there already is not sent again; interrupted, the same command goes on. A file is replaced once all of
	/// the new one is there; what else is there stays.
	#[command(verbatim_doc_comment)]
	Put {
		/// Number of the lease.
		lease: u64,
		/// Files and folders of this machine, and the folder of the service that they go into.
		#[arg(required = true, num_args = 2.., value_names = ["FILE", "PATH"])]
		files: Vec<String>,
		#[command(flatten)]
		which: Which,
	},
	/// Remove files and folders, with all that is in them, from a volume of a service.
	Rm {
		/// Number of the lease.
		lease: u64,
		/// As the service sees them.
		#[arg(required = true)]
		paths: Vec<String>,
		#[command(flatten)]
		which: Which,
	},
}

/// Which replica is meant.
#[derive(Debug, Args)]
pub struct Which {
	/// The service whose volume it is, where several have one at that path.
	#[arg(long)]
	service: Option<String>,
	/// Which of its replicas, from 0.
	#[arg(long, default_value_t = 0)]
	replica: u32,
}

/// The results that are meant by paths, as they stand in `/out` or below it; all of them, if none is named.
fn chosen(outputs: Vec<Output>, paths: &[String]) -> Result<Vec<Output>, Failure> {
	if paths.is_empty() {
		return Ok(outputs);
	}
	let bare = paths.iter().map(|path| {
		let path = path.trim_matches('/');
		path.strip_prefix("out/")
			.unwrap_or(if path == "out" { "" } else { path })
	});
	let bare: Vec<_> = bare.collect();
	let is_it = |output: &Output, path: &str| {
		let rest = output.path.strip_prefix(path);
		path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
	};
	if let Some(none) = bare
		.iter()
		.find(|path| !outputs.iter().any(|one| is_it(one, path)))
	{
		let all: Vec<_> = outputs.iter().map(|one| one.path.as_str()).collect();
		let what = match all.is_empty() {
			true => "there are no results, and volumes go with their lease".to_owned(),
			false => format!("there is no result `{none}`; there are {}", all.join(", ")),
		};
		return Err(Failure::new(
			5,
			what,
			"`leasehold files ls LEASE` lists them.",
		));
	}
	let meant = outputs
		.into_iter()
		.filter(|one| bare.iter().any(|path| is_it(one, path)));
	Ok(meant.collect())
}

impl Files {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let lease = match &self {
			Self::Ls { lease, .. }
			| Self::Get { lease, .. }
			| Self::Put { lease, .. }
			| Self::Rm { lease, .. } => *lease,
		};
		let (chain, connection) = connect(context).await?;
		let (gateway, record) = session(context, &chain, &connection, lease).await?;
		let serves = match &record {
			LeaseRecordNow::Open(open) => open.kind == WorkloadKind::Service,
			_ => false,
		};
		context.out.if_interrupted("The same command goes on.");
		match self {
			Self::Ls {
				path,
				which,
				recursive,
				..
			} => match path.filter(|path| !serves || !path.trim_matches('/').is_empty()) {
				Some(path) if serves => list(context, &gateway, path, which, recursive).await,
				None if serves => volumes(context, &gateway).await,
				path => {
					let paths: Vec<_> = path.into_iter().collect();
					results(context, &gateway, &record, &paths, None).await
				}
			},
			Self::Get {
				paths, which, to, ..
			} => match serves {
				true if paths.is_empty() => {
					let what = "the lease is of services: name what is to be fetched";
					let advice = format!("`leasehold files ls {lease}` shows their volumes.");
					Err(Failure::new(2, what, advice))
				}
				true => {
					let places = places(&gateway, paths, which).await?;
					fetch::fetch(context, &gateway, places, &to).await
				}
				false => results(context, &gateway, &record, &paths, Some(to)).await,
			},
			Self::Put {
				mut files, which, ..
			} => {
				let to = files.pop().unwrap_or_default();
				let announced = send::collect(context, files).await?;
				let places = places(&gateway, vec![to], which).await?;
				let (place, _) = places.into_iter().next().ok_or_else(nothing)?;
				send::send(context, &gateway, &place, announced).await
			}
			Self::Rm { paths, which, .. } => {
				let places = places(&gateway, paths, which).await?;
				let mut paths = Vec::new();
				for (place, _) in &places {
					context.out.waiting(format!("removing {place}"));
					if let Err(failure) = gateway.remove_files(place).await {
						if !paths.is_empty() {
							context.out.stage(format!("removed {}", paths.join(", ")));
						}
						return Err(failure);
					}
					paths.push(place.to_string());
				}
				let json = json!({ "lease": lease, "removed": paths });
				context
					.out
					.result(json, || format!("removed {}", paths.join(", ")));
				Ok(())
			}
		}
	}
}

fn nothing() -> Failure {
	Failure::new(2, "nothing is named", "Name a file or a folder.")
}

/// Where paths lie, and whether what is in them is meant.
async fn places(
	gateway: &Gateway,
	paths: Vec<String>,
	which: Which,
) -> Result<Vec<(VolumePlace, bool)>, Failure> {
	let all = match which.service {
		Some(_) => Vec::new(),
		None => gateway.volumes().await?,
	};
	let mut places = Vec::new();
	for path in paths {
		let bare = path.trim_end_matches('/');
		let inner = bare.strip_prefix('/');
		if !path.starts_with('/') || inner.is_some_and(|inner| !is_safe_path(inner)) {
			let what = format!("`{path}` is no plain path of a service, from `/` on");
			return Err(Failure::new(
				2,
				what,
				"Give the path as the service sees it.",
			));
		}
		let service = match &which.service {
			Some(service) => service.clone(),
			None => service_at(&all, bare)?,
		};
		let place = VolumePlace {
			service,
			replica: which.replica,
			path: bare.to_owned(),
		};
		places.push((place, path.ends_with('/')));
	}
	Ok(places)
}

/// The one service that has a volume at a path.
fn service_at(all: &[Volume], path: &str) -> Result<String, Failure> {
	let inside = |volume: &&Volume| {
		let rest = path.strip_prefix(volume.path.as_str());
		rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
	};
	let mut found: Vec<_> = all
		.iter()
		.filter(inside)
		.map(|v| v.service.as_str())
		.collect();
	found.dedup();
	match found.as_slice() {
		[one] => Ok((*one).to_owned()),
		[] => {
			let volumes: Vec<_> = all
				.iter()
				.map(|v| format!("{}:{}", v.service, v.path))
				.collect();
			let has = match volumes.is_empty() {
				true => "the lease has none on disk".to_owned(),
				false => format!("there are {}", volumes.join(", ")),
			};
			let what = format!("`{path}` is in no volume: {has}");
			let advice =
				"Files outside of volumes go by `leasehold exec LEASE --no-terminal -- tar …`.";
			Err(Failure::new(2, what, advice))
		}
		several => {
			let what = format!(
				"several services have a volume there: {}",
				several.join(", ")
			);
			Err(Failure::new(2, what, "Name one of them by `--service`."))
		}
	}
}

/// Shows how many bytes have passed while something goes on.
async fn progress<T>(
	context: &Context,
	what: &str,
	(passed, all): (&AtomicU64, u64),
	going: impl Future<Output = T>,
) -> T {
	let mut going = std::pin::pin!(going);
	let mut tick = tokio::time::interval(SHOW);
	loop {
		tokio::select! {
			done = going.as_mut() => return done,
			_ = tick.tick() => {
				let passed = passed.load(Ordering::Relaxed);
				let share = passed.saturating_mul(100).checked_div(all).unwrap_or(100);
				context.out.waiting(format!("{what}: {passed} of {all} bytes ({share} %)"));
			}
		}
	}
}

/// Does what can be done anew, as long as the connection breaks off.
async fn again<T>(work: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
	let mut tries = 0u32;
	loop {
		match work().await {
			Err(failure) if failure.code == 6 && tries < TRIES => {
				tries = tries.saturating_add(1);
				tokio::time::sleep(PAUSE).await;
			}
			result => return result,
		}
	}
}

/// What is left out of a transfer, in a line.
fn tell_left_out(context: &Context, left_out: &[String]) {
	const SHOWN: usize = 10;
	if left_out.is_empty() {
		return;
	}
	let shown: Vec<_> = left_out.iter().take(SHOWN).map(String::as_str).collect();
	let more = match left_out.len().saturating_sub(SHOWN) {
		0 => String::new(),
		more => format!(" and {more} more"),
	};
	context.out.stage(format!(
		"left out, neither file nor folder: {}{more}",
		shown.join(", ")
	));
}

async fn volumes(context: &Context, gateway: &Gateway) -> Result<(), Failure> {
	let all = gateway.volumes().await?;
	let json = json!({ "lease": gateway.lease, "volumes": all });
	context.out.result(json, || {
		if all.is_empty() {
			return "the services have no volumes on disk".to_owned();
		}
		let rows = all.iter().map(|volume| {
			let Volume {
				service,
				replicas,
				path,
				size_mib,
				persistent,
				..
			} = volume;
			let lasts = if *persistent {
				"with the lease"
			} else {
				"until a restart"
			};
			let cells = [
				service.clone(),
				replicas.to_string(),
				path.clone(),
				size_mib.to_string(),
				lasts.to_owned(),
			];
			cells.into()
		});
		table(
			&["SERVICE", "REPLICAS", "PATH", "MIB", "KEPT"],
			rows.collect(),
		)
	});
	Ok(())
}

async fn list(
	context: &Context,
	gateway: &Gateway,
	path: String,
	which: Which,
	recursive: bool,
) -> Result<(), Failure> {
	let places = places(gateway, vec![path], which).await?;
	let (place, _) = places.into_iter().next().ok_or_else(nothing)?;
	let (entries, _) = gateway.entries(&place, recursive, false).await?;
	let json = json!({
		"lease": gateway.lease, "service": place.service, "replica": place.replica, "path": place.path,
		"files": entries,
	});
	context.out.result(json, || {
		let rows = entries.iter().map(|entry| {
			let mark = match entry.kind {
				Kind::Folder => "/",
				Kind::Link => "@",
				Kind::File | Kind::Other => "",
			};
			let name = shown(&entry.path);
			let size = match entry.kind {
				Kind::File => entry.size.to_string(),
				_ => "-".to_owned(),
			};
			vec![format!("{name}{mark}"), size, format!("{:o}", entry.mode)]
		});
		table(&["FILE", "BYTES", "MODE"], rows.collect())
	});
	Ok(())
}

/// The results of a job; fetched, if it is said where to.
async fn results(
	context: &Context,
	gateway: &Gateway,
	record: &LeaseRecordNow,
	paths: &[String],
	to: Option<PathBuf>,
) -> Result<(), Failure> {
	let over = match record {
		LeaseRecordNow::Closed(closed) => Some(story::reason(&closed.reason)),
		_ => None,
	};
	let outputs = gateway.outputs().await?;
	let mut checked = None;
	if let LeaseRecordNow::Swept = record {
		let what = "the chain keeps no record of the lease any more: what the provider has cannot be held against the hash there";
		context.out.stage(what);
	}
	if let LeaseRecordNow::Closed(Closed {
		reason: CloseReason::Completed {
			exit_code,
			result_hash: on_chain,
		},
		..
	}) = *record
	{
		if result_hash(&outputs, exit_code) != on_chain {
			let what = "the results are not those whose hash the provider put on chain";
			return Err(Failure::new(
				5,
				what,
				"Do not trust them; ask the provider.",
			));
		}
		checked = Some(true);
	}
	let outputs = chosen(outputs, paths)?;
	if let Some(to) = &to {
		for output in &outputs {
			let path = to.join(&output.path);
			let sha256 = hex::encode(output.sha256);
			if !fetch::is_here(&path, output.size, &sha256) {
				context.out.waiting(format!("fetching {}", output.path));
				again(|| gateway.fetch(output, &path)).await?;
			}
		}
	}
	let json = json!({ "lease": gateway.lease, "files": outputs, "matches_chain": checked });
	context.out.result(json, || {
		let rows = outputs
			.iter()
			.map(|o| vec![o.path.clone(), o.size.to_string()])
			.collect();
		let word = match checked {
			_ if outputs.is_empty() => "there are no results".to_owned(),
			Some(_) => "the results match the hash on chain".to_owned(),
			None => match &over {
				Some(why) => format!("no hash is on chain to check them against: {why}"),
				None => "the lease is not completed on chain yet: nothing to check against".into(),
			},
		};
		format!("{}\n{word}", table(&["FILE", "BYTES"], rows))
	});
	Ok(())
}
