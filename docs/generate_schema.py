"""Write docs/run_folder.schema.json, the JSON schema of a run's files; ``--check`` only compares."""

import json
import sys
from pathlib import Path

from gym_llm.rollouts.records import json_schema

PAGE = Path(__file__).parent / "run_folder.schema.json"


def main() -> int:
    """Write the file, or say whether it is up to date."""
    text = json.dumps(json_schema(), indent=1) + "\n"
    if "--check" in sys.argv:
        return int(not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
