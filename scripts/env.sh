# What every script here shares: one profile and one target folder that outlives the clone.
# Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/leasehold/target}"
# Clippy lints our own crates while they are compiled: a check of its own would compile every
# dependency a second time. This is what `cargo clippy` sets, for a build instead of a check.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
export CLIPPY_ARGS="--deny=warnings__CLIPPY_HACKERY__"
export CARGO_TERM_PROGRESS_WHEN="${CARGO_TERM_PROGRESS_WHEN:-auto}"
PROFILE=checked
BIN="$CARGO_TARGET_DIR/$PROFILE"
# Podman and a registry, for the tests of containers.
CONTAINER_PACKAGES=(podman runc netavark aardvark-dns iptables nftables iproute2 busybox-static docker-registry
	apache2-utils)

step() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }
