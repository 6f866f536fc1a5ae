"""Conversations in shards: the same as in lines, written and read alike, and what is bad is named by shard and key."""

from __future__ import annotations

import io
import json
import random
import tarfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.test_chat_files import assert_same, conversations, line, picture, sound

from omniloom.data.chat_files import MAX_MEDIA_BYTES, Conversation
from omniloom.data.chat_shards import Shard, read_shard, write_shards
from omniloom.data.problems.chat_problem import ChatFilesProblem
from omniloom.stream.parts import Audio, Image, Part, Text

WAV = Audio(torch.linspace(-0.5, 0.5, 400), 16_000).to_bytes("WAV")
PNG = Image(torch.arange(27, dtype=torch.uint8).view(3, 3, 3)).to_bytes("PNG")


def tar_of(path: Path, members: dict[str, bytes | str], **options: int) -> Path:
    """A shard as any program might write it."""
    with tarfile.open(path, "w", **options) as tar:
        for name, data in members.items():
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def problem(source: Path, **settings: float) -> ChatFilesProblem:
    return ChatFilesProblem(ChatFilesProblem.Config(folder=source, **settings))


def parts_of(chats: list[Conversation]) -> list[Part]:
    return [part for chat in chats for message in chat.messages for part in message.parts]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chats=st.lists(conversations, max_size=5), samples_per_shard=st.integers(1, 3))
