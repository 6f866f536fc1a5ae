"""Encoded examples on disk equal those encoded one by one, however many processes and interruptions made them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.stream.vocabularies import folding_vocabulary

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.pieces import pieces_of
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import seeded
from omniloom.data.chat_files import Conversation, write_chats
from omniloom.data.encoding import MessageEncoder, encode_message, without_prompt
from omniloom.data.problems import ChatFilesProblem, Mixture, ScenesProblem, SpeechProblem, SumsProblem, WorldMix
from omniloom.data.speech.words import REPLY_WORDS
from omniloom.data.token_dataset import Joined, Subset, TokenDataset, folded, prepare, shard_name
from omniloom.stream.layout import NO_WORD, EncodedMessage, LossClass, Piece, Turn, lay_out
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, NamedPlace, Text, TimedWord, Video
from omniloom.stream.vocabulary import BOS, CONTROLS, IMAGE, PAD, USER, Vocabulary

MIX = WorldMix(
    scenes=ScenesProblem.Config(draw_typed=20.0),
    speech=SpeechProblem.Config(),
    sums=SumsProblem.Config(),
    digits=None,
    emoji=None,
    dropped_prompts=0.3,
)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> CodecSet:
    """Untrained codecs: their codes mean nothing and are as exact as any."""
    folder = tmp_path_factory.mktemp("codecs")
    with seeded("codecs"):
        audio, image = AudioCodec(AudioCodec.Config()), ImageCodec()
    CodecSet(
        text=TextCodec.train([f"{word} {word}" for word in REPLY_WORDS], 400), audio=audio.eval(), image=image
    ).save(folder)
    return CodecSet.load(folder)


@pytest.fixture(scope="module")
def dataset(codecs: CodecSet, tmp_path_factory: pytest.TempPathFactory) -> TokenDataset:
    return prepare(
        tmp_path_factory.mktemp("data") / "set", mix=MIX, codecs=codecs, num_examples=50, processes=1, shard_examples=20
    )


def assert_equal(one: TokenDataset, other: TokenDataset) -> None:
    assert len(one) == len(other) and one.task_of.tolist() == other.task_of.tolist()
    for index in range(len(one)):
        assert all((a == b).all() for a, b in zip(one[index], other[index], strict=True))


def test_codecs_saved_and_loaded_together_keep_their_fingerprints(codecs: CodecSet, tmp_path: Path) -> None:
    codecs.save(tmp_path / "again")
    assert CodecSet.load(tmp_path / "again").fingerprints == codecs.fingerprints
    with pytest.raises(ValueError, match="no text and no audio and no image codec"):
        CodecSet.load(tmp_path)


def test_encoded_together_equals_encoded_alone(codecs: CodecSet) -> None:
    world = Mixture(MIX)
    messages = [message for index in range(30) for message in world.example("train", index).messages]
    together = MessageEncoder(codecs).encode(messages)
    assert together == [encode_message(message, codecs) for message in messages]


def test_a_spoken_reply_is_encoded_as_the_one_sound_that_it_is(codecs: CodecSet) -> None:
    reply = Mixture(MIX).example("train", 0, "say").reply
    sounds = [part for part in reply.parts if isinstance(part, Audio)]
    encoded = encode_message(reply, codecs)
    codes = [code for piece in encoded.parts if piece.kind == "audio" for code in piece.codes]
    whole = Audio(torch.cat([sound.samples for sound in sounds]), 16_000)
    assert codes == codecs.audio.encode(whole)
    assert [len(piece.codes) for piece in encoded.parts if piece.kind == "audio"] == [
        sound.samples.numel() // 640 * 2 for sound in sounds
    ]


def test_sound_of_other_rates_and_lengths_is_filled_to_frames(codecs: CodecSet) -> None:
    sound = Audio(torch.randn(1001).clamp(-1, 1), 8_000)
    reply = encode_message(Message("assistant", (sound, sound)), codecs)
    assert [len(piece.codes) for piece in reply.parts] == [8, 8]  # 2002 samples at 16 kHz: four frames of two codes
    assert list(encode_message(Message("user", (sound,)), codecs).parts[0].codes) == codecs.audio.encode(sound)


def test_a_film_is_encoded_as_a_conversation_encodes_it(codecs: CodecSet) -> None:
    message = Mixture().example("train", 3, "film_sound_text").prompt[0]
    assert any(isinstance(part, Video) and part.sound is not None for part in message.parts)
    pieces = [piece for part in message.parts for piece in pieces_of(part, codecs)]
    known = encode_message(message, codecs).parts
    assert any(piece.words for piece in known), "what stands in a film of the world is known"
    assert [piece._replace(words=()) for piece in known] == pieces


def test_dataset_rows_are_those_of_the_examples(codecs: CodecSet, dataset: TokenDataset) -> None:
    world, vocabulary = Mixture(MIX), codecs.vocabulary()
    num_dropped = 0
    for index in range(len(dataset)):
        example = world.example("train", index)
        encoded = [encode_message(message, codecs) for message in example.messages]
        found = dataset[index]
        assert dataset.tasks[dataset.task_of[index]] == example.task
        row = folded(lay_out(encoded, vocabulary), vocabulary)
        if found.ids.tolist() != row.ids.tolist():
            row = folded(lay_out(without_prompt(encoded), vocabulary), vocabulary)
            num_dropped += 1
        assert all((own == other).all() for own, other in zip(found, row, strict=True))
    assert 0 < num_dropped < 25
    assert dataset.num_tokens == sum(len(dataset[index].ids) for index in range(len(dataset)))


def test_folded_rows_predict_and_ask_what_the_flat_ones_do() -> None:
    vocabulary = folding_vocabulary()
    turns = [Turn.GOES_ON, Turn.UNKNOWN, Turn.ENDED]
    said = Piece("audio", [1, 13, 2, 14, 3, 15], turns, [NO_WORD, 0, 5])
    shown = Piece("image", [*range(4), *range(8, 17)])
    reply = EncodedMessage("assistant", (Piece("text", [6]), Piece("audio", [1, 13])))
    flat = lay_out([EncodedMessage("user", (said, shown)), reply], vocabulary)
    row = folded(flat, vocabulary)
    older = Vocabulary([*vocabulary.specs.values()], controls=CONTROLS[:10])
    assert not folded(flat, older).turns.any()
    assert len(row.ids) == len(row.slots) == 3 + 3 + 1 + 4 + 2 + 3 and row.more.shape == (len(row.ids), 3)
    assert row.turns.tolist()[3:6] == [Turn.GOES_ON, Turn.UNKNOWN, Turn.ENDED] and not row.turns[6:].any()
    text = vocabulary.start_of("text")
    assert row.words.tolist()[3:6] == [PAD, text, text + 5] and not row.words[6:].any()
    assert row.classes.tolist()[-3:] == [LossClass.REPLY_TEXT, LossClass.REPLY_AUDIO, LossClass.REPLY_TEXT]
    assert row.ids[-2] == flat.ids[-3] and row.more[-2].tolist() == [flat.ids[-2], PAD, PAD]
    assert not row.classes[3:6].any() and not row.classes[7:11].any()
    assert sorted([*row.ids, *row.more[row.more != PAD]]) == sorted(flat.ids)


def test_a_dropped_prompt_leaves_the_drawing_alone(codecs: CodecSet) -> None:
    example = Mixture(MIX).example("train", 0, "draw_typed")
    encoded = [encode_message(message, codecs) for message in example.messages]
    row = lay_out(without_prompt(encoded), codecs.vocabulary())
    assert row.ids[:2] == [BOS, USER] and row.ids[4] == IMAGE
    assert row.classes.count(LossClass.REPLY_IMAGE) == 81 and len(row.ids) == 4 + 1 + 81 + 1


def test_resumed_equals_uninterrupted(codecs: CodecSet, dataset: TokenDataset, tmp_path: Path) -> None:
    made = prepare(tmp_path / "set", mix=MIX, codecs=codecs, num_examples=50, processes=1, shard_examples=20)
    for path in sorted((tmp_path / "set" / shard_name(1)).iterdir()):
        path.unlink()
    (tmp_path / "set" / shard_name(1)).rmdir()
    (tmp_path / "set" / "index.json").unlink()
    with pytest.raises(ValueError, match="unfinished"):
        TokenDataset.open(tmp_path / "set")
    again = prepare(tmp_path / "set", mix=MIX, codecs=codecs, num_examples=50, processes=1, shard_examples=20)
    assert_equal(again, dataset)
    assert_equal(made, dataset)


@pytest.mark.slow
def test_two_processes_make_what_one_makes(codecs: CodecSet, dataset: TokenDataset, tmp_path: Path) -> None:
    two = prepare(tmp_path / "set", mix=MIX, codecs=codecs, num_examples=50, processes=2, shard_examples=20)
    assert_equal(two, dataset)


def test_other_settings_and_foreign_folders_are_refused(
    codecs: CodecSet, dataset: TokenDataset, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="of another mix, size, seed or codecs"):
        prepare(dataset.folder, mix=MIX, codecs=codecs, num_examples=51, processes=1, shard_examples=20)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="not empty"):
        prepare(tmp_path, mix=MIX, codecs=codecs, num_examples=5)
    with pytest.raises(ValueError, match="holds no dataset"):
        TokenDataset.open(tmp_path)


def test_a_subset_is_its_examples(dataset: TokenDataset) -> None:
    some = Subset(dataset, [3, 0, 41])
    assert len(some) == 3 and some.num_tokens == sum(dataset.lengths[place] for place in (3, 0, 41))
    for place, example in enumerate((3, 0, 41)):
        assert all(np.array_equal(a, b) for a, b in zip(some[place], dataset[example], strict=True))
        assert some.task_of[place] == dataset.task_of[example]
    with pytest.raises(IndexError, match="between 0 and 2, got 3"):
        some[3]


def test_joined_datasets_are_one_after_the_other(dataset: TokenDataset, codecs: CodecSet, tmp_path: Path) -> None:
    fewer_tasks = replace(MIX, sums=None)
    other = prepare(tmp_path / "set", mix=fewer_tasks, codecs=codecs, num_examples=7, seed=1, processes=1)
    assert other.tasks != dataset.tasks
    both = Joined([other, Subset(dataset, [3, 0])])
    assert len(both) == 9 and both.num_tokens == other.num_tokens + int(dataset.lengths[[3, 0]].sum())
    for place, (part, example) in enumerate([*((other, i) for i in range(7)), (dataset, 3), (dataset, 0)]):
        assert all(np.array_equal(a, b) for a, b in zip(both[place], part[example], strict=True))
        assert both.tasks[both.task_of[place]] == part.tasks[part.task_of[example]]
    with pytest.raises(IndexError, match="between 0 and 8, got 9"):
        both[9]
    with pytest.raises(ValueError, match="no dataset to join"):
        Joined([])


def test_datasets_of_other_codecs_are_not_joined(dataset: TokenDataset, codecs: CodecSet, tmp_path: Path) -> None:
    text = TextCodec.train([f"{word} {word}" for word in REPLY_WORDS], 390)
    CodecSet(text=text, audio=codecs.audio, image=codecs.image).save(tmp_path / "codecs")
    other_codecs = CodecSet.load(tmp_path / "codecs")
    other = prepare(tmp_path / "set", mix=MIX, codecs=other_codecs, num_examples=5, processes=1)
    with pytest.raises(ValueError, match="other codecs"):
        Joined([dataset, other])


def test_a_changed_shard_is_refused(codecs: CodecSet, tmp_path: Path) -> None:
    prepare(tmp_path / "set", mix=MIX, codecs=codecs, num_examples=5, processes=1)
    path = tmp_path / "set" / shard_name(0) / "tasks.npy"
    np.save(path, np.zeros(5, np.uint8) + 1)
    with pytest.raises(ValueError, match="torn"):
        TokenDataset.open(tmp_path / "set")


def test_an_example_that_fits_no_row_is_named(codecs: CodecSet, tmp_path: Path) -> None:
    (tmp_path / "chats").mkdir()
    turns = (Message("user", (Text("tell me a story"),)), Message("assistant", (Text("once upon a time " * 50),)))
    write_chats(tmp_path / "chats" / "own.jsonl", [Conversation(turns)])
    own = ChatFilesProblem.Config(folder=tmp_path / "chats", new_share=0.0)
    mix = WorldMix.only(chat_files=own)
    with pytest.raises(ValueError, match=r"own\.jsonl:1 has \d+ tokens, at most 100 fit a row"):
        prepare(tmp_path / "set", mix=mix, codecs=codecs, num_examples=2, processes=1, max_tokens=100)


def test_a_word_belongs_to_the_frames_an_eighth_of_a_second_after_it(codecs: CodecSet) -> None:
    """Frames of 40 ms: the one that ends 120 ms after a word's beginning is its first."""
    words = (TimedWord("red", 0.0, 0.12), TimedWord("blue", 0.2, 0.3), TimedWord("circle", 0.39, 0.6))
    sound = Audio(torch.zeros(16_000 * 6 // 10), 16_000, words=words)
    red, blue, circle = (codecs.text.encode(Text(f" {word.text}"))[0] for word in words)
    heard = encode_message(Message("user", (sound,)), codecs).parts[0].words
    first, second = [NO_WORD] * 2 + [red] * 3, [NO_WORD] * 2 + [blue] * 3 + [NO_WORD] * 2
    assert list(heard) == [*first, *second, *[circle] * (15 - len(first) - len(second))]
    assert encode_message(Message("user", (Audio(sound.samples, 16_000),)), codecs).parts[0].words == ()


def test_blocks_are_asked_for_the_words_of_what_stands_in_them(codecs: CodecSet) -> None:
    """Of 4 x 4 blocks, the lower half of a quarter is two, asked for three words in turn."""
    pixels = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    quarter = NamedPlace(("small", "red", "circle"), (0.5, 0.0, 1.0, 0.5))
    spot = NamedPlace(("cat",), (0.1, 0.6, 0.3, 0.9))
    codes = [codecs.text.encode(Text(f" {word}"))[0] for word in (*quarter.words, *spot.words)]
    asked: dict[int, set[int]] = {}
    for shade in range(12):
        pixels[:, 0, 0] = shade
        picture = Image(pixels.clone(), (quarter, spot))
        piece = encode_message(Message("user", (picture,)), codecs).parts[0]
        assert len(piece.words) == len(piece.codes)
        for block, code in enumerate(piece.words):
            if code != NO_WORD:
                asked.setdefault(block, set()).add(code)
    quarters = {block: set(codes[:3]) for block in (6, 7)}
    assert asked == quarters | {12: {codes[3]}}
    assert encode_message(Message("user", (Image(pixels),)), codecs).parts[0].words == ()


def test_blocks_of_frames_are_asked_too(codecs: CodecSet) -> None:
    """Of 2 x 2 blocks a quarter is one, asked for another word in the next frame; in the third nothing is known."""
    frames = torch.full((3, 3, 32, 32), 255, dtype=torch.uint8)
    quarter = NamedPlace(("red", "circle"), (0.5, 0.0, 1.0, 0.5))
    video = Video(frames, 5.0, named=((quarter,), (quarter,), ()))
    pieces = [piece for piece in encode_message(Message("user", (video,)), codecs).parts if piece.kind == "frame"]
    first, second, third = (piece.words for piece in pieces)
    codes = {codecs.text.encode(Text(f" {word}"))[0] for word in quarter.words}
    assert {first[1], second[1]} == codes and third == ()
    assert all(code == NO_WORD for words in (first, second) for place, code in enumerate(words) if place != 1)
    row = lay_out([EncodedMessage("user", tuple(pieces)), EncodedMessage("assistant", ())], codecs.vocabulary())
    example = folded(row, codecs.vocabulary())
    asked = [place for place, word in enumerate(example.words) if word != PAD]
    assert len(asked) == 2 and all(example.more[place].max() > PAD for place in asked)
