"use strict";

// Shows the state of the local account and keeps it current. What did not change is not touched, so that scroll, focus,
// selection and open mails stay. Every string of the state becomes a text node, never markup.

const POLL_EVERY = 1000; // milliseconds, as all times here
const GIVE_UP_AFTER = 5000;
const SEEN_AFTER = 2000;
const COPIED_FOR = 1500;
const FLASH = 1600;

const TITLE = document.title;
const SEVERITIES = new Set(["low", "medium", "high", "critical"]);
const ROUTES = { user: "attached to the user", group: "through the group" };

const find = (id) => document.getElementById(id);

/** Return a new element. Children that are strings become text. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children);
  return made;
}

/** Write a text only if it differs, so that a selection in it stays. */
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function flash(target) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  target.animate({ backgroundColor: ["var(--flash)", "transparent"] }, { duration: FLASH, easing: "ease-out" });
}

/** Return a time as it is shown: in UTC as in the mails, without the date if that is today. */
function clock(time) {
  const [date, rest] = time.split("T");
  return rest && date === new Date().toISOString().slice(0, 10) ? rest : time.replace("T", " ");
}

function timeOf(time) {
  return make("time", { datetime: time, title: time }, clock(time));
}

/** The children of a parent. Each is created once for its key, and kept as long as its item exists. */
class KeyedList {
  constructor(parent, keyOf, makeItem, update = () => {}) {
    Object.assign(this, { parent, keyOf, makeItem, update, shown: new Map() });
  }

  /** Show the items in their order, and return the elements that are new. */
  show(items) {
    const keyed = new Map(items.map((item) => [this.keyOf(item), item]));
    for (const [key, shown] of this.shown) {
      if (keyed.has(key)) continue;
      shown.remove();
      this.shown.delete(key);
    }
    const added = [];
    let place = this.parent.firstElementChild;
    for (const [key, item] of keyed) {
      let shown = this.shown.get(key);
      if (!shown) {
        shown = this.makeItem(item);
        this.shown.set(key, shown);
        added.push(shown);
      }
      this.update(shown, item);
      if (shown === place) place = place.nextElementSibling;
      else this.parent.insertBefore(shown, place);
    }
    return added;
  }
}

// Copying. The label of a button is in the style sheet, so that the text content is exactly the text of the mail.

function copyButton(label, text) {
  const button = make("button", { type: "button", class: "copy", "aria-label": `Copy ${label}` });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      tell(`The browser does not let this page copy ${label}.`);
      return;
    }
    tell(`Copied ${label}.`);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), COPIED_FOR);
  });
  // Browsers have a clipboard only on localhost and with HTTPS.
  button.hidden = !navigator.clipboard;
  return button;
}

function tell(news) {
  write(find("news"), news);
}

// Mails

