"""The model card, written from the manifest so that its numbers cannot drift from it."""

from models.manifest import Evaluation, Manifest

WHAT = {
    "neuron": "A single neuron that computes a logic gate from two inputs of 0..1.",
    "two_layer": "A two-layer network that computes a logic gate, which no single neuron can, from two inputs of 0..1.",
    "cnn": "A convolutional network that reads a handwritten digit from a 28x28 picture, light ink on dark.",
    "rnn": "A recurrent network that reads a handwritten digit from a 28x28 picture, light ink on dark, row by row.",
    "crnn": "Convolutions and a recurrent network that read a handwritten line of digits, 32x320, light ink on dark.",
}
LIMITS_OF_READERS = (
    "Reads one centred digit, 0 to 9, written as in MNIST (American census workers and students, 1990s). It knows no "
    "other characters: the thresholds refuse some of what is no digit, not all. Not for decisions about people."
)
LIMITS_OF_LINES = (
    "Reads one level line of digits about 20 pixels high, written as in MNIST (American census workers and students, "
    "1990s), also where they touch or overlap a little. What is no digit it often calls so, not always; it knows no "
    "points, signs or letters. Composed lines are not a form that somebody filled in. Not for decisions about people."
)
LIMITS_OF_GATES = (
    "Right for inputs within the tolerated noise of 0 and 1. A straight line can tolerate at most 0.25 on both inputs "
    "at once and 0.5 on one; a two-layer network at most 0.5 on both."
)


def card(manifest: Manifest, figures: list[str]) -> str:
    """Markdown: what it is, its numbers, its limits, how to make it again."""
    network, provenance = manifest.network, manifest.provenance
    parts = [
        f"# {manifest.name}/{manifest.version}",
        WHAT[network.kind],
        (
            f"{network.parameters:,} parameters, {network.multiply_adds:,} multiply-adds, "
            f"{manifest.cost.us_per_input} us per input (ONNX Runtime, batch 1, {manifest.cost.threads} thread, "
            f"{manifest.cost.hardware})."
        ),
        "## Numbers",
        _table(manifest),
        "## Limits",
        _limits(manifest),
        "## Pictures",
        "\n".join(f"![{name.rsplit('/', 1)[-1].removesuffix('.png')}]({name})" for name in figures),
        "## Made by",
        (
            f"`{provenance.command}` at commit `{provenance.git_commit[:12]}`, {provenance.duration_s:,.0f} s on "
            f"{provenance.hardware}. Data: {provenance.dataset}; {provenance.split}."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _limits(manifest: Manifest) -> str:
    if manifest.rejection is None:
        return LIMITS_OF_GATES
    return LIMITS_OF_LINES if manifest.network.kind == "crnn" else LIMITS_OF_READERS


def _table(manifest: Manifest) -> str:
    metrics = manifest.metrics
    what = "lines" if manifest.network.kind == "crnn" else "images"
    rows = _evaluation("validation", what, metrics.validation) + _evaluation("test", what, metrics.test)
    rows += [(name.replace("_", " "), f"{value:g}") for name, value in metrics.robustness.items()]
    if metrics.seeds:
        seeds = metrics.seeds
        spread = f"mean {seeds.mean:.4f}, std {seeds.std:.4f}, min {seeds.min:.4f}, max {seeds.max:.4f}"
        rows.append((f"{seeds.what}, {seeds.n:,} seeds", spread))
    if manifest.rejection:
        rows.append(("temperature", f"{manifest.temperature:g}"))
        rows.append(("refused under", f"confidence {manifest.rejection.min_confidence:g}"))
        if manifest.rejection.min_energy is not None:
            rows.append(("refused under", f"energy {manifest.rejection.min_energy:g}"))
    rows.append(("largest difference of torch and ONNX Runtime, logits", f"{metrics.onnx_max_difference:.2g}"))
    return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _evaluation(split: str, what: str, evaluation: Evaluation | None) -> list[tuple[str, str]]:
    if evaluation is None:
        return []
    return [
        (f"{split} accuracy, {evaluation.n:,} {what}", f"{evaluation.accuracy:.2%}"),
        (f"{split} negative log-likelihood, nats", f"{evaluation.nll:.4f}"),
        (f"{split} expected calibration error, 15 bins", f"{evaluation.ece:.2%}"),
    ]
