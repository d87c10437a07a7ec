"""The comparison of an encoder with a decoder told from its record: every number below is read off it, and every “more”."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from case_studies._patterns import PLACES, Measured, clear, within
from case_studies._story import Closing, Figure, Record, Step, Try, frame, listed, percent

SERIES = {"encoder": "encoder", "back": "encoder, looking back", "decoder": "decoder"}
FIGURES = {
    "sink": "the share on the sink",
    "evenness": "evenness",
    "distance": "distance",
    "content": "the difference between two sentences",
    "content of words": "that difference among words",
}


def story(record: Record) -> tuple[list[Step], Closing]:
    """The steps and the end, from a record that `run` made."""
    f = record["figures"]
    names = str(record["model"]["name"]), str(f["decoder"]["name"])
    steps = [_places(f, names), _sink(f, names), _evenness(f, names), _distance(f, names), _content(f, names)]
    return steps, _closing(f, names)


def told(difference: Measured, up: str, down: str, level: str) -> str:
    """The word for a difference."""
    return {1: up, -1: down, 0: level}[clear(difference)]


def _means(f: Measured, figure: str) -> tuple[float, float, float]:
    """A figure's mean in the three readings, in the order of `SERIES`."""
    encoder, back, decoder = (f["readings"][name]["overall"][figure]["mean"] for name in SERIES)
    return encoder, back, decoder


def _named(special: list[str]) -> str:
    """The sink of a model."""
    return listed(special) if special else "the first word"


def _by_layer(f: Measured, figure: str, caption: str, title: str, level: float | None = None) -> Figure:
    """A figure in every layer, a line a reading."""
    rows = [
        {"x": str(layer), "value": one["mean"], "low": one["low"], "high": one["high"], "series": series}
        for name, series in SERIES.items()
        for layer, one in enumerate(f["readings"][name]["layers"][figure])
    ]
    return Figure("lines", frame(rows), caption, ("layer", title), level)


def _tries(
    f: Measured,
    names: tuple[str, str],
    page: Any,
    labels: tuple[str, str],
    edits: tuple[Any, Any] = (None, None),
) -> tuple[Try, ...]:
    """The same state with the encoder and with the decoder."""
    return tuple(
        Try(page, **f["design"]["tries"][part], model=name, label=label, edits=(edit,) if edit else ())
        for part, name, label, edit in zip(("encoder", "decoder"), names, labels, edits, strict=True)
    )


def _places(f: Measured, names: tuple[str, str]) -> Step:
    d, shares = f["design"], {name: f["readings"][name]["division"] for name in SERIES}
    encoder, decoder = shares["encoder"]["sink"], shares["decoder"]["sink"]
    text = (
        f"{d['sentences']} sentences of {listed([str(n) for n in d['lengths']])} words, read by an encoder (`{names[0]}`), which "
        f"sees every word from every word, and by a decoder (`{names[1]}`), which sees only what stands before. Each word has 1 to "
        "give away; the figure shows where it goes, mean over all heads and layers. The *sink* is what many heads turn to "
        f"whatever the text says: {_named(d['special']['encoder'])} in the encoder, {_named(d['special']['decoder'])} in the decoder. It gets "
        f"{percent(encoder['mean'])} in the encoder and {percent(decoder['mean'])} in the decoder. Were all visible places given the same, "
        f"it would be {percent(encoder['even'])} and {percent(decoder['even'])}."
    )
    rows = [
        {
            "x": place,
            "value": shares[name][place]["mean"],
            "label": f"{place}: even attention gives {shares[name][place]['even']:.2f}",
            "series": series,
        }
        for name, series in SERIES.items()
        for place in PLACES
        if shares[name][place]["even"] > 0  # else the mask hides it
    ]
    figure = Figure(
        "dots", frame(rows), "The share of attention that goes to the sink, the word itself, its neighbours, and the words before and after these.",
        ("place, seen from the word that attends", "share of attention"),
    )  # fmt: skip
    tries = _tries(f, names, "compare", ("The encoder", "The decoder"))
    return Step("Where does attention go?", text, figure, tries)


def _top(layers: list[Measured]) -> tuple[int, float]:
    k = max(range(len(layers)), key=lambda layer: layers[layer]["mean"])
    return k, layers[k]["mean"]


