#!/usr/bin/env bash
# Make the environments in which the framework tests run, and have the two datasets at hand.
#
#   SUREFETCH_FRAMEWORKS=DIR tests/frameworks/setup.sh
#
# SUREFETCH_FRAMEWORKS_ONLY names those to make (`main old`); tests of the others are skipped, and say so.
# DIR keeps them between runs and checkouts; they are made anew when this file or the dependencies changed.
# MNIST and Fashion-MNIST go into DIR/store once, by whatever way this machine has.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${SUREFETCH_FRAMEWORKS:?says where the environments are kept}
mkdir -p "$folder"
dependencies=$(python3 -c 'import sys, tomllib; print(tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"])' \
    "$root/pyproject.toml")
stamp=$( (cat "${BASH_SOURCE[0]}" && echo "$dependencies") | sha256sum | cut -c1-16)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

make_environment() { # NAME PACKAGES... -- PACKAGES WITHOUT THEIR DEPENDENCIES...
    local name=$1 with=() without=() into=with
    shift
    for package in "$@"; do
        if [ "$package" = -- ]; then into=without; elif [ $into = with ]; then with+=("$package"); else without+=("$package"); fi
    done
    if [ -n "${SUREFETCH_FRAMEWORKS_ONLY:-}" ] && [[ " $SUREFETCH_FRAMEWORKS_ONLY " != *" $name "* ]]; then return; fi
    if [ "$(cat "$folder/$name/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
    echo "making $name: ${with[*]} ${without[*]-}"
    rm -rf "${folder:?}/$name"
    python3 -m venv "$folder/$name"
    # Without bytecode: what a test imports makes its own, and that is little of it.
    # surefetch for its dependencies alone: most tests play users without it, the others name this checkout.
    "$folder/$name/bin/python" -m pip install --quiet --no-compile "$root" "${with[@]}"
    "$folder/$name/bin/python" -m pip uninstall --quiet --yes surefetch
    if [ ${#without[@]} -gt 0 ]; then
        "$folder/$name/bin/python" -m pip install --quiet --no-compile --no-deps "${without[@]}"
    fi
    echo "$stamp" >"$folder/$name/stamp"
}

# torchvision comes without its dependencies: they would bring a second torch, built for another device.
make_environment main keras torch==2.13.0 scikit-learn 'pandas<3' datasets pyarrow requests httpx pillow ipython -- torchvision
make_environment tensorflow tensorflow-cpu tf_keras tensorflow-datasets importlib_resources
make_environment old scikit-learn==1.5.2 'pandas<3' 'numpy<2.3'

# A Python of another kind and version, for the hook: Debian's PyPy.
if ! command -v pypy3 >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq >/dev/null && apt-get install -y -qq pypy3 >/dev/null
fi

for name in mnist fashion-mnist; do
    PYTHONPATH=$root/src SUREFETCH_STORE=$folder/store "$folder/main/bin/python" -m surefetch get "$name" --quiet
done
