"""Train a small vision transformer to say which shape is in a picture: one command, resumable.

    python -m training.shapes_vit

Its pictures are drawn by `attnlab_core.shapes`: coloured, textured shapes among clutter. The answer to a picture of two or
three different shapes is an equal share for each (soft labels), so that every class that is there can be asked for.

A plain ViT (Dosovitskiy et al., ICLR 2021) of six layers from random weights. While it learns, a linear head that is
thrown away in the end reads off every patch of the last layer which shape covers it: with the masks at hand this tells
the model far more a picture than its one answer does. The head's weight falls to nothing over the first 3,500
steps, so what follows is plain classification. Pictures are turned, mirrored, and their colours swapped. Muon for the matrices of the blocks,
AdamW for the rest, bf16 autocast; what is kept is an exponential moving average of the weights.

Seeds below `FIRST` are never trained on; the figures are of those.
"""

from __future__ import annotations

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from attnlab_core.shapes import KINDS, SIZE, scene
from training.common import Optimisers, averaged, note, resumable, twice

FIRST = 1_000_000  # the first seed of the pictures to train on
PATCH, COVERED = 8, 0.3  # pixels of a patch's side; the share of it that a shape must cover to be its answer
BATCH, MEMORY = 64, 0.999
PICTURES, STEPS = 60_000, 9_000
ONCE, AGAIN = 5_000, 0.5  # the learning rate falls twice: from its peak, and from half of it
MEAN, SPREAD = 0.5, 0.25
CHUNK = 500

Batch = tuple[
    Tensor, Tensor, Tensor
]  # pixels [n, 3, H, W] from 0 to 255, shares [n, kind], patches [n, patch]


