"""The yardstick: the least code that does the job on the same libraries. pymodbus polls, paho publishes, nothing else:
no profile, no store, no twin, no quality, no API. The same phases as the gateway (at most ten slots a second)."""

import argparse
import asyncio
import json
import time

import paho.mqtt.client as mqtt
from pymodbus.client import AsyncModbusTcpClient

SLOTS_PER_S = 10


async def poll(port: int, number: int, registers: int, period: float, cloud: mqtt.Client) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
    await client.connect()
    names = [f"R{i}" for i in range(registers)]
    topic = f"southgate/v1/bare/d/device-{number}/tele/all"
    slots = max(1, round(SLOTS_PER_S * period))
    due = time.monotonic() + (number % slots) / slots * period
    seq = 0
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += period
        origin = time.time_ns()
        answer = await client.read_holding_registers(0, count=registers, device_id=1)
        seq += 1
        values = dict(zip(names, answer.registers, strict=True))
        event = {"seq": seq, "ts": origin, "v": values}
        cloud.publish(topic, json.dumps({"historical": False, "events": [event]}), qos=1)


async def run(options: argparse.Namespace) -> None:
    cloud = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bare", protocol=mqtt.MQTTv5)
    cloud.connect("127.0.0.1", options.mqtt)
    cloud.loop_start()
    async with asyncio.TaskGroup() as tasks:
        for number, port in enumerate(options.ports):
            tasks.create_task(poll(port, number, options.registers, options.period, cloud))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mqtt", type=int, required=True)
    parser.add_argument("--registers", type=int, default=100)
    parser.add_argument("--period", type=float, default=1.0)
    parser.add_argument("ports", type=int, nargs="+")
    import uvloop

    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