def _sink(f: Measured, names: tuple[str, str]) -> Step:
    layers = {name: f["readings"][name]["layers"]["sink"] for name in SERIES}
    (first, most), (second, other) = _top(layers["encoder"]), _top(layers["decoder"])
    difference = f["differences"]["back"]["sink"]
    text = (
        "Is that fair? An encoder has more places to choose from. So it is read a second time, *looking back*: its attention to later "
        f"words ({percent(f['ahead']['mean'])} of it) is left out, and the rest is made to sum to one again. That is a way of "
        "reading; the encoder itself still read both ways. The decoder then rests "
        f"{told(difference, 'more', 'less', 'neither more nor less')} on its sink: the difference is {within(difference, 'points')}. "
        f"The sink is strongest in layer {first} of the encoder ({percent(most)}) and in layer {second} of the decoder ({percent(other)})."
    )
    keys = [
        {"op": "scale", "factor": 0.0, "where": {"keys": f["design"]["special"][part] or [0]}}
        for part in ("encoder", "decoder")
    ]
    figure = _by_layer(
        f,
        "sink",
        "The share of attention on the sink in every layer, with 95 % intervals.",
        "share on the sink",
    )
    tries = _tries(
        f, names, "manipulate", ("The encoder without its sink", "The decoder without it"), (keys[0], keys[1])
    )
    return Step("A place to rest", text, figure, tries)


def _evenness(f: Measured, names: tuple[str, str]) -> Step:
    encoder, back, decoder = _means(f, "evenness")
    layers = {name: f["readings"][name]["layers"]["evenness"] for name in SERIES}
    difference = f["differences"]["back"]["evenness"]
    first, last = (layers["decoder"][k]["mean"] for k in (0, -1))
    text = (
        "*Evenness* is the entropy of a row over the largest it can have: 0 when all attention is on one place, 1 when every visible "
        "place gets the same. It does not grow by itself with the number of places, so rows of both models can be compared. "
        f"It is {encoder:.2f} in the encoder ({back:.2f} looking back) and {decoder:.2f} in the decoder, so the decoder looks around "
        f"{told(difference, 'more', 'less', 'neither more nor less')}. From the first layer to the last, the decoder "
        f"{'narrows' if first > last else 'widens'} from {first:.2f} to {last:.2f}. A strong sink by itself makes rows uneven, so this is "
        "partly the last step seen again."
    )
    figure = _by_layer(
        f, "evenness", "How evenly rows spread their attention in every layer (1: all alike), with 95 % intervals.", "evenness"
    )  # fmt: skip
    tries = _tries(f, names, "manipulate", ("Look at the encoder’s rows", "Look at the decoder’s rows"))
    return Step("Narrow or wide?", text, figure, tries)


def _head(found: Measured) -> str:
    return f"head {found['head']} of layer {found['layer']}"


def _distance(f: Measured, names: tuple[str, str]) -> Step:
    encoder, decoder = (f["readings"][name]["words away"] for name in ("encoder", "decoder"))
    heads = {name: f["readings"][name]["heads"] for name in ("encoder", "decoder")}
    ratio = _means(f, "distance")
    before, after, back = heads["encoder"]["previous"], heads["encoder"]["next"], heads["decoder"]["previous"]
    near = (
        "On average both look nearer than even attention would."
        if max(ratio) < 1
        else "Below 1 is nearer than even attention, above 1 further."
    )
    text = (
        f"Leaving the sink out, attention lies {encoder['mean']:.1f} words away in the encoder, where even attention would lie "
        f"{encoder['even']:.1f} away, and {decoder['mean']:.1f} in the decoder, where it would be {decoder['even']:.1f}. The figure shows the "
        f"first over the second. {near} Some heads do one thing only: in the encoder {_head(before)} gives {percent(before['share'])} to the "
        f"previous word and {_head(after)} gives {percent(after['share'])} to the next one. The decoder’s most faithful to the previous word, "
        f"{_head(back)}, gives it {percent(back['share'])}."
    )
    figure = _by_layer(
        f, "distance", "How far from a word its attention lies, over how far even attention would lie (the line), with 95 % intervals.",
        "distance, even attention = 1", 1.0,
    )  # fmt: skip
    edits = [
        {"op": "uniform", "where": {"layers": [one["layer"]], "heads": [one["head"]]}}
        for one in (before, back)
    ]
    tries = _tries(
        f,
        names,
        "manipulate",
        ("That encoder head made even", "That decoder head made even"),
        (edits[0], edits[1]),
    )
    return Step("Near or far?", text, figure, tries)


