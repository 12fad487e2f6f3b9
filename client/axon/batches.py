"""Cuts items into requests, by number and by bytes."""

from collections.abc import Iterable, Iterator

from axon.readings import Item

MOST_BYTES = 8_000_000  # of pictures in a request; a server takes 10 MB unless told otherwise


def cut(items: Iterable[Item], most: int, most_bytes: int = MOST_BYTES) -> Iterator[list[Item]]:
    """Lists of 1 to `most` items, in order; a list has pictures or arrays, and no more bytes, but at least one item."""
    batch: list[Item] = []
    kind: type | None = None
    held = 0
    for item in items:
        size, own = _size(item), None if item.content is None else type(item.content)
        is_other = own is not None and kind is not None and own is not kind
        if batch and (len(batch) >= most or held + size > most_bytes or is_other):
            yield batch
            batch, kind, held = [], None, 0
        batch.append(item)
        kind, held = own or kind, held + size
    if batch:
        yield batch


def _size(item: Item) -> int:
    if item.content is None:
        return 0
    return len(item.content) if isinstance(item.content, bytes) else item.content.nbytes
