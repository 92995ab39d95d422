#!/bin/sh
# The flow engine under AddressSanitizer and UBSan: a copy of the tree is built with both and the fuzz and
# engine tests run on it, on every instruction-set variant of this processor.
#
#   tests/sanitize_flow.sh [examples]
#
# Needs GCC with its sanitizer libraries, and the Python environment of the tests.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$root/stages" "$root/setup.py" "$root/pyproject.toml" "$copy"
mkdir "$copy/tests"
cp "$root"/tests/flow_*.py "$root"/tests/test_flow_fuzz.py "$root"/tests/test_flow_engine.py "$copy/tests"
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
"${PYTHON:-python}" -m pytest -p no:cacheprovider --capture=no tests
