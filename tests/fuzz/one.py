"""One target under atheris: `python -m tests.fuzz.one TARGET FOLDER SECONDS SEED`. Ends with libFuzzer's own statistics; not 0 when it finds something.

The input that it found is in FOLDER, named `crash-...`, `timeout-...` or `oom-...`; `python -m tests.fuzz.one TARGET FILE` runs it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

INPUT_BYTES = 4_096
INPUT_S = 10
"""One input may take so long; more is a find."""
MEMORY_MIB = 1_024


def drive(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Does not come back: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["hoistway", "ingest", "alarms", "simulators"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words) or "# none\n")
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={INPUT_BYTES}", f"-timeout={INPUT_S}",
               f"-rss_limit_mb={MEMORY_MIB}", f"-artifact_prefix={folder}/", f"-dict={words}", "-print_final_stats=1"]  # fmt: skip
    atheris.Setup([name, *options, str(corpus)], target.run)
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def main(words: list[str]) -> None:
    """Fuzz, or run one input again."""
    if len(words) == 2:
        from tests.fuzz.targets import TARGETS

        TARGETS[words[0]].run(Path(words[1]).read_bytes())
        return
    name, folder, seconds, seed = words
    drive(name, Path(folder), int(seconds), int(seed))


if __name__ == "__main__":
    main(sys.argv[1:])
