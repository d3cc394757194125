"""Headings of register tables, in the spellings that vendors use, and which column is which."""

import re
from collections.abc import Iterable, Mapping, Sequence

from gateway.model.errors import ConfigError

SPELLINGS: Mapping[str, str] = {
    "name": "name|tag|tag name|signal|signal name|parameter|parameter name|variable|register name|data point|datapoint|"
    "point|point name|label|measurement|quantity name|bezeichnung|designation|data name|item|field",
    "address": "address|addr|register|register address|reg|reg addr|register number|register no|start address|"
    "starting address|modbus address|modbus register|modbus addr|start register|start|offset address|adresse|"
    "register adresse|address dec|address hex|dec address|hex address|protocol address|data address|reg address|"
    "register hex|register dec",
    "type": "type|data type|datatype|format|data format|value type|encoding|datentyp|variable type|representation|typ",
    "table": "table|register type|function|function code|fc|function codes|object type|modbus function|memory area|"
    "area|kind|reg type|modbus type|modbus function code|read function|modbus table",
    "count": "count|length|len|size|registers|number of registers|no of registers|quantity|words|word count|reg count|"
    "register count|num registers|register length|anzahl|register size|size words|nb registers",
    "scale": "scale|scale factor|factor|multiplier|gain|resolution|scaling|coefficient|step|faktor|skalierung|multiply|"
    "precision|lsb|scaling factor|conversion factor",
    "divisor": "divisor|divider|div|divide by",
    "offset": "offset|value offset|bias",
    "units": "unit|units|eng unit|eng units|engineering unit|engineering units|einheit|uom|measure unit|si unit",
    "access": "access|r w|rw|read write|mode|access type|permission|attribute|access mode|zugriff|read or write|r/w",
    "minimum": "min|minimum|low|lower limit|min value|minimum value|low limit|lower",
    "maximum": "max|maximum|high|upper limit|max value|maximum value|high limit|upper",
    "range": "range|value range|valid range|wertebereich|limits",
    "description": "description|desc|remark|remarks|comment|comments|note|notes|beschreibung|meaning|details|bemerkung|"
    "values|enum|enumeration|explanation|definition|additional information|content",
    "bit": "bit|bit no|bit number|bit position|bit index",
    "order": "byte order|word order|endian|endianness|byteorder|order|swap",
    "default": "default|default value|factory setting|factory default|initial value",
    "array": "array|array length|elements|number of elements",
}
"""Our name → headings, as `plain` makes them."""
_BY_SPELLING = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings.split("|")}
NEEDED = ("address",)


def plain(heading: str) -> str:
    """`Reg. Addr. [dec]` → `reg addr`: lower case, no units in brackets, no punctuation."""
    text = re.sub(r"[\[(].*?[\])]", " ", heading.lower())
    return " ".join(re.sub(r"[^\w/]+|_", " ", text).split())


def fits(given: Mapping[str, str]) -> "Fits":
    """How well a row serves as headings. `given`: columns that the person named."""
    return Fits({name: heading.strip().lower() for name, heading in given.items()})


class Fits:
    """Called with the cells of a row."""

    def __init__(self, given: Mapping[str, str]) -> None:
        unknown = sorted(set(given) - set(SPELLINGS))
        if unknown:
            raise ConfigError(f"--column {unknown[0]}=…: there are {', '.join(SPELLINGS)}")
        self.given = given

    def __call__(self, cells: Sequence[str]) -> int:
        """0 when the row cannot be the headings: what was named is not there, or no address is."""
        headings = {cell.strip().lower() for cell in cells}
        if not headings.issuperset(self.given.values()):
            return 0
        found = self.columns(cells)
        if not found.keys() >= set(NEEDED) or not found.keys() & {"name", "type", "description"}:
            return 0
        return len(found)

    def columns(self, cells: Sequence[str]) -> dict[str, list[int]]:
        """Our name → the columns, from left to right. What the person named comes first and alone."""
        found: dict[str, list[int]] = {}
        for name, heading in self.given.items():
            found[name] = [next(i for i, cell in enumerate(cells) if cell.strip().lower() == heading)]
        taken = {index for indexes in found.values() for index in indexes}
        for index, cell in enumerate(cells):
            name = _BY_SPELLING.get(plain(cell), "") if cell.strip() else ""
            if name and index not in taken and name not in self.given:
                found.setdefault(name, []).append(index)
        # of descriptions all count; of others the first: addresses often stand in decimal and again in hexadecimal
        return {name: indexes if name == "description" else indexes[:1] for name, indexes in found.items()}


def unused(cells: Sequence[str], found: Mapping[str, Iterable[int]]) -> list[int]:
    """Columns with a heading that mean nothing here."""
    taken = {index for indexes in found.values() for index in indexes}
    return [index for index, cell in enumerate(cells) if cell.strip() and index not in taken]
