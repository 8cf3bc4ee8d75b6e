"""What is trained and judged: the reference, the baselines, and the proposals of the iterations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from agent.memory.proposal import Proposal
from agent.settings.config import SearchConfig
from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_json
from tools.policy.named import DEFAULT, NamedPolicy, named_policy
from tools.policy.own import may_be_own, own_policy, pinned
from tools.policy.policy import Policy

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord

Phase = Literal["length", "reference", "search", "choice", "final", "probe"]
"""How long to train; reference and baselines; iterations; finalists under more seeds; the test, under fresh seeds; a
training that shows a model its errors, and cheap measures of candidates: compared with nothing but one another."""

REFERENCE = "no augmentation"


@dataclass(frozen=True)
class Candidate:
    """Something that is trained and judged: the reference, a baseline, or an iteration's proposal."""

    name: str
    """'no augmentation', the baseline as its setting names it, or 'iteration 3': unique within a phase of a study."""
    number: int
    """The iteration, from 1; 0 for the reference and the baselines."""
    arm: str
    proposal: Proposal
    epochs: int | None = None
    """Of its trials, where that is not the study's length; None: as `agent.steps.trials.recipe_of` says."""

    @classmethod
    def of(cls, record: "IterationRecord") -> "Candidate":
        """The candidate that a record in MLflow is about."""
        return cls(record.name, record.number, record.arm, record.proposal, record.epochs)

    @property
    def place(self) -> str:
        """Where it stands in the search, for names of files: '003', or '003.2' for the second of several proposals."""
        _, dot, place = self.name.partition(".") if self.number else ("", "", "")
        return f"{self.number:03d}{dot}{place}"

    @property
    def policy_json(self) -> str:
        """Canonical JSON of its policy."""
        return canonical_json(self.proposal.as_policy())


def reference() -> Candidate:
    """No augmentation."""
    proposal = Proposal(hypothesis="The reference.", expected_gain=0.0, policy=[])
    return Candidate(REFERENCE, 0, "reference", proposal)


def check_changes(candidates: Sequence[Candidate], epochs: int | None, flag: str) -> None:
    """A policy by epoch has to reach all of its phases.

    Args:
        candidates: that are to be trained.
        epochs: of a training; None where that is found out later.
        flag: that named them.

    Raises:
        ConfigurationError: a training ends before a policy's last change, or may do so.
    """
    for candidate in candidates:
        last = max((change.epoch for change in candidate.proposal.changes), default=0)
        if epochs is None and (last or candidate.epochs):
            what = f"changes at epoch {last}" if last else f"is trained for {candidate.epochs} epochs"
            raise ConfigurationError(
                f"{flag} {candidate.name!r}: this policy {what}, and how long the others train is found out later "
                "(training.epochs is auto): say how many epochs (--epochs N)"
            )
        own = candidate.epochs or candidate.proposal.length * (epochs or 0)
        if last > own:
            raise ConfigurationError(
                f"{flag} {candidate.name!r}: the policy changes at epoch {last}, but its training has {own} epochs: "
                "give earlier epochs, or train longer (--epochs)"
            )


def baselines(search: SearchConfig, modality: str) -> list[Candidate]:
    """What a proposal is compared with besides no augmentation, the default policy first.

    The arm `fixed` has the default policy alone: it proposes the others itself.

    Args:
        search: for the names, calls and lines in `search.baselines`.
        modality: kind of images, which decides what 'default' means.

    Raises:
        ConfigurationError: one of them is no policy, or means the same as another.
    """
    named = named_baselines(search, modality)
    if search.proposer == "fixed":
        named = [each for each in named if each.name == DEFAULT]
    return [as_baseline(each) for each in named]


def as_baseline(named: NamedPolicy) -> Candidate:
    """A policy with a name, to compare with."""
    return Candidate(named.name, 0, "baseline", Proposal.of(named.policy, named.why))


