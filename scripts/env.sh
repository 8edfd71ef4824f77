# What every script here shares: one profile and one target folder that outlives the clone.
# Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/leasehold/target}"
export CARGO_TERM_PROGRESS_WHEN="${CARGO_TERM_PROGRESS_WHEN:-auto}"
PROFILE=checked
BIN="$CARGO_TARGET_DIR/$PROFILE"

step() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }
