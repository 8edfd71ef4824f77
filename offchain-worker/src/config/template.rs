//! The file that `init` writes.

use crate::gpus::Found;
use leasehold_client::primitives::GpuVendor;
use std::net::SocketAddr;

/// What `init` writes.
pub struct Template<'a> {
	pub node: &'a str,
	pub listen: SocketAddr,
	pub url: &'a str,
	/// Below which services have names.
	pub domain: Option<&'a str>,
	pub cpu_millis: u32,
	pub memory_mib: u32,
	pub storage_mib: u32,
	pub cpu_core: &'a str,
	pub attributes: &'a [(String, String)],
	/// Socket of a container engine.
	pub engine: Option<&'a str>,
	/// Registries with addresses that are not public.
	pub registries: &'a [String],
	/// MiB of solid-state storage that outlives a restart.
	pub persistent_mib: Option<u32>,
	/// Ports that leases may open, if others than the usual.
	pub ports: Option<(u16, u16)>,
	/// Those that containers can use.
	pub gpus: &'a [Found],
}

impl Template<'_> {
	/// The commented file.
	pub fn render(&self) -> String {
		let Self {
			node,
			listen,
			url,
			cpu_millis,
			memory_mib,
			storage_mib,
			cpu_core,
			..
		} = self;
		let attributes: String = self
			.attributes
			.iter()
			.map(|(k, v)| format!("{k:?} = {v:?}\n"))
			.collect();
		let (off, engine) = match self.engine {
			Some(engine) => ("", engine),
			None => ("# ", "unix:///run/podman/podman.sock"),
		};
		let none = if self.registries.is_empty() {
			"# "
		} else {
			off
		};
		let registries = self.registries;
		let persistent = match self.persistent_mib {
			Some(mib) => format!("persistent_mib = {{ beta2 = {mib} }}"),
			None => "# persistent_mib = { beta2 = 10000 }".into(),
		};
		let domain = match self.domain {
			Some(domain) => format!("domain = {domain:?}"),
			None => "# domain = \"leases.example.org\"".into(),
		};
		let ports = match self.ports {
			Some((first, last)) => format!("ports = [{first}, {last}]"),
			None => "# ports = [30000, 32767]".into(),
		};
		let gpus: String = self.gpus.iter().filter_map(section).collect();
		let gpus = match gpus.is_empty() {
			true => "# [[gpus]]\n\
				 # vendor = \"nvidia\"\n\
				 # model = \"rtx4090\"\n\
				 # memory_mib = 24564\n\
				 # devices = [\"nvidia.com/gpu=0\"]\n"
				.to_owned(),
			false => gpus,
		};
		let gpu_price = match self.gpus.is_empty() {
			true => "# gpu = { rtx4090 = \"0.8\", default = \"0.5\" }",
			false => "gpu = { default = \"0.5\" }",
		};
		format!(
			"# The provider daemon's configuration. `leasehold-provider run` reads it at its start;\n\
			 # `leasehold-provider register` puts capacity, attributes and URL on chain, and\n\
			 # `leasehold-provider update` does so again after a change.\n\
			 version = 1\n\n\
			 # RPC address of your own chain node. The daemon trusts it.\n\
			 node = {node:?}\n\n\
			 [gateway]\n\
			 # Where tenants hand in manifests and fetch results. It speaks TLS with a key of its own,\n\
			 # keys/gateway.pem, whose hash stands on chain: a proxy in front of it must pass TLS through.\n\
			 listen = \"{listen}\"\n\
			 # How tenants reach it.\n\
			 url = {url:?}\n\
			 # Services that open port 80 are reached as SERVICE-LEASE.DOMAIN, if all names below it lead to this machine.\n\
			 # Browsers ask for a certificate for *.DOMAIN; it is read anew when it changes.\n\
			 {domain}\n\
			 # certificate = \"/etc/ssl/leases/fullchain.pem\"\n\
			 # certificate_key = \"/etc/ssl/leases/privkey.pem\"\n\
			 # Pages of others that a browser lets talk to it.\n\
			 # origins = [\"https://example.org\"]\n\
			 # A certificate for the host in `url`, by ACME, for browsers: port 443 of it must lead to `listen`.\n\
			 # [gateway.acme]\n\
			 # terms_agreed = true\n\
			 # contact = \"mailto:you@example.org\"\n\n\
			 [capacity]\n\
			 # What you lease out. Detected on this machine, less a part for itself.\n\
			 cpu_millis = {cpu_millis}\n\
			 memory_mib = {memory_mib}\n\
			 storage_mib = {storage_mib}\n\
			 # How many times over that is leased out, for leases seldom use all that they have at once; one lease never\n\
			 # has more than is named above.\n\
			 # overcommit = {{ cpu = 2.0, memory = 1.0, storage = 1.0 }}\n\
			 # MiB that must be free on this machine, or nothing new is taken.\n\
			 # reserve = {{ memory_mib = 256, storage_mib = 1024 }}\n\
			 # Storage that outlives a restart of what uses it, by the class of its disks: beta1 (rotating), beta2\n\
			 # (solid state) or beta3 (NVMe).\n\
			 {persistent}\n\
			 # The first and the last port of this machine that leases may open to the world.\n\
			 {ports}\n\n\
			 # What you say about yourself; orders may require it.\n\
			 [attributes]\n\
			 {attributes}\n\
			 # LEASE an hour. A rate is the sum over what an order asks for, a block at a time.\n\
			 [pricing]\n\
			 cpu_core = {cpu_core:?}\n\
			 memory_gib = \"0.05\"\n\
			 storage_gib = \"0.001\"\n\
			 # One GPU, by model; `default` for all that are not named.\n\
			 {gpu_price}\n\
			 # A program that is asked what to bid on each order, in place of the sum: see docs/pricing.md.\n\
			 # program = \"/usr/local/bin/price\"\n\
			 # Orders are matched at once at these prices, if their tenants wish it. `false`: by bids only.\n\
			 # instant = true\n\n\
			 # Metrics for Prometheus at http://ADDRESS/metrics: for nobody but you, so keep it on loopback or a network\n\
			 # of your own.\n\
			 # [metrics]\n\
			 # listen = \"127.0.0.1:9464\"\n\n\
			 # Tenants and `earnings` are told an estimate of the energy that leases use: as the processor counts it (RAPL),\n\
			 # or else so much for each core that computes.\n\
			 # [energy]\n\
			 # watts_per_core = 7.5\n\n\
			 [results]\n\
			 # How long results and logs stay after a lease has closed.\n\
			 retention_seconds = 604800\n\n\
			 # Serve only while nobody uses this machine: nobody has typed at a terminal for so long, no session of a\n\
			 # desktop is at work, and a program of your own, if there is one, ends with code 0. `drain` lets leases go\n\
			 # on when somebody is back and takes no others; `pause` stops and pauses them, unbilled: a pause that is too\n\
			 # long costs you (docs/market.md). Jobs begin anew after it, and one without an attempt left goes on.\n\
			 # [idle]\n\
			 # after_seconds = 900\n\
			 # on_return = \"drain\"\n\
			 # program = \"/usr/local/bin/is-idle\"\n\n\
			 # Where containers run: Docker or Podman. Whoever may use its socket is root on this machine, and\n\
			 # so is the daemon then. Without this section no containers are run.\n\
			 {off}[containers]\n\
			 {off}engine = {engine:?}\n\
			 # The OCI runtime that containers must have, as runsc or kata. Podman's own must be this.\n\
			 # runtime = \"runsc\"\n\
			 # Registries with addresses that are not public, as HOST or HOST:PORT; others are not pulled from.\n\
			 {none}allow = {registries:?}\n\
			 # MiB that an image may have, unpacked.\n\
			 # max_image_mib = 16384\n\
			 # From which leases have their networks.\n\
			 # networks = \"10.213.0.0/16\"\n\n\
			 # GPUs that containers are leased with, one section each. Devices are names of the Container Device\n\
			 # Interface, which your driver's toolkit gives them, or paths: [\"/dev/kfd\", \"/dev/dri/renderD128\"].\n\
			 {gpus}"
		)
	}
}

/// The section of a GPU; nothing, if something of it is not known.
fn section(gpu: &Found) -> Option<String> {
	let vendor = match gpu.vendor {
		GpuVendor::Nvidia => "nvidia",
		GpuVendor::Amd => "amd",
	};
	let (model, memory, driver) = (gpu.model.as_ref()?, gpu.memory?, gpu.driver.as_ref()?);
	let Found {
		address, devices, ..
	} = gpu;
	Some(format!(
		"\n# At {address}, with {driver}.\n[[gpus]]\nvendor = \"{vendor}\"\nmodel = {model:?}\nmemory_mib = {memory}\ndevices = \
		 {devices:?}\n"
	))
}
