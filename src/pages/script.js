// What pages do at once where scripts run. Every page works without.
"use strict";

// What cannot be undone is asked about once more.
document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A table that can be scrolled sideways says so to the keyboard; one that fits is no stop on its way.
function stops() {
  for (const box of document.querySelectorAll(".box[tabindex]")) {
    if (box.scrollWidth <= box.clientWidth) box.removeAttribute("tabindex");
  }
}
window.addEventListener("load", stops);
