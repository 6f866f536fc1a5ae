"""Packed rows equal separate ones, the future is never seen, and the depth dial gives the documented sizes."""

import torch

from omniloom.models import OmniConfig, OmniModel
from omniloom.models.embedding import TokenEmbedding
from tests.stream.vocabularies import small_vocabulary

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
    packed = model(ids, slots, documents=documents)
    first, second = model(ids[:, :12], slots[:, :12]), model(ids[:, 12:], slots[:, 12:])
    torch.testing.assert_close(packed, torch.cat([first, second], 1), rtol=0, atol=1e-5)


def test_later_tokens_change_nothing_earlier():
    model, ids = small_model(), tokens(2, 20)
    changed = ids.clone()
    changed[:, 15:] = (changed[:, 15:] + 1) % VOCABULARY.size
    slots = torch.zeros_like(ids)
    torch.testing.assert_close(model(ids, slots)[:, :15], model(changed, slots)[:, :15], rtol=0, atol=0)


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