def wanted(seed: int) -> tuple[list[str] | None, int]:
    """What is drawn for a seed: anything, or for every eighth of a chunk two copies of one kind."""
    return (None, 1) if seed % CHUNK % 8 else ([KINDS[seed // 8 % len(KINDS)]], 2)


def drawn(first: int, count: int = CHUNK) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures from a seed on: pixels [n, H, W, 3], which kinds are there [n, kind], the kind at each patch [n, patch]."""
    side = SIZE // PATCH
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    there, patches = np.zeros((count, len(KINDS)), np.uint8), np.empty((count, side * side), np.uint8)
    for k in range(count):
        kinds, copies = wanted(first + k)
        made = scene(first + k, kinds, copies=copies)
        pixels[k] = made.pixels
        share = np.stack([made.mask(kind) for kind in KINDS]).reshape(len(KINDS), side, PATCH, side, PATCH)
        cover = share.mean((2, 4)).reshape(len(KINDS), -1)
        patches[k] = np.where(cover.max(0) >= COVERED, cover.argmax(0), len(KINDS))
        there[k] = [kind in made.kinds for kind in KINDS]
    return pixels, there, patches


def pictures(work: Path, first: int, count: int, workers: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw pictures once and keep them in the working folder."""
    kept = work / f"pictures-{first}-{count}.npz"
    if not kept.exists():
        work.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(workers) as pool:
            parts = list(pool.map(drawn, range(first, first + count, CHUNK)))
        arrays = [np.concatenate(kind)[:count] for kind in zip(*parts, strict=True)]
        np.savez(kept, pixels=arrays[0], there=arrays[1], patches=arrays[2])
    found = np.load(kept)
    pixels, there, patches = (torch.from_numpy(found[name]) for name in ("pixels", "there", "patches"))
    return pixels.permute(0, 3, 1, 2), there, patches.long()


def turned(batch: Batch, random: torch.Generator) -> Batch:
    """Turn and mirror a batch as one, and swap its colours."""
    pixels, there, patches = batch
    side = SIZE // PATCH
    grid = patches.view(-1, 1, side, side)
    quarter, mirror, order = (int(torch.randint(n, (), generator=random)) for n in (4, 2, 6))
    pixels = pixels[:, list(itertools.permutations(range(3)))[order]]
    pixels, grid = (torch.rot90(part, quarter, (2, 3)) for part in (pixels, grid))
    if mirror:
        pixels, grid = pixels.flip(3), grid.flip(3)
    return pixels, there, grid.flatten(1)


def normal(pixels: Tensor) -> Tensor:
    """As the image processor does it."""
    return (pixels.float() / 255 - MEAN) / SPREAD


@torch.no_grad()
def measure(model: nn.Module, held: tuple[Tensor, Tensor, Tensor]) -> dict[str, dict[str, float]]:
    """Accuracy on the pictures of seeds from 0 on: how often the likeliest answers are just the kinds that are there.

    Of pictures with one shape also by its kind.
    """
    model.eval()
    logits = torch.cat([model(normal(part)).logits for part in held[0].split(250)])
    right: dict[str, list[bool]] = {"one_shape": [], "two_copies": [], "several_kinds": []}
    right |= {kind: [] for kind in KINDS}
    for seed, (row, there) in enumerate(zip(logits, held[1], strict=True)):
        count = int(there.sum())
        group = "several_kinds" if count > 1 else "two_copies" if wanted(seed)[1] > 1 else "one_shape"
        found, held_in = row.topk(count).indices.tolist(), there.nonzero().flatten().tolist()
        right[group].append(set(found) == set(held_in))
        if group == "one_shape":
            right[KINDS[held_in[0]]].append(found == held_in)
    return {
        name: {"rows": len(found), "accuracy": round(float(np.mean(found)), 4)}
        for name, found in right.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("training/runs/shapes-vit"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/shapes-vit"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    args = parser.parse_args()
    train = pictures(args.work, FIRST, args.pictures, args.workers)
    held = pictures(args.work, 0, 4_000, args.workers)
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=128, num_hidden_layers=6, num_attention_heads=4, intermediate_size=512,
        image_size=SIZE, patch_size=PATCH, num_labels=len(KINDS), hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, id2label=dict(enumerate(KINDS)), label2id={kind: k for k, kind in enumerate(KINDS)},
    )  # fmt: skip
    model = ViTForImageClassification(config)
    model.set_attn_implementation("sdpa")
    helper = nn.Linear(config.hidden_size, len(KINDS) + 1)
    both = nn.ModuleDict({"model": model, "helper": helper})
    optimisers = Optimisers(both, r"layers?\.\d+\..*weight$", muon=2e-3, adam=1e-3)
    average = averaged(model, MEMORY)
    parts = {"model": model, "helper": helper, "average": average, "optimisers": optimisers}
    recent: list[tuple[float, float]] = []

    def report(done: int) -> str:
        losses = np.mean(recent[-200:], axis=0).round(3).tolist() if recent else []
        return f"loss {losses} {measure(average.module, (held[0][:1000], held[1][:1000], held[2][:1000]))}"

    for step in resumable(args.work, parts, args.steps, 250, report):
        model.train()
        random = torch.Generator().manual_seed(step)
        rows = torch.randint(args.pictures, (BATCH,), generator=random)
        pixels, there, patches = turned((train[0][rows], train[1][rows], train[2][rows]), random)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(normal(pixels), output_hidden_states=True)
            each = helper(found.hidden_states[-1][:, 1:])
        shares = there.float() / there.sum(1, keepdim=True)
        answer = functional.cross_entropy(found.logits.float(), shares)
        where = functional.cross_entropy(each.float().flatten(0, 1), patches.flatten())
        weight = max(0.0, 1 - step / (0.7 * ONCE))
        (answer + weight * where).backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimisers.step(twice(step, ONCE, args.steps, AGAIN, 200, 0.4))
        average.update_parameters(model)
        recent.append((float(answer.detach()), float(where.detach())))
    best = average.module
    figures: dict[str, object] = {
        **measure(best, held),
        "pictures": args.pictures,
        "steps": args.steps,
        "batch": BATCH,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    best.set_attn_implementation("eager")
    best.half().save_pretrained(args.out)
    size = {"height": SIZE, "width": SIZE}
    ViTImageProcessorPil(size=size, image_mean=[MEAN] * 3, image_std=[SPREAD] * 3).save_pretrained(args.out)
    note(args.out, figures)


if __name__ == "__main__":
    main()
