"""Uploads: what is taken is checked before anything is opened, bounded, named by its content, and its owner's to delete."""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from attnlab_core import folders, models, uploads
from attnlab_core.errors import AttentionLabError, BadInput, ModelNotFound, ModelRefused
from attnlab_core.testing import tiny_lab, tiny_picture
from attnlab_core.uploads import Limits, delete, find, mine, receive
from tests.hub_server import folder_files, save

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return folder_files(save(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def opened(files: Files) -> list[tuple[str, Any]]:
    return [(name, io.BytesIO(data)) for name, data in files.items()]


def zipped(files: Files, packing: int = zipfile.ZIP_DEFLATED) -> list[tuple[str, Any]]:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    made.seek(0)
    return [("model.zip", made)]


def refuses(files: Any, kind: type[AttentionLabError], words: str, limits: Limits | None = None) -> None:
    """Check that an upload is refused in one line, and that nothing of it is left behind."""
    with pytest.raises(kind, match=words) as caught:
        receive(files, "me", limits=limits)
    assert "\n" not in str(caught.value)
    left = [path for path in (folders.cache() / "uploads").rglob("*") if path.is_file()]
    assert left == []


def with_config(tiny: Files, **change: Any) -> Files:
    config = {**json.loads(tiny["config.json"]), **change}
    return {**tiny, "config.json": json.dumps(config).encode()}


def safetensors(header: dict[str, Any], data: bytes = b"") -> bytes:
    said = json.dumps(header).encode()
    return struct.pack("<Q", len(said)) + said + data


def test_what_was_brought_loads_like_any_model_and_answers_the_same(tiny: Files, tmp_path: Path) -> None:
    got = receive(opened(tiny), "me", "My *model*")
    lab = models.load(got.upload.name, device="cpu")
    folder = tmp_path / "same"
    folder.mkdir()
    for name, data in tiny.items():
        (folder / name).write_bytes(data)
    text = "There is nothing to dislike here."
    assert lab.run(text).probabilities == models.load(folder, device="cpu").run(text).probabilities
    assert got.upload.label == "My *model*"
    assert got.upload.model_type == "bert"
    assert got.upload.parameters == models.weigh(got.upload.name).parameters


def test_the_same_files_have_the_same_name_however_they_come(tiny: Files) -> None:
    loose, packed = receive(opened(tiny), "me").upload, receive(zipped(tiny), "other").upload
    backwards = receive(opened(dict(reversed(tiny.items()))), "me").upload
    assert loose.name == packed.name == backwards.name
    changed = receive(opened(with_config(tiny, layer_norm_eps=1e-6)), "me").upload
    assert changed.name != loose.name


def test_an_upload_is_listed_and_deleted_by_its_owner_alone(tiny: Files) -> None:
    one = receive(opened(tiny), "me").upload
    assert [u.key for u in mine("me")] == [one.key]
    assert mine("other") == []
    with pytest.raises(ModelNotFound, match="of yours"):
        delete(one.key, "other")
    receive(opened(tiny), "other")
    delete(one.key, "me")
    assert mine("me") == []
    assert find(one.name).owners == ("other",)  # who brought the same files keeps them
    delete(one.key, "other")
    with pytest.raises(ModelNotFound, match="not any more"):
        models.load(one.name)
    assert not list((folders.cache() / "uploads").iterdir())


def test_what_a_broken_off_upload_left_is_swept_away_after_a_day(tiny: Files) -> None:
    root = folders.cache() / "uploads"
    for name, age in ((".coming-old", 90_000), (".coming-new", 60)):
        (root / name).mkdir(parents=True)
        os.utime(root / name, (time.time() - age,) * 2)
    receive(opened(tiny), "me")
    assert [path.name for path in root.glob(".coming-*")] == [".coming-new"]


@pytest.mark.parametrize("limits", [Limits(kept=2), Limits(kept_bytes=-1)])
def test_beyond_the_limit_the_oldest_goes(tiny: Files, limits: Limits) -> None:
    if limits.kept_bytes < 0:
        size = sum(len(data) for name, data in tiny.items() if name in uploads.NAMES)
        limits = Limits(kept_bytes=int(2.5 * size))
    keys = [
        receive(opened(with_config(tiny, layer_norm_eps=eps)), "me", limits=limits).upload.key
        for eps in (1e-5, 1e-6, 1e-7)
    ]
    assert [one.key for one in mine("me")] == [keys[2], keys[1]]
    assert not (folders.cache() / "uploads" / keys[0]).exists()


@pytest.mark.parametrize(
    "name", ["../config.json", "a/config.json", "/config.json", "..\\x.json", "C:x.json", "..", "a\0b"]
)
@pytest.mark.parametrize("pack", [opened, zipped])
def test_a_name_with_a_folder_in_it_is_refused(name: str, pack: Any, tiny: Files) -> None:
    name = name.replace("\0", "/") if pack is zipped else name  # that format ends a name there
    refuses(pack({**tiny, name: b"{}"}), BadInput, "folder")


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "x.pt", "x.PKL", "modeling.py", "x.ckpt", "libx.so", "run.sh"]
)
@pytest.mark.parametrize("pack", [opened, zipped])
def test_what_can_hold_code_is_refused(name: str, pack: Any, tiny: Files) -> None:
    refuses(pack({**tiny, name: b"x"}), BadInput, "can hold code")


