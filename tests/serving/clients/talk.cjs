// A spoken conversation by the openai package of npm. Reads {url, kind, pieces, session} from standard input, says the
// pieces, and prints every event of the server as a line of JSON until an answer has ended.
const { OpenAI } = require("openai");

let input = "";
process.stdin.on("data", (data) => (input += data));
process.stdin.on("end", () => main(JSON.parse(input)));

function connect({ url, kind }) {
  const client = new OpenAI({ apiKey: "none", baseURL: url });
  if (kind === "ws") return new (require("openai/realtime/ws").OpenAIRealtimeWS)({ model: "tiny" }, client);
  if (kind === "beta") return new (require("openai/beta/realtime/ws").OpenAIRealtimeWS)({ model: "tiny" }, client);
  // What browsers have of their own, older versions of Node have not.
  globalThis.WebSocket ??= require("ws").WebSocket;
  return new (require("openai/realtime/websocket").OpenAIRealtimeWebSocket)({ model: "tiny" }, client);
}

function main(asked) {
  const connection = connect(asked);
  const fail = (error) => {
    console.error(error);
    process.exit(1);
  };
  connection.on("error", fail);
  connection.on("event", (event) => console.log(JSON.stringify(event)));
  connection.on("session.created", () => connection.send({ type: "session.update", session: asked.session }));
  connection.on("session.updated", () => {
    for (const audio of asked.pieces) connection.send({ type: "input_audio_buffer.append", audio });
  });
  connection.on("response.done", () => connection.close());
  connection.socket.addEventListener("close", () => process.exit(0));
}
