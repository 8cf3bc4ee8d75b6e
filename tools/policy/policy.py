"""The shape of a policy, as an LLM writes it and as it is stored; `validate.py` checks its names and ranges."""

from pydantic import BaseModel, ConfigDict, Field


class Parameter(BaseModel):
    """One named number of an operation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="a parameter of the operation, as the catalogue names it")
    value: float = Field(description="within the catalogue's range for it")


class Operation(BaseModel):
    """One augmentation, applied to a training image with a probability."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="an operation of the catalogue")
    probability: float = Field(description="chance that it is applied to an image, 0 to 1")
    parameters: list[Parameter] = Field(description="every parameter of the operation, each once")


class Change(BaseModel):
    """What takes the place of a policy's operations in the middle of a training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: int = Field(description="the first epoch with these operations, counted from 1; at least 2")
    operations: list[Operation]


class Policy(BaseModel):
    """Operations applied in the order given; an empty list is no augmentation.

    With `changes` it is a policy by epoch: each change holds until the next one, or to the end of the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    operations: list[Operation]
    changes: list[Change] = Field(default_factory=list)
    """By epoch, earliest first."""

    @property
    def phases(self) -> "list[tuple[int, Policy]]":
        """(first epoch, what is done from then on), from epoch 1; the policies have no changes."""
        later = [(change.epoch, Policy(operations=change.operations)) for change in self.changes]
        return [(1, Policy(operations=self.operations)), *later]

    def at(self, epoch: int) -> "Policy":
        """What is done to the images of `epoch`, counted from 1."""
        return [policy for first, policy in self.phases if first <= epoch][-1]

    def until(self, epoch: int) -> "Policy":
        """The same up to and including `epoch`, without the changes after it."""
        return Policy(
            operations=self.operations, changes=[each for each in self.changes if each.epoch <= epoch]
        )

    def stretched(self, factor: float) -> "Policy":
        """The same for a training that is `factor` times as long; a phase that gets no epoch of its own is left out."""
        changes: dict[int, Change] = {}
        for each in self.changes:
            epoch = 1 + round((each.epoch - 1) * factor)
            changes[epoch] = Change(epoch=epoch, operations=each.operations)
        first = changes.pop(1, None)
        operations = self.operations if first is None else first.operations
        return Policy(operations=operations, changes=list(changes.values()))

    @property
    def every_operation(self) -> list[Operation]:
        """Those of all epochs, one phase after another."""
        return [operation for _, policy in self.phases for operation in policy.operations]