def test_what_is_not_needed_is_told_and_not_kept(tiny: Files) -> None:
    got = receive(
        opened({**tiny, "README.md": b"# x", "adapter_config.json": b"{}", "other.safetensors": b"x"}), "me"
    )
    assert set(got.left_out) >= {"README.md", "adapter_config.json", "other.safetensors"}
    kept = {path.name for path in uploads.folder_of(got.upload.name).iterdir()}
    assert kept <= uploads.NAMES


def test_a_link_in_an_archive_is_refused(tiny: Files) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("config.json")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    made.seek(0)
    refuses([("x.zip", made)], BadInput, "link")


def test_a_bomb_is_stopped_at_the_limit_whatever_its_header_says(tiny: Files) -> None:
    bomb = {**tiny, "vocab.txt": b"\0" * 30_000_000}
    (packed,) = zipped(bomb)
    assert len(packed[1].getvalue()) < 5_000_000
    refuses([packed], BadInput, "larger than 10 MB", Limits(bytes=10 * 2**20))
    refuses(opened(bomb), BadInput, "larger than 10 MB", Limits(bytes=10 * 2**20))


def test_too_many_files_damaged_archives_and_mixtures_are_refused(tiny: Files) -> None:
    many = {f"{k}.json": b"{}" for k in range(9)}
    refuses(opened(many), BadInput, "at most 8", Limits(files=8))
    refuses(zipped(many), BadInput, "at most 8", Limits(files=8))
    refuses([("x.zip", io.BytesIO(b"PK\3\4 nonsense"))], BadInput, "damaged")
    whole = zipped(tiny)[0][1].getvalue()
    broken = bytearray(whole)
    broken[200:260] = bytes(60)
    refuses([("x.zip", io.BytesIO(bytes(broken)))], AttentionLabError, "damaged")
    refuses([*zipped(tiny), *opened(tiny)], BadInput, "not both")
    refuses([], BadInput, "No file")
    refuses([*opened(tiny), ("config.json", io.BytesIO(b"{}"))], BadInput, "twice")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": None}, "model_type"),
        ({"model_type": "../bert"}, "model_type"),
        ({"model_type": "homemade"}, "unknown to transformers"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "auto_map"),
        ({"text_config": {"auto_map": {"AutoModel": "code.Model"}}}, "auto_map"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers"),
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"num_local_experts": 10**6}, "num_local_experts"),
        ({"vocab_size": 4_000_000}, "asks for"),
        ({"intermediate_size": 100_000}, "asks for"),
        ({"hidden_size": 33}, "makes no model"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    change: dict[str, Any], words: str, tiny: Files
) -> None:
    refuses(opened(with_config(tiny, **change)), ModelRefused, words)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("config.json", b"[1]", "does not fit"),
        ("config.json", b"{", "cannot be read"),
        ("config.json", b"\xff\xfe", "cannot be read"),
        ("config.json", b"[" * 100_000, "cannot be read"),
        ("config.json", b'{"model_type": "bert", "x": "' + b"a" * 2**20 + b'"}', "larger than"),
        ("tokenizer.json", b"{}", "does not fit"),
        ("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["x.T", null]}}', "auto_map"),
        ("model.safetensors", b"", "damaged"),
        ("model.safetensors", b"\x80\x04pickle", "damaged"),
        ("model.safetensors", struct.pack("<Q", 2**60) + b"{}", "damaged"),
        ("model.safetensors", safetensors({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}), "damaged"),
        ("model.safetensors", safetensors({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, b"1234"), "damaged"),
        ("model.safetensors", safetensors({"a": {"dtype": "PY", "shape": [1], "data_offsets": [0, 4]}}, b"1234"), "damaged"),
        (
            "model.safetensors",
            safetensors(
                {
                    "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                    "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
                },
                b"123456",
            ),
            "damaged",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_its_name_says_is_refused(
    name: str, data: bytes, words: str, tiny: Files
) -> None:
    refuses(opened({**tiny, name: data}), ModelRefused, words)


def with_tokenizer(tiny: Files, **change: Any) -> Files:
    said = {**json.loads(tiny["tokenizer.json"]), **change}
    return {**tiny, "tokenizer.json": json.dumps(said).encode()}


def splitting(*patterns: str) -> dict[str, Any]:
    parts = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in patterns
    ]
    return {"type": "Sequence", "pretokenizers": [*parts, {"type": "BertPreTokenizer"}]}


HOSTILE = (
    *(r"(a+)+$", r"(a|aa)+b", r"(a|a)*b", r"(\w+\s?)+!", r"a*a*b", r".*.*=.*", r"(?=a*a*b)", r"(?:a*b){2}"),
    *(r"(a?){20}a{20}", r"((a{1,9}){1,9}){1,9}b", r"a{1,2}+b", r"a{0,999}a{0,999}b", r"(a)*\1b", r"a(?i)b|c*d"),
    *("|".join("a*b" for _ in range(17)), "(?x)a", "(?~ab)", "[a", "(a", "a)", "(" * 999, "[" * 9999, "a" * 20_000),
)  # fmt: skip
KNOWN = (  # GPT-2, Llama 3, GPT-4 with possessive repeats, GPT-4o, DeepSeek, CLIP, BLOOM, Phi 4, OLMo, T5
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"\d{1,3}(?=(?:\d{3})*\b)",
    r"(?=(\d{3})+(?!\d))",
    r" {2,}",
)


@pytest.mark.parametrize("where", ["pre_tokenizer", "normalizer"])
@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_pattern_that_may_read_a_text_for_ever_is_refused(pattern: str, where: str, tiny: Files) -> None:
    part = splitting(pattern)
    if where == "normalizer":
        part = {"type": "Replace", "pattern": {"Regex": pattern}, "content": " "}
    refuses(opened(with_tokenizer(tiny, **{where: part})), ModelRefused, "could take very long")


def test_patterns_that_only_together_take_long_are_refused(tiny: Files) -> None:
    receive(opened(with_tokenizer(tiny, pre_tokenizer=splitting(*[r"a*b"] * 16))), "me")
    with pytest.raises(ModelRefused, match="could take very long"):
        receive(opened(with_tokenizer(tiny, pre_tokenizer=splitting(*[r"a*b"] * 17))), "me")


def test_a_text_does_not_grow_beyond_bounds(tiny: Files) -> None:
    tenfold = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    for times, growth in ((2, True), (3, False)):
        files = opened(
            with_tokenizer(tiny, normalizer={"type": "Sequence", "normalizers": [tenfold] * times})
        )
        if growth:
            receive(files, "me")
        else:
            with pytest.raises(ModelRefused, match="256 times as long"):
                receive(files, "me")


@pytest.mark.parametrize("pattern", KNOWN)
def test_patterns_of_well_known_tokenizers_are_taken_and_end_soon(pattern: str, tiny: Files) -> None:
    """Also with texts on which they fail at every letter but the last."""
    got = receive(opened(with_tokenizer(tiny, pre_tokenizer=splitting(pattern))), "me").upload
    tokenizer = models.load(got.name, device="cpu").tokenizer
    for letter in "aA1 .ª\n":
        began = time.perf_counter()
        tokenizer(letter * 5000 + "!", truncation=False, verbose=False)
        assert time.perf_counter() - began < 20


def test_missing_parts_are_named(tiny: Files) -> None:
    for part, words in (
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer"),
    ):
        refuses(opened({name: data for name, data in tiny.items() if name != part}), ModelRefused, words)


def test_shards_are_taken_with_their_index(tiny: Files, tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(tiny["model.safetensors"])
    weights = load_file(tmp_path / "whole")
    names = sorted(weights)
    parts = {f"model-0000{k}-of-00002.safetensors": names[k - 1 :: 2] for k in (1, 2)}
    files = {name: data for name, data in tiny.items() if name != "model.safetensors"}
    for file, keys in parts.items():
        save_file({key: weights[key] for key in keys}, tmp_path / file, {"format": "pt"})
        files[file] = (tmp_path / file).read_bytes()
    index = {"metadata": {}, "weight_map": {key: file for file, keys in parts.items() for key in keys}}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    assert models.load(receive(opened(files), "me").upload.name, device="cpu").task == "classification"
    delete(mine("me")[0].key, "me")
    lacking = {name: data for name, data in files.items() if "00002-of" not in name}
    refuses(opened(lacking), ModelRefused, "lacks 'model-00002")
    index["weight_map"][names[0]] = "../../secret.safetensors"
    strange = {**files, "model.safetensors.index.json": json.dumps(index).encode()}
    refuses(opened(strange), ModelRefused, "lacks")


@pytest.mark.parametrize(
    "name", ["upload:", "upload:../../etc", "upload:" + "a" * 20, "upload:" + "A" * 20, "upload:/"]
)
def test_a_name_that_stands_for_no_upload_is_told_without_a_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(models, "fetch", no_network)
    with pytest.raises(ModelNotFound, match="on this server"):
        models.load(name)


def test_a_model_of_text_and_pictures_brings_what_feeds_both(tmp_path: Path) -> None:
    lab = tiny_lab("matching")
    lab.model.save_pretrained(tmp_path)
    lab.tokenizer.save_pretrained(tmp_path)
    lab.reader.processor.image_processor.save_pretrained(tmp_path)
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    got = receive(opened(files), "me")
    prompt = tiny_picture(text="a great film\nthe city")
    torch.testing.assert_close(models.load(got.upload.name).run(prompt).logits, lab.run(prompt).logits)
    delete(got.upload.key, "me")
    for name, words in {
        "tokenizer.json": "no tokenizer",
        "preprocessor_config.json": "prepares pictures",
    }.items():
        refuses(opened({k: v for k, v in files.items() if k != name}), ModelRefused, words)
    config = json.loads(files["config.json"])
    config["vision_config"]["num_hidden_layers"] = 10**6
    refuses(opened({**files, "config.json": json.dumps(config).encode()}), ModelRefused, "num_hidden_layers")
    config["vision_config"]["num_hidden_layers"] = 1000
    refuses(
        opened({**files, "config.json": json.dumps(config).encode()}),
        ModelRefused,
        "belongs to these weights",
    )
