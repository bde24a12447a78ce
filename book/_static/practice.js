/* The practice page: mock interview and spaced repetition over the cards that the page holds.
   Progress lives in this browser's storage and in files that the reader exports; nothing is sent. */
(function () {
  "use strict";

  var KEY = "course-practice";
  var DAYS = [0, 1, 3, 7, 16, 35]; // days until a card of each box comes back
  var NEW_CARDS = 10; // unseen cards in one review
  var RATINGS = [
    ["missed", "Missed it / 没答上"],
    ["partly", "Partly / 答了一半"],
    ["solid", "Solid / 答好了"]
  ];
  var FOREIGN = "This file is no progress of this course. Choose a file that Export has written.";
  var root, list, cards, session, ticking;

  function make(tag, settings, children) {
    var found = document.createElement(tag);
    Object.keys(settings || {}).forEach(function (name) {
      if (name === "text") found.textContent = settings[name];
      else if (name === "click") found.addEventListener("click", settings[name]);
      else found.setAttribute(name, settings[name]);
    });
    (children || []).forEach(function (child) {
      found.append(child);
    });
    return found;
  }

  function button(text, click) {
    return make("button", { type: "button", text: text, click: click });
  }

  /* ---- progress ---- */

  function today(shift) {
    var day = new Date();
    day.setDate(day.getDate() + (shift || 0));
    var pad = function (number) {
      return String(number).padStart(2, "0");
    };
    return day.getFullYear() + "-" + pad(day.getMonth() + 1) + "-" + pad(day.getDate());
  }

  function right(card) {
    return (
      card !== null &&
      typeof card === "object" &&
      Number.isInteger(card.box) &&
      card.box >= 0 &&
      card.box < DAYS.length &&
      /^\d{4}-\d\d-\d\d$/.test(card.due) &&
      /^\d{4}-\d\d-\d\d$/.test(card.last)
    );
  }

  function parse(text) {
    var found;
    try {
      found = JSON.parse(text);
    } catch (error) {
      return null;
    }
    if (!found || found.course !== KEY || found.version !== 1) return null;
    if (!found.cards || typeof found.cards !== "object" || Array.isArray(found.cards)) return null;
    var names = Object.keys(found.cards);
    var whole = names.every(function (name) {
      return right(found.cards[name]);
    });
    return whole ? found.cards : null;
  }

  function load() {
    try {
      return parse(localStorage.getItem(KEY) || "") || {};
    } catch (error) {
      return {};
    }
  }

  function keep(progress) {
    try {
      localStorage.setItem(KEY, written(progress));
      return true;
    } catch (error) {
      say("This browser keeps nothing for this page: export your progress before you leave.");
      return false;
    }
  }

  function written(progress) {
    return JSON.stringify({ course: KEY, version: 1, cards: progress });
  }

  function rate(name, rating) {
    var progress = load();
    var box = (progress[name] || { box: 0 }).box;
    if (rating === "missed") box = 0;
    if (rating === "partly") box = Math.max(1, box);
    if (rating === "solid") box = Math.min(box + 1, DAYS.length - 1);
    progress[name] = { box: box, due: today(DAYS[box]), last: today() };
    keep(progress);
  }

  /* ---- what is shown ---- */

  function say(text) {
    root.querySelector(".course-said").textContent = text;
  }

  function stage(children) {
    clearInterval(ticking);
    var place = root.querySelector(".course-stage");
    place.replaceChildren.apply(place, children);
    var head = place.querySelector("h2");
    if (head) {
      head.setAttribute("tabindex", "-1");
      head.focus();
    }
  }

  function chosen() {
    var topic = root.querySelector("#practice-topic").value;
    var level = root.querySelector("#practice-level").value;
    return cards.filter(function (card) {
      return (
        (!topic || card.dataset.topic === topic) && (!level || card.dataset.level === level)
      );
    });
  }

  function shuffled(items) {
    var found = items.slice();
    for (var last = found.length - 1; last > 0; last--) {
      var place = Math.floor(Math.random() * (last + 1));
      var kept = found[last];
      found[last] = found[place];
      found[place] = kept;
    }
    return found;
  }

  function interview() {
    var count = Number(root.querySelector("#practice-count").value);
    var queue = shuffled(chosen()).slice(0, count);
    begin({ queue: queue, seconds: Number(root.querySelector("#practice-seconds").value) });
  }

  function review() {
    var progress = load();
    var due = [];
    var fresh = [];
    chosen().forEach(function (card) {
      var known = progress[card.dataset.question];
      if (!known) fresh.push(card);
      else if (known.due <= today()) due.push(card);
    });
    var queue = shuffled(due).concat(shuffled(fresh).slice(0, NEW_CARDS));
    begin({ queue: queue, seconds: 0 });
  }

  function begin(settings) {
    session = { queue: settings.queue, seconds: settings.seconds, done: [] };
    say("");
    if (!session.queue.length) {
      say("Nothing is due with this topic and level: widen the choice, or come back tomorrow.");
      stage([]);
      return;
    }
    ask();
  }

  function clock(seconds) {
    var minutes = Math.floor(Math.abs(seconds) / 60);
    var rest = String(Math.abs(seconds) % 60).padStart(2, "0");
    return (seconds < 0 ? "over by " : "") + minutes + ":" + rest;
  }

  function ask() {
    var card = session.queue[0];
    var total = session.done.length + session.queue.length;
    var began = Date.now();
    var timer = make("p", { class: "course-timer", text: clock(session.seconds) });
    var answer = make("div", { class: "course-answer", hidden: "" });
    Array.from(card.children).forEach(function (child) {
      if (child.tagName !== "SUMMARY") answer.append(child.cloneNode(true));
    });
    var ratings = make("div", { class: "course-ratings", role: "group", hidden: "" });
    ratings.setAttribute("aria-label", "How was your answer?");
    RATINGS.forEach(function (rating) {
      ratings.append(
        button(rating[1], function () {
          next(rating[0], spent);
        })
      );
    });
    var spent = 0;
    var reveal = button("Reveal the answer / 看答案", function () {
      clearInterval(ticking);
      spent = Math.round((Date.now() - began) / 1000);
      answer.hidden = ratings.hidden = false;
      reveal.hidden = true;
      ratings.querySelector("button").focus();
    });
    var summary = card.querySelector("summary");
    var head = make("h2", { text: "Question " + (session.done.length + 1) + " of " + total });
    var words = make("div", { class: "course-asked" });
    summary.querySelectorAll("[lang]").forEach(function (one) {
      words.append(make("p", { lang: one.lang, text: one.textContent }));
    });
    var meta = make("p", {
      class: "course-meta",
      text: card.dataset.question + " · " + card.dataset.topic + " · " + card.dataset.level
    });
    stage([head, meta, words].concat(session.seconds ? [timer] : [], [reveal, answer, ratings]));
    if (!session.seconds) return;
    var warned = false;
    ticking = setInterval(function () {
      var left = session.seconds - Math.round((Date.now() - began) / 1000);
      timer.textContent = clock(left);
      if (left <= 0 && !warned) {
        warned = true;
        say("Time is up: come to the end of your sentence.");
      }
    }, 500);
  }

  function next(rating, spent) {
    var card = session.queue.shift();
    rate(card.dataset.question, rating);
    session.done.push({ card: card, rating: rating, spent: spent });
    var again = !session.seconds && rating === "missed";
    if (again) session.queue.push(card);
    say("");
    if (session.queue.length) ask();
    else finish();
    count();
  }

  function finish() {
    var head = make("tr", {}, [
      make("th", { scope: "col", text: "Question" }),
      make("th", { scope: "col", text: "Seconds" }),
      make("th", { scope: "col", text: "Your rating" })
    ]);
    var rows = session.done.map(function (one) {
      var name = one.card.dataset.question;
      var asked = one.card.querySelector("summary [lang=en]").textContent;
      var link = make("a", {
        href: "questions.html#question-" + name.toLowerCase(),
        text: name + ". " + asked
      });
      return make("tr", {}, [
        make("th", { scope: "row" }, [link]),
        make("td", { text: String(one.spent) }),
        make("td", { text: one.rating })
      ]);
    });
    var table = make("table", { class: "course-table" }, [
      make("caption", { text: "What you answered" }),
      make("thead", {}, [head]),
      make("tbody", {}, rows)
    ]);
    stage([
      make("h2", { text: "Done" }),
      make("div", { class: "course-scroll" }, [table])
    ]);
  }

  function count() {
    var progress = load();
    var seen = 0;
    var due = 0;
    cards.forEach(function (card) {
      var known = progress[card.dataset.question];
      if (known) seen += 1;
      if (known && known.due <= today()) due += 1;
    });
    root.querySelector(".course-count").textContent =
      seen + " of " + cards.length + " questions seen, " + due + " due today.";
  }

  /* ---- export, import, forget ---- */

  function write() {
    var address = URL.createObjectURL(new Blob([written(load())], { type: "application/json" }));
    var link = make("a", { href: address, download: "course-progress-" + today() + ".json" });
    link.click();
    URL.revokeObjectURL(address);
    say("The file holds your progress: import it on another machine.");
  }

  function read(event) {
    var file = event.target.files[0];
    if (!file) return;
    file.text().then(function (text) {
      event.target.value = "";
      var found = parse(text);
      if (!found) {
        say(FOREIGN + " Your progress here is unchanged.");
        return;
      }
      var progress = load();
      Object.keys(found).forEach(function (name) {
        var known = progress[name];
        if (!known || known.last <= found[name].last) progress[name] = found[name];
      });
      if (keep(progress)) say("Imported: " + Object.keys(found).length + " questions.");
      count();
    });
  }

  function forget(event) {
    var pressed = event.currentTarget;
    if (pressed.dataset.sure !== "yes") {
      pressed.dataset.sure = "yes";
      pressed.textContent = "Really forget? Press again";
      return;
    }
    pressed.dataset.sure = "";
    pressed.textContent = "Forget all progress";
    localStorage.removeItem(KEY);
    stage([]);
    say("Forgotten.");
    count();
  }

  /* ---- the page ---- */

  function select(name, label, options) {
    var field = make("select", { id: "practice-" + name });
    options.forEach(function (option) {
      field.append(make("option", { value: option[0], text: option[1] }));
    });
    var said = make("label", { for: "practice-" + name, text: label });
    return make("div", { class: "course-field" }, [said, field]);
  }

  function values(field) {
    var found = cards.map(function (card) {
      return [card.dataset[field], card.dataset[field]];
    });
    var seen = {};
    return found.filter(function (one) {
      var first = !seen[one[0]];
      seen[one[0]] = true;
      return first;
    });
  }

  function controls() {
    var language = select("language", "Language", [
      ["both", "English and Chinese"],
      ["en", "English"],
      ["zh", "中文"]
    ]);
    language.querySelector("select").addEventListener("change", function (event) {
      root.dataset.language = event.target.value;
    });
    var file = make("input", { type: "file", accept: ".json,application/json", id: "practice-file" });
    file.addEventListener("change", read);
    return [
      make("div", { class: "course-fields" }, [
        select("topic", "Topic", [["", "All topics"]].concat(values("topic"))),
        select("level", "Level", [["", "All levels"]].concat(values("level"))),
        language,
        select("count", "Questions", [["5", "5"], ["10", "10"], ["3", "3"], ["1", "1"]]),
        select("seconds", "Time for each", [
          ["60", "60 seconds"],
          ["90", "90 seconds"],
          ["180", "3 minutes"]
        ])
      ]),
      make("div", { class: "course-buttons" }, [
        button("Start a mock interview / 模拟面试", interview),
        button("Review what is due / 复习", review)
      ]),
      make("p", { class: "course-said", role: "status" }),
      make("div", { class: "course-stage" }),
      make("p", { class: "course-count" }),
      make("div", { class: "course-buttons" }, [
        button("Export progress", write),
        make("label", { for: "practice-file", text: "Import progress" }),
        file,
        button("Forget all progress", forget)
      ])
    ];
  }

  function start() {
    root = document.getElementById("course-practice");
    list = document.getElementById("course-cards");
    if (!root || !list) return;
    cards = Array.from(list.querySelectorAll("details.course-card"));
    root.append.apply(root, controls());
    list.hidden = true;
    count();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
