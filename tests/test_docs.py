"""What the documentation shows must work."""

import re
from pathlib import Path

import pytest

from negagen.rulecheck import check_rules
from negagen.ruleset import load_rules

ROOT = Path(__file__).parents[1]
BLOCKS = [
    (path.name, block)
    for path in (ROOT / "README.md", ROOT / "docs" / "rules.md")
    for block in re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)
]


@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_rules_in_the_documentation_pass_their_check(tmp_path: Path, name: str, block: str) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(block, encoding="utf-8")
    assert [str(problem) for problem in check_rules(load_rules([path]))] == [], name


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
