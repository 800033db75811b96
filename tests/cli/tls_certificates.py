"""Certificates for tests, made as docs/operating.md says."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(section):
    """The indented blocks of a section of docs/operating.md."""
    text = (ROOT / "docs/operating.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return ["".join(line[4:] for line in block.splitlines(keepends=True)) for block in found]


def make_certificates(home, *names):
    """An authority in that directory, and a certificate for each name."""
    authority, one = blocks("Certificates")[:2]
    home.mkdir(exist_ok=True)
    for script in [authority] + [one.replace("name=node", f"name={name}") for name in names]:
        subprocess.run(["sh", "-ec", script], cwd=home, check=True, capture_output=True)
