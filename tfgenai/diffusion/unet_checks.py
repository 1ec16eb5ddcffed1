"""What a U-Net refuses, and the sizes that it works at."""


def patched_shape(data_shape: tuple[int, ...], patch_size: int) -> tuple[int, ...]:
    """The data's shape once patches are stacked as channels."""
    *sizes, channels = data_shape
    if patch_size < 1 or any(size % patch_size for size in sizes):
        raise ValueError(
            f"A patch size that divides {tuple(sizes)} was expected. Received: "
            f"patch_size={patch_size}, data_shape={data_shape}. Use 1 for no patches."
        )
    stacked = channels * patch_size ** len(sizes)
    return (*(size // patch_size for size in sizes), stacked)


def level_sizes(
    data_shape: tuple[int, ...], channels: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """(height, width) or (length,) of each level."""
    if len(data_shape) not in (2, 3) or any(side < 1 for side in data_shape):
        raise ValueError(
            "A shape (height, width, channels) or (length, channels) was expected. "
            f"Received: data_shape={data_shape}. For grey images of 28×28 give "
            "data_shape=(28, 28, 1)."
        )
    if not channels or any(count < 1 for count in channels):
        raise ValueError(
            "Positive channels for at least one resolution were expected. Received: "
            f"channels={channels}. Use channels=(32, 64, 64)."
        )
    sizes = data_shape[:-1]
    factor = 2 ** (len(channels) - 1)
    if any(size % factor for size in sizes):
        fitting = tuple(-(-size // factor) * factor for size in sizes)
        times = min((size & -size).bit_length() - 1 for size in sizes)
        raise ValueError(
            f"Sizes divisible by {factor}, by two for each entry of channels but the "
            f"first, were expected. Received: data_shape={data_shape}, "
            f"channels={channels}. Pad or resize the data to {fitting}, or give at "
            f"most {times + 1} channels."
        )
    resolutions = [sizes]
    for _ in channels[1:]:
        resolutions.append(tuple(size // 2 for size in resolutions[-1]))
    return resolutions


def check_attention(
    attention_resolutions: tuple[int, ...],
    resolutions: list[tuple[int, ...]],
    num_heads: int,
    channels: tuple[int, ...],
    context_dim: int | None,
) -> None:
    """Refuses attention that never happens, and heads that do not divide channels."""
    heights = [sizes[0] for sizes in resolutions]
    unknown = [height for height in attention_resolutions if height not in heights]
    if unknown:
        raise ValueError(
            f"Attention resolutions among {heights} were expected. Received: "
            f"attention_resolutions={attention_resolutions}. Leave {unknown} out."
        )
    if context_dim is not None and not attention_resolutions:
        raise ValueError(
            "Attention for the context was expected. Received: "
            f"context_dim={context_dim}, attention_resolutions=(). Name a resolution, "
            f"for example attention_resolutions=({heights[-1]},)."
        )
    for height, count in zip(heights, channels, strict=True):
        if height in attention_resolutions and count % num_heads:
            raise ValueError(
                "Heads that divide the channels wherever there is attention were "
                f"expected. Received: num_heads={num_heads}, channels={channels}, "
                f"attention_resolutions={attention_resolutions}. Use one of "
                f"{[n for n in range(1, count + 1) if count % n == 0][:8]}."
            )
