import numpy as np
import pytest
from axon.batches import cut
from axon.protocol import HEADER_LENGTH, Answer, ProtocolError, infer, outputs_of
from axon.readings import Item


def test_a_request_is_these_bytes() -> None:
    request = infer("cnn", None, "images", np.full((1, 2, 2), 7, np.uint8), ("digits",))
    header = (
        b'{"inputs":[{"name":"images","shape":[1,2,2],"datatype":"UINT8","parameters":{"binary_data_size":4}}],'
        b'"outputs":[{"name":"digits","parameters":{"binary_data":true}}]}'
    )
    assert (request.method, request.path) == ("POST", "/v2/models/cnn/infer")
    assert request.content == header + b"\x07\x07\x07\x07"
    assert request.headers[HEADER_LENGTH] == str(len(header))


def test_pictures_travel_behind_their_lengths_to_the_version_that_is_named() -> None:
    request = infer("a b", 3, "images", [b"one", b"", b"two!"], ())
    assert request.path == "/v2/models/a%20b/versions/3/infer"
    assert request.content.endswith(b"\x03\0\0\0one\0\0\0\0\x04\0\0\0two!")


def answer(header: bytes, behind: bytes) -> Answer:
    return Answer(200, {HEADER_LENGTH: str(len(header))}, header + behind)


HEADER = (
    b'{"outputs":[{"name":"digits","datatype":"INT64","shape":[2],"parameters":{"binary_data_size":16}},'
    b'{"name":"reasons","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":13}}]}'
)
BEHIND = b"\x07" + 7 * b"\0" + b"\x09" + 7 * b"\0" + b"\0\0\0\0" + b"\x05\0\0\0blank"


def test_an_answer_is_read() -> None:
    outputs = outputs_of(answer(HEADER, BEHIND))
    assert outputs["digits"].tolist() == [7, 9]
    assert outputs["reasons"] == [b"", b"blank"]


@pytest.mark.parametrize("cut_off", [1, 6, 14, 28])
def test_an_answer_that_is_cut_is_no_answer(cut_off: int) -> None:
    with pytest.raises(ProtocolError):
        outputs_of(answer(HEADER, BEHIND[:-cut_off]))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"outputs": 3}', b'{"outputs":[{"name":"digits"}]}'])
def test_what_is_not_of_the_protocol_is_said_to_be_so(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        outputs_of(answer(content, b""))


def test_requests_are_cut_by_number_by_bytes_and_by_kind() -> None:
    picture, array = b"1234", np.zeros((1, 2, 2), np.uint8)
    items = [Item("a", picture), Item("b", picture), Item("c", array), Item("d", array), Item("e", picture)]
    names = [[item.source for item in batch] for batch in cut(items, most=2)]
    assert names == [["a", "b"], ["c", "d"], ["e"]]
    assert [len(batch) for batch in cut(items[:2], most=9, most_bytes=7)] == [1, 1]
    assert [len(batch) for batch in cut([Item("huge", bytes(99))], most=9, most_bytes=7)] == [1]
