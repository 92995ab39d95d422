"""A batch system for tests: the commands of Slurm, that begin each job at once on this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SUBMIT = """\
#!/bin/bash
# sbatch SCRIPT: the options that matter here are the files that it prints to
cd "{folder}"
script=$(mktemp "{folder}/job-XXXXXX"); cp "$1" "$script"
out=$(sed -n 's/^#SBATCH -o //p' "$script"); err=$(sed -n 's/^#SBATCH -e //p' "$script")
out=${{out/\\%J/$$}}; err=${{err/\\%J/$$}}
setsid bash -c 'echo $$ > "$1.pid"; exec bash "$1"' _ "$script" > "$out" 2> "$err" < /dev/null &
until [ -s "$script.pid" ]; do sleep 0.02; done
echo "Submitted batch job $(cat "$script.pid")"
"""
_CANCEL = """\
#!/bin/bash
kill -TERM -- "-$1"
"""


def install(folder: Path) -> dict[str, str]:
    """Write the commands into a folder; returns the environment in which they are found."""
    folder.mkdir(parents=True)
    for name, text in {"sbatch": _SUBMIT.format(folder=folder), "scancel": _CANCEL}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def scripts(folder: Path) -> list[Path]:
    """Return the scripts of all jobs."""
    return sorted(p for p in folder.glob("job-*") if p.suffix != ".pid")


def has_slurm() -> bool:
    """Tell whether a real Slurm runs here, and takes jobs."""
    try:
        done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and any(s in done.stdout for s in ("idle", "mixed", "allocated"))
