import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_cancel_charge_that_there_is_not_is_refused_by_name():
    loading = [sys.executable, "-c", "import conduit.settings"]

    given = os.environ | {"CANCEL_CHARGES": "half"}
    process = subprocess.run(loading, cwd=ROOT, env=given, capture_output=True, text=True, check=False)

    assert process.returncode != 0
    assert "CANCEL_CHARGES is 'half': set it to nothing, submitted or all." in process.stderr
