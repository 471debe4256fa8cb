"""What is imported is declared: another package may cease to bring it along."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported() -> set[str]:
    """Return the names of the packages that the exporter's modules import, wherever they do."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "exporter").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules} - {"exporter", *sys.stdlib_module_names}


def test_what_is_imported_is_declared_and_nothing_else_is() -> None:
    """By the distributions that the packages come from."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = {re.split(r"[>=<\[]", each)[0] for each in pyproject["project"]["dependencies"]}
    owners = packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", owners[package][0]).lower() for package in imported()}
    assert needed == declared
