"""The first sentence of a result: what to use, against no augmentation and against the best baseline. Pure."""

from dataclasses import dataclass

from evaluators.statistics import Verdict
from tools.policy.named import DEFAULT
from tools.text import counted

_TITLES = {
    "trivial_augment_wide": "TrivialAugment",
    "rand_augment": "RandAugment",
    "auto_augment": "AutoAugment",
    "aug_mix": "AugMix",
    "med_augment": "MedAugment",
    "sra": "sample-aware RandAugment",
    DEFAULT: "the default policy",
}
NOTHING = "no augmentation"


@dataclass(frozen=True)
class Named:
    """A candidate, as far as it is named in a sentence."""

    name: str
    """'no augmentation', a baseline as its setting names it, or 'iteration 6'."""
    line: str
    """Its policy and backgrounds in one line."""
    is_proposal: bool = False
    has_policy: bool = True
    has_backgrounds: bool = False
    epochs: int | None = None
    """It is trained for, where that is not the study's length."""

    @property
    def title(self) -> str:
        """As it is called in a sentence."""
        return (
            self._title
            if self.epochs is None
            else f"{self._title} trained for {counted(self.epochs, 'epoch')}"
        )

    @property
    def _title(self) -> str:
        if self.is_proposal:
            parts = [
                *(["the policy"] if self.has_policy else []),
                *(["the new backgrounds"] if self.has_backgrounds else []),
            ]
            return f"{' and '.join(parts)} of {self.name}"
        name, bracket, values = self.name.partition("(")
        return _TITLES.get(name.strip(), name.strip()) + (f" ({values}" if bracket else "")

    @property
    def titled(self) -> str:
        """The same with the policy, where its title does not say it."""
        alone = self.name == NOTHING or self.line == self.name or self.name.partition("(")[0] in _TITLES
        return self.title if alone and self.name != DEFAULT else f"{self.title}, {self.line}"


@dataclass(frozen=True)
class Against:
    """What is recommended, compared with one other."""

    other: Named
    verdict: Verdict | None
    """On the test set; None where they have no fresh seed in common."""

    def clause(self) -> str:
        """'better than RandAugment, +1.2 points of … (…)'."""
        title = self.other.title
        if self.verdict is None:
            return f"not compared with {title} on the test set, for want of a common fresh seed"
        how = {"better": "better than", "worse": "worse than"}.get(
            self.verdict.kind, "not shown to differ from"
        )
        return f"{how} {title}, {self.verdict.basis()}"


def answer(
    recommended: Named,
    reference: Against | None,
    rival: Against | None,
    proposal: Against | None,
    searched: bool,
    caution: str = "",
) -> str:
    """What to use, in one or two sentences.

    Args:
        recommended: what the choice on validation came to.
        reference: against no augmentation; None where that is recommended.
        rival: against the best (other) baseline; None where there is none.
        proposal: the best proposal against what is recommended, from the proposal's side; None where the recommended
            is a proposal, or there is none.
        searched: whether any proposal was tried.
        caution: what comes before it, in whole sentences.
    """
    told = [each.clause() for each in (reference, rival) if each is not None]
    if recommended.name == NOTHING:
        lead = "Use no augmentation: nothing tried is shown on validation to beat it"
        lead += f". It is {told[0]}." if told else "."
    else:
        lead = f"Use {recommended.titled}" + (f": it is {', and '.join(told)}." if told else ".")
    sentences = [lead]
    if caution:
        sentences.insert(0, caution)
    if reference is not None and reference.verdict is not None and reference.verdict.kind == "worse":
        sentences.append(
            "So the choice on validation did not hold on the test: no augmentation is the safer choice."
        )
    if searched and not recommended.is_proposal:
        better = (
            "the default" if recommended.name == DEFAULT and recommended.epochs is None else recommended.title
        )
        none = ": no proposal finished a trial" if proposal is None else ""
        sentences.append(f"The search found nothing better than {better}{none}.")
        if proposal is not None and proposal.verdict is not None:
            sentences.append(
                f"Its best, {proposal.other.title}, is {_how(proposal.verdict)} {better}: {proposal.verdict.basis()}."
            )
    return " ".join(sentences)


def _how(verdict: Verdict) -> str:
    return {"better": "better on the test than", "worse": "worse than"}.get(
        verdict.kind, "not shown to differ from"
    )
