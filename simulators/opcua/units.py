"""Units as OPC UA writes them (Part 8, 5.6.3): UNECE Recommendation 20, its code as a number."""

from collections.abc import Mapping
from types import MappingProxyType

from asyncua import ua

NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"
CODES: Mapping[str, str] = MappingProxyType(
    {
        "V": "VLT", "mV": "2Z", "kV": "KVT", "A": "AMP", "mA": "4K", "W": "WTT", "kW": "KWT", "MW": "MAW", "VA": "D46",
        "kVA": "KVA", "var": "D44", "kvar": "KVR", "Wh": "WHR", "kWh": "KWH", "MWh": "MWH", "Hz": "HTZ", "°C": "CEL",
        "°F": "FAH", "K": "KEL", "%": "P1", "rpm": "RPM", "1/min": "C94", "bar": "BAR", "mbar": "MBR", "Pa": "PAL",
        "kPa": "KPA", "s": "SEC", "ms": "C26", "min": "MIN", "h": "HUR", "m": "MTR", "mm": "MMT", "m/s": "MTS",
        "m3": "MTQ", "m3/h": "MQH", "l": "LTR", "l/min": "L2", "kg": "KGM", "g": "GRM", "N": "NEW", "kN": "B47",
        "Nm": "NU", "J": "JOU", "°": "DD", "ppm": "59", "lux": "LUX", "mm/s": "C16",
    }
)  # fmt: skip


def engineering_unit(units: str) -> ua.EUInformation:
    """For people where the unit has no code here (-1)."""
    found = ua.EUInformation()
    found.NamespaceUri = NAMESPACE
    found.UnitId = int.from_bytes(CODES[units].encode(), "big") if units in CODES else -1
    found.DisplayName = found.Description = ua.LocalizedText(units)
    return found
