"""What every mapping of the file is: frozen, and an unknown key is a mistake."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mapping of the file; an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
