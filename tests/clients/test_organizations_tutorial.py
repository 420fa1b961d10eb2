"""The page about organizations, word by word: every shell block of its tutorial runs, in order, in one shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

from rootward_testkit import BINARY

PAGE = Path(__file__).parents[2] / "docs" / "organizations.md"


def blocks():
    tutorial = PAGE.read_text().split("## Restrict a root user")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", tutorial, re.MULTILINE | re.DOTALL)


def test_member_root_loses_its_power_and_its_key(sandbox, tmp_path):
    script, denied = [], "aws iam list-users"
    for block in blocks():
        block = block.replace("http://127.0.0.1:4566", sandbox.url)
        if denied in block:
            # What is shown being denied; all else must work.
            block = f"if {block.strip()} 2> denied.txt; then exit 9; fi\n"
        script.append(block)
    assert sum("denied.txt" in block for block in script) == 1 and len(script) == 7
    environment = {
        "HOME": str(tmp_path), "PATH": os.pathsep.join([str(Path(BINARY).parent), str(Path(sys.executable).parent), os.environ["PATH"]]), "AWS_PAGER": "",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join((tmp_path / "denied.txt").read_text().split())
    assert re.search(
        r"AccessDenied.* arn:aws:iam::(\d+):root is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::\1:user/ with an "
        r"explicit deny in a service control policy: arn:aws:organizations::123456789012:policy/o-\w+/service_control_policy/p-\w+", told)
    assert '"AccessKeyMetadata": []' in done.stdout
