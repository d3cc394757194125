"""Which namespace of a simulated server has which index (Part 3, 5.2.1)."""

from collections.abc import Iterable

from asyncua import ua

from mappers.opcua.address import Namespace, NodeRef, Step
from simulators.opcua.points import Place

UA = "http://opcfoundation.org/UA/"


class Namespaces:
    """Those named by an index stay there; those named by a URI take what is left, in another order after `shuffled`."""

    def __init__(self, application: str, named: Iterable[Namespace], shuffles: int = 0) -> None:
        names = list(dict.fromkeys(named))
        uris = [name for name in names if isinstance(name, str) and name not in (UA, application)]
        fixed = {name for name in names if isinstance(name, int) and name > 1}
        turned = _turned(uris, shuffles)
        self.uris = [UA, application]
        while turned or len(self.uris) <= max(fixed, default=0):
            index = len(self.uris)
            self.uris.append(turned.pop(0) if turned and index not in fixed else f"urn:southgate:simulated:{index}")

    def index(self, namespace: Namespace) -> int:
        """Of a URI or, as it is, of an index."""
        return namespace if isinstance(namespace, int) else self.uris.index(namespace)

    def node(self, ref: NodeRef) -> ua.NodeId:
        """On this server."""
        text = f"ns={self.index(ref.namespace)};{ref.kind}={ref.identifier}"
        return ua.NodeId.from_string(text)

    def name(self, step: Step) -> ua.QualifiedName:
        """On this server."""
        return ua.QualifiedName(step.name, self.index(step.namespace))


def _turned(uris: list[str], times: int) -> list[str]:
    """Another order each time, behind so many strangers that none is where it or another was before."""
    by = times % max(1, len(uris))
    strangers = [f"urn:southgate:simulated:shuffle:{n + 1}" for n in range(times % 3 * len(uris))]
    return [*strangers, *uris[by:], *uris[:by]]


def namespaces_in(places: Iterable[Place]) -> list[Namespace]:
    """Every namespace that these name."""
    return [
        namespace
        for place in places
        for namespace in ([place.namespace] if isinstance(place, NodeRef) else [step.namespace for step in place])
    ]
