"""Under which licence each distribution of the serving image is, as an SPDX expression, from its installed metadata.

Metadata states it in three ways: an SPDX expression (PEP 639), words, a classifier. Words are translated here; where
they name a family only, the licence itself was read.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata

from license_expression import ExpressionError, LicenseSymbol, get_spdx_licensing

from deploy.supply_chain.inventory import Distribution, inventory

NVIDIA = "LicenseRef-NVIDIA-Proprietary"  # CUDA's, in the GPU image only
PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0", "CC0-1.0", "ISC"),
    *("LLVM-exception", "MIT", "MIT-CMU", "PSF-2.0", "Zlib"),
    "MPL-2.0",  # copyleft by file: what is shipped unchanged asks for its notice alone
}
WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "NVIDIA Proprietary Software": NVIDIA,
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
READ = {
    "cuda-toolkit": NVIDIA,  # says nothing; only names NVIDIA's packages
    "jinja2": "BSD-3-Clause",  # says BSD; licenses/LICENSE.txt has the three clauses
    "mpmath": "BSD-3-Clause",  # says BSD; LICENSE has the three clauses
    "nvidia-ml-py": "BSD-3-Clause",  # says BSD; the head of pynvml.py has the three clauses
    "sympy": "BSD-3-Clause",  # says BSD; LICENSE has the three clauses
    "uvloop": "Apache-2.0 OR MIT",  # says MIT; ships both licences, and the classifiers name both
}
_SPDX = get_spdx_licensing()
_SPDX.known_symbols[NVIDIA] = LicenseSymbol(NVIDIA)


class UnknownLicence(LookupError):
    """A distribution is not installed here, or does not say under which licence it is."""


def licence(name: str) -> str:
    """The SPDX expression of an installed distribution. Raises UnknownLicence."""
    if name in READ:
        return READ[name]
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        raise UnknownLicence(f"{name} is not installed, so its licence cannot be read") from None
    classifiers = [line for line in stated.get_all("Classifier", []) if line.startswith("License ::")]
    words = [*stated.get_all("License-Expression", []), *stated.get_all("License", []), *classifiers, ""][0]
    return spdx(name, WORDS.get(words, words))


def spdx(name: str, words: str) -> str:
    """The words as an SPDX expression. Raises UnknownLicence where they are none."""
    try:
        parsed = _SPDX.parse(words, validate=True)
    except ExpressionError:
        parsed = None
    if parsed is None:
        raise UnknownLicence(f"{name} states its licence as {words!r}; WORDS can translate it")
    return str(parsed)


def refused(distributions: Iterable[Distribution]) -> list[str]:
    """Distributions under a licence that nobody has allowed, each with the licence."""
    expressions = {distribution.name: licence(distribution.name) for distribution in distributions}
    return [f"{name}: {stated}" for name, stated in expressions.items() if set(_SPDX.license_keys(stated)) - PERMISSIVE]


def main() -> None:
    """Prints every licence; exits with 1 and names those that nobody has allowed."""
    distributions = inventory().distributions
    for distribution in distributions:
        print(f"{distribution.name} {distribution.version}: {licence(distribution.name)}")
    if offenders := refused(distributions):
        sys.exit(f"not in PERMISSIVE: {', '.join(offenders)}")


if __name__ == "__main__":
    main()
