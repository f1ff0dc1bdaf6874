"""JUnit files of `rekindle evaluate` against the schema that Jenkins' xUnit plugin validates with.

The schema is not in this repository: pytest's source distribution on PyPI has it, for the same purpose.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from lxml import etree

ROOT = Path(__file__).resolve().parent.parent
PYTEST = "pytest==8.4.2"
SCHEMA = "testing/example_scripts/junit-10.xsd"


def schema() -> etree.XMLSchema:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "-d", folder, PYTEST], check=True)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            name = next(n for n in archive.getnames() if n.endswith(SCHEMA))
            return etree.XMLSchema(etree.parse(archive.extractfile(name)))


def main() -> None:
    checked = schema()
    paths = [ROOT / "tests/it/golden/junit.xml", *map(Path, sys.argv[1:])]
    for path in paths:
        checked.assertValid(etree.parse(str(path)))
        print(f"junit: {path.name} is valid")
    broken = etree.fromstring(b"<testsuites><testsuite tests='one'/></testsuites>")
    assert not checked.validate(broken), "the schema refuses nothing"


main()
