"""Files of published weights are written by the module that the tests of the converters use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "features"))
