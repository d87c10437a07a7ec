"""Tiny random models and tokenizers, made in memory and seeded: nothing is downloaded, nothing is written.

`tiny_lab()` is a whole `Lab`; `ARCHITECTURES` holds one builder for each family that the library is held to.
The weights mean nothing, so a test may ask how numbers relate but never what they say.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.blip import BlipConfig, BlipForQuestionAnswering
from transformers.models.clip import CLIPConfig, CLIPModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from attnlab_core.joint import Feeders
from attnlab_core.lab import Lab
from attnlab_core.pictures import Picture
from attnlab_core.prompt import Prompt

Task = Literal["classification", "masked", "causal", "answering", "matching", "visual_answering"]
Builder = Callable[[], tuple[PreTrainedModel, dict[str, Tensor]]]

MAX_TOKENS = 64
SENTENCES = (
    "There is nothing to dislike here.",
    "The movie was not as bad as I expected.",
    "A truly great film, and a good story well told.",
    "Paris is the capital of France. What is the capital?",
    "The doctor said that she would see him when he came to the city.",
)

_HEADS: dict[str, Any] = {
    "classification": AutoModelForSequenceClassification,
    "masked": AutoModelForMaskedLM,
    "causal": AutoModelForCausalLM,
    "answering": AutoModelForQuestionAnswering,
    "sequence": AutoModelForSeq2SeqLM,
    "image": AutoModelForImageClassification,
}


@dataclass(frozen=True)
class _Family:
    """How one architecture is made tiny: its own head, its tokenizer, and what differs from `_SIZES`."""

    head: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    model_type: str = ""
    calls: int = 2


_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": MAX_TOKENS,
}
_GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
_BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}
_SPLIT_POSITIONS = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}

_FAMILIES = {
    "bert": _Family("masked"),
    "gpt2": _Family("causal"),
    "llama": _Family("causal", _GROUPED),
    "gpt_neox": _Family("causal"),
    "distilbert": _Family("masked", {"hidden_dim": 48}),
    "roberta": _Family("masked", {"max_position_embeddings": MAX_TOKENS + 1}),
    "electra": _Family("masked", {"embedding_size": 16}),
    "albert": _Family("masked", {"embedding_size": 16}),
    "opt": _Family("causal", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "qwen2": _Family("causal", {"num_key_value_heads": 2}),
    "gemma2": _Family("causal", {**_GROUPED, "sliding_window": 4}),
    "gemma3": _Family(
        "causal",
        {**_GROUPED, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]},
        model_type="gemma3_text",
    ),
    "modernbert": _Family("masked", {"local_attention": 4, "cls_token_id": 1, "sep_token_id": 2}),
    "deberta-v2": _Family("masked", _SPLIT_POSITIONS),
    "gptj": _Family("causal", {"rotary_dim": 4}),
    "gpt_neo": _Family("causal", {"attention_types": [[["global", "local"], 1]], "window_size": 4}),
    "bloom": _Family("causal"),
    "mpt": _Family("causal"),
    "xlnet": _Family("causal", {"d_inner": 48, "d_head": 8}),
    "t5": _Family(
        "sequence", {"d_kv": 8, "d_ff": 48, "num_decoder_layers": 2, "decoder_start_token_id": 0}, calls=6
    ),
    "bart": _Family("sequence", _BART, calls=6),
    "vit": _Family("image", {"image_size": 8, "patch_size": 4}),
    "gpt_oss": _Family(
        "causal",
        {
            **_GROUPED,
            **_EXPERTS,
            "sliding_window": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
    ),
}
_EDGE_FAMILIES = {
    "deberta": _Family("masked", _SPLIT_POSITIONS),
    "falcon": _Family("causal", {"alibi": True}),
    "gpt_bigcode": _Family("causal", {"multi_query": True}),
    "mistral": _Family("causal", {**_GROUPED, "sliding_window": 4}),
    "mixtral": _Family("causal", {**_GROUPED, **_EXPERTS}),
    "mpnet": _Family("masked"),
    "qwen3": _Family("causal", _GROUPED),
    "roformer": _Family("masked", {"embedding_size": 32}),
}
_ALL = {**_FAMILIES, **_EDGE_FAMILIES}


def tiny_model(
    architecture: str = "bert", head: str = "", *, seed: int = 0, **config: Any
) -> PreTrainedModel:
    """Make a two-layer model of the architecture with seeded random weights, in eval mode, with eager attention.

    Args:
        architecture: a name in `ARCHITECTURES` or `EDGES`.
        head: a task of `tiny_lab`, "sequence" or "image"; without one, the head the architecture is known for.
        seed: the same seed gives the same weights.
        config: settings of the model's configuration to use in place of the tiny ones.

    Raises:
        KeyError: the architecture or the head is none of the known ones.
    """
    family = _ALL[architecture]
    marks = {"vocab_size": 80, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    sizes = {} if architecture == "bart" else dict(_SIZES)
    if architecture == "xlnet":  # knows no limit, and refuses to be given one
        del sizes["max_position_embeddings"]
    chosen = {**marks, **sizes, **family.sizes, **config}
    settings = AutoConfig.for_model(family.model_type or architecture, **chosen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _HEADS[head or family.head].from_config(settings, attn_implementation="eager")
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.normal_(std=0.15)  # larger than at birth, so that attention is not near uniform
    return model.eval()


def tiny_inputs(architecture: str = "bert", *, seed: int = 0) -> dict[str, Tensor]:
    """Two rows of seven random tokens, the second padded by two on the right; pixels for an image model."""
    random = torch.Generator().manual_seed(seed)
    if architecture == "vit":
        return {"pixel_values": torch.rand(2, 3, 8, 8, generator=random)}
    ids = torch.randint(10, 80, (2, 7), generator=random)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}
    if _ALL[architecture].head == "sequence":
        inputs["decoder_input_ids"] = ids[:, :5]
    return inputs


def attention_calls(architecture: str) -> int:
    """How many attention softmaxes one forward pass of the tiny model runs."""
    return _ALL[architecture].calls


def _build(architecture: str) -> tuple[PreTrainedModel, dict[str, Tensor]]:
    return tiny_model(architecture), tiny_inputs(architecture)


ARCHITECTURES: dict[str, Builder] = {name: partial(_build, name) for name in _FAMILIES}
EDGES: dict[str, Builder] = {name: partial(_build, name) for name in _EDGE_FAMILIES}


def tiny_tokenizer(
    style: Literal["wordpiece", "bytes", "metaspace"] = "wordpiece",
) -> PreTrainedTokenizerFast:
    """Make a small tokenizer in memory.

    Args:
        style: "wordpiece" lowers case and frames the text as BERT does; "bytes" is GPT-2's, with nothing around
            the text; "metaspace" marks spaces as LLaMA's does, with a start mark and bytes for the unknown.
    """
    return {"wordpiece": _wordpiece, "bytes": _bytes, "metaspace": _metaspace}[style]()


def tiny_picture(seed: int = 0, size: int = 12, text: str = "") -> Prompt:
    """A prompt that is a picture of noise, so that no two patches are alike; with a text, where the model reads one, too."""
    noise = torch.randint(0, 256, (size, size, 3), generator=torch.Generator().manual_seed(seed))
    return Prompt(text, image=Picture.of(noise.to(torch.uint8).numpy()))


def _wordpiece() -> PreTrainedTokenizerFast:
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    splitter = pre_tokenizers.BertPreTokenizer()
    words = {piece for text in SENTENCES for piece, _ in splitter.pre_tokenize_str(text.lower())}
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1) if not chr(code).isupper()]
    pieces = dict.fromkeys([*marks, *letters, *(f"##{x}" for x in letters if x.isalnum()), *sorted(words)])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = splitter
    core.decoder = decoders.WordPiece()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), marks, strict=True))
    wanted = ["input_ids", "token_type_ids", "attention_mask"]
    return _wrap(core, {f"{name}_token": mark for name, mark in names.items()}, model_input_names=wanted)


def _bytes() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    _train(core, ["<|endoftext|>"], alphabet)
    return _wrap(core, {f"{name}_token": "<|endoftext|>" for name in ("bos", "eos", "unk")})


def _metaspace() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Sequence([decoders.Metaspace(), decoders.ByteFallback(), decoders.Fuse()])
    _train(core, ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))], [])
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return _wrap(core, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})


def _train(core: Tokenizer, marks: list[str], alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=480, special_tokens=marks, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(SENTENCES * 2, trainer)


def _wrap(core: Tokenizer, names: dict[str, str], **settings: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=MAX_TOKENS, **names, **settings)


def tiny_lab(
    task: Task = "classification", architecture: str = "bert", *, seed: int = 0, **config: Any
) -> Lab:
    """Make a lab around a fresh tiny model and a tokenizer (or image processor) that suits it.

    Args:
        task: which head the model carries; a model that reads pictures has the one. "matching" is a CLIP and
            "visual_answering" a BLIP, whatever the architecture.
        architecture: a name in `ARCHITECTURES` that has a head for the task.
        seed: the same seed gives the same weights.
        config: settings of the model's configuration to use in place of the tiny ones.

    Raises:
        ModelRefused: the model does not pass the lab's check of itself.

    >>> tiny_lab().task
    'classification'
    """
    if task in ("matching", "visual_answering"):
        return _tiny_joint(task, seed, **config)
    natural = _ALL[architecture].head
    labels = {"id2label": {0: "negative", 1: "positive"}, "label2id": {"negative": 0, "positive": 1}}
    if natural == "image":
        model = tiny_model(architecture, seed=seed, **{**labels, **config})
        high, wide = (model.config.image_size,) * 2
        processor = ViTImageProcessorPil(size={"height": high, "width": wide})
        return Lab(model, processor, name=f"tiny {architecture}")
    framed = natural in ("masked", "sequence")
    tokenizer = tiny_tokenizer("wordpiece" if framed else "metaspace" if architecture == "llama" else "bytes")
    ends = ("cls_token_id", "sep_token_id") if framed else ("bos_token_id", "eos_token_id")
    first, last = (getattr(tokenizer, end) for end in ends)
    marks: dict[str, Any] = {"vocab_size": len(tokenizer), "bos_token_id": first, "eos_token_id": last}
    marks["pad_token_id"] = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else last
    if task == "classification":
        marks |= labels
    model = tiny_model(architecture, task, seed=seed, **{**marks, **config})
    taken = inspect.signature(model.forward).parameters
    tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name in taken]
    return Lab(model, tokenizer, name=f"tiny {architecture}")


def _tiny_joint(task: Task, seed: int, **text: Any) -> Lab:
    """A CLIP or a BLIP of two layers for the picture (the CLIP's text has three, of fewer heads), with settings for its text."""
    tokenizer = tiny_tokenizer()
    kind, model = (CLIPConfig, CLIPModel) if task == "matching" else (BlipConfig, BlipForQuestionAnswering)
    marks = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    marks |= {
        "pad_token_id": tokenizer.pad_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "projection_dim": 16,
    }
    sizes = {name: value for name, value in _SIZES.items() if name != "max_position_embeddings"}
    picture = {**sizes, "image_size": 8, "patch_size": 4}
    other = (
        {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2} if task == "matching" else {}
    )
    other |= {"encoder_hidden_size": 32, "max_position_embeddings": MAX_TOKENS}
    config = kind(text_config={**sizes, **other, **marks, **text}, vision_config=picture, projection_dim=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: Any = model._from_config(config, attn_implementation="eager")
        with torch.no_grad():
            for weight in made.parameters():
                if weight.dim() > 1:
                    weight.normal_(std=0.15)
    processor = Feeders(tokenizer, ViTImageProcessorPil(size={"height": 8, "width": 8}))
    return Lab(made.eval(), processor, name=f"tiny {'clip' if task == 'matching' else 'blip'}")
