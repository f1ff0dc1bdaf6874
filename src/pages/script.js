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

// The page that plans a campaign: what the plan comes to is asked for while it is changed, one request at a time and the
// latest values only; sliders move their fields and are moved by them; a plan that is being saved is not saved twice.
function plan() {
  const form = document.querySelector("form[data-plan]");
  if (!form) return;
  const figures = form.querySelector("[data-figures]");
  const told = form.querySelector("[data-told]");
  const sliders = [...form.querySelectorAll("[data-slides]")];
  const fieldOf = (slider) => form.elements[slider.dataset.slides];
  const plain = (text) => text.replaceAll(",", "").trim();

  // An empty budget is as much as pays: the slider's end.
  const follow = (slider) => {
    const typed = plain(fieldOf(slider).value);
    slider.value = typed === "" ? slider.max : typed;
  };
  sliders.forEach((slider) => {
    slider.hidden = false;
    follow(slider);
    slider.addEventListener("input", () => { fieldOf(slider).value = slider.value; });
    fieldOf(slider).addEventListener("input", () => follow(slider));
  });

  // Round steps, as the server makes them.
  const stretch = () => {
    const part = figures.querySelector("[data-most-spent]");
    const slider = sliders.find((slider) => slider.dataset.slides === "budget");
    const most = part ? Number(part.dataset.mostSpent) : 0;
    if (!slider || !(most > 0) || slider.matches(":active")) return;
    const rough = Math.max(most / 100, 0.01);
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * unit).find((step) => step >= rough) || 10 * unit;
    slider.step = step;
    slider.max = Math.ceil(most / step) * step;
    follow(slider);
  };

  // Fields with a name; no button is among them, so no token.
  const query = () => new URLSearchParams(new FormData(form)).toString();
  let asked = query();
  let asking = false;
  let telling = 0;
  const ask = async () => {
    if (asking) return;
    asking = true;
    figures.setAttribute("aria-busy", "true");
    while (asked !== query()) {
      asked = query();
      try {
        const reply = await fetch("/plan/figures?" + asked, { headers: { accept: "text/html" } });
        const html = reply.headers.get("content-type")?.startsWith("text/html");
        // Signed out, or an error with a page of its own: the page itself says so.
        if (reply.redirected || !html || ![200, 422].includes(reply.status)) {
          window.location.assign("/plan?" + asked);
          return;
        }
        show(await reply.text());
      } catch {
        // The network may be back with the next change.
        break;
      }
    }
    figures.removeAttribute("aria-busy");
    asking = false;
  };

  // Opened parts stay open, and the place in the page is kept.
  const show = (html) => {
    const open = [...figures.querySelectorAll("details")].map((details) => details.open);
    // HTML of our own server, in which everything is escaped.
    figures.innerHTML = html;
    figures.querySelectorAll("details").forEach((details, place) => { details.open = open[place] || false; });
    stretch();
    clearTimeout(telling);
    const summary = figures.querySelector("[data-summary], [role=alert]");
    telling = setTimeout(() => { told.textContent = summary ? summary.textContent : ""; }, 800);
  };

  form.addEventListener("input", ask);
  form.addEventListener("change", () => {
    ask();
    history.replaceState(null, "", "/plan?" + query());
  });

  // An id from the name, until somebody types one.
  const id = form.elements.campaign_id;
  const first = id.value;
  let suggested = first;
  form.elements.name.addEventListener("input", (event) => {
    if (id.value !== suggested) return;
    const words = event.target.value.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-");
    suggested = words.replace(/^-+|-+$/g, "").slice(0, 64) || first;
    id.value = suggested;
  });

  // Disabled behind the event, or the button that was pressed would not be sent.
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.saving) return;
    setTimeout(() => {
      form.querySelectorAll("[data-saving]").forEach((other) => { other.disabled = true; });
      button.textContent = button.dataset.saving;
    });
  });
  // A page that is come back to can be saved again.
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
  stretch();
}
plan();

// Forms with data-upload (the most bytes a file may have): files can be dropped on the label, and progress is shown. Without
// this the browser sends the form itself. To be called once for a page, and again for what replaces its <main>.
function uploads(root) {
  for (const form of root.querySelectorAll("form[data-upload]")) {
    const input = form.querySelector("input[type=file]");
    const zone = form.querySelector(".drop");
    const sending = form.querySelector(".sending");
    const [bar, status] = [sending.querySelector("progress"), sending.querySelector("[role=status]")];
    const say = (text) => { sending.hidden = false; status.textContent = text; };
    const over = (is) => (event) => { event.preventDefault(); zone.classList.toggle("over", is); };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const button = form.querySelector("[type=submit]");
      const file = input.files[0];
      bar.hidden = false;
      if (file && file.size > Number(form.dataset.upload)) {
        bar.hidden = true;
        say(form.dataset.tooLong);
        return;
      }
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.upload.addEventListener("progress", (at) => {
        if (!at.lengthComputable) return;
        bar.value = at.loaded / at.total;
        say(form.dataset.sending + " " + Math.floor(100 * at.loaded / at.total) + "%");
      });
      request.upload.addEventListener("load", () => { bar.removeAttribute("value"); say(form.dataset.scoring); });
      request.addEventListener("error", () => { button.disabled = false; bar.hidden = true; say(form.dataset.brokeOff); });
      request.addEventListener("load", () => {
        const page = new DOMParser().parseFromString(request.responseText, "text/html");
        const main = page.querySelector("main");
        if (!main) { button.disabled = false; bar.hidden = true; say(form.dataset.brokeOff); return; }
        document.title = page.title;
        document.querySelector("main").replaceWith(document.adoptNode(main));
        uploads(main);
        main.focus();
        window.scrollTo(0, 0);
      });
      // The fields in the form's order: the token stands before the file.
      button.disabled = true;
      say(form.dataset.sending);
      request.send(new FormData(form));
    });
  }
}
uploads(document);
