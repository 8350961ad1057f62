#!/usr/bin/env bash
# Renews requirements.lock: everything setup.cfg names (all extras but detectron2), for Python 3.11, with hashes and no index address.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv-tools/bin/uv)
extras=()
for extra in scraping labeling training serving monitoring airflow ui dev; do extras+=(--extra "$extra"); done
"$uv" pip compile setup.cfg "${extras[@]}" --python-version 3.11 --override overrides.txt \
    --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock "$@" >/dev/null
echo "requirements.lock: $(grep -c '==' requirements.lock) packages; run make env to install them"
