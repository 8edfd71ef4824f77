//! The command line.

use sc_cli::RunCmd;
/// The Leasehold chain node.
#[derive(Debug, clap::Parser)]
pub struct Cli {
	#[command(subcommand)]
	pub subcommand: Option<Subcommand>,
	#[clap(flatten)]
	pub run: RunCmd,
}
/// What else the binary does.
#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant)]
pub enum Subcommand {
	/// Make and inspect keys
	#[command(subcommand)]
	Key(sc_cli::KeySubcommand),
	/// Build a chain specification (use export-chain-spec)
	BuildSpec(sc_cli::BuildSpecCmd),
	/// Write a chain specification to a file
	ExportChainSpec(sc_cli::ExportChainSpecCmd),
	/// Validate blocks
	CheckBlock(sc_cli::CheckBlockCmd),
	/// Write blocks to a file
	ExportBlocks(sc_cli::ExportBlocksCmd),
	/// Write the state of a block as a chain specification
	ExportState(sc_cli::ExportStateCmd),
	/// Read blocks from a file
	ImportBlocks(sc_cli::ImportBlocksCmd),
	/// Remove the whole chain
	PurgeChain(sc_cli::PurgeChainCmd),
	/// Take the chain back by some blocks
	Revert(sc_cli::RevertCmd),
	/// Show where the database stands
	ChainInfo(sc_cli::ChainInfoCmd),
}
