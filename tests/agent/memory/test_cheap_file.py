"""What a study writes down of candidates that it measured in both ways."""

import json
from pathlib import Path

from agent.memory.cheap_file import NAME, CheapFile, pairs_of_others, read_pairs, write_pairs
from evaluators.cheap import Pair


def test_pairs_are_read_as_they_were_written_with_the_keys_of_their_trials(tmp_path: Path):
    pairs = (Pair("default", 0.8, 0.81, ("cheap", "full")), Pair("iteration 1", 0.7, 0.72))
    kept = CheapFile("made for a test", pairs, (pairs[:1], pairs[1:]))
    write_pairs(tmp_path / "s", kept)
    assert read_pairs(tmp_path / "s") == kept
    assert pairs_of_others(tmp_path / "other") == ((pairs,), [])


def test_a_file_of_an_earlier_version_has_no_keys_and_no_decisions(tmp_path: Path):
    pair = {"candidate": "default", "cheap": 0.8, "full": 0.81}
    (tmp_path / NAME).write_text(json.dumps({"about": "skin", "own": [pair], "others": [[pair]]}))
    [own] = [Pair("default", 0.8, 0.81)]
    assert read_pairs(tmp_path) == CheapFile("skin", (own,), ((own,),))
