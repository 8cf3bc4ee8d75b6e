"""Valid policies, for property tests."""

from hypothesis import strategies as st

from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.policy import Operation, Parameter, Policy


def _value(spec: ParameterSpec) -> st.SearchStrategy[float]:
    if spec.integer:
        return st.integers(int(spec.low), int(spec.high)).map(float)
    return st.floats(spec.low, spec.high)


@st.composite
def operations(draw: st.DrawFn, name: str) -> Operation:
    parameters = [Parameter(name=spec.name, value=draw(_value(spec))) for spec in CATALOGUE[name].parameters]
    probability = draw(st.floats(0.0001, 1))
    return Operation(name=name, probability=probability, parameters=draw(st.permutations(parameters)))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Up to four different operations, at most one on the batch and at most one whole policy, all in range."""
    names = draw(st.lists(st.sampled_from(list(CATALOGUE)), max_size=4, unique=True))
    kept: list[str] = []
    for name in names:
        spec = CATALOGUE[name]
        clash = any(
            (spec.stage == "batch" and CATALOGUE[other].stage == "batch")
            or (spec.whole_policy and CATALOGUE[other].whole_policy)
            for other in kept
        )
        if not clash:
            kept.append(name)
    chosen = [draw(operations(name)) for name in kept]
    return Policy(
        operations=[item for item in chosen if not item.parameters or any(p.value for p in item.parameters)]
    )
