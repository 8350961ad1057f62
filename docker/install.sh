#!/bin/sh
# Installs the packages of the named extras, in the versions and with the hashes of requirements.lock. The project itself is on PYTHONPATH.
set -eu
mkdir -p /tmp/resolve
cp setup.cfg pyproject.toml requirements.lock overrides.txt README.md LICENSE /tmp/resolve/
cd /tmp/resolve
# setup.cfg names every package; an image holds only some, and metadata needs the folders to be there
for package in $(sed -n '/^packages =/,/^[^ ]/p' setup.cfg | grep '^    ' | tr . /); do mkdir -p "$package"; done
extras=""
for extra in "$@"; do extras="$extras --extra $extra"; done
# shellcheck disable=SC2086  # one word each
uv pip compile --quiet setup.cfg $extras --constraint requirements.lock --override overrides.txt --generate-hashes --output-file image.txt
uv pip install --require-hashes --requirement image.txt
rm -rf /tmp/resolve
