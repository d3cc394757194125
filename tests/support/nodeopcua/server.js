// An OPC UA server for tests. Arguments: port, folder for its certificates, "anonymous" if anonymous sessions are let in,
// "strict" if it takes only clients whose certificates are in FOLDER/pki/trusted/certs.
// Prints one line of JSON when it listens. Each line on stdin is a command: {"do": "set", "node": "Speed", "value": 3}.
import readline from "node:readline";
import {
  coerceLocalizedText,
  DataType,
  makeAccessLevelFlag,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  StatusCodes,
  Variant,
  VariantArrayType,
} from "node-opcua";

const NAMESPACE = "urn:southgate:peer";
const [port, folder, ...words] = process.argv.slice(2);

const server = new OPCUAServer({
  port: Number(port),
  host: "127.0.0.1",
  hostname: "127.0.0.1",
  resourcePath: "/peer",
  allowAnonymous: words.includes("anonymous"),
  securityPolicies: [SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss],
  securityModes: [MessageSecurityMode.SignAndEncrypt],
  userManager: { isValidUser: (user, password) => user === "operator" && password === "let-me-in" },
  serverInfo: { applicationUri: "urn:southgate:peer:server", productUri: "urn:southgate:peer" },
  buildInfo: { productName: "peer", buildNumber: "1", buildDate: new Date(0) },
  serverCertificateManager: new OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: !words.includes("strict"),
    rootFolder: `${folder}/pki`,
  }),
  serverCapabilities: {
    operationLimits: { maxNodesPerRead: 50, maxNodesPerWrite: 50, maxMonitoredItemsPerCall: 50, maxNodesPerBrowse: 50 },
  },
});
await server.initialize();

const space = server.engine.addressSpace;
const namespace = space.registerNamespace(NAMESPACE);
const press = namespace.addObject({ nodeId: "s=Press", organizedBy: space.rootFolder.objects, browseName: "Press", eventNotifier: 1 });
press.addReference({ referenceType: "HasNotifier", isForward: false, nodeId: space.rootFolder.objects.server });
const variables = {};

function variable(name, dataType, value, more = {}) {
  const made = namespace.addVariable({
    componentOf: press,
    nodeId: `s=Press.${name}`,
    browseName: name,
    dataType,
    minimumSamplingInterval: 50,
    ...more,
  });
  if (value !== undefined) made.setValueFromSource(typed(value, dataType));
  variables[name] = { node: made, dataType };
  return made;
}

function typed(value, dataType) {
  const array = Array.isArray(value) && !["Int64", "UInt64"].includes(dataType);
  const arrayType = array ? VariantArrayType.Array : VariantArrayType.Scalar;
  return new Variant({ arrayType, dataType: DataType[dataType], value });
}

variable("Running", "Boolean", true);
for (const [name, type] of Object.entries({ I8: "SByte", U8: "Byte", I16: "Int16", U16: "UInt16" })) variable(name, type, 7);
for (const [name, type] of Object.entries({ I32: "Int32", U32: "UInt32" })) variable(name, type, 70000);
variable("I64", "Int64", [0xffffffff, 0xfffffffe]); // -2, as two words, high first
variable("U64", "UInt64", [0x7fffffff, 0xffffffff]);
variable("F32", "Float", 26.53);
variable("F64", "Double", 0.1);
variable("Name", "String", "grün");
variable("At", "DateTime", new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)));
variable("Id", "Guid", "09087E75-8E5E-499B-954F-F2A9603DB28A");
variable("Bytes", "ByteString", Buffer.from("00ff10", "hex"));
variable("Label", "LocalizedText", coerceLocalizedText("Presse 1"));
variable("Speeds", "Double", [1.5, 2.5, 3.5], { valueRank: 1, arrayDimensions: [0] });
variable("Setpoint", "Double", 20.0, { minimumSamplingInterval: 50 });
variable("Speed", "Double", 1.0, { historizing: true });
space.installHistoricalDataNode(variables.Speed.node, { maxOnlineValues: 5000 });
variable("Locked", "Int32", 1, {
  accessLevel: makeAccessLevelFlag("CurrentRead"),
  userAccessLevel: makeAccessLevelFlag("CurrentRead"),
});
variable("Blind", "Int32", 1, {
  accessLevel: makeAccessLevelFlag("CurrentWrite"),
  userAccessLevel: makeAccessLevelFlag("CurrentWrite"),
});

