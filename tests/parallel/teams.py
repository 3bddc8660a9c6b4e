"""Teams of real processes for the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tokensphere.parallel.supervise import local_team

HERE = Path(__file__).parent


def run_members(script, size, folder, **settings):
    """Run tests/parallel/SCRIPT in `size` processes; returns what each has written as JSON."""
    code = f"import sys; sys.path.insert(0, {str(HERE.parent)!r}); import parallel.{script} as s; s.main()"
    members, team = local_team(size), []
    outputs = [folder / f"{script}-{member.rank}.json" for member in members]
    for member, output in zip(members, outputs, strict=True):
        place = {"size": size, "rank": member.rank, "coordinator": member.coordinator}
        data = json.dumps(place | {"output": str(output)} | settings)
        team.append(
            subprocess.Popen([sys.executable, "-c", code, data], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        )
    printed = [process.communicate(timeout=300)[0].decode() for process in team]
    print(*printed, sep="\n")
    assert [process.returncode for process in team] == [0] * size, "\n".join(printed)
    return [json.loads(output.read_text()) for output in outputs]


def members_of(supervisor):
    """Process ids of the members that a supervisor has started, by rank."""
    found = {}
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"TOKENSPHERE_SEAT="):
                found[json.loads(entry.partition(b"=")[2])["placement"]["rank"]] = int(child)
    return found


def environment(**variables):
    """This environment with a few more variables."""
    return os.environ | variables
