"""Who is meant by an address."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Only this machine is meant. A name other than localhost counts as another machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
