"""Loading an encoder that has no task of its own, to read its attention and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core._late import transformers
from attnlab_core.errors import BadInput, ModelRefused
from attnlab_core.hub import WEIGHTS, fetch, first_line, quiet, refuse_weights

if TYPE_CHECKING:
    from attnlab_core.lab import Lab


def encoder(name: str | Path) -> tuple[Lab, str]:
    """A lab around an encoder: its own weights, under a masked-word head with random ones, not to be asked.

    The head stands after the last layer, so it has no part in any attention. `al.load` refuses such a checkpoint,
    and rightly, because there its answers would be read.

    Args:
        name: A folder, or a Hub id, with `@revision` if it is to be a certain one.

    Returns:
        The lab, and the first twelve letters of the SHA-256 of the weights.

    Raises:
        BadInput: The name is no folder and can be no Hub id.
        ModelNotFound: There is no such model, or no way to reach it.
        ModelRefused: There are no safetensors, or a layer of the encoder is not among the weights.
    """
    import torch

    from attnlab_core.lab import Lab

    auto = transformers()
    logging = auto.utils.logging
    folder, revision = _folder(str(name))
    refuse_weights([path.name for path in folder.iterdir()], str(name))
    plain: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    bars = logging.set_tqdm_hook(lambda bar, args, kwargs: logging.EmptyTqdm(*args, **kwargs))
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            model, info = auto.AutoModelForMaskedLM.from_pretrained(
                folder,
                **plain,
                use_safetensors=True,
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
            )
            tokenizer = auto.AutoTokenizer.from_pretrained(folder, **plain)
    except (OSError, ValueError, KeyError) as error:
        raise ModelRefused(f"{name} cannot be read as an encoder: {first_line(error)}") from error
    finally:
        logging.set_tqdm_hook(bars)
    missing = [key for key in info["missing_keys"] if key.startswith(f"{model.base_model_prefix}.")]
    if missing:
        raise ModelRefused(
            f"{name} lacks weights of the encoder ({min(missing)}). Choose a whole checkpoint."
        )
    weights = folder / WEIGHTS[0]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12] if weights.is_file() else ""
    return Lab(
        model, tokenizer, name=Path(str(name)).name if not revision else str(name), revision=revision
    ), digest


def _folder(name: str) -> tuple[Path, str | None]:
    """Where the files are, and the commit of what came from the Hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    path = Path(name).expanduser()
    if path.is_dir():
        return path, None
    repo, _, revision = name.strip().partition("@")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise BadInput(
            f"There is no folder {name!r}, and it can be no Hub id: give one of the two."
        ) from error
    with quiet():
        folder = fetch(repo, revision or None, lambda _: None, "a folder with its files (--base FOLDER)")
    return folder, folder.name
