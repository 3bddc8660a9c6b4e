"""What every process of `test_runs` does: studies carried out by a team, one after another."""

import json
import sys
from pathlib import Path

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.parallel import Placement, connect


def main():
    settings = json.loads(sys.argv[1])
    rank, size = settings["rank"], settings["size"]
    mesh = connect(Placement(rank, size, settings["coordinator"], rank, size))
    said = {}
    for name, chosen in settings["studies"].items():
        folder = Path(settings["root"]) / name
        try:
            prepared = studies.prepare(studies.Study().with_settings(chosen), mesh)
            prepared.run(folder, resume=name in settings["resumed"])
            said[name] = type(prepared.own_flow.attention.inner).__name__
        except InputError as error:
            said[name] = str(error)
    Path(settings["output"]).write_text(json.dumps(said))
    mesh.close()
