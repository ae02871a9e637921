#!/usr/bin/env bash
# Everything that is checked, the same by hand and in CI: lint, format, types, tests.
set -euo pipefail
cd "$(dirname "$0")"
ruff check .
ruff format --check .
mypy
python -m pytest "$@"
