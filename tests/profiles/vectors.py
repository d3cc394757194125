"""What documents and real devices say: registers as they came, and the value people should see.

None of these numbers was made by this program. Where a document gives no example, the register and the value are its
own words about the type ("-4000 to 8000 is -40.00 to 80.00 degrees").
"""

from collections.abc import Mapping
from typing import NamedTuple

Value = bool | int | float


class Vector(NamedTuple):
    """Registers of one table of a device whose profile file is `profile`."""

    profile: str
    function: int
    """3 holding, 4 input registers."""
    first: int
    """Address on the wire."""
    registers: str
    """Hexadecimal words."""
    values: Mapping[str, Value]
    """Resource → value as people see it."""
    origin: str


class Written(NamedTuple):
    """The request that writes a value."""

    profile: str
    resource: str
    value: Value
    """As people give it."""
    pdu: str
    """Hexadecimal."""
    origin: str


READ = [
    Vector(
        "schneider-altivar-312",
        3,
        3102,
        "0028 0258 01F4 0000",
        {"SwitchingFrequency": 4, "MaximumFrequency": 60, "HighSpeed": 50, "LowSpeed": 0},
        "Schneider, Modbus manuals of the Altivar 31, 312 and 71: the example of function 3",
    ),
    Vector(
        "danfoss-vlt-fc102", 3, 3029, "0016 E360", {"MaximumReference": 1500}, "Danfoss, FC 102 design guide, 8.10.4"
    ),
    Vector(
        "danfoss-vlt-fc102", 3, 1239, "0000 02E2", {"MotorRatedCurrent": 7.38}, "Danfoss, FC 102 design guide, 8.10.6"
    ),
    Vector("danfoss-vlt-fc102", 3, 50009, "2000", {"BusReference": 50}, "Danfoss: 4000 hex is 100 %"),
    Vector("siemens-sinamics-v20", 3, 100, "4000", {"Setpoint": 100}, "Siemens: 4000 hex is the reference"),
    Vector(
        "yaskawa-a1000", 3, 2, "1770", {"FrequencyReference": 60}, "Yaskawa, the write example of the MEMOBUS chapter"
    ),
    Vector(
        "delta-vfd-ms300",
        3,
        0x2102,
        "1770 0000",
        {"FrequencyReference": 60, "OutputFrequency": 0},
        "Delta, VFD-EL user manual, page 4-77: content of 2102H and 2103H",
    ),
    Vector("weg-cfw300", 3, 3, "000F", {"Current": 1.5}, "WEG: a parameter shown as 1.5 A is sent as 15"),
    Vector(
        "invertek-optidrive-e3",
        3,
        0,
        "0001 0064 0000 00FA",
        {"FrequencySetpoint": 10, "RampTime": 2.5},
        "Invertek, 8.4",
    ),
    Vector(
        "invertek-optidrive-e3",
        3,
        5,
        "0203 0064 000A",
        {"DriveStatus": 2, "ErrorCode": 3, "OutputFrequency": 10, "Current": 1},
        "Invertek, user guide, section 8.4: tripped, high and low byte; 100 is 10.0 Hz; 10 is 1.0 A",
    ),
    Vector("abb-acs355", 3, 1, "4E20 D8F0", {"Reference1": 100, "Reference2": -100}, "ABB: 20000 and -10000"),
    Vector(
        "vaisala-hmp", 3, 0, "7AE1 41F4", {"Humidity": 30.56}, "Vaisala, Indigo500 user guide: 41F47AE1 is 30.56 %RH"
    ),
    Vector(
        "peacefair-pzem-016", 4, 0, "09BF", {"Voltage": 249.5}, "lechacal wiki: the answer of a module, 04 02 09 BF"
    ),
    Vector(
        "peacefair-pzem-016",
        4,
        3,
        "0001 0001 0002 0001",
        {"Power": 6553.7, "Energy": 65538},
        "Peacefair: low 16 bits, then high 16 bits; 0.1 W and 1 Wh",
    ),
    Vector(
        "seeed-s-soil-mtec-02", 3, 0, "F060 2710", {"Temperature": -40, "Moisture": 100}, "Seeed, 5.2: -4000 is -40.00"
    ),
    Vector("advantech-adam-6060", 3, 0, "0001 0002", {"Counter0": 131073}, "Advantech: (40002) x 65536 + (40001)"),
    Vector("siemens-s7-1200-mb-server", 4, 32, "6C00 3600", {"AI0": 10, "AI1": 5}, "Siemens: 27648 is 10 V"),
    Vector(
        "wago-pfc200",
        3,
        0x2000,
        "0000 FFFF 1234 AAAA 5555 7FFF 8000 3FFF 4000",
        {"Constant2": 0x1234, "Constant3": 0xAAAA, "Constant8": 0x4000},
        "WAGO, 750 series manuals: the Modbus constants",
    ),
    Vector(
        "wago-pfc200",
        3,
        0x2015,
        "010A",
        {"LibraryMajor": 1, "LibraryMinor": 10},
        "WAGO, PFC200 manual, register 0x2015",
    ),
    Vector(
        "kipp-zonen-smp",
        4,
        2,
        "0001 0008 0000 0000 0000 0000 00E7 00F4",
        {"StatusFlags": 8, "ScaleFactor": 0, "Irradiance": 0, "BodyTemperature": 23.1, "SupplyVoltage": 24.4},
        "an answer of an SMP, noted in a published program: 231 is 23.1 degrees",
    ),
    Vector(
        "deepsea-dse7320",
        3,
        1025,
        "003A 7FFF 0052 0000 010D 0598",
        {
            "CoolantTemperature": 58,
            "OilTemperature": 32767,
            "FuelLevel": 82,
            "BatteryVoltage": 26.9,
            "EngineSpeed": 1432,
        },
        "A note on GenComm examples: coolant 58, oil 32767, fuel 82 %, battery 26.9, speed 1432",
    ),
    Vector(
        "stiebel-eltron-isg-wpm",
        4,
        502,
        "8000 00CD",
        {"RoomTemperature": -3276.8, "RoomSetpoint": 20.5},
        "type 2 is 0.1",
    ),
    Vector(
        "komfovent-c6",
        3,
        0,
        "0001 0000 0001 0001 0002",
        {"Power": True, "EcoMode": True, "AutoMode": True, "Mode": 2},
        "a dump of a C6 unit, hass-komfovent",
    ),
    Vector(
        "komfovent-c6",
        3,
        103,
        "00C8 0001 0000 0032 0000 0032 00D2",
        {"AwaySetpoint": 20, "NormalSetpoint": 21},
        "a dump of a C6 unit, hass-komfovent",
    ),
    Vector(
        "komfovent-c6",
        3,
        899,
        "004C 0001 00C3 00D9 0037 8000 0000 0032 0000 0032 01F4 01F4 03E8 0000 0000 0000 0000 0041 0064 0000 0000 0029"
        " 0000 0597 0050 0064 007C 0000 04F8 0001 682D 0008 5A49",
        {
            "Starting": False,
            "Fan": True,
            "Heating": False,
            "SupplyTemperature": 19.5,
            "ExtractTemperature": 21.7,
            "OutdoorTemperature": 5.5,
            "WaterTemperature": -3276.8,
            "SupplyFlow": 50,
            "ExtractFlow": 50,
            "SupplyFan": 50,
            "HeatExchanger": 100,
            "FilterImpurity": 65,
            "PowerConsumption": 41,
            "RecoveredPower": 1431,
            "Efficiency": 80,
            "EnergyDay": 1272,
            "EnergyTotal": 547401,
        },
        "a dump of a C6 unit, hass-komfovent",
    ),
]

WRITTEN = [
    Written("schneider-altivar-312", "AccelerationTime", 1.3, "06 2329 000D", "Schneider: the example of function 6"),
    Written(
        "lambda-eureka-luft", "BoilerMaximum", 60, "10 0802 0001 02 0258", "Lambda: function 10 hex only, 0.1 degrees"
    ),
    Written(
        "yaskawa-a1000", "FrequencyReference", 60, "10 0002 0001 02 1770", "Yaskawa: no function 06, 1770 is 60.00 Hz"
    ),
    Written("danfoss-vlt-fc102", "ControlWord", 0x047C, "06 C34F 047C", "Danfoss: register 50000 is sent as 49999"),
    Written("eletechsup-r421a08", "Command3", 0x0100, "06 0003 0100", "Erriez: function 6, command 01 closes relay 3"),
]
