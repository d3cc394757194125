"""What OPC UA servers tell by themselves: monitored items, notifications into Events, and whether it is still true."""

from mappers.opcua.subscription.subscriptions import LOOK_S, Subscriptions

__all__ = ["LOOK_S", "Subscriptions"]
