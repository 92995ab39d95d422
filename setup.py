"""Builds the compiled part, the flow engine; everything else stands in pyproject.toml."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("stages/flow/csrc")
#: One binary for every CPython from 3.11 on; the free-threaded builds have no stable ABI.
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")

NO_COMPILER = """
ttprep: the optical-flow engine could not be compiled.
  It needs a C compiler (GCC 9 or Clang 10, or newer) and the headers of this Python:
    Debian, Ubuntu   sudo apt-get install build-essential python3-dev
    Fedora, RHEL     sudo dnf install gcc python3-devel
    conda            conda install -c conda-forge c-compiler
    macOS            xcode-select --install
  Then install again. CC=/path/to/compiler chooses another one.
  The compiler said: {reason}
"""


class BuildFlow(build_ext):
    """Compile with the flags that the numerics rely on, and say what to install where that fails."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link one extension module."""
        if self.compiler.compiler_type == "unix":
            # No contraction: every variant must round where the source says so.
            ext.extra_compile_args = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno"]
            ext.extra_compile_args += ["-fvisibility=hidden", "-D_POSIX_C_SOURCE=200809L", "-g0"]
        try:
            super().build_extension(ext)
        except Exception as error:
            sys.exit(NO_COMPILER.format(reason=error))


setup(
    ext_modules=[
        Extension(
            "stages.flow._irls",
            sources=[str(path) for path in sorted(SOURCES.glob("*.c"))],
            depends=[str(path) for path in sorted(SOURCES.glob("*.h"))],
            libraries=[] if sys.platform == "win32" else ["m"],
            py_limited_api=STABLE_ABI,
        )
    ],
    cmdclass={"build_ext": BuildFlow},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
