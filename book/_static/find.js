/* The finder: a field and a list for each column narrow the table of questions down.
   The choice stands in the address, so that it can be kept as a bookmark. Without this script the
   page shows the whole table. */
(function () {
  "use strict";

  var FACETS = [
    ["topic", "Topic / 主题"],
    ["level", "Level / 难度"],
    ["article", "Source article / 来源文章"],
    ["chapter", "Chapter / 章节"]
  ];
  var rows, fields, said;

  function labelled(words, field) {
    var label = document.createElement("label");
    label.textContent = words;
    label.append(field);
    return label;
  }

  function choice(name) {
    var field = document.createElement("select");
    field.name = name;
    field.append(new Option("all / 全部", ""));
    var seen = new Set(
      rows.map(function (row) {
        return row.dataset[name];
      })
    );
    seen.forEach(function (value) {
      field.append(new Option(value, value));
    });
    return field;
  }

  function fits(row) {
    var words = fields.word.value.toLowerCase().split(/\s+/).filter(Boolean);
    var text = row.textContent.toLowerCase();
    return (
      FACETS.every(function (facet) {
        var wanted = fields[facet[0]].value;
        return !wanted || row.dataset[facet[0]] === wanted;
      }) &&
      words.every(function (word) {
        return text.includes(word);
      })
    );
  }

  function narrow() {
    var shown = 0;
    rows.forEach(function (row) {
      row.hidden = !fits(row);
      shown += !row.hidden;
    });
    said.textContent = shown + " of " + rows.length + " questions / 共 " + shown + " 题";
    var chosen = new URLSearchParams();
    Object.keys(fields).forEach(function (name) {
      if (fields[name].value) chosen.set(name, fields[name].value);
    });
    history.replaceState(null, "", location.pathname + (String(chosen) ? "?" + chosen : ""));
  }

  function start() {
    var place = document.getElementById("course-find");
    if (!place) return;
    rows = Array.from(document.querySelectorAll("tr[data-topic]"));
    fields = { word: document.createElement("input") };
    fields.word.type = "search";
    said = document.createElement("p");
    said.setAttribute("role", "status");
    var form = document.createElement("form");
    form.className = "course-filters";
    form.append(labelled("Word / 关键词", fields.word));
    FACETS.forEach(function (facet) {
      fields[facet[0]] = choice(facet[0]);
      form.append(labelled(facet[1], fields[facet[0]]));
    });
    var clear = document.createElement("button");
    clear.type = "reset";
    clear.textContent = "Show all / 全部显示";
    form.append(clear);
    form.addEventListener("submit", function (event) {
      event.preventDefault();
    });
    form.addEventListener("input", narrow);
    form.addEventListener("reset", function () {
      setTimeout(narrow);
    });
    place.append(form, said);
    new URLSearchParams(location.search).forEach(function (value, name) {
      if (fields[name]) fields[name].value = value;
    });
    narrow();
  }
  document.addEventListener("DOMContentLoaded", start);
})();