def named_baselines(search: SearchConfig, modality: str) -> list[NamedPolicy]:
    """The policies of `search.baselines`, the default first.

    Raises:
        ConfigurationError: see `baselines`.
    """
    try:
        named = [
            default_of(search, modality) if text == DEFAULT else named_policy(text, modality)
            for text in search.baselines
        ]
    except ConfigurationError as error:
        raise ConfigurationError(f"search.baselines: {error}") from None
    if search.default is not None and DEFAULT not in search.baselines:
        raise ConfigurationError(
            f"search.default is {search.default!r}, but search.baselines has no 'default', so that it would not be "
            "trained: add 'default' to search.baselines, or leave search.default unset."
        )
    seen = {canonical_json(Policy(operations=[])): REFERENCE}
    for each in named:
        policy = canonical_json(each.policy)
        if policy in seen:
            raise ConfigurationError(
                f"search.baselines: {each.name!r} is the same policy as {seen[policy]!r}, which is trained anyway: "
                "remove one of them."
            )
        if each.name in seen.values():
            raise ConfigurationError(
                f"search.baselines: two of them are called {each.name}, so that nobody could tell them apart: rename "
                "one (its file, or the name in it), or remove it."
            )
        seen[policy] = each.name
    return sorted(named, key=lambda each: each.name != DEFAULT)


def default_of(search: SearchConfig, modality: str) -> NamedPolicy:
    """The policy that is to be beaten: `search.default`, or the usual one for the kind of images.

    Raises:
        ConfigurationError: `search.default` is no policy, or no augmentation.
    """
    if search.default is None or search.default == DEFAULT:
        return named_policy(DEFAULT, modality)
    try:
        named = named_policy(search.default, modality)
    except ConfigurationError as error:
        raise ConfigurationError(f"search.default: {error}") from None
    if not named.policy.every_operation:
        raise ConfigurationError(
            "search.default is no augmentation, with which every study compares anyway: name a policy, or unset it"
        )
    return replace(named, name=DEFAULT, why=f"The policy to be beaten, as given: {named.name}.")


def with_own_pinned(search: SearchConfig) -> SearchConfig:
    """`search` in which transforms of the user's own have the whole path of their file and the digest of its source.

    A study records them so: it resumes with the same source, or says that it was edited.

    Raises:
        ConfigurationError: there is no such file or module.
    """

    def settled(text: str) -> str:
        return pinned(text) if may_be_own(text) else text

    try:
        baselines = [settled(text) for text in search.baselines]
        default = None if search.default is None else settled(search.default)
    except ConfigurationError as error:
        raise ConfigurationError(f"search.baselines or search.default: {error}") from None
    return search.model_copy(update={"baselines": baselines, "default": default})


def own_of(search: SearchConfig) -> Policy:
    """All transforms of the user's own among the baselines and the default, as one policy: to be tried."""
    texts = [*search.baselines, *([search.default] if search.default else [])]
    found = {pinned(text) for text in texts if may_be_own(text)}
    return Policy(operations=[own_policy(text).operations[0] for text in sorted(found)])


def baseline_count(search: SearchConfig) -> int:
    """How many `baselines` there are."""
    return search.baselines.count(DEFAULT) if search.proposer == "fixed" else len(search.baselines)


def proposed_by_fixed(search: SearchConfig) -> list[str]:
    """What the arm `fixed` proposes, one in each iteration: the baselines but for the default policy."""
    return [text for text in search.baselines if text != DEFAULT]


def iteration(number: int, arm: str, proposal: Proposal) -> Candidate:
    """The proposal of iteration `number` (from 1)."""
    return Candidate(f"iteration {number}", number, arm, proposal)


def of_iteration(number: int, arm: str, proposals: Sequence[Proposal]) -> list[Candidate]:
    """The proposals of iteration `number` (from 1); several are called 'iteration 3.1', 'iteration 3.2' and so on."""
    if len(proposals) == 1:
        return [iteration(number, arm, proposals[0])]
    return [
        Candidate(f"iteration {number}.{place}", number, arm, proposal)
        for place, proposal in enumerate(proposals, start=1)
    ]
