"""From a pre-trained model to a product: adapters, task heads, preferences."""

import importlib
from typing import Any

_MODULES = {
    "AdapterOptions": "tfgenai.layers.adapters",
    "ClassifierHead": "tfgenai.finetune.heads",
    "DecoderHead": "tfgenai.finetune.heads",
    "EmbeddingHead": "tfgenai.finetune.heads",
    "Features": "tfgenai.finetune.heads",
    "FinetuneRecipe": "tfgenai.finetune.recipe",
    "GPTDistillation": "tfgenai.finetune.distill_gpt",
    "InstructionDataset": "tfgenai.finetune.instructions",
    "Preference": "tfgenai.finetune.preferences",
    "PreferenceTuner": "tfgenai.finetune.preferences",
    "RegressionHead": "tfgenai.finetune.heads",
    "TrainableCount": "tfgenai.finetune.freeze",
    "apply_ia3": "tfgenai.finetune.ia3",
    "apply_lora": "tfgenai.finetune.lora",
    "apply_prefix": "tfgenai.finetune.prefix",
    "chat": "tfgenai.finetune.instructions",
    "count_trainable": "tfgenai.finetune.freeze",
    "evaluate_classifier": "tfgenai.finetune.heads",
    "export_with_adapters": "tfgenai.finetune.adapter_export",
    "finetune": "tfgenai.finetune.run",
    "freeze": "tfgenai.finetune.freeze",
    "load_adapter": "tfgenai.finetune.adapter_files",
    "merge_lora": "tfgenai.finetune.lora",
    "read_conversations": "tfgenai.finetune.instructions",
    "read_preferences": "tfgenai.finetune.preferences",
    "remove_adapter": "tfgenai.finetune.lora",
    "save_adapter": "tfgenai.finetune.adapter_files",
    "tune_on_feedback": "tfgenai.finetune.preferences",
    "unfreeze": "tfgenai.finetune.freeze",
    "unfreeze_gradually": "tfgenai.finetune.heads",
    "unmerge_lora": "tfgenai.finetune.lora",
    "use_adapter": "tfgenai.finetune.lora",
    "write_preferences": "tfgenai.finetune.preferences",
}
_PACKAGES = ("heads", "images", "instructions", "preferences")

__all__ = [*sorted([*_MODULES, *_PACKAGES], key=str.lower)]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"tfgenai.finetune.{name}")
    raise AttributeError(f"module 'tfgenai.finetune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
