#!/usr/bin/env bash
# Runs a command as an ordinary user with the environment of the other scripts: scripts/as-user.sh COMMAND...
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
as_user "$@"
