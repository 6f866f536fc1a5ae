// The page: what the user does becomes events to the server, and its events become what the user sees and hears.

import { Loudspeaker, toSamples } from "./audio.js";
import { Conversation } from "./conversation.js";
import { showExamples } from "./examples.js";
import { Palette } from "./palette.js";
import { readPicture, scenePicture, takePictures } from "./pictures.js";
import { Realtime } from "./realtime.js";
import { Talking } from "./talking.js";
import { followTheme } from "./theme.js";

const at = (id) => document.getElementById(id);
const realtime = new Realtime();
const loudspeaker = new Loudspeaker({ onStart: refresh, onEnd: refresh });
const view = new Conversation({ log: at("log"), onReplay: replay, onUsePicture: attach });
const palette = new Palette({ onUse: attach, onProblem: notify });
const talking = new Talking({
  realtime,
  button: at("talk"),
  onStart: interrupt,
  onSpoken,
  onChange: refresh,
  onProblem: notify,
});

const state = {
  connection: "connecting", // connecting, open, lost
  lostText: "",
  picture: null, // data URI that goes with the next message
  running: null, // the id of the response being made
  turn: null, // the model's turn that is being filled
  waiting: null, // {since, after}: what the next answer is measured from
};

// What is going on, in words

function refresh() {
  const [name, words] = describe();
  at("state").dataset.state = name;
  at("state").lastElementChild.textContent = words;
  document.title = name === "ready" || name === "connecting" ? "omniloom" : `${words} · omniloom`;
  at("send").ariaLabel = isBusy() && !hasMessage() ? "Stop the answer" : "Send";
  at("send").querySelector("use").setAttribute("href", isBusy() && !hasMessage() ? "#i-stop" : "#i-send");
  at("talk").ariaPressed = String(talking.held !== null);
  at("talk").querySelector("span").textContent = talking.label;
  at("hint").textContent = talking.hint;
}

const isBusy = () => state.running !== null || loudspeaker.isPlaying;
const hasMessage = () => at("message").value.trim() !== "" || state.picture !== null;

function describe() {
  if (state.connection === "lost") return ["lost", state.lostText];
  if (state.connection === "connecting") return ["connecting", "Connecting…"];
  if (talking.isHearing) return ["hearing", "Hearing you"];
  if (loudspeaker.isPlaying) return ["speaking", "Speaking"];
  if (state.running) {
    const form = state.turn?.firstMs == null ? null : state.turn.form;
    const doing = { text: ["writing", "Writing"], audio: ["speaking", "Speaking"], image: ["drawing", "Drawing"] };
    return doing[form] ?? ["thinking", "Thinking"];
  }
  return talking.isHandsFree ? ["listening", "Listening"] : ["ready", "Ready"];
}

let noticeTimer = 0;
function notify(words) {
  at("notice").textContent = words;
  at("notice").hidden = !words;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (at("notice").hidden = true), 10000);
}

// Asking

const chosenForm = () => document.querySelector("input[name=form]:checked").value;

function tellSettings() {
  const audio = { input: { turn_detection: talking.turnDetection } };
  realtime.send({ type: "session.update", session: { type: "realtime", output_modalities: [chosenForm()], audio } });
}

function send(content) {
  const isSent = realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  if (isSent) at("welcome").hidden = true;
  else notify("There is no connection to the server. Your message was not sent.");
  return isSent;
}

function answer(waiting, form = chosenForm()) {
  state.waiting = waiting;
  realtime.send({ type: "response.create", response: { output_modalities: [form] } });
}

function ask({ words, picture, form }) {
  loudspeaker.open();
  interrupt();
  const content = [];
  if (picture) content.push({ type: "input_image", image_url: picture });
  if (words) content.push({ type: "input_text", text: words });
  if (!send(content)) return false;
  view.addUser({ words, picture });
  answer({ since: performance.now(), after: "sending" }, form);
  return true;
}

/** The user said something: hands-free the server answers by itself, otherwise it is asked to. */
function onSpoken({ levels, since, after, isAnswered }) {
  at("welcome").hidden = true;
  if (!isAnswered && state.picture) send([{ type: "input_image", image_url: state.picture }]);
  view.addUser({ picture: isAnswered ? null : state.picture, levels });
  if (isAnswered) {
    state.waiting = { since, after };
  } else {
    detach();
    realtime.send({ type: "input_audio_buffer.commit" });
    answer({ since, after });
  }
}

/** Stop what is being said or made, here and on the server. */
function interrupt() {
  loudspeaker.open();
  fallSilent();
  if (state.running) realtime.send({ type: "response.cancel", response_id: state.running });
  state.running = null;
  refresh();
}

function fallSilent() {
  if (loudspeaker.isPlaying) state.turn?.interrupt();
  loudspeaker.clear();
}

function replay(samples) {
  interrupt();
  for (const piece of samples) loudspeaker.play(piece);
  loudspeaker.end();
}

