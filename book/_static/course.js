/* What the pages need beyond styles: boxes that scroll can be reached by keyboard, and carry a name. */
(function () {
  "use strict";

  function name(box) {
    var caption = box.querySelector("caption, figcaption");
    if (caption) return caption.textContent.trim();
    return box.matches("pre, .highlight") ? "Code" : "Result";
  }

  function reach() {
    var boxes = document.querySelectorAll(
      ".course-scroll, .cell_output .output, .cell_output .output pre, div.highlight pre, " +
        ".pst-scrollable-table-container, div.math, mjx-container"
    );
    boxes.forEach(function (box) {
      var style = getComputedStyle(box);
      var scrolls =
        (box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(style.overflowX)) ||
        (box.scrollHeight > box.clientHeight + 1 && /auto|scroll/.test(style.overflowY));
      if (scrolls && !box.hasAttribute("tabindex")) {
        box.setAttribute("tabindex", "0");
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", name(box));
        box.dataset.courseReach = "";
      } else if (!scrolls && "courseReach" in box.dataset) {
        ["tabindex", "role", "aria-label", "data-course-reach"].forEach(function (attribute) {
          box.removeAttribute(attribute);
        });
      }
    });
  }

  /* A link to a place inside a closed <details> opens it. */
  function open() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var box = target; box; box = box.parentElement) {
      if (box.tagName === "DETAILS") box.open = true;
    }
  }

  function start() {
    reach();
    open();
    document.addEventListener("toggle", reach, true);
    window.addEventListener("resize", reach);
    window.addEventListener("hashchange", open);
  }
  if (document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();
