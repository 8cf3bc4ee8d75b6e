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


class Policy(BaseModel):
    """Operations applied in the order given; an empty list is no augmentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operations: list[Operation]
