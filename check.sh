#!/usr/bin/env bash
# Everything that is checked, the same by hand and in CI: lint, format, types, tests.
set -euo pipefail
cd "$(dirname "$0")"
ruff check .
ruff format --check .
oxlint --quiet app
mypy
# Processes of one thread each: a test file, with the page that it serves, is one process's own. One more than
# there are cores, since those that drive a browser wait for it.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
python -m pytest -rR -n 3 --dist loadfile --no-loadscope-reorder --ignore=tests/core/test_ray.py "$@"
# Alone, since Ray remembers a token for as long as a process lives.
python -m pytest tests/core/test_ray.py
