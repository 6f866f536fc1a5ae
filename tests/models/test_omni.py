"""Packed rows equal separate ones, the future is never seen, and the depth dial gives the documented sizes."""

import dataclasses

import pytest
import torch

from omniloom.models import OmniConfig, OmniModel
from omniloom.models.embedding import TokenEmbedding
from omniloom.stream.vocabulary import PAD
from omniloom.training import Muon
from tests.stream.vocabularies import folding_vocabulary, small_vocabulary

VOCABULARY = small_vocabulary()


def small_model() -> OmniModel:
    torch.manual_seed(0)
    model = OmniModel(OmniConfig.from_depth(2), VOCABULARY).eval()
    for parameter in model.parameters():  # the zero-initialized outputs would hide every mistake inside a block
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(0, VOCABULARY.size, shape, generator=torch.Generator().manual_seed(1))


def test_packed_equals_separate():
    model, ids, slots = small_model(), tokens(1, 30), torch.randint(0, 9, (1, 30))
    documents = torch.tensor([[0] * 12 + [1] * 18])
    packed = model(ids, slots, documents=documents).last
    first, second = model(ids[:, :12], slots[:, :12]).last, model(ids[:, 12:], slots[:, 12:]).last
    torch.testing.assert_close(packed, torch.cat([first, second], 1), rtol=0, atol=1e-5)


def test_later_tokens_change_nothing_earlier():
    model, ids = small_model(), tokens(2, 20)
    changed = ids.clone()
    changed[:, 15:] = (changed[:, 15:] + 1) % VOCABULARY.size
    slots = torch.zeros_like(ids)
    torch.testing.assert_close(model(ids, slots).last[:, :15], model(changed, slots).last[:, :15], rtol=0, atol=0)


def test_elements_that_share_digits_share_vectors():
    embedding = TokenEmbedding(VOCABULARY, 8)
    torch.nn.init.zeros_(embedding.rows)
    table = embedding.table()
    start = VOCABULARY.start_of("audio")
    low, high = table[start : start + 12].reshape(3, 4, 8)[:, 0], table[start : start + 12].reshape(3, 4, 8)[:, 1]
    torch.testing.assert_close(low[1] - low[0], high[1] - high[0])
    assert torch.equal(table[:32], torch.zeros(32, 8))


def test_depth_sets_the_rest():
    config = OmniConfig.from_depth(7)
    assert (config.width, config.attention.num_heads, config.attention.num_kv_heads, config.hidden_width) == (
        256,
        4,
        2,
        704,
    )
    blocks = sum(p.numel() for p in OmniModel(config, VOCABULARY).blocks.parameters())
    assert 5.1e6 < blocks < 5.2e6
    assert OmniConfig.from_depth(12).width == 384


def test_a_model_may_be_narrower_than_its_depth_says():
    config = OmniConfig.from_depth(6, num_heads=3)
    assert (config.depth, config.width, config.attention.num_kv_heads, config.hidden_width) == (6, 192, 1, 528)
    assert OmniConfig.from_depth(6, num_heads=4) == OmniConfig.from_depth(6)
    with pytest.raises(ValueError, match="num_heads must be at least 1, got 0"):
        OmniConfig.from_depth(6, num_heads=0)


def test_what_shares_a_position_is_added_up_each_through_the_matrix_of_its_place():
    vocabulary = folding_vocabulary()
    embedding = OmniModel(OmniConfig.from_depth(1), vocabulary).embedding
    table, width = embedding.table(), embedding.rows.shape[1]
    found = embedding.combine(table, torch.tensor([[40, 41]]), torch.tensor([[[50, PAD, 51], [PAD, PAD, PAD]]]))
    places = embedding.places.split(width, dim=1)
    expected = table[40] + places[0] @ table[50] + places[2] @ table[51]
    torch.testing.assert_close(found[0, 0], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(found[0, 1], table[41], rtol=0, atol=0)
    swapped = embedding.combine(table, torch.tensor([[40]]), torch.tensor([[[51, PAD, 50]]]))
    assert (swapped[0, 0] - found[0, 0]).abs().max() > 1e-3


def test_one_matrix_gives_what_heads_do_and_heads_begin_as_nothing():
    vocabulary = folding_vocabulary()
    model = OmniModel(OmniConfig.from_depth(1), vocabulary)
    hidden, table = torch.randn(5, model.config.width), model.embedding.table()
    for number, place in enumerate(vocabulary.reply_places):
        logits = model.logits(hidden, table=table)[:, place.start : place.stop]
        torch.testing.assert_close(model.place_logits(hidden, number, table=table), logits)
        torch.nn.init.normal_(model.heads[number], std=0.1)
    scores = hidden @ model.output(table).T
    assert scores.shape == (5, vocabulary.num_scores)
    torch.testing.assert_close(scores[:, : vocabulary.size], model.logits(hidden, table=table))
    for number, place in enumerate(vocabulary.reply_places):
        shift = vocabulary.score_shift(place.modality, place.place)
        found = scores[:, place.start + shift : place.stop + shift]
        torch.testing.assert_close(found, model.place_logits(hidden, number, table=table), rtol=0, atol=1e-5)


def test_words_are_heard_half_way_up():
    model, ids = small_model(), tokens(1, 12)
    slots = torch.zeros_like(ids)
    heard = model(ids, slots).heard
    model.blocks = model.blocks[:1]
    torch.testing.assert_close(heard, model(ids, slots).last, rtol=0, atol=0)


def test_a_model_may_hear_no_words():
    config = dataclasses.replace(OmniConfig.from_depth(2), hearing_layer=None)
    model, ids = OmniModel(config, VOCABULARY), tokens(1, 12)
    assert model(ids, torch.zeros_like(ids)).heard is None
    assert not any(name == "hearing" for name, _ in model.named_parameters())


@pytest.mark.parametrize("layer", [0, 3])
def test_a_hearing_layer_must_be_there(layer):
    with pytest.raises(ValueError, match=f"between 1 and depth 2, got {layer}"):
        dataclasses.replace(OmniConfig.from_depth(2), hearing_layer=layer)


def test_heads_learn_as_the_blocks_matrices_do():
    model = OmniModel(OmniConfig.from_depth(1), folding_vocabulary())
    muon, _ = Muon().build(model)
    own = {id(parameter) for group in muon.param_groups for parameter in group["params"]}
    assert len(model.heads) == 4 and all(id(head) in own for head in [*model.heads, model.hearing])


def test_without_folded_replies_there_is_nothing_new_in_a_model():
    for vocabulary in (VOCABULARY, folding_vocabulary(folds_replies=False)):
        model = OmniModel(OmniConfig.from_depth(1), vocabulary)
        table = model.embedding.table()
        assert model.output(table) is table and not any("heads" in name for name in model.state_dict())
