#!/usr/bin/env bash
# Makes .venv from requirements.lock with uv, or leaves it alone (well under a second) when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"

# uv brings its own certificates; the machine's may know a proxy that they don't.
if [[ -z ${SSL_CERT_FILE:-} && -s /etc/ssl/certs/ca-certificates.crt ]]; then export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt; fi

fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 2; }
say() { printf '==> %s\n' "$*" >&2; }

stamp_file=.venv/.requirements.sha256
wanted=$(cat requirements.lock scripts/bootstrap.sh scripts/browser_runtime.sh | sha256sum | cut -d' ' -f1)
if [[ -x .venv/bin/python && -f $stamp_file && $(<"$stamp_file") == "$wanted" ]]; then exit 0; fi

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

find_uv() {
    if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then command -v uv; return; fi
    if [[ -x .venv-tools/bin/uv ]]; then echo .venv-tools/bin/uv; return; fi
    local python
    for python in "${found_python:-}" python3.11 python3 python; do
        [[ -n $python ]] && command -v "$python" >/dev/null && "$python" -m pip --version >/dev/null 2>&1 || continue
        say "uv is not on the PATH: installing it to .venv-tools with $python -m pip"
        "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .venv-tools uv >&2 && { echo .venv-tools/bin/uv; return; }
    done
    fail "expected uv on the PATH, or a Python with pip to install it with; got neither. Install uv (https://docs.astral.sh/uv/) or python3-pip and run again."
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 python; do
        [[ -n $candidate ]] && command -v "$candidate" >/dev/null && is_311 "$candidate" && { command -v "$candidate"; return; }
    done
    "$uv" python find 3.11 2>/dev/null && return
    say "no Python 3.11 found: asking uv for one"
    "$uv" python install 3.11 >&2 && "$uv" python find 3.11 && return
    fail "expected Python 3.11, found $(python3 --version 2>&1 || echo none); install python3.11, or name one: PYTHON=/path/to/python3.11 make up"
}

found_python=$(for p in "${PYTHON:-}" python3.11 python3; do [[ -n $p ]] && command -v "$p" >/dev/null && is_311 "$p" && { command -v "$p"; break; }; done || true)
uv=$(find_uv)
python=$(find_python)

if [[ ! -x .venv/bin/python ]] || ! is_311 .venv/bin/python; then
    say "making .venv with $python"
    "$uv" venv --quiet --clear --python "$python" .venv
fi
rm -f "$stamp_file"
say "installing $(grep -c '==' requirements.lock) packages of requirements.lock into .venv (several GB the first time)"
started=$SECONDS
# install, not sync: Detectron2, which is installed by hand outside the lock, must survive a changed lock.
"$uv" pip install --python .venv/bin/python --require-hashes --no-deps --compile-bytecode -r requirements.lock \
    || fail "the packages of requirements.lock could not be installed (see above); check the network and the disk, then run again: it resumes"
scripts/browser_runtime.sh || say "everything but the private-mode page works without it; scripts/browser_runtime.sh tries again"
printf '%s' "$wanted" >"$stamp_file"
say "environment ready after $((SECONDS - started)) s"
