"""Speed of the decoders beside the published algorithms; `make bench` prints it."""

import json

import pytest
from decode import main


@pytest.mark.slow
def test_bench_decode(capsys):
    main(
        ["--precision", "float32", "--protocol", "alone", "slr", "marginal", "--channels", "8"]
    )  # the script alone tells more
    printed = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{printed}")
    for line in map(json.loads, printed.splitlines()):
        assert line["ratio"] == pytest.approx(line["units_per_second"] / line["reference_units_per_second"], rel=0.02)
        assert line["difference"] < (1e-3 if line["precision"] == "float32" else 1e-5)
