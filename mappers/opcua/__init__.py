"""OPC UA (device-opcua): servers over opc.tcp. asyncua is loaded with the first connection."""
