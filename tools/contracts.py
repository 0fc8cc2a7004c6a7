"""Makes of the contracts what is built from them: descriptor images and the Python stubs.

    contracts.py gen       write the stubs in gen/ and the gateway's descriptors in deploy/envoy/
    contracts.py check     exit 1 when what is committed differs from what `gen` would write
    contracts.py image     write build/rapport.binpb, which buf lints and compares with the baseline
    contracts.py baseline  accept today's contracts as the baseline for `buf breaking`

protovalidate ships its rules as a descriptor, not as a `.proto` file, so everything here works on descriptor sets:
protoc reads our files from protos/, google's from googleapis-common-protos, and protovalidate's from its descriptor.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
IMAGE = ROOT / "build" / "rapport.binpb"
BASELINE = PROTOS / "baseline.binpb"
GENERATED = ("gen/rapport", "gen/buf", "deploy/envoy/rapport.binpb")


def sources() -> list[str]:
    """Return the paths of our contracts, relative to protos/, in a stable order."""
    return sorted(p.relative_to(PROTOS).as_posix() for p in PROTOS.rglob("*.proto"))


def folder_of(module: str, parents: int) -> Path:
    """Return the folder `parents` levels above an installed module's file."""
    spec = find_spec(module)
    assert spec is not None, f"{module} is not installed"
    assert spec.origin is not None, f"{module} has no file"
    return Path(spec.origin).parents[parents]


def write_protovalidate(folder: Path) -> Path:
    """Write protovalidate's descriptor, with what it imports, as a FileDescriptorSet and return its path."""
    found: dict[str, bytes] = {}

    def collect(file: Any) -> None:
        for dependency in file.dependencies:
            collect(dependency)
        found.setdefault(file.name, file.proto.to_binary())

    collect(validate_pb.desc())
    descriptors = descriptor_pb2.FileDescriptorSet()
    for content in found.values():
        descriptors.file.add().ParseFromString(content)
    path = folder / "validate.binpb"
    path.write_bytes(descriptors.SerializeToString(deterministic=True))
    return path


def run_protoc(*arguments: str) -> None:
    """Run protoc where it finds every import, or exit after its message."""
    paths = [PROTOS, folder_of("google.api.http_pb2", 2), folder_of("grpc_tools.protoc", 0) / "_proto"]
    # protoc finds its plugins on the PATH: those of the environment that runs this.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as name:
        validate = write_protovalidate(Path(name))
        options = [f"--descriptor_set_in={validate}", *(f"--proto_path={p}" for p in paths)]
        if protoc.main(["protoc", *options, *arguments]):
            sys.exit("protoc refused the contracts (see above)")


def write_image(path: Path, *arguments: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    run_protoc("--include_imports", f"--descriptor_set_out={path}", *arguments, *sources())


def generate(root: Path) -> None:
    """Write everything that is generated and committed below `root`."""
    gen = root / "gen"
    for name in ("rapport", "buf"):
        shutil.rmtree(gen / name, ignore_errors=True)
    gen.mkdir(parents=True, exist_ok=True)
    run_protoc(
        f"--python_out={gen}",
        f"--mypy_out=quiet:{gen}",
        f"--grpc_python_out={gen}",
        f"--mypy_grpc_out=quiet,only_async:{gen}",
        *sources(),
    )
    run_protoc(f"--python_out={gen}", f"--mypy_out=quiet:{gen}", "buf/validate/validate.proto")
    for path in sorted(gen.rglob("*_pb2_grpc.py*")):
        source = PROTOS / path.relative_to(gen).parent / f"{path.name.split('_pb2')[0]}.proto"
        if "\nservice " not in source.read_text():  # stubs with nothing in them
            path.unlink()
    # Tells type checkers that the stubs carry types.
    (gen / "rapport" / "py.typed").touch()
    # Envoy turns a failed call's status details into JSON, for which it must know their types.
    write_image(root / "deploy" / "envoy" / "rapport.binpb", "google/rpc/error_details.proto")


def differences(left: Path, right: Path) -> list[str]:
    """Return the paths below the two roots that are missing on one side or differ."""
    if left.is_file() or right.is_file():
        same = left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)
        return [] if same else [left.name]
    found = [(root, path) for root in (left, right) for path in root.rglob("*")]
    files = {path.relative_to(root) for root, path in found if path.is_file() and "__pycache__" not in path.parts}
    return [str(f) for f in sorted(files) if differences(left / f, right / f)]


def check() -> None:
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        found = [f"{part}: {d}" for part in GENERATED for d in differences(ROOT / part, Path(name) / part)]
    if found:
        sys.exit("generated code is not what the contracts give; run `make gen`:\n  " + "\n  ".join(found))


def main() -> None:
    match sys.argv[1:]:
        case ["gen"]:
            generate(ROOT)
        case ["check"]:
            check()
        case ["image"]:
            write_image(IMAGE, "--include_source_info")
        case ["baseline"]:
            write_image(BASELINE)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
