import io

import numpy as np
import orjson
import pytest
from PIL import Image

from benchmarks import protocols as p
from benchmarks.cases import CASES, VARIETY, Judge, WrongAnswer
from benchmarks.contenders import CONTENDERS
from benchmarks.peers import reader
from benchmarks.protocols import Answer, Protocol, Sample
from tests.unit.benchmarks.fakes import Reply, answering

PROTOCOL = Protocol(p.json_arrays("/digits"), p.peer_readings)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="module")
def sample() -> Sample:
    return CASES["json-1"].samples(seed=0)[3]


def right(body: bytes) -> dict[str, list[dict[str, object]]]:
    return reader.answer(reader.Reader().read(reader.checked(orjson.loads(body)["images"])))


def judged(judge: Judge, sample: Sample, reply: Reply | None = None, protocol: Protocol = PROTOCOL) -> bool:
    with answering(lambda body: reply or Reply(body=orjson.dumps(right(body)))) as server:
        return judge.check(server.port, protocol, sample, reader.decode)


def test_the_right_answer_is_taken(judge: Judge, sample: Sample) -> None:
    assert judged(judge, sample)


def test_another_digit_is_refused(judge: Judge, sample: Sample) -> None:
    row = {"digit": 5, "probabilities": [0.1] * 10}
    with pytest.raises(WrongAnswer, match="reads"):
        judged(judge, sample, Reply(body=orjson.dumps({"predictions": [row]})))


def test_another_digit_is_refused_even_with_its_true_probability(judge: Judge, sample: Sample) -> None:
    probabilities = right(p.json_arrays("")(sample).body)["predictions"][0]["probabilities"]
    second = int(np.argsort(probabilities)[-2])
    top = [{"digit": second, "probability": probabilities[second]}]
    reply = Reply(body=orjson.dumps({"predictions": [{"top": top}]}))
    with pytest.raises(WrongAnswer, match="reads"):
        judged(judge, sample, reply, Protocol(p.json_arrays("/v1/digits"), p.axon_readings))


def test_a_probability_that_is_off_is_refused(judge: Judge, sample: Sample) -> None:
    document = right(p.json_arrays("")(sample).body)
    probabilities = document["predictions"][0]["probabilities"]
    probabilities[int(np.argmin(probabilities))] += 0.002
    with pytest.raises(WrongAnswer, match="reads"):
        judged(judge, sample, Reply(body=orjson.dumps(document)))


def test_a_missing_reading_is_refused(judge: Judge, sample: Sample) -> None:
    with pytest.raises(WrongAnswer, match="0 readings for 1 images"):
        judged(judge, sample, Reply(body=b'{"predictions": []}'))


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_refusal_is_refused(judge: Judge, sample: Sample, status: int) -> None:
    with pytest.raises(WrongAnswer, match=f"answered {status}"):
        judged(judge, sample, Reply(status))


def test_a_door_that_may_be_missing_may_be_missing(judge: Judge, sample: Sample) -> None:
    optional = PROTOCOL._replace(optional=True)
    assert not judged(judge, sample, Reply(404), optional)
    with pytest.raises(WrongAnswer, match="answered 500"):
        judged(judge, sample, Reply(500), optional)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_samples_differ_and_repeat(case: object) -> None:
    samples = case.samples(seed=0)
    assert [one.images.shape[0] for one in samples] == [case.images] * VARIETY
    assert len({one.images.tobytes() for one in samples}) == VARIETY
    again = case.samples(seed=0)
    assert [one.images.tobytes() for one in again] == [one.images.tobytes() for one in samples]
    assert [one.picture for one in again] == [one.picture for one in samples]


def test_pictures_are_files_of_their_size() -> None:
    picture = Image.open(io.BytesIO(CASES["png-512"].samples(seed=0)[0].picture))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (512, 512), "RGB")


def test_every_protocol_is_of_a_case() -> None:
    for contender in CONTENDERS.values():
        assert set(contender.protocols) <= set(CASES)


def test_a_binary_tensor_follows_its_header(sample: Sample) -> None:
    request = p.open_inference_binary("/infer")(sample)
    length = int(request.headers[p.HEADER_LENGTH])
    (tensor,) = orjson.loads(request.body[:length])["inputs"]
    assert tensor["shape"] == [1, 28, 28]
    assert tensor["parameters"]["binary_data_size"] == 784
    assert request.body[length:] == sample.images.tobytes()


def test_open_inference_answers_are_read_in_both_forms() -> None:
    rows = np.arange(20, dtype="<f4").reshape(2, 10) / 32
    digits = {"name": "digits", "datatype": "INT64", "shape": [2], "data": [9, 9]}
    tensor = {"name": "probabilities", "datatype": "FP32", "shape": [2, 10]}
    plain = Answer(200, {}, orjson.dumps({"outputs": [digits, {**tensor, "data": rows.ravel().tolist()}]}))
    other = {"name": "logits", "shape": [2], "parameters": {"binary_data_size": 8}}
    sized = {**tensor, "parameters": {"binary_data_size": rows.nbytes}}
    header = orjson.dumps({"outputs": [other, sized]})
    packed = Answer(200, {p.HEADER_LENGTH: str(len(header))}, header + b"8 bytes!" + rows.tobytes())
    expected = [dict(enumerate(row)) for row in rows.tolist()]
    assert p.open_inference_readings(plain) == p.open_inference_readings(packed) == expected


def test_a_request_on_the_wire() -> None:
    raw = p.Request("/x", p.JSON, b"{}").raw(deadline="5")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert body == b"{}"
    lines = [b"POST /x HTTP/1.1", b"host: 127.0.0.1", b"content-type: application/json", b"content-length: 2"]
    assert head.split(b"\r\n") == [*lines, b"deadline: 5"]