const COMMAND = /^(TO [A-Z ]+)(?: \(.*\))?\naws /;
const HEADING = /^[A-Z][A-Z' -]+(?: \(.*\))?$/;

/** Return the text of a mail as nodes with the same text: headings are bold, commands have a button. */
function laidOut(text) {
  return text.split(/(\n\n+)/).flatMap((block) => {
    const [first, ...rest] = block.split("\n");
    const below = rest.join("\n");
    const found = COMMAND.exec(block);
    if (found) {
      const command = below.trimEnd();
      const label = `the command ${found[1].toLowerCase()}`;
      return [make("b", {}, first), copyButton(label, command), "\n", make("code", {}, below)];
    }
    return rest.length && HEADING.test(first) ? [make("b", {}, first), `\n${below}`] : [block];
  });
}

function severityPill(severity, word) {
  return make("span", { class: "pill", "data-tone": SEVERITIES.has(severity) ? severity : "unknown" }, word);
}

/** Return the subject. A severity at its beginning becomes a pill. */
function subjectOf({ severity, subject }) {
  const word = severity.toUpperCase();
  const own = subject.startsWith(`${word}: `);
  return [
    severityPill(severity, word),
    make("span", { class: "unseen" }, ": "),
    make("span", { class: "subject" }, own ? subject.slice(word.length + 2) : subject),
  ];
}

function mailItem(mail) {
  const summary = make(
    "summary",
    {},
    make("span", { class: "dot" }),
    make("span", { class: "line" }, ...subjectOf(mail)),
    timeOf(mail.time),
    make("span", { class: "meta" }, `${mail.topic} to ${mail.to.join(", ") || "no address"} · ${mail.kind}`),
  );
  const details = make("details", {}, summary, make("pre", {}, ...laidOut(mail.text)));
  const item = make("li", { class: "item mail", "data-number": mail.number, "data-severity": mail.severity }, details);
  for (const sign of ["pointerdown", "focusin"]) {
    item.addEventListener(sign, () => inbox.touched.add(item), { passive: true });
  }
  summary.addEventListener("click", () => inbox.read(item));
  return item;
}

/** What the page knows about the mails besides the state: which are unread, and which one the page opened. */
class Inbox {
  constructor() {
    this.list = new KeyedList(find("list-mails"), (mail) => `${mail.number} ${mail.time} ${mail.subject}`, mailItem);
    this.unread = new Set();
    this.touched = new WeakSet();
    this.opened = null;
    this.timers = new Map();
    this.observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.inView(entry)));
    addEventListener("focus", () => [...this.timers.keys()].forEach((item) => this.startReading(item)));
    find("unread").addEventListener("click", () => this.goToUnread());
  }

  show(mails, isFirst) {
    const added = this.list.show(mails);
    const newest = this.list.parent.firstElementChild;
    if (added.includes(newest)) this.open(newest);
    if (!isFirst && added.length) {
      added.forEach((item) => this.arrive(item));
      const more = added.length > 1 ? `${added.length} new mails. The newest: ` : "New mail. ";
      tell(`${more}${added[0].querySelector(".line").textContent}`);
    }
    for (const item of this.unread) {
      if (!item.isConnected) this.read(item);
    }
    this.count();
  }

  /** Open the newest mail, and close the one that the page opened before, unless the reader used it. */
  open(item) {
    if (this.opened && !this.inUse(this.opened)) this.opened.firstElementChild.open = false;
    item.firstElementChild.open = true;
    this.opened = item;
  }

  inUse(item) {
    const selection = getSelection();
    return this.touched.has(item) || (!selection.isCollapsed && selection.containsNode(item, true));
  }

  arrive(item) {
    this.unread.add(item);
    item.classList.add("unread");
    item.querySelector(".dot").append(make("span", { class: "unseen" }, "unread "));
    this.observer.observe(item.querySelector("summary"));
    flash(item);
  }

  /** A mail is read when the reader opened it, or when it was in view while the page had the focus. */
  read(item) {
    if (!this.unread.delete(item)) return;
    this.observer.unobserve(item.querySelector("summary"));
    this.stopReading(item);
    item.classList.remove("unread");
    item.querySelector(".dot").replaceChildren();
    this.count();
  }

  inView({ target, isIntersecting }) {
    const item = target.closest(".mail");
    if (isIntersecting) this.startReading(item);
    else this.stopReading(item);
  }

  startReading(item) {
    clearTimeout(this.timers.get(item));
    this.timers.set(item, setTimeout(() => document.hasFocus() && this.read(item), SEEN_AFTER));
  }

  stopReading(item) {
    clearTimeout(this.timers.get(item));
    this.timers.delete(item);
  }

  goToUnread() {
    const [first] = [...this.list.parent.children].filter((item) => this.unread.has(item));
    first?.querySelector("summary").focus();
    first?.scrollIntoView({ block: "start" });
  }

  count() {
    const unread = this.unread.size;
    document.title = unread ? `(${unread}) ${TITLE}` : TITLE;
    find("unread").hidden = !unread;
    write(find("unread"), `${unread} unread`);
  }
}

// Users