def test_written_and_read_is_the_same(chats: list[Conversation], samples_per_shard: int, tmp_path: Path) -> None:
    paths = write_shards(tmp_path, chats, samples_per_shard=samples_per_shard)
    assert len(paths) == -(-len(chats) // samples_per_shard)
    found = [chat for path in paths for chat in read_shard(path)]
    assert [[m.role for m in chat.messages] for chat in chats] == [[m.role for m in chat.messages] for chat in found]
    for one, other in zip(parts_of(chats), parts_of(found), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("samples_per_shard", [7, 40])
def test_shards_and_lines_are_the_same_problem(samples_per_shard: int, tmp_path: Path) -> None:
    """The same JSON and media, once as a file of lines beside them and once as shards: equal examples in each split."""
    lines, shards = tmp_path / "lines", tmp_path / "shards"
    lines.mkdir()
    shards.mkdir()
    texts = []
    for number in range(40):
        wave = Audio(torch.rand(200, generator=torch.Generator().manual_seed(number)) - 0.5, 8_000).to_bytes("WAV")
        (lines / f"{number:03d}.wav").write_bytes(wave)
        texts.append(line([*sound(path=f"{number:03d}.wav"), {"type": "text", "text": "who?"}], f"number {number}"))
    (lines / "chats.jsonl").write_text("\n".join(texts) + "\n")
    for start in range(0, 40, samples_per_shard):
        members: dict[str, bytes | str] = {}
        for number in range(start, min(start + samples_per_shard, 40)):
            members[f"{number:03d}.json"] = texts[number] + "\n"
            members[f"{number:03d}.wav"] = (lines / f"{number:03d}.wav").read_bytes()
        tar_of(shards / f"s-{start:02d}.tar", members)
    one, other = problem(lines), problem(shards)
    for split in ("train", "new"):
        count = one.num_conversations(split)
        assert count == other.num_conversations(split) > 0
        for index in range(count + 3):
            before, after = one.example(split, index), other.example(split, index)
            assert before.answer == after.answer
            first, second = (parts_of([Conversation(example.messages)]) for example in (before, after))
            for left, right in zip(first, second, strict=True):
                assert_same(left, right)
    assert other.example("train", 0).facts[0].startswith(f"place:{shards}")


@pytest.mark.parametrize("media", ["a/x.1.wav", "./a/x.1.wav", "a/b/../x.1.wav", "1.wav", ".1.wav", ".1.WAV"])
def test_media_are_named_by_path_or_by_extension(media: str, tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", {"./a/x.json": line(sound(path=media)), "./a/x.1.WAV": WAV})
    (chat,) = read_shard(path)
    assert_same(chat.messages[0].parts[0], Audio.open(WAV))


def test_keys_and_extensions_are_those_of_webdataset(tmp_path: Path) -> None:
    """Up to the first dot after the last slash; notes, hidden files, folders and links are no samples."""
    path = tmp_path / "s.tar"
    tar_of(path, {"v1.0/a.json": line("one"), "v1.0/a.left.png": PNG, "__meta__/info.json": "{}", "._a.json": "x"})
    with tarfile.open(path, "a") as tar:
        for name, kind in (("folder", tarfile.DIRTYPE), ("link.json", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "v1.0/a.json"
            tar.addfile(info)
    shard = Shard.open(path)
    assert [sample.key for sample in shard.samples] == ["v1.0/a"]
    assert sorted(shard.members) == ["v1.0/a.json", "v1.0/a.left.png"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files open
def test_the_webdataset_library_writes_and_reads_them(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="the hf extra has it")
    path = tmp_path / "s.tar"
    with webdataset.TarWriter(str(path)) as writer:
        for key in ("000", "001"):
            writer.write({"__key__": key, "json": json.loads(line(sound(path=f"{key}.wav"), key)), "wav": WAV})
    found = read_shard(path)
    assert [chat.messages[1].parts[0] for chat in found] == [Text("000"), Text("001")]
    (ours,) = write_shards(tmp_path / "ours", found)
    samples = list(webdataset.WebDataset(str(ours), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["000000", "000001"]
    assert all(sample["0.wav"][:4] == b"RIFF" and b"000" in sample["json"] for sample in samples)


def test_any_sample_is_read_alone_and_any_order(tmp_path: Path) -> None:
    """Members may stand in any order: all chats first, then all media."""
    chats = {f"{key}.json": line(sound(path=".wav"), key) for key in "abc"}
    shard = Shard.open(tar_of(tmp_path / "s.tar", {**chats, **{f"{key}.wav": WAV for key in "cab"}}))
    replies = [sample.conversation().messages[1].parts[0] for sample in reversed(shard.samples)]
    assert replies == [Text("c"), Text("b"), Text("a")]


BAD = {
    "absent": ({"k.json": line(picture("cat.png")), "k.wav": WAV}, "no member 'cat.png'; the sample has k.json, k.wav"),
    "escape": ({"k.json": line(picture("../secret.png"))}, "leads out of the shard"),
    "absolute": ({"k.json": line(picture("/etc/passwd"))}, "leads out of the shard"),
    "deep escape": ({"k.json": line(picture("a/../../x.png"))}, "leads out of the shard"),
    "network": ({"k.json": line(picture("https://example.org/cat.png"))}, "nothing is fetched from the network"),
    "zero": ({"k.json": line(picture("a\0b"))}, "zero character"),
    "not a picture": ({"k.json": line(picture("k.png")), "k.png": b"AAAA"}, "'k.png': the given bytes is not a pict"),
    "not json": ({"k.json": "{"}, "not a line of JSON"),
    "no reply": ({"k.json": '{"messages": [{"role": "user", "content": "a"}]}'}, "must take turns"),
    "no chat": ({"k.wav": WAV, "k.png": PNG}, "the sample has k.png and no k.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_is_one_error_with_shard_and_key(name: str, tmp_path: Path) -> None:
    members, message = BAD[name]
    path = tar_of(tmp_path / "s.tar", {"good.json": line("good"), **members, "last.json": line("good")})
    with pytest.raises(ValueError) as caught:
        read_shard(path)
    assert str(caught.value).startswith(f"{path}:k: ") and message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_each_bad_sample_is_reported_once(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", {f"{number}.json": "[" for number in range(23)})
    with pytest.raises(ValueError) as caught:
        read_shard(path)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{path}:0: ") and lines[-1] == "and 3 more bad samples"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../k.json": "{}"}, r"member '\.\./k\.json' leads out of the shard"),
        ({"/k.json": "{}"}, r"member '/k\.json' leads out of the shard"),
        ({"k.json": "{}", "./k.JSON": "{}"}, r"member '\./k\.JSON' comes twice"),
    ],
)
def test_a_bad_member_is_named(members: dict[str, bytes | str], message: str, tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", members)
    with pytest.raises(ValueError, match=message) as caught:
        Shard.open(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_member_that_is_too_large_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    with path.open("wb") as file:  # a sparse file: only the header takes room on disk
        info = tarfile.TarInfo("k.json")
        info.size = MAX_MEDIA_BYTES + 1
        file.write(info.tobuf())
        file.truncate(tarfile.BLOCKSIZE * (2 + info.size // tarfile.BLOCKSIZE) + 2 * tarfile.BLOCKSIZE)
    with pytest.raises(ValueError, match=rf"{path}:k: 'k\.json' has 67,108,865 bytes, at most"):
        problem(path)


def test_a_member_that_claims_less_than_nothing_is_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", {"a.json": line("x"), "b.json": line("y")})
    data = bytearray(path.read_bytes())
    header = tarfile.TarInfo.frombuf(bytes(data[:512]), "utf-8", "strict")
    header.size = -1024
    data[:512] = header.tobuf(format=tarfile.GNU_FORMAT)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"member 'a\.json' claims -1024 bytes"):
        Shard.open(path)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_format(format: int, tmp_path: Path) -> None:
    key = "/".join(["chats" * 8] * 3 if format == tarfile.USTAR_FORMAT else ["chats" * 30] * 3)
    path = tar_of(tmp_path / "s.tar", {f"{key}.json": line(sound(path="wav")), f"{key}.wav": WAV}, format=format)
    assert len(read_shard(path)) == 1


def test_a_shard_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    """What a broken-off copy leaves is never taken for a shorter shard."""
    path = tar_of(tmp_path / "s.tar", {f"{key}.{kind}": "x" * 700 for key in "abc" for kind in ("json", "wav")})
    data = path.read_bytes()
    end = data.rindex(b"x") + 1
    whole = Shard.open(path).members
    for size in {*range(0, len(data), 256), *(random.Random(0).randrange(len(data)) for _ in range(40))}:
        path.write_bytes(data[:size])
        if size >= -(-end // 512) * 512 + 512:
            assert Shard.open(path).members == whole
        else:
            with pytest.raises(ValueError, match=r"s\.tar.* is torn") as caught:
                Shard.open(path)
            assert "copy it" in str(caught.value)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 4607), st.integers(0, 255)), min_size=1, max_size=6))
def test_garbage_is_a_value_error_or_chats(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", {"a.json": line(sound(path="a.wav")), "a.wav": WAV, "b.json": line("x")})
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place] = value
    path.write_bytes(data)
    try:
        read_shard(path)
    except ValueError as error:
        assert str(path) in str(error)


def test_a_shard_cut_short_in_use_is_named(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", {"a.json": line("x" * 2000)})
    (sample,) = Shard.open(path).samples
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match=rf"{path}:a: member 'a\.json' is cut short"):
        sample.conversation()


def test_compressed_shards_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.json"))
    with pytest.raises(ValueError, match=r"no uncompressed tar file .* write it with tar -cf"):
        Shard.open(path)


def test_a_source_is_a_folder_of_both_or_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line("one", "from a line") + "\n")
    tar_of(tmp_path / "b.tar", {"k.json": line("two", "from a shard")})
    both = problem(tmp_path, new_share=0.0)
    assert {both.example("train", index).answer for index in range(2)} == {"from a line", "from a shard"}
    assert problem(tmp_path / "b.tar", new_share=0.0).example("train", 0).answer == "from a shard"
    assert problem(tmp_path / "a.jsonl", new_share=0.0).example("train", 0).answer == "from a line"
    (tmp_path / "c.txt").write_text("")
    with pytest.raises(ValueError, match=r"neither a \.jsonl file nor a \.tar shard"):
        problem(tmp_path / "c.txt")
    with pytest.raises(ValueError, match="samples_per_shard must be at least 1"):
        write_shards(tmp_path, [], samples_per_shard=0)