at("composer").onsubmit = (event) => {
  event.preventDefault();
  const words = at("message").value.trim();
  if (!hasMessage()) {
    if (isBusy()) interrupt();
  } else if (ask({ words, picture: state.picture, form: chosenForm() })) {
    at("message").value = "";
    detach();
    grow();
  }
  at("message").focus();
};

function grow() {
  at("message").style.height = "auto";
  at("message").style.height = `${at("message").scrollHeight}px`;
  refresh();
}

at("message").oninput = grow;
at("message").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("composer").requestSubmit();
  }
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !at("palette").open && !talking.drop()) interrupt();
});

for (const input of document.querySelectorAll("input[name=form]")) input.onchange = tellSettings;

at("handsfree").onchange = async () => {
  loudspeaker.open();
  const isOn = at("handsfree").checked;
  at("handsfree").checked = isOn === (await talking.setHandsFree(isOn)) && isOn;
  tellSettings();
  if (talking.isHandsFree && state.picture) {
    const picture = state.picture;
    detach();
    attach(picture);
  }
};

showExamples(at("examples"), async ({ words, form, scene, seed }) => {
  loudspeaker.open();
  document.querySelector(`input[name=form][value=${form}]`).checked = true;
  tellSettings();
  try {
    ask({ words, form, picture: scene ? await scenePicture(scene, seed) : null });
  } catch (problem) {
    notify(problem.message);
  }
});

// Pictures

/** Keep a picture for the next message; hands-free there is no moment of sending, so it is shown at once. */
function attach(picture) {
  if (talking.isHandsFree) {
    if (send([{ type: "input_image", image_url: picture }])) view.addUser({ picture });
    return;
  }
  state.picture = picture;
  at("attachment").hidden = false;
  at("attachment").querySelector("img").src = picture;
  at("message").focus();
  refresh();
}

function detach() {
  state.picture = null;
  at("attachment").hidden = true;
  refresh();
}

async function take(file) {
  try {
    attach(await readPicture(file));
  } catch (problem) {
    notify(problem.message);
  }
}

takePictures({ input: at("file"), sign: at("dropping"), onFile: take, onProblem: notify });
at("attach").onclick = () => at("file").click();
at("make").onclick = () => palette.open();
at("attachment").querySelector("button").onclick = () => {
  detach();
  at("message").focus();
};

// Answers

realtime.on("input_audio_buffer.speech_started", () => {
  fallSilent();
  state.running = null;
  refresh();
});

realtime.on("response.created", ({ response }) => {
  const form = response.output_modalities.includes("audio") ? "audio" : response.output_modalities.at(-1);
  state.running = response.id;
  state.turn = view.addModel({ id: response.id, form, ...state.waiting });
  refresh();
});

/** Do something with the turn that an event belongs to, unless it was interrupted. */
function onTurn(type, act) {
  realtime.on(type, (event) => {
    if (state.running !== event.response_id) return;
    act(state.turn, event);
    refresh();
  });
}

onTurn("response.output_text.delta", (turn, { delta }) => turn.addWords(delta));
onTurn("response.output_audio_transcript.delta", (turn, { delta }) => turn.addWords(delta));
onTurn("response.output_audio.delta", (turn, { delta }) => {
  const samples = toSamples(delta);
  turn.addSound(samples);
  loudspeaker.play(samples);
});
onTurn("response.output_audio.done", () => loudspeaker.end());
onTurn("response.output_image.delta", (turn, { delta }) => turn.showPicture(delta, false));
onTurn("response.output_image.done", (turn, { image }) => turn.showPicture(image, true));

realtime.on("response.done", ({ response }) => {
  if (state.turn?.id === response.id) state.turn.finish(response);
  if (state.running === response.id) state.running = null;
  refresh();
});

// The connection

function forgetSession() {
  talking.reset();
  loudspeaker.clear();
  state.running = null;
}

realtime.on("session.created", () => {
  if (state.connection === "lost") notify("Connected again. The model remembers nothing from before.");
  state.connection = "open";
  tellSettings();
  refresh();
});

realtime.on("closed", ({ reason, seconds }) => {
  forgetSession();
  state.connection = "lost";
  state.lostText = `Not connected. Trying again in ${seconds} s`;
  if (reason) notify(`The server closed the connection: ${reason}`);
  refresh();
});

realtime.on("error", ({ error }) => {
  // A cancel may cross the end of the answer on the wire; nothing is wrong then.
  if (error.code !== "response_cancel_not_active") notify(error.message);
});

at("new").onclick = () => {
  interrupt();
  forgetSession();
  view.clear();
  detach();
  state.turn = null;
  state.connection = "connecting";
  at("welcome").hidden = false;
  realtime.restart();
  refresh();
  at("message").focus();
};

fetch("/health")
  .then((response) => response.json())
  .then(({ turns_remembered: turns }) => (at("memory").hidden = turns !== 0));

followTheme(at("theme"));
realtime.connect();
refresh();