const STANDINGS = ["noncompliant", "without device", "compliant", "exempt"];

/** Return the state of a user, according to the exemption and the tags. */
function standingOf({ exempt_until: until, tags, devices }) {
  if (Date.parse(until) > Date.now()) return "exempt";
  if (tags["mfa-guard:status"] === "noncompliant") return "noncompliant";
  return devices.length ? "compliant" : "without device";
}

function plain(text, kind) {
  return make("span", { class: kind }, text);
}

/** Return the cells of a user's row: for each line [text or its parts, class]. */
function cellsOf(user) {
  const standing = standingOf(user);
  const isExempt = standing === "exempt";
  const routes = user.routes.map((route) => ROUTES[route] ?? route).join(" and ");
  const until = isExempt ? "until" : "no longer exempt, as of";
  return [
    [[user.name, "name"], [user.user_id, "code dim id"], user.path !== "/" && [`path ${user.path}`, "dim"]],
    [
      [standing, `pill ${standing.replace(" ", "-")}`],
      user.exempt_until && [[until, " ", user.exempt_until], "code dim"],
      routes ? [`enforced: ${routes}`] : ["not enforced", isExempt ? "dim" : "warn"],
    ],
    user.devices.length ? user.devices.map((device) => [device, "code"]) : [["none", isExempt ? "dim" : "warn"]],
    [
      user.password ? ["password"] : ["no password", "dim"],
      ...user.keys.map((key) => [[key.id, " ", key.status.toLowerCase()], "code"]),
      !user.keys.length && ["no access key", "dim"],
    ],
    Object.keys(user.tags).length
      ? Object.entries(user.tags).map(([key, value]) => [[`${key}=`, value], "code"])
      : [["none", "dim"]],
  ].map((lines) => lines.filter(Boolean));
}

const LABELS = ["User", "State", "MFA devices", "Credentials", "Tags"];

function userRow(user) {
  const head = make("th", { role: "rowheader", scope: "row" });
  const cells = LABELS.slice(1).map((label) => make("td", { role: "cell", "data-label": label }));
  return make("tr", { role: "row", class: "item", "data-user": user.name }, head, ...cells);
}

/** Return one line of a cell, which breaks between its parts rather than inside them. */
function lineOf([text, kind]) {
  const parts = [text].flat().map((part) => (part === " " ? part : plain(part, "part")));
  return make("div", {}, make("span", { class: kind }, ...parts));
}

const written = new WeakMap();

function updateUser(row, user) {
  row.dataset.standing = standingOf(user);
  row.dataset.enforced = user.routes.join(" ");
  cellsOf(user).forEach((lines, index) => {
    const cell = row.children[index];
    const lasting = JSON.stringify(lines);
    if (written.get(cell) === lasting) return;
    if (written.has(cell)) flash(cell);
    written.set(cell, lasting);
    cell.replaceChildren(...lines.map(lineOf));
  });
}

// Activity

function activityItem(entry) {
  const who = [entry.actor && `by ${entry.actor}`, entry.about && `about ${entry.about}`].filter(Boolean).join(", ");
  const invoked = [entry.rule, entry.function].filter(Boolean).join(" invoked ");
  return make(
    "li",
    { class: "item entry", "data-number": entry.number, "data-failed": String(entry.failed) },
    timeOf(entry.time),
    make("div", {}, plain(entry.event, "event"), who && ` ${who}`),
    make(
      "div",
      { class: "outcome" },
      ...(entry.failed ? [make("span", { class: "pill", "data-tone": "high" }, "failed"), " "] : []),
      entry.outcome ?? "",
    ),
    ...(invoked ? [make("div", { class: "dim" }, invoked)] : []),
  );
}

// The page

const inbox = new Inbox();
const users = new KeyedList(find("list-users"), (user) => `${user.user_id} ${user.name}`, userRow, updateUser);
const activity = new KeyedList(
  find("list-activity"),
  (entry) => `${entry.number} ${entry.time} ${entry.event}`,
  activityItem,
);

