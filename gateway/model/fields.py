"""What a field of a profile or device takes, from YAML (literal text, see `scalar`) and from JSON (strict types)."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

from gateway.model import scalar
from gateway.model.duration import parse_duration
from gateway.model.extensions import EXTENSIONS_SCHEMA, WrongExtension, extensions
from gateway.model.names import check_name


class EdgeXModel(BaseModel):
    """camelCase outside, snake_case inside; frozen; unknown keys are kept aside for a warning, never an error here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    always: ClassVar[frozenset[str]] = frozenset()
    """Keys EdgeX 4.x writes even when they are empty."""
    unread: ClassVar[frozenset[str]] = frozenset()
    """Keys EdgeX writes or other tools need, which mean nothing here; no warning."""


def _uuid(text: str) -> str:
    if text:
        try:
            UUID(text)
        except ValueError:
            raise ValueError(f"{text[:60]!r} is not a UUID") from None
    return text


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _own_keys(optional: dict[str, Any]) -> dict[str, Any]:
    try:
        extensions(optional)
    except WrongExtension as error:
        raise PydanticCustomError("extension", "{what}", {"what": str(error), "key": error.key}) from None
    return optional


_ANY_TEXT = ["string", "number", "boolean", "null"]
_YES_NO = [word for word in scalar.FLAG_WORDS if word.lower() not in ("true", "false")]

Text = Annotated[str, BeforeValidator(scalar.text), WithJsonSchema({"type": _ANY_TEXT})]
"""Text; in YAML a scalar of any type, literally."""
Name = Annotated[Text, AfterValidator(check_name), WithJsonSchema({"type": _ANY_TEXT[:-1], "pattern": r"\S"})]
"""Text that names something: not blank, no control characters."""
Uuid = Annotated[Text, AfterValidator(_uuid)]
"""A UUID or empty."""
Flag = Annotated[
    bool, Strict(), BeforeValidator(scalar.flag), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": _YES_NO}]})
]
"""True or false; in YAML also yes, no, on, off."""


class Parametric:
    """For editors: the field's own type, or in a profile with parameters `$(…)`, which is put aside when it is read
    (`references`)."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": r"\$\("}]}


Number = Annotated[float, Strict(), Field(allow_inf_nan=False), BeforeValidator(scalar.number)]
"""A finite number, never in quotes."""
Integer = Annotated[int, Strict(), Field(ge=-(2**63), lt=2**63), BeforeValidator(scalar.integer)]
"""An int64."""
Unsigned = Annotated[int, Strict(), Field(ge=0, lt=2**64), BeforeValidator(scalar.integer)]
"""A uint64."""
GoDuration = Annotated[Text, AfterValidator(_duration)]
"""A duration as Go writes it; `duration.parse_duration` gives its seconds."""
FreeMap = Annotated[dict[str, Any], PlainValidator(scalar.free_map), WithJsonSchema({"type": ["object", "null"]})]
"""Any keys, any values that JSON can say; numbers may keep their text (`scalar.literal_text`)."""
FreeValue = Annotated[Any, PlainValidator(scalar.free), WithJsonSchema({})]
"""Anything that JSON can say."""
StringMap = Annotated[dict[Text, Text], BeforeValidator(scalar.text_map)]
"""Text to text; YAML scalars literally."""
Optional = Annotated[FreeMap, AfterValidator(_own_keys), WithJsonSchema(EXTENSIONS_SCHEMA)]
"""A free-form map in which our own keys (`extensions.Extensions`) mean something."""
