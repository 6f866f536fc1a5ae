// Every HTTP endpoint by the openai package of npm. Reads {url, question, phrase, prompt} from standard input, and prints
// what each step gave as one object of JSON.
const { OpenAI, toFile } = require("openai");

const TOOL = {
  name: "paint",
  strict: true,
  parameters: {
    type: "object",
    properties: { colour: { enum: ["red", "green"] } },
    required: ["colour"],
    additionalProperties: false,
  },
};

async function collect(stream) {
  const found = [];
  for await (const event of stream) found.push(event);
  return found;
}

async function refusal(promise) {
  const error = await promise.then(
    () => null,
    (error) => error,
  );
  return { kind: error?.constructor.name, status: error?.status, code: error?.code, param: error?.param };
}

const steps = {
  async models({ client }) {
    const ids = (await collect(client.models.list())).map((model) => model.id);
    return { ids, context: (await client.models.retrieve(ids[0])).context_tokens };
  },

  async chat({ client, question }) {
    const messages = [{ role: "user", content: question }];
    const whole = await client.chat.completions.create({ model: "tiny", messages });
    const runner = client.chat.completions.stream({
      model: "tiny",
      messages,
      stream_options: { include_usage: true },
    });
    const streamed = await runner.finalChatCompletion();
    return {
      whole: whole.choices[0].message.content,
      streamed: streamed.choices[0].message.content,
      usages: [whole.usage, streamed.usage],
    };
  },

  async chatSpeaks({ client, phrase }) {
    const fields = {
      model: "tiny",
      modalities: ["text", "audio"],
      messages: [{ role: "user", content: `say "${phrase}"` }],
    };
    const audio = { voice: "loom", format: "pcm16" };
    const whole = (await client.chat.completions.create({ ...fields, audio })).choices[0].message.audio;
    const chunks = await collect(await client.chat.completions.create({ ...fields, audio, stream: true }));
    const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.audio).filter(Boolean);
    const data = Buffer.concat(pieces.map((piece) => Buffer.from(piece.data ?? "", "base64")));
    const words = pieces.map((piece) => piece.transcript ?? "").join("");
    return {
      whole: { transcript: whole.transcript, bytes: Buffer.from(whole.data, "base64").length },
      streamed: { transcript: words, bytes: data.length },
    };
  },

  async chatCalls({ client, question }) {
    const runner = client.chat.completions.stream({
      model: "tiny",
      messages: [{ role: "user", content: question }],
      tools: [{ type: "function", function: TOOL }],
      tool_choice: "required",
      max_tokens: 200,
    });
    const { message, finish_reason: reason } = (await runner.finalChatCompletion()).choices[0];
    return { reason, name: message.tool_calls[0].function.name, given: JSON.parse(message.tool_calls[0].function.arguments) };
  },

  async responses({ client, question }) {
    const whole = await client.responses.create({ model: "tiny", input: question });
    const stream = client.responses.stream({ model: "tiny", input: question });
    const streamed = await stream.finalResponse();
    const kept = await client.responses.retrieve(whole.id);
    const again = await client.responses.create({ model: "tiny", input: question, previous_response_id: whole.id });
    await client.responses.delete(whole.id);
    return {
      texts: [whole.output_text, streamed.output_text, kept.output[0].content[0].text],
      tokens: [whole.usage.input_tokens, again.usage.input_tokens],
      gone: await refusal(client.responses.retrieve(whole.id)),
    };
  },

  async speech({ client, phrase }) {
    const heard = {};
    for (const format of ["mp3", "opus", "flac", "wav"]) {
      const said = await client.audio.speech.create({
        model: "tiny",
        voice: "loom",
        input: phrase,
        response_format: format,
      });
      const file = () => toFile(said.clone(), `said.${format}`);
      const asked = { model: "tiny", file: await file() };
      if (format === "mp3") {
        heard.stream = (await collect(await client.audio.transcriptions.create({ ...asked, stream: true })))
          .filter((event) => event.type === "transcript.text.delta")
          .map((event) => event.delta)
          .join("");
      } else if (format === "wav") {
        const verbose = await client.audio.transcriptions.create({ ...asked, response_format: "verbose_json" });
        heard.verbose = verbose.segments.map((segment) => segment.text).join(" ");
        heard.srt = await client.audio.transcriptions.create({ ...asked, file: await file(), response_format: "srt" });
      } else {
        heard[format] = (await client.audio.transcriptions.create(asked)).text;
      }
    }
    return heard;
  },

  async images({ client, prompt }) {
    const drawn = await client.images.generate({ model: "tiny", prompt, size: "128x128" });
    const events = await collect(
      await client.images.generate({ model: "tiny", prompt, stream: true, partial_images: 2 }),
    );
    const image = await toFile(Buffer.from(drawn.data[0].b64_json, "base64"), "drawn.png", { type: "image/png" });
    const changed = await client.images.edit({ model: "tiny", image, prompt: "make it blue" });
    return { png: drawn.data[0].b64_json, events: events.map((event) => event.type), changed: changed.data[0].revised_prompt };
  },

  async embeddings({ client, question, phrase }) {
    const made = await client.embeddings.create({ model: "tiny", input: [question, phrase] });
    return made.data.map((one) => one.embedding);
  },

  async refusals({ client, question }) {
    const messages = [{ role: "user", content: question }];
    return {
      model: await refusal(client.chat.completions.create({ model: "other", messages })),
      field: await refusal(client.chat.completions.create({ model: "tiny", messages, temperature: 3 })),
      picture: await refusal(client.images.edit({ model: "tiny", prompt: "a", image: await toFile(Buffer.from("none"), "a.png") })),
    };
  },

  async leaving({ client, question }) {
    const stream = await client.chat.completions.create({
      model: "tiny",
      messages: [{ role: "user", content: question }],
      stream: true,
    });
    let chunks = 0;
    for await (const chunk of stream) if (++chunks === 2) break;
    return { chunks, after: (await collect(client.models.list())).length };
  },
};

async function main() {
  let input = "";
  for await (const data of process.stdin) input += data;
  const asked = JSON.parse(input);
  const client = new OpenAI({ apiKey: "none", baseURL: asked.url, maxRetries: 0 });
  const found = {};
  for (const [name, step] of Object.entries(steps)) found[name] = await step({ ...asked, client });
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