function shownOf(shown, total) {
  return shown < total ? `the newest ${shown} of ${total}` : "";
}

function showStack({ stack, totals }) {
  write(find("stack-name"), stack.name);
  for (const field of ["account", "region", "mode", "runtime", "endpoint"]) write(find(`stack-${field}`), stack[field]);
  write(find("dead-letters"), String(totals.dead_letters));
  find("dead-letters").classList.toggle("warn", totals.dead_letters > 0);
  const port = new URL(stack.endpoint).port;
  const steps = `eval "$(mfa-guard-local env --port ${port})"\naws iam create-user --user-name alice`;
  if (find("first-steps").textContent !== steps) {
    find("first-steps").replaceChildren(copyButton("both commands", steps), make("code", {}, steps));
  }
}

function showCounts({ mails, users: all, activity: entries, totals }) {
  write(find("count-mails"), String(totals.mails));
  write(find("count-users"), String(totals.users));
  write(find("count-activity"), String(totals.activity));
  write(find("note-mails"), shownOf(mails.length, totals.mails));
  write(find("note-activity"), shownOf(entries.length, totals.activity));
  const counts = STANDINGS.map((word) => [all.filter((user) => standingOf(user) === word).length, word]);
  write(find("note-users"), counts.filter(([count]) => count).map((each) => each.join(" ")).join(", "));
  find("empty-mails").hidden = mails.length > 0;
  find("empty-users").hidden = all.length > 0;
  find("table-users").hidden = all.length === 0;
  find("empty-activity").hidden = entries.length > 0;
}

/** Make a change without moving what the reader looks at. */
function keepingPlace(change) {
  const scrollers = [document.scrollingElement, ...document.querySelectorAll(".pane")];
  const places = scrollers.flatMap((scroller) => {
    if (scroller.scrollTop <= 0) return [];
    const top = scroller === document.scrollingElement ? 0 : scroller.getBoundingClientRect().top;
    const items = [...scroller.querySelectorAll(".item")];
    const item = items.find((each) => each.getBoundingClientRect().bottom > top);
    return item ? [{ scroller, item, at: item.getBoundingClientRect().top }] : [];
  });
  change();
  for (const { scroller, item, at } of places) {
    if (item.isConnected) scroller.scrollTop += item.getBoundingClientRect().top - at;
  }
}

let isFirst = true;

function show(state) {
  keepingPlace(() => {
    showStack(state);
    inbox.show(state.mails, isFirst);
    users.show(state.users).forEach((row) => isFirst || [...row.children].forEach(flash));
    activity.show(state.activity).forEach((item) => isFirst || flash(item));
    showCounts(state);
  });
  isFirst = false;
}

// The connection

let tag = null;

function say(connection, sentence) {
  document.body.dataset.connection = connection;
  write(find("connection"), sentence);
}

/** Request the state once. Raises errors of the network, of the answer and of this page. */
async function ask() {
  const headers = tag ? { "If-None-Match": tag } : {};
  let answer;
  try {
    answer = await fetch("state", { headers, cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_AFTER) });
  } catch (problem) {
    if (problem.name === "TimeoutError") throw new Error("it takes too long to answer");
    say("ended", "The local account has ended");
    return;
  }
  if (answer.status === 304) {
    say("live", "Live");
    return;
  }
  if (!answer.ok) throw new Error(`it answered with status ${answer.status}`);
  show(await answer.json());
  tag = answer.headers.get("ETag");
  say("live", "Live");
}

let timer = null;
let asking = false;

/** Request the state again and again, one request at a time, while the page is visible. */
async function poll() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  try {
    await ask();
  } catch (problem) {
    // Request the whole state next, and show as much of it as possible.
    tag = null;
    say("wrong", `The account's state cannot be shown: ${problem.message}`);
    console.error(problem);
  } finally {
    asking = false;
    timer = setTimeout(poll, POLL_EVERY);
  }
}

document.addEventListener("visibilitychange", poll);
poll();
