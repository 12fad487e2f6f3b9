import pytest

from tests.servers import Server

TRUTH = {
    "and": [0, 0, 0, 1],
    "or": [0, 1, 1, 1],
    "nand": [1, 1, 1, 0],
    "nor": [1, 0, 0, 0],
    "xor": [0, 1, 1, 0],
    "xnor": [1, 0, 0, 1],
}
CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]


def fire(server: Server, gate: str, inputs: list) -> list[dict]:
    answer = server.client.post(f"/v1/gates/{gate}", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"]


@pytest.mark.parametrize("gate", TRUTH)
def test_each_gate_has_its_truth_table(server: Server, gate: str) -> None:
    outputs = fire(server, gate, CORNERS)
    assert [row["output"] for row in outputs] == TRUTH[gate]
    for row in outputs:
        assert row["output"] == (row["probability"] > 0.5)
        assert abs(row["probability"] - row["output"]) < 0.05


@pytest.mark.parametrize("gate", ["xor", "xnor"])
def test_the_two_layer_gates_tolerate_noise_on_both_inputs(server: Server, gate: str) -> None:
    for corner, expected in zip(CORNERS, TRUTH[gate], strict=True):
        noisy = [[abs(corner[0] - e), abs(corner[1] - f)] for e in (0, 0.2, 0.4) for f in (0, 0.2, 0.4)]
        assert {row["output"] for row in fire(server, gate, noisy)} == {expected}


def test_the_list_has_all_six_with_their_networks(server: Server) -> None:
    gates = {gate["gate"]: gate for gate in server.client.get("/v1/gates").json()["gates"]}
    assert set(gates) == set(TRUTH)
    for name, gate in gates.items():
        assert [row["output"] for row in gate["truth_table"]] == TRUTH[name]
        assert gate["network"] == ("two_layer" if name in ("xor", "xnor") else "neuron")


def test_a_gate_shows_its_weights_and_its_surface(server: Server) -> None:
    gate = server.client.get("/v1/gates/and").json()
    assert set(gate["weights"]) == {"weights", "bias"}
    axis, surface = gate["decision_surface"]["axis"], gate["decision_surface"]["probability"]
    assert len(surface) == len(axis) == len(surface[0])
    assert surface[axis.index(1.0)][axis.index(1.0)] > 0.5 > surface[axis.index(0.0)][axis.index(1.0)]
