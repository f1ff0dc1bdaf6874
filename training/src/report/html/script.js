"use strict";
// Moves the threshold, and tells the numbers under the pointer. All else is there without it.
document.documentElement.classList.add("js");

const whole = (number) => Math.round(number).toLocaleString("en-US");
const percent = (share) => (share * 100).toFixed(1) + "\u00a0%";
const ranged = (share, [low, high]) =>
  `${percent(share)} [${(low * 100).toFixed(1)},\u00a0${(high * 100).toFixed(1)}]`;

// Strips tell their numbers below the picture instead of in the browser's own small box.
for (const figure of document.querySelectorAll("figure")) {
  const told = figure.querySelector(".told");
  let on = null;
  const tell = (strip) => {
    if (on) on.classList.remove("on");
    on = strip;
    told.textContent = strip ? strip.dataset.tells : "";
    if (strip) strip.classList.add("on");
  };
  for (const strip of figure.querySelectorAll(".tells")) {
    const title = strip.querySelector("title");
    strip.dataset.tells = title.textContent;
    title.remove();
    strip.addEventListener("pointerover", () => tell(strip));
    strip.addEventListener("pointerdown", () => tell(strip));
  }
  figure.addEventListener("pointerleave", (event) => {
    // A finger that was lifted leaves, too: what it tapped stays.
    if (event.pointerType === "mouse") tell(null);
  });
}

// Where a threshold is on each curve: across, up.
const curves = {
  "threshold": (p) => [p.threshold, null],
  "roc": (p) => [p.falsePositives / (p.weight - p.positives), p.truePositives / p.positives],
  "precision-recall": (p) => [1 - p.missRate, 1 - p.errorRate],
  "gains": (p) => [p.predicted / p.weight, p.truePositives / p.positives],
  "lift": (p) => [p.predicted / p.weight, p.truePositives / p.predicted / (p.positives / p.weight)],
};

for (const box of document.querySelectorAll(".threshold")) {
  const prefix = box.dataset.prefix;
  const known = JSON.parse(document.getElementById(prefix + "points").textContent);
  const slider = document.getElementById(prefix + "slider");
  const tells = (name) => box.querySelector(`[data-tells="${name}"]`);
  const pictures = [...box.closest("article").querySelectorAll("figure[data-moves]")].map((figure) => {
    const svg = figure.querySelector("svg");
    const [left, right, bottom, top, x0, x1, y0, y1] = svg.dataset.map.split(" ").map(Number);
    const clamped = (share) => Math.min(1, Math.max(0, share));
    return {
      curve: figure.dataset.moves,
      svg,
      line: figure.querySelector("line.moved"),
      dot: figure.querySelector("circle.moved"),
      across: (x) => left + clamped((x - x0) / (x1 - x0)) * (right - left),
      up: (y) => bottom + clamped((y - y0) / (y1 - y0)) * (top - bottom),
      number: (share) => x0 + clamped((share * 420 - left) / (right - left)) * (x1 - x0),
    };
  });

  const at = (place) => {
    const [threshold, rows, predicted, truePositives, error, miss, profit] = known.points[place];
    const falsePositives = Math.max(0, predicted - truePositives);
    const missed = Math.max(0, known.positives - truePositives);
    return {
      weight: known.weight, positives: known.positives, threshold, rows, predicted, truePositives, falsePositives,
      missed, error, miss, profit, errorRate: falsePositives / predicted, missRate: missed / known.positives,
    };
  };

  const show = () => {
    const place = Number(slider.value);
    const p = at(place);
    const say = (name, text) => { const cell = tells(name); if (cell) cell.textContent = text; };
    say("threshold", p.threshold.toFixed(4));
    say("predicted", `${whole(p.rows)} (${percent(p.rows / known.rows)})`);
    say("true", whole(p.truePositives));
    say("false", whole(p.falsePositives));
    say("missed", whole(p.missed));
    say("error", ranged(p.errorRate, p.error));
    say("miss", ranged(p.missRate, p.miss));
    if (p.profit !== null) {
      say("money", p.profit.toFixed(2));
      say("all-money", whole(p.profit * p.weight));
    }
    const sentence = `At ${p.threshold.toFixed(4)}, ${whole(p.rows)} of ${whole(known.rows)} are predicted positive; ` +
      `error rate ${percent(p.errorRate)}, miss rate ${percent(p.missRate)}` +
      (p.profit === null ? "." : `, profit ${p.profit.toFixed(2)} per customer.`);
    say("sentence", sentence);
    slider.setAttribute("aria-valuetext", sentence);
    const shown = place === known.chosen ? "hidden" : "visible";
    for (const picture of pictures) {
      const [x, y] = curves[picture.curve](p);
      for (const end of ["x1", "x2"]) picture.line.setAttribute(end, picture.across(x));
      picture.line.setAttribute("visibility", picture.curve === "threshold" ? shown : "hidden");
      picture.dot.setAttribute("visibility", y === null ? "hidden" : shown);
      if (y !== null) {
        picture.dot.setAttribute("cx", picture.across(x));
        picture.dot.setAttribute("cy", picture.up(y));
      }
    }
  };

  const nearest = (threshold) => {
    let best = 0;
    for (let place = 1; place < known.points.length; place += 1) {
      const far = (of) => Math.abs(known.points[of][0] - threshold);
      if (far(place) < far(best)) best = place;
    }
    return best;
  };

  for (const picture of pictures.filter((picture) => picture.curve === "threshold")) {
    const drag = (event) => {
      const box = picture.svg.getBoundingClientRect();
      slider.value = nearest(picture.number((event.clientX - box.left) / box.width));
      show();
    };
    picture.svg.addEventListener("pointerdown", drag);
    picture.svg.addEventListener("pointermove", (event) => { if (event.buttons & 1) drag(event); });
  }
  slider.addEventListener("input", show);
  box.querySelector("button").addEventListener("click", () => { slider.value = known.chosen; show(); });
  slider.setAttribute("aria-valuetext", `threshold ${at(known.chosen).threshold.toFixed(4)}, the chosen one`);
}
