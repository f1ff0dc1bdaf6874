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
    const words = event.target.value.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-");
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
