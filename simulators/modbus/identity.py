"""What a simulated device says about itself: function 43, MEI type 14, from its profile. Encoded by pymodbus."""

from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from gateway.model.profile import DeviceProfile
from simulators.modbus.image import Refused

MEI = 14
LONGEST = 200
"""Bytes of one text; one object must fit into an answer."""


def identity(profile: DeviceProfile, pdu: bytes) -> bytes:
    """The answer to a request. Raises Refused: 1 for another MEI type or a profile that names neither maker nor model,
    2 for an object that is not there, 3 for what is no request of this kind."""
    objects = _objects(profile)
    if len(pdu) < 2 or pdu[1] != MEI or not objects:
        raise Refused(1)
    if len(pdu) != 4 or not 1 <= pdu[2] <= 4:
        raise Refused(3)
    code, first = pdu[2], pdu[3]
    if code == 4:
        if first not in objects:
            raise Refused(2)
        wanted = {first: objects[first]}
    else:
        last = 2 if code == 1 else 255
        begin = (
            first if first in objects and first <= last else 0
        )  # the specification: start again when it is not there
        wanted = {number: text for number, text in objects.items() if begin <= number <= last}
    answer = ReadDeviceInformationResponse(code, wanted)
    answer.conformity = 0x82
    return bytes((43,)) + answer.encode()


def _objects(profile: DeviceProfile) -> dict[int, bytes]:
    """Vendor, product code, revision; product name, model name."""
    if not profile.manufacturer and not profile.model:
        return {}
    texts = {0: profile.manufacturer, 1: profile.model, 2: "simulated", 4: profile.description, 5: profile.model}
    return {number: text.encode()[:LONGEST] for number, text in texts.items() if text or number < 3}
