#!/bin/sh
# The flow engine under AddressSanitizer and UBSan: a copy of the tree is built with both and the fuzz and
# engine tests run on it, on every instruction-set variant of this processor.
#
#   tests/stages/flow/sanitize_flow.sh [examples]
#
# Needs GCC with its sanitizer libraries, and the Python environment of the tests.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$root/stages" "$root/setup.py" "$root/pyproject.toml" "$copy"
mkdir -p "$copy/tests/support" "$copy/tests/stages/flow"
cp "$root"/tests/__init__.py "$copy/tests"
cp "$root"/tests/support/__init__.py "$root"/tests/support/flow*.py "$copy/tests/support"
cp "$root"/tests/stages/__init__.py "$copy/tests/stages"
cp "$root"/tests/stages/flow/__init__.py "$root"/tests/stages/flow/test_fuzz.py "$root"/tests/stages/flow/test_engine.py "$copy/tests/stages/flow"
find "$copy" -name "*.so" -delete
cd "$copy"
export CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
export LDFLAGS="-fsanitize=address,undefined"
"${PYTHON:-python}" setup.py -q build_ext --inplace
# Python itself leaks by design; its allocator would hide overruns of what it hands out
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc UBSAN_OPTIONS=print_stacktrace=1
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export TTPREP_FUZZ="${1:-60}"
"${PYTHON:-python}" -c "
from stages.flow import _irls
assert _irls.__file__.startswith('$copy'), _irls.__file__
print('variants', _irls.variants())"
"${PYTHON:-python}" -m pytest -n 0 -p no:cacheprovider --capture=no tests
