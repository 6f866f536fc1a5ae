"""A user's own conversations: what is written comes back, and what is bad is named by file and line."""

import base64
import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniloom.data.chat_files import Conversation, read_chats, write_chats
from omniloom.data.problems import Mixture, WorldMix, problems
from omniloom.data.problems.chat_problem import ChatFilesProblem
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, Part, Text, Video

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(str.strip).map(Text)
pictures = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99)).map(
    lambda key: Image(
        torch.randint(0, 256, (3, key[0], key[1]), generator=torch.manual_seed(key[2]), dtype=torch.uint8)
    )
)
sounds = st.tuples(st.integers(1, 500), st.sampled_from((8_000, 16_000, 44_100)), st.integers(0, 99)).map(
    lambda key: Audio(torch.rand(key[0], generator=torch.manual_seed(key[2])) * 1.8 - 0.9, key[1])
)
videos = st.tuples(st.integers(2, 4), st.integers(0, 99), st.none() | sounds).map(
    lambda key: Video(
        torch.randint(0, 256, (key[0], 3, 5, 4), generator=torch.manual_seed(key[1]), dtype=torch.uint8), 5.0, key[2]
    )
)
parts = st.lists(st.one_of(texts, pictures, sounds), min_size=1, max_size=4).map(tuple)
given_parts = st.lists(st.one_of(texts, pictures, sounds, videos), min_size=1, max_size=4).map(tuple)
conversations = st.lists(st.tuples(given_parts, parts), min_size=1, max_size=2).map(
    lambda turns: Conversation(
        tuple(message for user, reply in turns for message in (Message("user", user), Message("assistant", reply)))
    )
)


def assert_same(one: Part, other: Part) -> None:
    assert type(one) is type(other)
    if isinstance(one, Text):
        assert one == other
    elif isinstance(one, Image):
        assert torch.equal(one.pixels, other.pixels)
    elif isinstance(one, Video):
        assert torch.equal(one.frames, other.frames) and one.rate_fps == other.rate_fps
        assert (one.sound is None) == (other.sound is None)
        if one.sound and other.sound:
            assert_same(one.sound, other.sound)
    else:
        assert one.rate_hz == other.rate_hz
        torch.testing.assert_close(one.samples, other.samples, rtol=0, atol=2**-15)  # 16 bits


@pytest.mark.parametrize("media", ["inline", "files"])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chats=st.lists(conversations, max_size=3))
def test_written_and_read_is_the_same(chats: list[Conversation], media: str, tmp_path: Path) -> None:
    write_chats(tmp_path / "chats.jsonl", chats, media=media)
    found = read_chats(tmp_path / "chats.jsonl")
    assert len(found) == len(chats)
    for chat, again in zip(chats, found, strict=True):
        assert [message.role for message in chat.messages] == [message.role for message in again.messages]
        for before, after in zip(chat.messages, again.messages, strict=True):
            for one, other in zip(before.parts, after.parts, strict=True):
                assert_same(one, other)


def line(content: object, reply: object = "yes") -> str:
    return json.dumps({"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": reply}]})


def picture(url: str) -> list[dict[str, object]]:
    return [{"type": "image_url", "image_url": {"url": url}}]


def sound(**source: str) -> list[dict[str, object]]:
    return [{"type": "input_audio", "input_audio": source}]


def video(url: str, **more: object) -> list[dict[str, object]]:
    return [{"type": "video_url", "video_url": {"url": url, **more}}]


STILL = f"data:image/png;base64,{base64.b64encode(Image(torch.zeros(3, 2, 2, dtype=torch.uint8)).to_bytes()).decode()}"
MOVING = f"data:image/png;base64,{base64.b64encode(Video(torch.zeros(2, 3, 2, 2).byte(), 5).to_bytes('PNG')).decode()}"

