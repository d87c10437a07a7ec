"""Train a small CLIP to say which of several captions fits a drawn picture: one command, resumable, after `shapes_vit`.

    python -m training.shapes_clip

The pictures are those of `training.shapes_vit`, and so is what the picture's tower begins with: the blocks of the shipped
`shapes-vit`. The captions are those of `attnlab_core.captions`, in a small language of kinds, colours and textures. Every picture comes with a
question of eight captions: which kinds, which colour a shape has, which texture, whose colour is whose, or a description of which
one or two words are changed. The loss is the cross-entropy of the answer that `attnlab_core` reads off the model, a softmax over
the captions, so that what is learnt is what is asked (Radford et al., ICML 2021, learn from the captions of other pictures, of
which there are too few here to be different).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from attnlab_core.captions import language
from attnlab_core.captions import question as questioned
from attnlab_core.models import CHECKPOINTS
from attnlab_core.shapes import SIZE, Shape, shapes
from training.common import Optimisers, averaged, note, resumable, trapezoid
from training.shapes_vit import FIRST, MEAN, PATCH, PICTURES, SPREAD, normal, pictures, wanted

BATCH, MEMORY, STEPS = 64, 0.998, 1_500
WORDS = 24  # tokens of the longest caption
MARKS = ("[PAD]", "[UNK]", "[MASK]", "[BOS]", "[EOS]")
Question = tuple[list[str], list[float]]
"""Captions, and the share of the answer that each has."""


def tokens() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are whole words; it lowers case."""
    vocabulary = {word: k for k, word in enumerate((*MARKS, *language(), *",.?!"))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(mark, vocabulary[mark]) for mark in ("[BOS]", "[EOS]")]
    core.post_processor = processors.TemplateProcessing(single="[BOS] $A [EOS]", special_tokens=ends)
    names = {f"{mark[1:-1].lower()}_token": mark for mark in MARKS}
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_max_length=WORDS,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )


def question(random: np.random.Generator, drawn: tuple[Shape, ...], kind: str | None = None) -> Question:
    """Eight captions for a picture; without a `kind`, any that fits it."""
    made = questioned(random, drawn, kind)
    return list(made.captions), shares(list(made.right))


def shares(right: list[bool]) -> list[float]:
    """An equal share for each that is right."""
    return [one / sum(right) for one in right]


def begun(tokenizer: PreTrainedTokenizerFast, some: Tensor) -> CLIPModel:
    """A CLIP whose picture's tower has the blocks of `shapes-vit`, and what it looks up.

    CLIP normalises what is looked up, and a ViT does not: what `some` pictures have there gives the size to keep.
    """
    common = {"hidden_act": "gelu", "attention_dropout": 0.0}
    marks = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    vision = {
        "hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 512,
        "image_size": SIZE, "patch_size": PATCH, **common,
    }  # fmt: skip
    text = {
        "hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 288,
        "max_position_embeddings": WORDS, "vocab_size": len(tokenizer), **marks, **common,
    }  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=96))
    begins = ViTForImageClassification.from_pretrained(CHECKPOINTS / "shapes-vit", dtype=torch.float32)
    renamed = {
        "attention.attention.query": "self_attn.q_proj", "attention.attention.key": "self_attn.k_proj",
        "attention.attention.value": "self_attn.v_proj", "attention.output.dense": "self_attn.out_proj",
        "attention.q_proj": "self_attn.q_proj", "attention.k_proj": "self_attn.k_proj",
        "attention.v_proj": "self_attn.v_proj", "attention.o_proj": "self_attn.out_proj",
        "intermediate.dense": "mlp.fc1", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
        "layernorm_before": "layer_norm1", "layernorm_after": "layer_norm2", "output.dense": "mlp.fc2",
    }  # fmt: skip
    own = model.vision_model
    seen = begins.vit.embeddings
    with torch.no_grad():
        projection = seen.patch_embeddings.projection
        own.embeddings.patch_embedding.weight.copy_(projection.weight)
        places = seen.position_embeddings[0].clone()
        places[1:] += projection.bias
        own.embeddings.position_embedding.weight.copy_(places)
        own.embeddings.class_embedding.copy_(seen.cls_token[0, 0])
        own.pre_layrnorm.weight.fill_(float(seen(some).std(-1).mean()))
    blocks = {name: part for name, part in begins.vit.named_modules() if name.split(".")[-1].isdecimal()}
    for number, block in enumerate(blocks.values()):
        target = own.encoder.layers[number]
        done = 0
        for name, part in block.named_modules():
            if isinstance(part, nn.Linear | nn.LayerNorm):
                target.get_submodule(renamed[name]).load_state_dict(part.state_dict())
                done += 1
        assert done == 8, f"{done} of the 8 maps of a block were found"
    own.post_layernorm.load_state_dict(begins.vit.layernorm.state_dict())
    return model


