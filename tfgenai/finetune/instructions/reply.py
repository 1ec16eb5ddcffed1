"""chat: the answer of a model that was tuned on conversations."""

from collections.abc import Sequence
from typing import Any

from tfgenai.finetune.instructions.chat_template import ChatTemplate, get_template
from tfgenai.finetune.instructions.conversations import require_last, to_messages
from tfgenai.finetune.instructions.tokens import encode_messages
from tfgenai.gpt import GPT


def chat(
    model: GPT,
    messages: Sequence[Any],
    *,
    template: str | ChatTemplate = "plain",
    **knobs: Any,
) -> str:
    """What a model answers, with its averaged weights.

    It reads the tokens that `InstructionDataset` makes of the same messages. The answer
    ends with the tokenizer's end token, with the template's mark of an answer's end, or
    as `generate` ends it: with `stop_tokens` or after `max_new_tokens`.

    Args:
        model: a `GPT` with a tokenizer.
        messages: the conversation so far, from its beginning to a user's question:
            `Message`s, or mappings with `role` and `content`.
        template: the one that the model was tuned with.
        **knobs: those of `GPT.generate`, such as `temperature` and `seed`.

    Returns:
        The answer, without the mark of its end.

    Raises:
        ValueError: if the messages make no sense or are too long for the model, one
            holds a mark of the template, or a knob is out of range.
        TypeError: if an argument is of the wrong kind.

    Example:
        >>> import tfgenai as tg
        >>> gpt = tg.GPT.from_size("gpt_nano", tokenizer=tg.data.ByteTokenizer())
        >>> asked = {"role": "user", "content": "Hello"}
        >>> answer = chat(gpt, [asked], max_new_tokens=4, seed=1)
        >>> len(answer) <= 4
        True
    """
    checked = to_messages(messages)
    require_last(checked, "user")
    template = get_template(template)
    tokenizer = model.require_tokenizer("chat")
    asked = encode_messages(checked, tokenizer, template).tokens
    (written,) = model.generate_tokens([asked], **knobs)
    return template.cut_answer(tokenizer.decode(written))
