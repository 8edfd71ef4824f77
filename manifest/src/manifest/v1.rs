//! Bytes of version 1: one WASM module a service.

use super::*;

#[derive(Decode)]
struct Service {
	name: String,
	kind: Kind,
	module: FileEntry,
	args: Vec<String>,
	env: Vec<(String, String)>,
	count: u32,
	cpu: u32,
	memory: u32,
	storage: u32,
	inputs: Vec<FileEntry>,
	outputs: Vec<String>,
	max_duration: u64,
	attempts: u32,
}

pub(super) fn decode(body: &mut &[u8]) -> Result<Manifest, codec::Error> {
	let services = Vec::<Service>::decode(body)?;
	let services = services.into_iter().map(|old| super::Service {
		name: old.name,
		kind: old.kind,
		program: Program::Module(old.module),
		args: old.args,
		env: old.env,
		count: old.count,
		unit: Unit {
			cpu: old.cpu,
			memory: old.memory,
			storage: old.storage,
			..Default::default()
		},
		expose: Vec::new(),
		depends_on: Vec::new(),
		health: None,
		inputs: old.inputs,
		outputs: old.outputs,
		max_duration: old.max_duration,
		attempts: old.attempts,
		read_only: false,
	});
	Ok(Manifest {
		services: services.collect(),
	})
}
