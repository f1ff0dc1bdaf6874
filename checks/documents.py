"""What machines read, against the schemas that they go by: report.json against the one that Rekindle publishes, junit.xml
against the one of Jenkins' xUnit plugin.

    checks/documents.py TARGET_DIR

The golden files, and what checks/reports.py left in TARGET_DIR/reports. Jenkins' schema is not in this repository: pytest's
source distribution on PyPI has it, for the same purpose.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from jsonschema import Draft202012Validator
from lxml import etree

ROOT = Path(__file__).resolve().parent.parent
PYTEST = "pytest==8.4.2"
SCHEMA = "testing/example_scripts/junit-10.xsd"


def junit_schema() -> etree.XMLSchema:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "-d", folder, PYTEST], check=True)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            name = next(n for n in archive.getnames() if n.endswith(SCHEMA))
            return etree.XMLSchema(etree.parse(archive.extractfile(name)))


def main() -> None:
    golden, pages = ROOT / "tests/it/golden", Path(sys.argv[1]) / "pages"
    junit = junit_schema()
    xml = [golden / "junit.xml", *pages.rglob("junit.xml")]
    for path in xml:
        junit.assertValid(etree.parse(str(path)))
    assert not junit.validate(etree.fromstring(b"<testsuites><testsuite tests='one'/></testsuites>"))

    schema = json.loads((ROOT / "schemas/report.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    reports = [golden / "report.json", *pages.rglob("report.json")]
    for path in reports:
        document = json.loads(path.read_text())
        faults = [f"{path}: {e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]
        assert not faults, "\n".join(faults[:5])
    document["reports"][0]["model_name"] = 3
    assert not validator.is_valid(document), "the schema refuses nothing"
    print(f"{len(xml)} junit.xml and {len(reports)} report.json are as their schemas say")


main()
