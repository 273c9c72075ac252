"""The policy of a store: what it takes, how it is written down, and that it is never loosened."""

from __future__ import annotations

import pytest

from analysis_store.errors import PolicyError
from analysis_store.provenance import Policy

STRICTEST = Policy(dirty="refuse")
OPEN = Policy(require_inputs=False, require_code=False)


def test_the_default_demands_inputs_and_code_and_keeps_patches() -> None:
    """What a store demands is fixed by the design."""
    assert Policy() == Policy(require_inputs=True, require_code=True, dirty="diff", allow_waiver=False)
    assert not Policy().is_open
    assert OPEN.is_open


@pytest.mark.parametrize("policy", [Policy(), STRICTEST, OPEN, Policy(dirty="allow", allow_waiver=True)])
def test_a_policy_survives_being_written_down(policy: Policy) -> None:
    """What the settings of a store hold gives the policy back."""
    assert Policy.from_mapping(policy.to_mapping()) == policy


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    """A misspelt rule would otherwise silently demand nothing."""
    with pytest.raises(PolicyError, match=r"unknown 'require_input'; known: require_inputs, require_code, dirty"):
        Policy.from_mapping({"require_input": True})


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("require_inputs", "yes", "Got require_inputs='yes'; expected true or false"),
        ("allow_waiver", 1, "Got allow_waiver=1; expected true or false"),
        ("dirty", "warn", "Got dirty='warn'; expected one of 'allow', 'diff', 'refuse'"),
        ("dirty", None, "Got dirty=None; expected one of"),
    ],
)
def test_a_value_that_is_none_is_refused(rule: str, value: object, expected: str) -> None:
    """The message says what came and what was expected."""
    with pytest.raises(PolicyError, match=expected):
        Policy.from_mapping({rule: value})


@pytest.mark.parametrize(
    ("policy", "other"),
    [
        (Policy(), Policy()),
        (Policy(), STRICTEST),
        (OPEN, Policy()),
        (Policy(dirty="allow"), Policy(dirty="diff")),
        (Policy(allow_waiver=True), Policy()),
    ],
)
def test_an_argument_may_tighten(policy: Policy, other: Policy) -> None:
    """The stricter policy is the one that holds."""
    assert policy.tightened_by(other) == other


@pytest.mark.parametrize(
    ("policy", "other", "named"),
    [
        (Policy(), OPEN, "require_inputs=False, require_code=False, which would loosen"),
        (STRICTEST, Policy(), "dirty='diff', which would loosen the policy of the store, dirty='refuse'"),
        (Policy(), Policy(dirty="allow"), "dirty='allow'"),
        (Policy(), Policy(allow_waiver=True, dirty="refuse"), "allow_waiver=True, which would loosen"),
    ],
)
def test_an_argument_may_not_loosen(policy: Policy, other: Policy, named: str) -> None:
    """Every rule that would be loosened is named, and the way to do it on purpose."""
    with pytest.raises(PolicyError, match=named) as caught:
        policy.tightened_by(other)
    assert "edit analysis_store.toml" in str(caught.value)
