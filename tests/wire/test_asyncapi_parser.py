"""AsyncAPI's own parser reads the documents of the examples without a remark."""

from __future__ import annotations

import json
from pathlib import Path

from node_tools import FOLDER, run, tool

from examples_here import EXAMPLES
from processes import wirefast

SCRIPT = """
import fs from 'node:fs';
import { Parser } from '@asyncapi/parser';
const found = {};
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(file, 'utf8'));
  found[file] = { channels: document?.channels().all().length ?? 0, diagnostics };
}
console.log(JSON.stringify(found));
"""


def test_examples(tmp_path: Path) -> None:
    tool("tsc")
    files = []
    services = [Path(__file__).with_name(f"{name}_service.py") for name in ("client", "hostile")]
    for path in [*EXAMPLES, *services]:
        if path.stem == "migration":  # whose application is FastAPI's
            continue
        files.append(str(tmp_path / f"{path.stem}.json"))
        done = wirefast("schema", str(path), "--asyncapi", "-o", files[-1])
        assert done.returncode == 0, done.stderr
    script = FOLDER / "parse.mjs"  # beside the packages, where Node looks for them
    script.write_text(SCRIPT)
    found = json.loads(run("node", script, *files).stdout)
    assert [name for name, one in found.items() if one["diagnostics"]] == [], found
    assert sum(one["channels"] for one in found.values()) > len(files)
