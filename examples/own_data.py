"""Write a small folder of conversations with speech and pictures, ready for `omniloom train finetune`.

python examples/own_data.py my_chats            # JSON lines; with --shards, a WebDataset shard
omniloom train finetune --set data.folder=my_chats --out runs/mine
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from omniloom import Audio, Image, Message, Text
from omniloom.data.chat_files import Conversation, write_chats
from omniloom.data.chat_shards import write_shards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", action="store_true", help="write tar files, the media beside each conversation")
    options = parser.parse_args()
    beep = Audio(0.3 * torch.sin(torch.arange(8_000) * 2 * torch.pi * 880 / 16_000), 16_000)
    green = Image(torch.tensor([20, 160, 60], dtype=torch.uint8)[:, None, None].repeat(1, 64, 64))
    chats = [
        Conversation((Message("user", (Text("what is this sound?"), beep)), Message("assistant", (Text("a beep"),)))),
        Conversation((Message("user", (Text("what is this?"), green)), Message("assistant", (Text("a green wall"),)))),
    ]
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.shards:
        (path,) = write_shards(options.folder, chats)
    else:
        path = options.folder / "chats.jsonl"
        write_chats(path, chats)
    print(f"wrote {len(chats)} conversations to {path}")


if __name__ == "__main__":
    main()