class Rater:
    """Rates captions of many pictures at once, each text read once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer

    def __call__(self, model: nn.Module, pixels: Tensor, captions: list[list[str]]) -> Tensor:
        """Logits [picture, caption]."""
        texts = sorted({text for row in captions for text in row})
        number = {text: k for k, text in enumerate(texts)}
        read = self.tokenizer(texts, padding=True, return_tensors="pt")
        scores = model(pixel_values=normal(pixels), **read).logits_per_image
        rows = torch.tensor([[number[text] for text in row] for row in captions])
        return scores.float().gather(1, rows)


def held_questions(seeds: range) -> dict[str, list[tuple[int, Question]]]:
    """Questions on the pictures of some seeds, by kind: of one shape, or for whose colour is whose of two kinds."""
    found: dict[str, list[tuple[int, Question]]] = {}
    for seed in seeds:
        random, drawn = np.random.default_rng(seed), of(seed)
        alone = len(drawn) == 1
        for kind in ("kind", "colour", "texture", "whole", "pair"):
            if (kind == "pair") == (len({s.kind for s in drawn}) == 2) and (alone or kind == "pair"):
                found.setdefault(kind, []).append((seed, question(random, drawn, kind)))
    return found


def of(seed: int) -> tuple[Shape, ...]:
    """What is in the picture of a seed."""
    kinds, copies = wanted(seed)
    return shapes(seed, kinds, copies=copies)


@torch.no_grad()
def measure(
    rate: Rater, model: nn.Module, pixels: Tensor, asked: dict[str, list[tuple[int, Question]]]
) -> dict[str, dict[str, float]]:
    """How often the likeliest of eight captions is right, by kind of question."""
    model.eval()
    figures = {}
    for kind, rows in asked.items():
        right = []
        for at in range(0, len(rows), 200):
            part = rows[at : at + 200]
            scores = rate(model, pixels[[seed for seed, _ in part]], [captions for _, (captions, _) in part])
            right += [
                share[k] > 0 for k, (_, (_, share)) in zip(scores.argmax(1).tolist(), part, strict=True)
            ]
        figures[kind] = {"rows": len(right), "accuracy": round(float(np.mean(right)), 4)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("training/runs/shapes-clip"))
    parser.add_argument("--pictures", type=Path, default=Path("training/runs/shapes-vit"))
    parser.add_argument("--out", type=Path, default=CHECKPOINTS / "shapes-clip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    pixels = pictures(args.pictures, FIRST, PICTURES, args.workers)[0]
    held = pictures(args.pictures, 0, 4_000, args.workers)[0]
    torch.manual_seed(0)
    tokenizer = tokens()
    rate, model = Rater(tokenizer), begun(tokenizer, normal(pixels[:64]))
    model.set_attn_implementation("sdpa")
    optimisers = Optimisers(model, r"layers\.\d+\..*weight$", muon=1e-3, adam=1e-3)
    average = averaged(model, MEMORY)
    parts = {"model": model, "average": average, "optimisers": optimisers}
    asked, recent = {kind: rows[:1_000] for kind, rows in held_questions(range(4_000)).items()}, list[float]()
    some = {kind: rows[:300] for kind, rows in asked.items()}

    def report(done: int) -> str:
        loss = np.mean(recent[-200:]).round(3) if recent else ""
        return f"loss {loss} { {k: v['accuracy'] for k, v in measure(rate, average.module, held, some).items()} }"

    for step in resumable(args.work, parts, args.steps, 250, report):
        model.train()
        random = np.random.default_rng((1, step))
        rows = random.integers(PICTURES, size=BATCH)
        questions = [question(random, of(FIRST + int(row))) for row in rows]
        batch = torch.rot90(pixels[rows], int(random.integers(4)), (2, 3))
        batch = batch.flip(3) if random.random() < 0.5 else batch
        with torch.autocast("cpu", torch.bfloat16):
            scores = rate(model, batch, [captions for captions, _ in questions])
        loss = functional.cross_entropy(scores, torch.tensor([share for _, share in questions]))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(trapezoid(step, args.steps, 100, 0.5))
        average.update_parameters(model)
        recent.append(float(loss.detach()))
    best = average.module
    figures: dict[str, object] = {**measure(rate, best, held, asked), "steps": args.steps, "batch": BATCH}
    args.out.mkdir(parents=True, exist_ok=True)
    best.set_attn_implementation("eager")
    best.half().save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    size = {"height": SIZE, "width": SIZE}
    ViTImageProcessorPil(size=size, image_mean=[MEAN] * 3, image_std=[SPREAD] * 3).save_pretrained(args.out)
    note(args.out, figures)


if __name__ == "__main__":
    main()
