#!/usr/bin/env bash
# Everything that is checked, the same by hand and in CI: lint, format, types, tests.
set -euo pipefail
cd "$(dirname "$0")"
ruff check .
ruff format --check .
oxlint --quiet app
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
unset PYTHONDONTWRITEBYTECODE # some forty processes import the program: it is compiled once
# Alone, since Ray remembers a token for as long as a process lives; beside the types, which take one core too.
mypy &
types=$!
python -m pytest tests/core/test_ray.py
wait "$types"
# Processes of one thread each: a test file, with the page that it serves, is one process's own. One more than
# there are cores, since those that drive a browser wait for it.
python -m pytest -rR -n 3 --dist loadfile --no-loadscope-reorder --ignore=tests/core/test_ray.py "$@"
