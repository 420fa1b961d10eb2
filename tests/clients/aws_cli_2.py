"""The AWS CLI v2, which PyPI has only inside a package for functions in the cloud; and a home of its own for each use."""

import io
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from rootward_testkit import ROOT, TIMEOUT

HOME = ROOT / ".venv-login"


def program():
    """The program, unpacked beside its package once."""
    home = HOME / "unpacked"
    if not home.exists():
        [archive] = HOME.glob("lib/*/site-packages/aws_cdk/asset_awscli_v2/_jsii/*.tgz")
        with tarfile.open(archive) as package:
            layer = io.BytesIO(package.extractfile("package/lib/layer.zip").read())
        unpacked = home.with_suffix(".part")
        with zipfile.ZipFile(layer) as content:
            content.extractall(unpacked, [name for name in content.namelist() if "/dist/" in name])
        [found] = unpacked.glob("awscli/v2/*/dist/aws")
        found.chmod(0o755)
        unpacked.rename(home)
    [found] = home.glob("awscli/v2/*/dist/aws")
    return found


class AwsCli:
    """Somebody's computer with the AWS CLI, whose one profile points to a server."""

    def __init__(self, folder, server, region="us-east-1"):
        self.home = Path(folder)
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "config"
        self.config.write_text(f"[default]\nregion = {region}\nendpoint_url = {server.url}\n")
        self.cache = self.home / "cache"
        self.environment = {
            "HOME": str(self.home), "PATH": os.environ["PATH"], "AWS_CONFIG_FILE": str(self.config),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "credentials"), "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LOGIN_CACHE_DIRECTORY": str(self.cache), "AWS_PAGER": "", "BROWSER": "/bin/true",
        }

    def start(self, *arguments):
        return subprocess.Popen(
            [program(), *arguments], env=self.environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def run(self, *arguments, code=0):
        done = subprocess.run(
            [program(), *arguments], env=self.environment, text=True, capture_output=True, timeout=TIMEOUT, check=False)
        assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if code == 0 and done.stdout.strip().startswith("{") else done.stdout + done.stderr

    def sdk(self):
        """Who boto3 on that computer is."""
        code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
        done = subprocess.run(
            [HOME / "bin" / "python", "-c", code], env=self.environment, text=True, capture_output=True, timeout=TIMEOUT, check=True)
        return done.stdout.strip()

    def login(self, *arguments):
        """Begins `aws login`: the process, and the address that it opens in a browser."""
        process = self.start("login", *arguments)
        for line in process.stdout:
            if line.startswith("http"):
                return process, line.strip()
        pytest.fail("aws login opened nothing")

    def finish(self, process, answer=None):
        said, _ = process.communicate(answer, timeout=TIMEOUT)
        assert process.returncode == 0, said
        return said

    @property
    def token(self):
        """The file that it keeps, as a value."""
        [file] = self.cache.glob("*.json")
        return file, json.loads(file.read_text())

    def age(self):
        """Makes it believe that its credentials are about to end, so that it refreshes them."""
        file, token = self.token
        token["accessToken"]["expiresAt"] = "2020-01-01T00:00:00Z"
        file.write_text(json.dumps(token))
        return token
