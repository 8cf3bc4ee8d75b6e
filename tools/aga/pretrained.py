"""Loads a model of `transformers` from a folder, all of its weights and in silence. Light until it is used."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from tools.aga.model_weights import quiet_libraries
from tools.errors import ConfigurationError, first_line


def load_pretrained(
    folder: Path, setting: str, name: str, types: Collection[str], classes: tuple[str, str], files: str
) -> tuple[Any, Any]:
    """The processor and the model in `folder`; the model on the CPU, in evaluation mode.

    Args:
        folder: as `save_pretrained` writes it, or a repository of the hub.
        setting: that names it, for errors.
        name: of the kind of model, with its article, for errors: 'a SAM 2'.
        types: the model types that are meant ('model_type' in config.json).
        classes: of `transformers`, which load the processor and the model.
        files: what the folder needs, for errors.

    Raises:
        ConfigurationError: it holds another kind of model, is damaged, or lacks weights.
    """
    import transformers

    try:
        with quiet_libraries("transformers"):
            kind = transformers.AutoConfig.from_pretrained(folder, local_files_only=True).model_type
            if kind not in types:
                raise ConfigurationError(f"{folder} ({setting}) holds a {kind}, not {name}")
            of_processor, of_model = (getattr(transformers, each) for each in classes)
            processor = of_processor.from_pretrained(folder, local_files_only=True)
            model, report = of_model.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise ConfigurationError(
            f"{name} cannot be loaded from {folder} ({setting}): {first_line(error)}. It needs {files}"
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ConfigurationError(
            f"{folder} ({setting}) does not fit its config.json: {len(missing)} weights are missing "
            f"(such as {missing[0]})"
        )
    return processor, model.eval()