def _content(f: Measured, names: tuple[str, str]) -> Step:
    encoder, back, decoder = _means(f, "content")
    same = _means(f, "frame")
    words = _means(f, "content of words")
    all_, some = (f["differences"]["back"][name] for name in ("content", "content of words"))
    text = (
        "A head may look at a position whatever stands there, or go by what stands there. So take two sentences of the same length "
        "and from different templates, and ask what share of a head’s attention must be moved to turn one pattern into the other: 0 if only "
        f"position counts, or if all words get the same. It is {percent(encoder)} in the encoder ({percent(back)} looking back) and {percent(decoder)} in the decoder; between "
        f"two sentences of one template, {percent(same[0])} and {percent(same[2])}. "
    )
    text += (
        "But what rests on the sink cannot differ. Of the attention to words alone, "
        f"{percent(words[1])} differs in the encoder, looking back, and {percent(words[2])} in the decoder: "
    )
    text += (
        "the order turns round, so the first difference comes from the smaller sink."
        if clear(all_) * clear(some) < 0
        else "the order stays, so it is not the sink alone."
        if clear(all_) * clear(some) > 0
        else "one of the two differences is not clear."
    )
    first, last = (f["readings"]["decoder"]["layers"]["content of words"][k]["mean"] for k in (0, -1))
    text += f" In the decoder, it {'grows' if last > first else 'shrinks'} from {percent(first)} in the first layer to {percent(last)} in the last."
    figure = _by_layer(
        f, "content of words", "Of the attention to words alone: the share that differs between two sentences of the same length, with 95 % intervals.",
        "share that differs",
    )  # fmt: skip
    tries = _tries(f, names, "compare", ("The encoder on a sentence", "The decoder on its beginning"))
    return Step("Position or content?", text, figure, tries)


def _same_way(f: Measured, figure: str, name: str) -> bool:
    """Whether another encoder lies on the same side of the decoder as the first one."""
    decoder, other = f["readings"]["decoder"]["overall"][figure], f["others"][name][figure]
    side = 1 if decoder["low"] > other["high"] else -1 if decoder["high"] < other["low"] else 0
    return side == clear(f["differences"]["encoder"][figure])


def _others(f: Mapping[str, Any]) -> tuple[str, ...]:
    """What other encoders say."""
    names = list(f["others"])
    if not names:
        return ()
    held = [name for name in FIGURES if all(_same_way(f, name, one) for one in names)]
    lost = [name for name in FIGURES if name not in held]
    said = f"In the encoder’s place, reading both ways, {listed([f'`{n}`' for n in names])} show the same differences to the decoder in "
    said += listed([FIGURES[name] for name in held]) if held else "no figure"
    said += f"; not in {listed([FIGURES[name] for name in lost])}" if lost else ""
    sinks = listed([percent(f["others"][name]["sink"]["mean"]) for name in names])
    return (f"{said}. Sizes differ much: their sinks get {sinks}.",)


def _mask(f: Measured) -> tuple[str, ...]:
    """What a mask changes, for an encoder that was trained on masks."""
    found = f["masked"]
    if found is None:
        return ()
    return (
        f"The encoder was trained on sentences with masks and reads whole ones here. With word {found['word']} masked, its sink gets "
        f"{percent(found['sink']['mean'])}; from the mask itself, {percent(found['from the mask']['mean'])}.",
    )


def _closing(f: Measured, names: tuple[str, str]) -> Closing:
    back, d = f["differences"]["back"], f["design"]
    found = [
        f"Next to the encoder looking back, the decoder gives its sink {told(back['sink'], 'more', 'less', 'about as much')}: "
        f"{within(back['sink'], 'points')}.",
        f"Its rows are {told(back['evenness'], 'more even', 'less even', 'about as even')}: {within(back['evenness'], 'points')} of evenness.",
        f"Between two sentences its patterns differ {told(back['content'], 'more', 'less', 'about as much')}: {within(back['content'], 'points')}. "
        f"Among words alone they differ {told(back['content of words'], 'more', 'less', 'about as much')}: {within(back['content of words'], 'points')}.",
    ]
    missing = (
        "Not why. The two differ in direction, and also in size, tokenizer, special tokens, task and training; one model of each kind cannot tell "
        "which of these it is.",
        "Not what either model uses: a pattern shows where a model looks, not what it takes from there.",
    )
    sure = (
        f"In brackets: bootstrap 95 % intervals over {d['sentences']} sentences ({d['pairs']} pairs in the last step). They come from {d['templates']} templates, so "
        "the intervals are too narrow for English at large, and they say nothing about other models.",
        *_others(f),
        *_mask(f),
        f"Tokens are joined to words; {percent(d['whole words']['encoder'])} of the words are one token in the encoder, "
        f"{percent(d['whole words']['decoder'])} in the decoder. The first two words of a sentence and the last are not measured as rows.",
        f"Another decoder: `python -m case_studies encoder_and_decoder --model {names[0]} --other openai-community/gpt2`.",
    )
    return Closing(tuple(found), missing, sure)
