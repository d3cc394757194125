"""OPC Binary type dictionaries of servers before 1.04."""

import struct
from collections.abc import Sequence

import pytest
from asyncua import Server, ua
from asyncua.common.type_dictionary_builder import DataTypeDictionaryBuilder
from asyncua.ua.ua_binary import extensionobject_to_binary

from mappers.opcua.codec import limits
from mappers.opcua.codec.dictionary import Dictionaries
from mappers.opcua.codec.learn import learn, learn_wanted
from mappers.opcua.codec.structure import Structure, Types
from tests.unit.mappers.opcua.codec.conftest import Asked

V = ua.VariantType
HEAD = (
    '<opc:TypeDictionary xmlns:opc="http://opcfoundation.org/BinarySchema/" xmlns:ua="http://opcfoundation.org/UA/" '
    'xmlns:tns="urn:acme" TargetNamespace="urn:acme" DefaultByteOrder="LittleEndian">'
)


def structure(xml: str, name: str = "It") -> Structure | None:
    books = Dictionaries()
    books.add("book", f"{HEAD}{xml}</opc:TypeDictionary>".encode())
    return books.structure("book", name)


def it(*fields: str) -> str:
    return f'<opc:StructuredType Name="It" BaseType="ua:ExtensionObject">{"".join(fields)}</opc:StructuredType>'


def read(known: Structure | None, data: bytes) -> object:
    assert known is not None
    known.encoding = ua.NodeId(1, 2)
    return Types({known.encoding: known}).natural(ua.ExtensionObject(known.encoding, data))


def test_fields_of_any_type() -> None:
    """The schema of OPC UA calls them otherwise than its data types are (Part 6, annex F)."""
    xml = it('<opc:Field Name="Any" TypeName="ua:Variant"/>', '<opc:Field Name="What" TypeName="ua:ExtensionObject"/>')

    found = read(structure(xml), b"\4\7\0" + extensionobject_to_binary(ua.Range(1.0, 2.0)))

    assert found == {"Any": 7, "What": {"TypeId": "i=886", "Low": 1.0, "High": 2.0}}


def test_what_holds_something_that_is_not_understood_is_not_understood() -> None:
    """Also where that holds it, too, and was looked at first: nothing is read at the wrong place."""
    xml = (
        '<opc:StructuredType Name="Outer"><opc:Field Name="Inner" TypeName="tns:Inner"/></opc:StructuredType>'
        '<opc:StructuredType Name="Inner"><opc:Field Name="NoOfOuters" TypeName="opc:Int32"/>'
        '<opc:Field Name="Outers" TypeName="tns:Outer" LengthField="NoOfOuters"/>'
        '<opc:Field Name="Lost" TypeName="tns:None"/></opc:StructuredType>'
    )
    books = Dictionaries()
    books.add("book", f"{HEAD}{xml}</opc:TypeDictionary>".encode())
    assert [books.structure("book", name) for name in ("Inner", "Outer", "Inner")] == [None, None, None]


def test_fields_of_every_sort() -> None:
    xml = (
        '<opc:EnumeratedType Name="Colour" LengthInBits="32"><opc:EnumeratedValue Name="Red" Value="0"/>'
        "</opc:EnumeratedType>"
        '<opc:StructuredType Name="Spot"><opc:Field Name="X" TypeName="opc:Double"/></opc:StructuredType>'
    ) + it(
        '<opc:Field Name="Name" TypeName="opc:String"/>',
        '<opc:Field Name="Start" TypeName="tns:Spot"/>',
        '<opc:Field Name="NoOfSpots" TypeName="opc:Int32"/>',
        '<opc:Field Name="Spots" TypeName="tns:Spot" LengthField="NoOfSpots"/>',
        '<opc:Field Name="Colour" TypeName="tns:Colour"/>',
        '<opc:Field Name="Text" TypeName="ua:LocalizedText"/>',
        '<opc:Field Name="Range" TypeName="ua:Range"/>',
    )
    data = b"\1\0\0\0a" + struct.pack("<d", 1.5) + struct.pack("<idd", 2, 2.5, 3.5) + struct.pack("<i", 2)
    data += b"\2\1\0\0\0b" + struct.pack("<dd", 0.0, 9.0)

    assert read(structure(xml), data) == {
        "Name": "a", "Start": {"X": 1.5}, "Spots": [{"X": 2.5}, {"X": 3.5}], "Colour": 2, "Text": "b",
        "Range": {"Low": 0.0, "High": 9.0},
    }  # fmt: skip


