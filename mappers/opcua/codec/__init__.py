"""Values of OPC UA and ours."""