BAD = {
    "not json": ("{", "not a line of JSON"),
    "no messages": ("{}", "the line has no 'messages'"),
    "a list": ("[]", "the line must be an object"),
    "empty": ('{"messages": []}', "user first and assistant last, got none"),
    "no reply": ('{"messages": [{"role": "user", "content": "a"}]}', "must take turns"),
    "system": ('{"messages": [{"role": "system", "content": "a"}]}', "role must be"),
    "blank text": (line("  "), "text is empty"),
    "number": (line(3), "content must be text or a list of parts, got 3"),
    "no parts": (line([]), "at least one part"),
    "unknown part": (line([{"type": "video"}]), "part type must be text, input_audio, image_url or video_url, got"),
    "text missing": (line([{"type": "text"}]), "a text part has no 'text'"),
    "escape": (line(picture("../secret.png")), "leads out of"),
    "absolute": (line(picture("/etc/passwd")), "leads out of"),
    "link": (line(picture("link.png")), "leads out of"),
    "network": (line(picture("https://example.org/cat.png")), "nothing is fetched from the network"),
    "absent": (line(picture("cat.png")), "there is no file 'cat.png'"),
    "zero": (line(picture("a\0b")), "zero character"),
    "not base64": (line(picture("data:image/png;base64,!!")), "not base64"),
    "not a picture": (line(picture("data:image/png;base64,AAAA")), "not a picture"),
    "no body": (line(picture("data:image/png")), "must read data:image/"),
    "not a sound": (line(sound(data=base64.b64encode(b"nothing").decode())), "not a sound file"),
    "still video": (line(video(STILL)), "still picture, not a video"),
    "video outside": (line(video("../film.gif")), "leads out of"),
    "video from afar": (line(video("https://example.org/film.gif")), "nothing is fetched from the network"),
    "sound of a video": (line(video(STILL, sound={})), "either data"),
    "video as a reply": (line("draw", video(MOVING)), "the assistant cannot reply with a video"),
    "two sources": (line(sound(data="", path="a.wav")), "either data"),
    "no source": (line(sound(format="wav")), "either data"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_one_error_with_file_and_line(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    path = tmp_path / "in" / "chats.jsonl"
    path.write_text(f"{line('good')}\n\n{text}\n{line('good')}\n")
    with pytest.raises(ValueError) as caught:
        read_chats(path)
    assert str(caught.value).startswith(f"{path}:3: ") and message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_each_bad_line_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(["{", line("good"), "[]"] + ["x"] * 30))
    with pytest.raises(ValueError) as caught:
        read_chats(path)
    lines = str(caught.value).splitlines()
    assert (
        lines[0].startswith(f"{path}:1:") and lines[1].startswith(f"{path}:3:") and lines[-1] == "and 12 more bad lines"
    )


def test_own_conversations_train_beside_the_world(tmp_path: Path) -> None:
    chats = [
        Conversation((Message("user", (Text(f"who is {n}"),)), Message("assistant", (Text(f"number {n}"),))))
        for n in range(40)
    ]
    write_chats(tmp_path / "own.jsonl", chats)
    config = ChatFilesProblem.Config(folder=tmp_path)
    own = problems.get("chat_files")(config)
    train = {own.example("train", index).answer for index in range(own.num_conversations("train"))}
    new = {own.example("new", index).answer for index in range(own.num_conversations("new"))}
    assert not train & new and len(train | new) == 40 and new
    world = Mixture(WorldMix(scenes=None, speech=None, digits=None, emoji=None, chat_files=config))
    assert {"chat", "sum_text"} <= {world.example("train", index).task for index in range(60)}
    with pytest.raises(ValueError, match="no conversations of split 'composed'"):
        own.example("composed", 0)
    with pytest.raises(ValueError, match=r"holds no \.jsonl file"):
        ChatFilesProblem(ChatFilesProblem.Config(folder=tmp_path / "nowhere"))


def test_a_bad_line_met_in_training_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(line(picture("gone.png")) + "\n")
    own = ChatFilesProblem(ChatFilesProblem.Config(folder=tmp_path, new_share=0.0))
    with pytest.raises(ValueError, match=r"own\.jsonl:1: there is no file 'gone\.png'"):
        own.example("train", 0)
