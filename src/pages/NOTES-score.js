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
