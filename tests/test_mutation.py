"""The mutation score (`python -m tests.mutation`): that its mutants are what they say; some of it, each time."""

import json

import numpy as np
import pytest

import pellucid
from pellucid.declare import TABLE
from tests.mutation.__main__ import RESULT, is_survivor, line, packed, summary, unpacked
from tests.mutation.checks import gradient_checks, noticed_by, own_tests, table
from tests.mutation.equivalence import Calls, same
from tests.mutation.mutants import Mutant, broken, mutants, rules, tree_of
from tests.mutation.run import Fate, fates


@pytest.mark.parametrize("name", ["tanh", "cumprod", "pick"])
def test_mistakes_are_noticed(name: str) -> None:
    """Every mutant, by the tests of the op and by check.gradients, or there is a reason."""
    found = [vars(fate) for fate in fates(name)]
    assert sum(fate["tests"] is not None and fate["gradients"] is not None for fate in found) >= 7
    assert not [line(fate) for fate in found if is_survivor(fate)]


def test_a_rule_that_is_right_is_not_noticed() -> None:
    rule = TABLE["tanh"].rules[0]
    with broken("tanh", "input", lambda m, g, out: rule(m, g, out)):
        assert noticed_by([*own_tests(TABLE["tanh"]), *gradient_checks(TABLE["tanh"])]) is None


def test_a_mistake_that_nobody_notices_is_a_survivor() -> None:
    fate = Fate("tanh", "input", "sign", None, None, None)
    assert is_survivor(vars(fate))
    fate.tests = "test_gradient"
    assert is_survivor(vars(fate)), "check.gradients has not noticed"
    fate.gradients = "row 0"
    assert not is_survivor(vars(fate))
    assert summary([vars(fate)])["noticed by check.gradients"] == 1
    assert unpacked(packed([vars(fate)])) == [vars(fate)]


def test_a_broken_rule_is_broken_for_the_length_of_the_block() -> None:
    def slope(in_place: bool) -> float:
        x = pellucid.tensor(0.0, requires_grad=True)
        (x.clone().tanh_() if in_place else x.tanh()).backward()
        assert x.grad is not None
        return x.grad.item()

    sign = next(mutant for mutant in mutants(TABLE["tanh"]) if mutant.what == "sign")
    with broken("tanh", "input", sign.rule):
        assert (slope(False), slope(True)) == (-1.0, -1.0)
    assert (slope(False), slope(True)) == (1.0, 1.0)


def test_the_expression_is_changed_in_one_place() -> None:
    found = {mutant.what: mutant.rule for mutant in mutants(TABLE["tanh"])}
    g, out = np.array([2.0]), np.array([0.5])
    expected = {"g * (1 - out * out) → g": 2.0, "1 - out * out → 1 + out * out": 2.5, "1 → 2": 3.5, "factor ½": 0.75}
    for what, value in expected.items():
        assert found[what](None, g, out) == value, what


@pytest.mark.parametrize("name", ["layer_norm", "pow"])
def test_no_two_mutants_have_the_same_name(name: str) -> None:
    keys = [mutant.key for mutant in mutants(TABLE[name])]
    assert len(set(keys)) == len(keys) > 50


def test_a_helper_is_changed_for_the_mutant_alone() -> None:
    mutant = next(each for each in mutants(TABLE["maximum"]) if each.what == "_shared: 0 → 1")
    calls = Calls("maximum", mutant.where, rules(TABLE["maximum"])[mutant.where])
    with calls.recording():
        assert noticed_by(gradient_checks(TABLE["maximum"])) is None
    own = Mutant("maximum", mutant.where, "none", calls.rule)
    assert same(own, calls, calls.results())
    assert not same(mutant, calls, calls.results())


def test_the_source_of_every_rule_is_found() -> None:
    for name, op in table().items():
        for where, rule in rules(op).items():
            assert tree_of(rule) is not None, f"{name}.{where}: its source is not found"


# Ops whose mistakes were not made yet: `python -m tests.mutation NAME … --update`, and then they leave the list.
NOT_RECORDED = frozenset(
    """
    angle as_strided attention binomial_numbers cholesky_factor cholesky_solution cofactors conj cross_product det
    eig_packed eigh_packed fourier frexp from_half_spectrum gamma_cdf gru_scan half_spectrum i0 igamma igammac imag
    inverse lstm_scan lu_packed make_complex matrix_exp phase piece piece_embed poisson_numbers pseudo_inverse
    qr_packed real rnn_scan slogdet_packed solution special_airy_ai special_bessel_j0 special_bessel_j1
    special_bessel_y0 special_bessel_y1 special_chebyshev_polynomial_t special_chebyshev_polynomial_u
    special_chebyshev_polynomial_v special_chebyshev_polynomial_w special_entr special_erfcx
    special_hermite_polynomial_h special_hermite_polynomial_he special_i0e special_i1 special_i1e
    special_laguerre_polynomial_l special_legendre_polynomial_p special_log_ndtr special_modified_bessel_i0
    special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 special_ndtr special_ndtri
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t
    special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v
    special_shifted_chebyshev_polynomial_w special_spherical_bessel_j0 special_xlog1py special_zeta standard_gamma
    strided_embed strided_read svd_packed svdvals triangular_solution view_as_complex view_as_real
    """.split()
)


def test_the_record_is_of_all_ops_and_has_no_survivors() -> None:
    record = json.loads(RESULT.read_text(encoding="utf-8"))
    missing = sorted(set(table()) - set(record["mutants"]))
    assert set(missing) == NOT_RECORDED, f"run `python -m tests.mutation {' '.join(missing)} --update`"
    assert not record["survivors"]
    rows = unpacked(record["mutants"])
    assert record["mistakes"] == record["noticed by the tests"] >= 3000
    assert summary(rows)["noticed by check.gradients"] == record["noticed by check.gradients"]
