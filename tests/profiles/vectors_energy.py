"""Vectors of meters, inverters, batteries and charging stations; what a vector is: `vectors`.

Where a document gives no example ("the type says"), the registers are the value written in the document's own type,
order and unit, worked out by hand.
"""

from tests.profiles.vectors import Vector, Written

KEBA = "KEBA, P30 Modbus TCP Programmers Guide V1.02: the examples"
GO_E = "go-e, API v2, Modbus: the examples of the descriptions"
VICTRON = "Victron, attributes.csv: the scale says"
TYPE = "the type and the unit of the register list say"

READ = [
    Vector("keba-kecontact-p30", 3, 1010, "0000 03F3", {"CurrentL2": 1.011}, KEBA),
    Vector("keba-kecontact-p30", 3, 1012, "0000 0285", {"CurrentL3": 0.645}, KEBA),
    Vector("keba-kecontact-p30", 3, 1014, "0119 04D6", {"SerialNumber": 18416854}, KEBA),
    Vector("keba-kecontact-p30", 3, 1018, "030A 0D00", {"FirmwareVersion": 50990336}, KEBA),
    Vector("keba-kecontact-p30", 3, 1020, "0001 8165", {"Power": 98.661}, KEBA),
    Vector("go-e-charger", 4, 114, "0000 007B", {"CurrentL1": 12.3}, GO_E),
    Vector("go-e-charger", 4, 120, "0000 0168", {"Power": 3600}, GO_E),
    Vector("go-e-charger", 4, 132, "0001 86A0", {"SessionEnergy": 1000000}, GO_E),
    Vector("go-e-charger", 4, 146, "0000 0024", {"PowerL1": 3600}, GO_E),
    Vector(
        "heidelberg-energy-control",
        4,
        5,
        "0007 0001 0000 0000 0145 00EE",
        {"ChargingState": 7, "CurrentL1": 0.1, "BoardTemperature": 32.5, "VoltageL1": 238},
        "Walther Werke, basicEVO PRO manual, page 17: the examples of the table",
    ),
    Vector(
        "heidelberg-energy-control", 4, 9, "FF6F", {"BoardTemperature": -14.5}, "Walther Werke, basicEVO PRO manual"
    ),
    Vector(
        "heidelberg-energy-control",
        4,
        15,
        "0001 03E8",
        {"EnergySincePowerOn": 66536},
        "Walther Werke, basicEVO PRO manual: 1 in the high word is 65536 VAh, 1000 in the low word 1000 VAh",
    ),
    Vector("abb-terra-ac", 3, 0x400C, "0000 8400", {"ChargingState": 4}, "evcc, abb: bits 8 to 14 are the state"),
    Vector("abb-terra-ac", 3, 0x4016, "0000 08FE", {"VoltageL1": 230.2}, TYPE),
    Vector("alfen-eve-ng9xx", 3, 374, "40C8 1C80 0000 0000", {"Energy": 12345}, TYPE),
    Vector("mennekes-amtron-ecu", 3, 212, "0000 3E80", {"CurrentL1": 16}, TYPE),
    Vector("victron-gx-system", 3, 840, "0214 FF9C", {"BatteryVoltage": 53.2, "BatteryCurrent": -10}, VICTRON),
    Vector("victron-gx-system", 3, 845, "000F 0090", {"ConsumedCharge": -1.5, "TimeToGo": 14400}, VICTRON),
    Vector("victron-multiplus", 3, 12, "FF9C", {"InputPowerL1": -1000}, VICTRON),
    Vector("victron-battery", 3, 266, "0232", {"StateOfCharge": 56.2}, VICTRON),
    Vector("eastron-sdm120", 4, 0, "4366 3334", {"Voltage": 230.2}, TYPE),
    Vector("eastron-sdm72d-m-v2", 4, 0x34, "C4EF F666", {"Power": -1919.7}, TYPE),
    Vector("carlo-gavazzi-em340", 4, 0, "08FD 0000", {"VoltageL1": 230.1}, "Carlo Gavazzi: low word first, 0.1 V"),
    Vector("carlo-gavazzi-em340", 4, 40, "FFF6 FFFF", {"Power": -1}, "Carlo Gavazzi: low word first, 0.1 W"),
    Vector("schneider-iem3155", 3, 3027, "4366 3334", {"VoltageL1": 230.2}, "register 3028, counted from 1"),
    Vector("schneider-iem3155", 3, 3203, "0000 0000 0001 E240", {"EnergyImport": 123456}, "register 3204, Wh"),
    Vector("inepro-pro380", 3, 0x5012, "BFF5 C28F", {"Power": -1.92}, TYPE),
    Vector("chint-dtsu666", 3, 0x2006, "450F E000", {"VoltageL1": 230.2}, TYPE),
    Vector("orno-or-we-516", 3, 0x1C, "3FF5 C28F", {"Power": 1.92}, TYPE),
    Vector("socomec-countis-e", 3, 0xC568, "0000 0064", {"Power": 1000}, TYPE),
    Vector("socomec-countis-e", 3, 0xC56E, "FFFF FC7C", {"PowerFactor": -0.9}, TYPE),
    Vector("siemens-sentron-pac2200", 3, 801, "40FE 2400 0000 0000", {"EnergyImport": 123456}, TYPE),
    Vector("huawei-sun2000", 3, 32072, "0000 04D2", {"CurrentL1": 1.234}, TYPE),
    Vector("huawei-sun2000", 3, 32106, "0001 E240", {"Energy": 1234.56}, TYPE),
    Vector("sma-sunny-tripower", 3, 30783, "0000 59EC", {"VoltageL1": 230.2}, "SMA: FIX2"),
    Vector("sma-sunny-tripower", 3, 30953, "0000 0163", {"Temperature": 35.5}, "SMA: TEMP"),
    Vector("kostal-plenticore", 3, 158, "3334 4366", {"VoltageL1": 230.2}, "KOSTAL: little-endian when new"),
    Vector("goodwe-et", 3, 36025, "FFFF FC18", {"MeterPower": -1000}, TYPE),
    Vector("growatt-tl3-x", 4, 35, "0001 E240 1388", {"Power": 12345.6, "Frequency": 50}, TYPE),
    Vector("deye-sg04lp3", 3, 534, "E240 0001", {"Energy": 12345.6}, "evcc: 32-bit values with swapped words"),
    Vector("deye-sg04lp3", 3, 586, "04E2", {"BatteryTemperature": 25}, "Solarman: offset 1000, scale 0.1"),
    Vector("sungrow-sg-rt", 4, 5002, "007B E240 0001", {"EnergyToday": 12.3, "Energy": 123456}, TYPE),
]

WRITTEN = [
    Written("keba-kecontact-p30", "CurrentLimit", 8, "06 138C 1F40", KEBA),
    Written("keba-kecontact-p30", "EnergyLimit", 10, "06 1392 0001", KEBA),
    Written("heidelberg-energy-control", "CurrentLimit", 16, "06 0105 00A0", "160 is 16 A"),
    Written("abb-terra-ac", "CurrentLimit", 16, "10 4100 0002 04 0000 3E80", TYPE),
    Written("alfen-eve-ng9xx", "CurrentLimit", 16, "10 04BA 0002 04 4180 0000", TYPE),
    Written("mennekes-amtron-ecu", "CurrentLimit", 13, "10 03E8 0001 02 000D", TYPE),
    Written("go-e-charger", "CurrentLimit", 6, "10 012B 0001 02 0006", TYPE),
    Written("victron-gx-system", "GridSetpoint", -100, "06 0A8C FF9C", VICTRON),
]