const temperature = namespace.addAnalogDataItem({
  componentOf: press,
  eventSourceOf: press,
  nodeId: "s=Press.Temperature",
  browseName: "Temperature",
  definition: "",
  valuePrecision: 0.1,
  engineeringUnitsRange: { low: -20, high: 120 },
  engineeringUnits: { namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact", unitId: 4408652, displayName: "°C" },
  dataType: "Double",
  minimumSamplingInterval: 50,
});
temperature.setValueFromSource(typed(21.5, "Double"));
variables.Temperature = { node: temperature, dataType: "Double" };

const mode = namespace.addEnumerationType({ browseName: "PressMode", enumeration: ["Off", "Manual", "Automatic"] });
const modeVariable = namespace.addVariable({
  componentOf: press,
  nodeId: "s=Press.Mode",
  browseName: "Mode",
  dataType: mode.nodeId,
  minimumSamplingInterval: 50,
});
modeVariable.setValueFromSource({ dataType: DataType.Int32, value: 2 });
variables.Mode = { node: modeVariable, dataType: "Int32" };

const range = namespace.addVariable({ componentOf: press, nodeId: "s=Press.Limits", browseName: "Limits", dataType: "Range" });
range.setValueFromSource({
  dataType: DataType.ExtensionObject,
  value: space.constructExtensionObject(space.findDataType("Range"), { low: -1.5, high: 99 }),
});

const start = namespace.addMethod(press, {
  nodeId: "s=Press.Start",
  browseName: "Start",
  inputArguments: [
    { name: "Recipe", description: "which", dataType: DataType.String },
    { name: "Count", description: "how many", dataType: DataType.UInt16 },
  ],
  outputArguments: [
    { name: "Job", description: "its number", dataType: DataType.UInt32 },
    { name: "Text", description: "said", dataType: DataType.String },
  ],
});
let jobs = 0;
start.bindMethod((inputs, _context, callback) => {
  const [recipe, count] = inputs.map((input) => input.value);
  if (count === 0) return callback(null, { statusCode: StatusCodes.BadInvalidArgument });
  jobs += 1;
  return callback(null, {
    statusCode: StatusCodes.Good,
    outputArguments: [
      { dataType: DataType.UInt32, value: jobs },
      { dataType: DataType.String, value: `${recipe} x ${count}` },
    ],
  });
});

const alarm = namespace.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", {
  browseName: "TooHot",
  conditionSource: temperature,
  conditionName: "TooHot",
  conditionOf: press,
  inputNode: temperature,
  highHighLimit: 100,
  highLimit: 80,
  lowLimit: -10,
  lowLowLimit: -15,
  optionals: ["ConfirmedState", "Confirm"],
});
alarm.setEnabledState(true);

const commands = {
  set: ({ node, value }) => variables[node].node.setValueFromSource(typed(value, variables[node].dataType)),
  bad: ({ node }) =>
    variables[node].node.setValueFromSource(typed(0, variables[node].dataType), StatusCodes.BadSensorFailure),
  remove: ({ node }) => space.deleteNode(variables[node].node),
  add: ({ node, type, value }) => variable(node, type, value),
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  try {
    commands[command.do](command);
    console.log(JSON.stringify({ done: command.do }));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error) }));
  }
});

await server.start();
console.log(JSON.stringify({ url: `opc.tcp://127.0.0.1:${port}/peer` }));
