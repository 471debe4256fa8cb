"""Print a hash of what the locks are made from: pyproject's dependency tables.

`make lock` stores it beside the locks and `make test` compares, so that a dependency
that was declared but not locked is found without asking a package index.
"""

import hashlib
import json
import sys
import tomllib
from pathlib import Path

pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
project = pyproject["project"]
tables = [
    project["requires-python"],
    project["dependencies"],
    pyproject["dependency-groups"],
]
canonical = json.dumps(tables, sort_keys=True).encode()
sys.stdout.write(hashlib.sha256(canonical).hexdigest() + "\n")
