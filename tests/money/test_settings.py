import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_cancel_charge_that_there_is_not_is_refused_by_name():
    loading = [sys.executable, "-c", "import conduit.settings"]

    process = subprocess.run(loading, cwd=ROOT, env=os.environ | {"CANCEL_CHARGES": "half"}, capture_output=True, text=True)

    assert process.returncode != 0
    assert "CANCEL_CHARGES is 'half': set it to nothing, submitted or all." in process.stderr