def test_optional_fields_have_a_bit_of_the_mask() -> None:
    known = structure(
        it(
            '<opc:Field Name="ASpecified" TypeName="opc:Bit"/>',
            '<opc:Field Name="BSpecified" TypeName="opc:Bit"/>',
            '<opc:Field Name="Reserved1" TypeName="opc:Bit" Length="30"/>',
            '<opc:Field Name="A" TypeName="opc:Int16" SwitchField="ASpecified"/>',
            '<opc:Field Name="Always" TypeName="opc:Byte"/>',
            '<opc:Field Name="B" TypeName="opc:Int16" SwitchField="BSpecified"/>',
        )
    )

    assert read(known, struct.pack("<IBh", 2, 7, 9)) == {"Always": 7, "B": 9}


def test_unions_have_a_number_of_the_field() -> None:
    known = structure(
        it(
            '<opc:Field Name="SwitchField" TypeName="opc:UInt32"/>',
            '<opc:Field Name="Size" TypeName="opc:Int32" SwitchField="SwitchField" SwitchValue="1"/>',
            '<opc:Field Name="Word" TypeName="opc:String" SwitchField="SwitchField" SwitchValue="2"/>',
        )
    )

    assert read(known, struct.pack("<Ii", 2, 1) + b"x") == {"Word": "x"}


@pytest.mark.parametrize(
    "fields",
    [
        ['<opc:Field Name="A" TypeName="opc:Bit"/>', '<opc:Field Name="B" TypeName="opc:Byte"/>'],
        ['<opc:Field Name="A" TypeName="opc:Byte"/>', '<opc:Field Name="B" TypeName="opc:Bit" Length="32"/>'],
        ['<opc:Field Name="A" TypeName="opc:Bit" Length="x"/>'],
        ['<opc:Field Name="A" TypeName="other:Thing"/>'],
        ['<opc:Field Name="A" TypeName="tns:Missing"/>'],
        ['<opc:Field Name="A" TypeName="opc:Byte" Length="8"/>'],
        ['<opc:Field Name="A" TypeName="opc:Int16" SwitchField="Nowhere"/>'],
        ['<opc:Field Name="A" TypeName="ua:__class__"/>'],
    ],
)
def test_what_is_not_understood_is_not_guessed(fields: Sequence[str]) -> None:
    assert structure(it(*fields)) is None


def test_a_type_inside_itself_is_a_type() -> None:
    known = structure(
        it('<opc:Field Name="N" TypeName="opc:Int32"/>', '<opc:Field Name="Inner" TypeName="tns:It" LengthField="N"/>')
    )

    assert read(known, struct.pack("<ii", 1, 0)) == {"Inner": [{"Inner": []}]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<",
        None,
        5,
        b'<!DOCTYPE x [<!ENTITY a "b">]><opc:TypeDictionary/>',
        "<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"),
        b" " * (limits.DICTIONARY + 1),
    ],
    ids=["empty", "broken", "none", "number", "entities", "utf-16", "huge"],
)
def test_dictionaries_that_are_none_have_no_structures(text: object) -> None:
    """T22: also those that would grow while they are read."""
    books = Dictionaries()
    books.add("book", text)

    assert books.structure("book", "It") is None


async def test_an_old_server_s_structures_are_read_by_its_dictionary(server: Server, session: Asked) -> None:
    """asyncua's own builder of dictionaries, which leaves DataTypeDefinition out (and calls its types abstract)."""
    builder = DataTypeDictionaryBuilder(server, 2, "urn:test", "Old")
    await builder.init()
    spot = await builder.create_data_type("Spot")
    spot.add_field("X", V.Double)
    line = await builder.create_data_type("Line")
    line.add_field("Start", spot)
    line.add_field("Tags", V.String, is_array=True)
    await builder.set_dict_byte_string()
    data_type = line.data_type
    no = ua.DataValue(ua.Variant(False, V.Boolean))
    await server.get_node(data_type).write_attribute(ua.AttributeIds.IsAbstract, no)
    types = Types()

    await learn(types, session, [data_type])

    known = types.kinds[data_type]
    assert isinstance(known, Structure)
    assert known.encoding is not None
    body = struct.pack("<d", 1.5) + struct.pack("<ii", 1, 1) + b"a"
    held = ua.ExtensionObject(known.encoding, body)
    assert types.natural(held) == {"Start": {"X": 1.5}, "Tags": ["a"]}

    yes = ua.DataValue(ua.Variant(True, V.Boolean))
    await server.get_node(data_type).write_attribute(ua.AttributeIds.IsAbstract, yes)
    fresh = Types()
    fresh.natural(held)
    assert await learn_wanted(fresh, session)
    assert fresh.natural(held) == {"Start": {"X": 1.5}, "Tags": ["a"]}
    assert fresh.kinds[data_type] is V.ExtensionObject, "as a field it may be any of its subtypes"
