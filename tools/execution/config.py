"""Settings of the executor. Light: imports no torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.durations import Seconds


class ExecutionConfig(BaseModel):
    """Where trials run, and how long they may."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["local", "ray"] = Field(
        default="local",
        description="where trials run: 'local': in processes of this machine; 'ray': on the nodes of a Ray cluster "
        "(docs/cluster.md)",
    )
    ray_address: str | None = Field(
        default=None,
        pattern=r"^((ray://)?[^\s/@?#]+:\d+|auto)$",
        description="of a Ray cluster: HOST:PORT where this machine is one of its nodes, else ray://HOST:PORT; "
        "RAY_ADDRESS if unset, else a cluster of this machine alone is started",
    )
    ray_files: Literal["auto", "sent"] = Field(
        default="auto",
        description="how nodes of a Ray cluster get images and trials' files: 'auto': through the runs folder where "
        "they see it, else sent to them; 'sent': always sent, and kept on their own disks",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="'auto': CUDA, else MPS, else CPU"
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="trials at a time; one per accelerator, on CPU by its cores, if unset",
    )
    threads: int | None = Field(
        default=None, ge=1, le=256, description="CPU threads of each trial; by its cores if unset"
    )
    pack: Annotated[int, Field(ge=1, le=256)] | Literal["auto", "off"] = Field(
        default="off",
        description="experimental: trials side by side on one device; 'auto': on CUDA as many as its memory holds",
    )
    trial_timeout: Seconds | None = Field(
        default=None, description="time after which a trial is killed and FAILED"
    )
